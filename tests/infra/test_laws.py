"""The laws report violations, and the offline run records a program's real resources."""

import json
from dataclasses import replace

import pulumi
import pulumi_aws as aws
import pytest

from tests.infra.cases import Case
from tests.infra.configurations import MARK
from tests.infra.laws import LAWS, broken
from tests.infra.offline import HIDDEN, run

CASE = Case(
    stack="us-east-1",
    config={
        "caches": ["docker-hub"],
        "credentials": {"docker-hub": {"username": "u", "accessToken": MARK}},
        "home": True,
        "schedules": [{"name": "nightly", "suite": "shop", "cron": "rate(1 day)"}],
    },
)


@pytest.fixture(scope="module")
def found():
    return CASE.found()


def with_input(found, kind, **inputs):
    """Returns a run with other inputs for the first resource of a type."""
    one = found.of(kind)[0]
    changed = {**one.inputs, **inputs}
    other = replace(one, inputs=changed, shown=changed, checked={**one.checked, **inputs})
    return replace(found, resources=tuple(other if each is one else each for each in found.resources))


def test_an_unchanged_stack_breaks_no_law(found):
    assert broken(CASE, found) == []


OPEN = json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
BREACHES = [
    ("nothing_is_unknown", "Vpc", {"cidrBlock": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}),
    ("rules_hold", "RolePolicy", {"policy": OPEN}),
    ("regions_are_kept", "Cluster", {"region": None}),
    ("regions_are_kept", "Cluster", {"region": "eu-west-1"}),
    ("regions_are_kept", "LogGroup", {"kmsKeyId": "arn:aws:kms:eu-west-1:123456789012:key/a"}),
    ("foreign_arns_are_given", "RolePolicy", {"policy": OPEN.replace('"*"', '"arn:aws:ecs:eu-west-3:1:x"')}),
    ("partitions_are_kept", "LogGroup", {"kmsKeyId": "arn:aws-cn:kms:us-east-1:123456789012:key/a"}),
    ("partitions_are_kept", "LogGroup", {"name": "kms.cn-north-1.amazonaws.com"}),
    ("tags_are_everywhere", "Repository", {"tagsAll": {}}),
    ("tags_are_everywhere", "RepositoryCreationTemplate", {"resourceTags": {}}),
    ("tags_are_everywhere", "Schedule", {"target": {"input": '{"Tags": []}'}}),
    ("tags_are_everywhere", "BucketObjectv2", {"tagsAll": {str(one): "" for one in range(11)}}),
    ("secrets_stay_secret", "LogGroup", {"name": f"x{MARK}"}),
    ("secrets_stay_secret", "SecretVersion", {"secretString": "in the open"}),
    ("nothing_is_too_long", "TaskDefinition", {"family": "x" * 256}),
    ("nothing_is_too_long", "RolePolicy", {"policy": json.dumps({"Statement": [], "Sid": "x" * 10_240})}),
    ("nothing_refers_to_nothing", "LogGroup", {"name": "toril-None"}),
]


@pytest.mark.parametrize(("law", "kind", "inputs"), BREACHES)
def test_each_breach_is_reported(found, law, kind, inputs):
    violations = broken(CASE, with_input(found, kind, **inputs))
    assert [one for one in violations if one.startswith(f"{law}: ")]


def test_a_protected_resource_without_content_is_a_violation(found):
    (policy, *_) = found.of("LifecyclePolicy")
    others = tuple(replace(one, protect=True) if one is policy else one for one in found.resources)
    violations = broken(CASE, replace(found, resources=others))
    assert violations == [f"only_what_holds_something_is_protected: {policy.urn} is protected"]


def test_every_law_has_a_breach():
    faults = {"engine_and_services_accept_it", "only_what_holds_something_is_protected"}  # tests of their own
    assert {law.__name__ for law in LAWS} == {law for law, _, _ in BREACHES} | faults


def test_the_offline_run_recognises_secrets(found):
    (version,) = found.of("SecretVersion")
    assert version.secret == {"secretString"}
    assert version.shown["secretString"] == HIDDEN
    assert MARK in version.inputs["secretString"]


def test_a_stack_with_an_error_has_no_resources():
    found = Case(stack="us-east-1", config={"caches": ["docker-hub"]}).found()
    assert "toril:credentials.docker-hub: registry-1.docker.io" in str(found.refusal)
    assert found.resources == ()


def says(program):
    return run("us-east-1", {}, program=program).faults


def test_a_request_that_the_service_would_reject_is_a_fault():
    def program():
        options = pulumi.ResourceOptions(provider=aws.Provider("aws", region="us-east-1"))
        aws.ecr.Repository("worker", name="W", region="us-east-1", image_tag_mutability="SOMETIMES", opts=options)

    (fault,) = says(program)
    assert "repositoryName" in fault
    assert "'SOMETIMES' is none of MUTABLE" in fault


def test_a_default_provider_is_a_fault():
    assert "default provider" in "".join(says(lambda: pulumi.export("key", aws.kms.Key("k", region="us-east-1").arn)))
    assert "default provider" in "".join(says(lambda: pulumi.export("who", aws.get_caller_identity().account_id)))


def test_a_duplicate_name_is_a_fault():
    def program():
        options = pulumi.ResourceOptions(provider=aws.Provider("aws", region="us-east-1"))
        for _ in range(2):
            aws.kms.Key("results", region="us-east-1", opts=options)

    (fault,) = says(program)
    assert fault.endswith("::results is registered twice")
