"""A stack's life under the real engine: preview, update, change, drift, failure, destruction."""

import json

import pulumi_aws as aws
import pytest
from pulumi import InvokeOptions, ResourceOptions
from pulumi.automation.errors import CommandError

from tests.infra.engine.sample import RESOURCES, TOKEN, Sample, program

pytestmark = pytest.mark.live
ALL_NEW, ALL_SAME = {"create": RESOURCES}, {"same": RESOURCES}


def test_a_changed_input_updates_or_replaces_its_resource(pulumi, cloud):
    pulumi.stack("dev", program=program(Sample())).up()
    assert pulumi.stack("dev", program=program(Sample(mutability="MUTABLE"))).up() == {"same": 9, "update": 1}
    replaced = pulumi.stack("dev", program=program(Sample(mutability="MUTABLE", encryption="KMS"))).up()
    # Its name is fixed, so it is deleted before its replacement, with the resources that depend on it.
    assert replaced == {"same": 8, "replace": 2}
    (repository,) = cloud.client("ecr", "eu-west-1").describe_repositories()["repositories"]
    assert repository["encryptionConfiguration"]["encryptionType"] == "KMS"


def test_the_next_update_continues_a_failed_one(pulumi, cloud):
    ecr = cloud.client("ecr", "eu-west-1")
    ecr.create_repository(repositoryName="toril/worker")  # the name is taken
    stack = pulumi.stack("dev", program=program(Sample()))
    with pytest.raises(CommandError, match="RepositoryAlreadyExistsException"):
        stack.up()
    made = len(stack.resources())
    ecr.delete_repository(repositoryName="toril/worker")
    changes = stack.up()
    assert changes["same"] >= made - 1  # the stack itself gets its outputs now
    assert sum(changes.values()) == RESOURCES


def test_no_secret_is_readable_in_the_state(pulumi, cloud):
    stack = pulumi.stack("dev", program=program(Sample()))
    stack.up()
    value = cloud.client("secretsmanager", "eu-west-1").get_secret_value(SecretId="ecr-pullthroughcache/token")
    assert value["SecretString"] == TOKEN
    state = "".join(path.read_text() for path in (pulumi.home / "state").rglob("*.json"))
    assert "toril/worker" in state
    assert TOKEN not in state
    assert TOKEN not in json.dumps(stack.export())


def test_a_preview_reports_requests_that_the_service_would_reject(pulumi):
    def wrong():
        aws.ecr.Repository("repository", name="Capitals", image_tag_mutability="SOMETIMES", region="eu-west-1")

    with pytest.raises(CommandError, match=r"imageTagMutability: 'SOMETIMES' is none of MUTABLE") as failure:
        pulumi.stack("dev", program=wrong).preview()
    assert "repositoryName: 'Capitals' does not match" in str(failure.value)
    assert not [call for call in pulumi.log if call.service == "ecr"]


def test_the_error_about_an_unknown_type_names_it(pulumi):
    def unknown():
        aws.sfn.Activity("activity", region="eu-west-1")

    with pytest.raises(CommandError, match=r"aws:sfn/activity:Activity is not in tests/infra/engine/specs"):
        pulumi.stack("dev", program=unknown).preview()


def test_a_role_goes_with_what_another_stack_added_only_by_force_detach_policies(pulumi, cloud):
    forced, service = False, {"Service": "lambda.amazonaws.com"}

    def policy(action, **more):
        return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, **more}]})

    def extended():
        aws.iam.Role(
            "role",
            name="role",
            assume_role_policy=policy("sts:AssumeRole", Principal=service),
            force_detach_policies=forced,
        )

    def extending():
        aws.iam.RolePolicy("added", name="added", role="role", policy=policy("s3:*", Resource="*"))

    def nothing():
        pass

    pulumi.stack("hub", program=extended).up()
    pulumi.stack("home", program=extending).up()
    with pytest.raises(CommandError, match="DeleteConflict"):
        pulumi.stack("hub", program=nothing).up()
    forced = True
    pulumi.stack("hub", program=extended).up()
    assert pulumi.stack("hub", program=nothing).up()["delete"] == 1
    assert pulumi.stack("home", program=nothing).up()["delete"] == 1
    assert not [role for role in cloud.client("iam").list_roles()["Roles"] if role["RoleName"] == "role"]


def test_each_provider_has_its_own_region_and_identity(pulumi, cloud):
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{cloud.account}:root"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = cloud.client("iam").create_role(RoleName="deployer", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    deployer = aws.ProviderAssumeRoleArgs(role_arn=role, session_name="infra")
    seen = {}

    def two():
        for region, roles in (("eu-west-1", []), ("us-west-2", [deployer])):
            provider = aws.Provider(region, region=region, assume_roles=roles)
            aws.sqs.Queue(region, opts=ResourceOptions(provider=provider))
            seen[region] = aws.get_caller_identity(opts=InvokeOptions(provider=provider)).arn

    pulumi.stack("dev", program=two).up()
    assert {call.region for call in pulumi.log if call.operation == "CreateQueue"} == {"eu-west-1", "us-west-2"}
    assert ":assumed-role/deployer/infra" in seen["us-west-2"]
    assert ":assumed-role/" not in seen["eu-west-1"]
