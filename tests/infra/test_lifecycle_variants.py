"""Stacks with other settings than the repository's: keys, private networks, several environments."""

import pytest
from pulumi.automation.errors import CommandError

from tests.infra.full import ACCOUNT, BOUNDARY_DOCUMENT, HOME, HUB, REPOSITORY
from tests.infra.inventory import inventory
from tests.infra.world import REGIONS, world

pytestmark = [pytest.mark.live, pytest.mark.nightly, pytest.mark.xdist_group("variants")]


@pytest.fixture(scope="module")
def full():
    """An environment with every setting, in a cloud that the following tests share."""
    with world() as found:
        found.cloud.client("iam").create_policy(PolicyName="boundary", PolicyDocument=BOUNDARY_DOCUMENT)
        before = inventory(found.cloud, *REGIONS)
        hub, home = found.stack("hub", **HUB), found.stack("us-east-1", **HOME)
        hub.up()
        home.up()
        yield found, hub, home, before


def test_a_second_update_with_every_setting_changes_nothing(full):
    _, hub, home, _ = full
    for stack in (hub, home):
        assert set(stack.up(expect_no_changes=True, refresh=True)) == {"same"}


def test_with_encryption_kms_a_key_of_the_stack_encrypts_everything(full):
    found, *_ = full
    s3, kms = found.cloud.client("s3"), found.cloud.client("kms", "us-east-1")
    ecr, logs = found.cloud.client("ecr", "us-east-1"), found.cloud.client("logs", "us-east-1")
    keys = {one["KeyArn"] for one in kms.list_keys()["Keys"]}
    (rule,) = s3.get_bucket_encryption(Bucket=f"toril-{ACCOUNT}-us-east-1")["ServerSideEncryptionConfiguration"][
        "Rules"
    ]
    used = [rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]]
    repositories = ecr.describe_repositories()["repositories"]
    assert {one["repositoryName"] for one in repositories} == {"acme/tools", "toril/worker"}
    used += [one["encryptionConfiguration"].get("kmsKey") for one in repositories]
    templates = ecr.describe_repository_creation_templates()["repositoryCreationTemplates"]
    used += [one["encryptionConfiguration"].get("kmsKey") for one in templates]
    used += [one.get("kmsKeyId") for one in logs.describe_log_groups()["logGroups"]]
    secrets = found.cloud.client("secretsmanager", "us-east-1")
    used.append(secrets.describe_secret(SecretId="ecr-pullthroughcache/toril/docker-hub").get("KmsKeyId"))
    assert set(used) <= keys
    assert len(set(used)) >= 2  # the bucket and the registry have different keys


def test_a_schedule_starts_a_coordinator_in_the_home_region(full):
    found, *_ = full
    schedule = found.cloud.client("scheduler", "us-east-1").get_schedule(GroupName="toril", Name="nightly")
    home = found.deployment("us-east-1").home
    assert schedule["Target"]["Arn"] == "arn:aws:scheduler:::aws-sdk:ecs:runTask"
    assert schedule["Target"]["RoleArn"] == home.scheduler_role
    assert schedule["Target"]["DeadLetterConfig"]["Arn"] == home.dead_letters
    assert home.coordinator in schedule["Target"]["Input"]
    assert (schedule["ScheduleExpressionTimezone"], schedule["State"]) == ("Europe/Madrid", "ENABLED")


def test_a_private_network_reaches_a_distant_bucket_by_its_own_endpoint(full):
    found, *_ = full
    private = found.stack("eu-west-1", network={"mode": "private"})
    private.up()
    ec2 = found.cloud.client("ec2", "eu-west-1")
    endpoints = {one["ServiceName"]: one for one in ec2.describe_vpc_endpoints()["VpcEndpoints"]}
    assert endpoints["com.amazonaws.us-east-1.s3"]["VpcEndpointType"] == "Interface"
    assert endpoints["com.amazonaws.eu-west-1.s3"]["VpcEndpointType"] == "Gateway"
    assert {f"com.amazonaws.eu-west-1.{one}" for one in ("ecr.api", "ecr.dkr", "logs")} <= set(endpoints)
    published = found.deployment("eu-west-1")
    assert not published.network.public_addresses
    own = [{"Name": "tag-key", "Values": ["toril:stack"]}]
    assert ec2.describe_internet_gateways(Filters=own)["InternetGateways"] == []
    assert set(private.up(expect_no_changes=True)) == {"same"}
    private.destroy()


def test_a_second_environment_is_independent_of_the_first(full):
    found, hub, home, _ = full
    before = inventory(found.cloud, *REGIONS)
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    second = found.stack("prod.hub", protect=False, github={"home": REPOSITORY, "providerArn": provider})
    region = found.stack("prod.us-east-1", caches=["ecr-public", "quay"], network={"cidr": "10.41.0.0/16"})
    iam = found.cloud.client("iam")
    providers = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    second.up()
    region.up()
    assert {one["RoleName"] for one in iam.list_roles(PathPrefix="/toril/prod/")["Roles"]} >= {"toril-prod-deploy"}
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == providers
    published = found.deployment("us-east-1", bucket=f"toril-prod-{ACCOUNT}-us-east-1")
    assert (published.environment, published.cluster.rpartition("/")[2]) == ("prod", "toril-prod")
    assert [cache.prefix for cache in published.caches] == ["prod/ecr-public", "prod/quay"]
    assert found.deployment("us-east-1").environment == "main"
    for stack in (hub, home):
        assert set(stack.preview(refresh=True, expect_no_changes=True)) == {"same"}
    region.destroy()
    second.destroy()
    assert inventory(found.cloud, *REGIONS) == before


def test_fips_without_an_endpoint_is_an_error_before_any_resource_is_made(full):
    found, *_ = full
    before = len(found.pulumi.log)
    away = found.stack("eu-west-1", fips=True, network=None, caches=None)
    with pytest.raises(CommandError, match=r"Amazon ECR.* have no FIPS endpoint in eu-west-1"):
        away.up()
    assert {one.operation for one in found.pulumi.log[before:]} <= {"GetCallerIdentity"}
    assert not [one for one in away.resources().values() if one.get("custom") and one["type"].startswith("aws:")]


def test_destroying_in_the_manuals_order_leaves_nothing(full):
    found, hub, home, before = full
    home.destroy()
    hub.configure({"protect": "false"})
    hub.up()
    hub.destroy()
    assert inventory(found.cloud, *REGIONS) == before
