"""A stack's life under the real engine: preview, update, change, drift, failure, destruction."""

import json

import pulumi_aws as aws
import pytest
from pulumi import InvokeOptions, ResourceOptions
from pulumi.automation.errors import CommandError

from tests.infra.engine.sample import RESOURCES, TOKEN, Sample, program

pytestmark = pytest.mark.live
ALL_NEW, ALL_SAME = {"create": RESOURCES}, {"same": RESOURCES}


def test_a_preview_predicts_the_update_and_a_second_update_changes_nothing(pulumi):
    stack = pulumi.stack("dev", program=program(Sample()))
    assert stack.preview() == ALL_NEW
    assert stack.up() == ALL_NEW
    assert stack.outputs()["repository"].endswith(".dkr.ecr.eu-west-1.amazonaws.com/toril/worker")
    before = len(pulumi.log)
    assert stack.up() == ALL_SAME
    assert not [call for call in pulumi.log[before:] if not call.operation.startswith("Get")]


def test_a_changed_tag_replaces_nothing_and_reaches_the_service(pulumi, cloud):
    pulumi.stack("dev", program=program(Sample())).up()
    changed = pulumi.stack("dev", program=program(Sample(tags={"owner": "nobody"}))).up()
    assert changed == {"same": 4, "update": 6}  # the version of a secret, a rule, provider and stack have no tags
    listed = cloud.client("ec2", "eu-west-1").describe_vpcs(Filters=[{"Name": "tag:owner", "Values": ["nobody"]}])
    (vpc,) = listed["Vpcs"]
    assert {"Key": "project", "Value": "toril"} in vpc["Tags"]  # the provider's default


def test_a_changed_input_updates_or_replaces_its_resource(pulumi, cloud):
    pulumi.stack("dev", program=program(Sample())).up()
    assert pulumi.stack("dev", program=program(Sample(mutability="MUTABLE"))).up() == {"same": 9, "update": 1}
    replaced = pulumi.stack("dev", program=program(Sample(mutability="MUTABLE", encryption="KMS"))).up()
    # Its name is fixed, so it is deleted before its replacement, with the resources that depend on it.
    assert replaced == {"same": 8, "replace": 2}
    (repository,) = cloud.client("ecr", "eu-west-1").describe_repositories()["repositories"]
    assert repository["encryptionConfiguration"]["encryptionType"] == "KMS"


def test_another_container_makes_another_revision(pulumi, cloud):
    pulumi.stack("dev", program=program(Sample())).up()
    assert pulumi.stack("dev", program=program(Sample(image="2"))).up() == {"same": 9, "replace": 1}
    ecs = cloud.client("ecs", "eu-west-1")
    active = ecs.list_task_definitions(familyPrefix="toril", status="ACTIVE")["taskDefinitionArns"]
    assert [arn.rsplit(":", 1)[1] for arn in active] == ["2"]


def test_another_region_replaces_all_regional_resources(pulumi):
    pulumi.stack("dev", program=program(Sample())).up()
    moved = pulumi.stack("dev", program=program(Sample(region="us-west-2"))).up()
    assert moved == {"same": 2, "update": 1, "replace": 7}  # the role and the stack stay; the provider is updated


def test_a_refresh_notices_a_manual_change_and_the_next_update_reverts_it(pulumi, cloud):
    stack = pulumi.stack("dev", program=program(Sample()))
    stack.up()
    ecr = cloud.client("ecr", "eu-west-1")
    ecr.put_image_tag_mutability(repositoryName="toril/worker", imageTagMutability="MUTABLE")
    ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix="public")
    assert stack.refresh() == {"same": 8, "update": 1, "delete": 1}
    assert stack.up() == {"same": 8, "update": 1, "create": 1}
    (repository,) = ecr.describe_repositories()["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"


def test_destroying_leaves_nothing(pulumi, cloud):
    stack = pulumi.stack("dev", program=program(Sample()))
    stack.up()
    assert stack.destroy() == {"delete": RESOURCES}
    assert stack.resources() == {}
    assert cloud.client("ecr", "eu-west-1").describe_repositories()["repositories"] == []
    assert cloud.client("secretsmanager", "eu-west-1").list_secrets()["SecretList"] == []
    assert cloud.client("iam").list_roles(PathPrefix="/toril/")["Roles"] == []


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


def test_an_unfinished_resource_is_in_the_state_and_destroyed_with_the_stack(pulumi, cloud):
    def secret(policy):
        return lambda: aws.secretsmanager.Secret("secret", policy=policy, recovery_window_in_days=0, region="eu-west-1")

    stack = pulumi.stack("dev", program=secret("no policy"))
    with pytest.raises(CommandError, match="PutResourcePolicy"):
        stack.up()
    secrets = cloud.client("secretsmanager", "eu-west-1")
    (made,) = secrets.list_secrets()["SecretList"]
    assert made["ARN"] in {resource.get("id") for resource in stack.resources().values()}
    stack.destroy()
    assert secrets.list_secrets()["SecretList"] == []


def test_a_protected_resource_cannot_be_destroyed(pulumi, cloud):
    stack = pulumi.stack("dev", program=program(Sample(protect=True)))
    stack.up()
    with pytest.raises(CommandError, match="protect"):
        stack.destroy()
    assert cloud.client("ecr", "eu-west-1").describe_repositories()["repositories"]


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
