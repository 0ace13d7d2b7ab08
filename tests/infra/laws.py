"""Laws of every stack with any settings: functions from the registered resources to violations."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Any

from infra.rules import reasons, stack_reasons
from tests.infra.cases import Case
from tests.infra.configurations import MARK
from tests.infra.engine.provider import kind_of
from tests.infra.engine.shapes import is_unknown
from tests.infra.offline import Found, Resource, texts

Law = Callable[[Case, Found], Iterator[str]]
NOT_OF_CHINA = re.compile(r"\bcn-[a-z]+-\d\.amazonaws\.com(?!\.cn)")
ARN = re.compile(r"arn:[a-z-]+:[a-z0-9-]+:([a-z]{2}(?:-[a-z]+)+-\d):")

# Types that may be in another region than their stack, or name a resource of another region, with the reason.
ELSEWHERE = {
    "aws:ecrpublic/repository:Repository": "ECR Public has its API in us-east-1 only",
    "aws:ecrpublic/repositoryPolicy:RepositoryPolicy": "the same",
    "aws:s3/bucketObjectv2:BucketObjectv2": "the record is in the hub's bucket and describes its own region",
}
NAMES_ELSEWHERE = {
    **ELSEWHERE,
    "aws:cloudwatch/eventTarget:EventTarget": "notices go to the hub's bus",
    "aws:ecs/taskDefinition:TaskDefinition": "the secret of a registry's login may be in another region",
}
# Lengths that AWS enforces and botocore's models lack.
LONGEST: Mapping[str, Mapping[str, int]] = {
    "aws:apigatewayv2/api:Api": {"name": 128},
    "aws:budgets/budget:Budget": {"name": 100},
    "aws:cloudfront/originAccessControl:OriginAccessControl": {"name": 64},
    "aws:cognito/userPool:UserPool": {"name": 128},
    "aws:cognito/userPoolDomain:UserPoolDomain": {"domain": 63},
    "aws:cloudwatch/logGroup:LogGroup": {"name": 512},
    "aws:ec2/securityGroup:SecurityGroup": {"name": 255, "description": 255},
    "aws:ec2/vpcEndpoint:VpcEndpoint": {"policy": 20_480},
    "aws:ecr/registryPolicy:RegistryPolicy": {"policy": 10_240},
    "aws:ecr/repositoryPolicy:RepositoryPolicy": {"policy": 10_240},
    "aws:ecs/cluster:Cluster": {"name": 255},
    "aws:ecs/taskDefinition:TaskDefinition": {"family": 255, "containerDefinitions": 65_536},
    "aws:cloudwatch/eventRule:EventRule": {"eventPattern": 4_096},
    "aws:iam/policy:Policy": {"policy": 6_144},
    "aws:iam/role:Role": {"assumeRolePolicy": 2_048, "name": 64},
    "aws:kms/key:Key": {"policy": 32_768},
    "aws:lambda/function:Function": {"name": 64, "environment": 4_096},
    "aws:s3/bucket:Bucket": {"bucket": 63},
    "aws:s3/bucketPolicy:BucketPolicy": {"policy": 20_480},
    "aws:scheduler/schedule:Schedule": {"name": 64},
    "aws:secretsmanager/secret:Secret": {"name": 512},
    "aws:sns/topic:Topic": {"name": 256, "policy": 30_720},
    "aws:sqs/queue:Queue": {"name": 80},
}
INLINE_OF_A_ROLE = 10_240
TAGS_OF = {"aws:s3/bucketObjectv2:BucketObjectv2": 10}
MOST_TAGS = 50


KEPT = {
    "aws:ecr/repository:Repository",
    "aws:ecrpublic/repository:Repository",
    "aws:ecs/accountSettingDefault:AccountSettingDefault",  # other tasks of the account rely on it
    "aws:kms/alias:Alias",
    "aws:kms/key:Key",
    "aws:s3/bucket:Bucket",
}


def broken(case: Case, found: Found) -> list[str]:
    """Returns all violations, with the names of their laws."""
    return [f"{law.__name__}: {reason}" for law in LAWS for reason in law(case, found)]


def engine_and_services_accept_it(case: Case, found: Found) -> Iterator[str]:
    """URNs are unique, no resource uses a default provider, every request matches the service's model."""
    yield from found.faults


def nothing_is_unknown(case: Case, found: Found) -> Iterator[str]:
    for one in found.resources:
        if is_unknown(one.inputs):
            yield f"{one.urn} has an unknown input"


def rules_hold(case: Case, found: Found) -> Iterator[str]:
    for one in found.aws:
        yield from (f"{one.urn}: {reason}" for reason in reasons(one.type, one.inputs))
    yield from stack_reasons([(one.type, one.inputs) for one in found.aws])


