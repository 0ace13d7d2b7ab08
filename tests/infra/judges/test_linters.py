"""Every policy and every planned resource under parliament and cfn-lint, which know AWS by other sources."""

import json
import subprocess
from dataclasses import replace
from functools import cache

import pytest

from infra.settings.schema import ROOT
from tests.infra.cases import Case
from tests.infra.invented import ACCOUNT
from tests.infra.judges.excused import LINTED, remaining
from tests.infra.judges.policies import IDENTITY, policies
from tests.infra.judges.stacks import environments, stacks
from tests.infra.judges.templates import TYPES, templates
from tests.infra.laws import nothing_is_too_long

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("judges")]
PROGRAM = [ROOT / ".tools" / "judges" / "bin" / "python", ROOT / "tests" / "infra" / "judges" / "linters.py"]
HOME = "us-east-1"
ANY = Case(stack="hub", config={})
# types with names that have no properties in CloudFormation's schemas, or others
NOT_CONVERTED = {
    "aws:budgets/budget:Budget",
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy",
    "aws:ecr/accountSetting:AccountSetting",
    "aws:ecs/accountSettingDefault:AccountSettingDefault",
    "aws:route53/resolverFirewallRule:ResolverFirewallRule",
}
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:toril"


def allow(action="sqs:SendMessage", resource=QUEUE, sid="Send", **condition):
    statement = {"Sid": sid, "Effect": "Allow", "Action": [action], "Resource": [resource]}
    return statement | ({"Condition": condition} if condition else {})


# code → the statements of a policy with this fault
FAULTY_POLICIES = {
    "DUPLICATE_SID": [allow(), allow()],
    "INVALID_SID": [allow(sid="Send-it")],
    "RESOURCE_MISMATCH": [allow(resource="arn:aws:sns:us-east-1:123456789012:toril")],
    "UNKNOWN_ACTION": [allow("sqs:SendMessages")],
    "UNKNOWN_CONDITION_FOR_ACTION": [allow(ArnLike={"ecs:cluster": "*"})],
}
# type and properties of a resource with a fault → the rule's code
FAULTY_RESOURCES = [
    ("ECR::PullThroughCacheRule", {"EcrRepositoryPrefix": "p" * 31}, "E3033"),
    ("ECR::Repository", {"ImageTagMutability": "SOMETIMES"}, "E3030"),
    ("IAM::Role", {"RoleName": "r" * 65, "AssumeRolePolicyDocument": {"Statement": []}}, "E3033"),
    ("Lambda::Function", {"FunctionName": "f" * 141, "Code": {"ZipFile": "-"}, "Role": QUEUE}, "E3031"),
    ("Logs::LogGroup", {"RetentionInDays": 15}, "E3030"),
    ("S3::Bucket", {"BucketName": "b" * 64}, "E3033"),
    ("SQS::Queue", {"MessageRetentionPeriod": 1_209_601}, "E3034"),
    ("SQS::Queue", {"Colour": "red"}, "E3002"),
    ("Scheduler::ScheduleGroup", {"Name": "s" * 65}, "E3033"),
]


@cache
def findings():
    """Returns the findings of one run: the texts of those of the planned stacks, and the codes of planted faults."""
    own = {json.dumps(one.document): one for found in stacks() for one in policies(found.aws) if one.kind == IDENTITY}
    subjects = {f"Policy{number}": one.subject for number, one in enumerate(own.values())}
    asked = dict(zip(subjects, (one.document for one in own.values()), strict=True))
    faulty = {code: {"Version": "2012-10-17", "Statement": statements} for code, statements in FAULTY_POLICIES.items()}
    planned = templates(one for found in stacks() for one in found.aws)
    bodies = {region: dict(one.body) for region, one in planned.items()}
    bodies[HOME]["Resources"] = bodies[HOME]["Resources"] | {
        f"Faulty{number}": {"Type": f"AWS::{kind}", "Properties": properties}
        for number, (kind, properties, _) in enumerate(FAULTY_RESOURCES)
    }
    request = json.dumps({"policies": asked | faulty, "templates": bodies})
    done = subprocess.run(PROGRAM, input=request, capture_output=True, text=True, check=True)
    texts, planted = set(), set()
    for name, code, text in json.loads(done.stdout):
        id, _, rest = text.partition(".")
        if name in faulty or id.startswith("Faulty"):
            planted.add((name if name in faulty else id, code))
        else:
            where, what = (planned[name].subjects[id], rest) if name in planned else (subjects[name], text)
            texts.add(f"{code}: {where}: {what}")
    return texts, planted


@pytest.mark.nightly
def test_the_linters_find_nothing_in_the_planned_stacks():
    assert remaining(findings()[0], LINTED) == []


@pytest.mark.nightly
@pytest.mark.parametrize("code", FAULTY_POLICIES)
def test_parliament_finds_a_planted_fault(code):
    assert (code, code) in findings()[1]


@pytest.mark.nightly
@pytest.mark.parametrize("number", range(len(FAULTY_RESOURCES)))
def test_cfn_lint_finds_a_planted_fault(number):
    assert (f"Faulty{number}", FAULTY_RESOURCES[number][2]) in findings()[1]


def test_most_planned_types_are_converted():
    planned = {one.type for found in stacks() for one in found.aws}
    assert planned >= TYPES.keys()
    named = {one.type for found in stacks() for one in found.aws if "name" in one.inputs}
    assert named - TYPES.keys() == NOT_CONVERTED


def test_no_policy_and_no_name_of_the_longest_stacks_is_too_long():
    assert [text for found in stacks() for text in nothing_is_too_long(ANY, found)] == []


def test_a_policy_beyond_its_limit_is_found():
    (hub, *_) = environments()["main"]
    (policy, *others) = [one for one in hub.aws if one.type == "aws:iam/policy:Policy"]
    longer = {**policy.inputs, "policy": json.dumps({"Statement": [], "Id": "x" * 6_144})}
    changed = replace(hub, resources=(replace(policy, inputs=longer), *others))
    assert len([*nothing_is_too_long(ANY, changed)]) == 1
