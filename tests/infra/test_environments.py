"""Environments of one account: no policy of one matches named resources of another."""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest

from tests.infra.cases import Case
from tests.infra.invented import MADE, World, made
from tests.infra.offline import Found, Resource
from tests.infra.snapshots import RICH_HUB, RICH_REGION

# the last names equal parts of names in `main`
ENVIRONMENTS = ("main", "prod", "notices", "undelivered", "dead-letters", "worker", "workers")
SHARED = {"aws:iam/openIdConnectProvider:OpenIdConnectProvider"}  # one per account, made by any environment
# AWS chooses the ids of these kinds; tags show their environment. The upstream names the repositories of caches.
BY_ID = ("key", "repository", "vpc")
HUB = {**RICH_HUB.config, "region": "us-east-1"}
DOCUMENTS = {
    "aws:iam/policy:Policy": "policy",
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/role:Role": "assumeRolePolicy",
    "aws:s3/bucketPolicy:BucketPolicy": "policy",
    "aws:sqs/queue:Queue": "policy",
}


@cache
def stacks(environment: str) -> tuple[Found, ...]:
    """Returns a hub with every setting, and its home region."""
    prefix = "" if environment == "main" else f"{environment}."
    hub = {name: value for name, value in HUB.items() if name not in ("bucket", "publicRepository")}
    region = {**RICH_REGION.config, "secrets": []}
    found = (
        Case(stack=f"{prefix}hub", config=hub).found(),
        Case(stack=f"{prefix}eu-west-1", config=region, hub=hub).found(),
    )
    assert [one.refusal for one in found] == [None, None]
    return found


def named(environment: str) -> dict[str, str]:
    """Returns the ARNs that are known before the deployment, and their resources."""
    found = {}
    for one in (resource for stack in stacks(environment) for resource in stack.aws):
        arn = MADE[one.type][1]
        if arn and "#" not in arn and "@uuid" not in arn and one.type not in SHARED:
            found[_arn(one)] = one.urn
    return found


def _arn(one: Resource) -> str:
    region = str(one.inputs.get("region") or "us-east-1")
    return made(one.type, one.urn, one.inputs, region, World())[1].get("arn", "")


def statements(environment: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Returns the allowing statements, with the names of their policies."""
    for one in (resource for stack in stacks(environment) for resource in stack.aws):
        if text := one.inputs.get(DOCUMENTS.get(one.type, "")):
            for statement in json.loads(text)["Statement"]:
                # IAM authorises the first action on all log groups; the second one finds a service in the whole account
                everywhere = (
                    statement.get("Action") == ["logs:DescribeLogGroups"] or statement.get("Sid") == "ReadService"
                )
                if statement["Effect"] == "Allow" and not everywhere:
                    yield f"{one.name} {statement.get('Sid')}", statement


def patterns(statement: dict[str, Any]) -> Iterator[str]:
    """Returns a statement's resources and the ARNs in its conditions, unless the environment's tag restricts it."""
    conditions = [(key, value) for keys in statement.get("Condition", {}).values() for key, value in keys.items()]
    if any(key.endswith("/toril:environment") for key, _ in conditions):
        return
    for value in (statement.get("Resource", []), *(value for _, value in conditions)):
        for one in [value] if isinstance(value, str) else value:
            kind = one.split(":", 5)[-1]
            # "*": a trust policy can see a task's account and region, but not its cluster
            if (
                one.startswith("arn:")
                and kind != "*"
                and not (kind.endswith("/*") and kind.removesuffix("/*") in BY_ID)
            ):
                yield one


@pytest.mark.parametrize(
    ("own", "other"),
    [
        pytest.param(own, other, marks=[] if (own, other) == ("main", "prod") else pytest.mark.nightly)
        for own in ("main", "prod")
        for other in ENVIRONMENTS
        if own != other
    ],
)
def test_no_statement_matches_named_resources_of_another_environment(own, other):
    foreign = named(other)
    assert len(foreign) > 20
    reached = {
        (sid, pattern, foreign[arn])
        for sid, statement in statements(own)
        for pattern in patterns(statement)
        for arn in foreign
        if fnmatchcase(arn, pattern)
    }
    assert not reached


def test_statements_match_named_resources_of_their_own_environment():
    own = named("main")
    used = {
        arn for arn in own for _, one in statements("main") for pattern in patterns(one) if fnmatchcase(arn, pattern)
    }
    assert len(used) > len(own) / 2