def regions_are_kept(case: Case, found: Found) -> Iterator[str]:
    """A regional resource sets the stack's region, and names only ARNs of that region."""
    for one in found.aws:
        if kind_of(one.type).is_global:
            continue
        if one.inputs.get("region") is None or (one.inputs["region"] != case.region and one.type not in ELSEWHERE):
            yield f"{one.urn} is in {one.inputs.get('region')}"
        if one.type not in NAMES_ELSEWHERE:
            yield from (f"{one.urn} names {region}" for region in _regions_in(one.shown) if region != case.region)


def foreign_arns_are_given(case: Case, found: Found) -> Iterator[str]:
    """ARNs of other regions come from the settings or from the hub."""
    given = " ".join(texts({"settings": case.config, "hub": case.hub}))
    allowed = {case.region, str(case.hub.get("region", "us-east-1"))}
    for one in found.aws:
        for region in _regions_in(one.shown):
            if region not in allowed and region not in given:
                yield f"{one.urn} names {region}"


def _regions_in(value: Any) -> set[str]:
    return {region for text in texts(value) for region in ARN.findall(text)}


def partitions_are_kept(case: Case, found: Found) -> Iterator[str]:
    own = f"arn:{_partition(case.region)}:"
    for one in found.aws:
        for text in texts(one.shown):
            yield from (f"{one.urn} names {arn}" for arn in re.findall(r"arn:aws[a-z-]*:", text) if arn != own)
            yield from (f"{one.urn} names {host}" for host in NOT_OF_CHINA.findall(text))


def _partition(region: str) -> str:
    return "aws-us-gov" if region.startswith("us-gov-") else "aws-cn" if region.startswith("cn-") else "aws"


def tags_are_everywhere(case: Case, found: Found) -> Iterator[str]:
    """All taggable resources, repositories of caches and tasks of schedules have tags."""
    own = {"toril:environment": case.environment or "main", "toril:stack": case.stack.rpartition(".")[2]}
    wanted = {**case.config.get("tags", {}), **own}
    for one in found.aws:
        borne = one.checked.get("tagsAll", {})
        if kind_of(one.type).tagging and not wanted.items() <= borne.items():
            yield f"{one.urn} lacks tags"
        if len(borne) > TAGS_OF.get(one.type, MOST_TAGS):
            yield f"{one.urn} has {len(borne)} tags"
        if (
            one.type.endswith(":RepositoryCreationTemplate")
            and not wanted.items() <= one.inputs["resourceTags"].items()
        ):
            yield f"{one.urn}: repositories would lack tags"
        if one.type.endswith(":Schedule"):
            tags = {tag["Key"]: tag["Value"] for tag in json.loads(one.inputs["target"]["input"])["Tags"]}
            if not wanted.items() <= tags.items():
                yield f"{one.urn}: its task would lack tags"


def secrets_stay_secret(case: Case, found: Found) -> Iterator[str]:
    shown = [(one.urn, one.shown) for one in found.resources]
    logged = [("an export", found.exports), ("the log", found.messages), ("the refusal", str(found.refusal))]
    for where, value in (*shown, *logged):
        if any(MARK in text for text in texts(value)):
            yield f"{where} shows a credential"
    for one in found.of("SecretVersion"):
        if "secretString" not in one.secret:
            yield f"{one.urn} has its value in plain text"


def nothing_is_too_long(case: Case, found: Found) -> Iterator[str]:
    for one in found.aws:
        for name, most in LONGEST.get(one.type, {}).items():
            if len(text := _dense(one.inputs.get(name) or "")) > most:
                yield f"{one.urn}: {name} has {len(text)} characters, of {most}"
    for role, policies in groupby(sorted(found.of("RolePolicy"), key=_role), key=_role):
        size = sum(len(_dense(one.inputs["policy"])) for one in policies)
        if size > INLINE_OF_A_ROLE:
            yield f"{role} has inline policies of {size} characters, of {INLINE_OF_A_ROLE}"


def _role(one: Resource) -> str:
    return str(one.inputs["role"])


def _dense(value: Any) -> str:
    """Returns a text without spaces, which IAM does not count; the JSON of other values."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return re.sub(r"\s+", "", text) if text[:1] == "{" else text


def nothing_refers_to_nothing(case: Case, found: Found) -> Iterator[str]:
    """No text contains the `None` of a missing output."""
    for one in found.aws:
        for text in texts(one.shown):
            if re.search(r"\bNone\b|Output object|Calling __str__", text):
                yield f"{one.urn} has {text[:80]!r}"


def only_what_holds_something_is_protected(case: Case, found: Found) -> Iterator[str]:
    """Only resources with content are protected. Children inherit protection, which would keep their policies."""
    for one in found.aws:
        if (one.protect or one.retained) and one.type not in KEPT:
            yield f"{one.urn} is protected"


LAWS: tuple[Law, ...] = (
    engine_and_services_accept_it,
    nothing_is_unknown,
    rules_hold,
    regions_are_kept,
    foreign_arns_are_given,
    partitions_are_kept,
    tags_are_everywhere,
    secrets_stay_secret,
    nothing_is_too_long,
    nothing_refers_to_nothing,
    only_what_holds_something_is_protected,
)
