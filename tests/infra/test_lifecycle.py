"""The life of the repository's own hub and two regions: the real program, the real engine.

All tests of the file share one world. Each reverts its changes; the last ones destroy the stacks in the manual's order.
"""

import json
import re
from dataclasses import dataclass

import pytest
from pulumi.automation.errors import CommandError

from tests.infra.engine.stacks import Stack
from tests.infra.inventory import inventory
from tests.infra.world import REGIONS, World, world
from toril import __version__

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("life")]
HOME, AWAY = "us-east-1", "eu-west-1"
DIGEST = f"sha256:{'0a' * 32}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """The stacks, the counts of their previews and updates, and the earlier inventory."""

    world: World
    stacks: dict[str, Stack]
    foreseen: dict[str, dict[str, int]]
    made: dict[str, dict[str, int]]
    before: set[str]

    def resources(self, stack: str) -> set[str]:
        """Returns the URNs of the AWS resources, without components and the provider."""
        found = self.stacks[stack].resources()
        return {urn for urn, one in found.items() if one.get("custom") and one["type"].startswith("aws:")}


@pytest.fixture(scope="module")
def deployed():
    with world() as found:
        before = inventory(found.cloud, *REGIONS)
        stacks = {name: found.committed(name) for name in ("hub", HOME, AWAY)}
        foreseen, made = {}, {}
        for name, stack in stacks.items():
            foreseen[name] = stack.preview()
            made[name] = stack.up()
        yield Deployed(world=found, stacks=stacks, foreseen=foreseen, made=made, before=before)


def test_the_preview_predicts_the_update(deployed):
    assert deployed.foreseen == deployed.made
    assert all(set(counts) == {"create"} for counts in deployed.made.values())


def test_a_region_has_forty_resources_at_most(deployed):
    assert len(deployed.resources(AWAY)) <= 40


@pytest.mark.parametrize("name", [HOME, *(pytest.param(name, marks=pytest.mark.nightly) for name in ("hub", AWAY))])
def test_a_second_update_changes_nothing_and_nothing_drifts(deployed, name):
    stack = deployed.stacks[name]
    before = len(deployed.world.pulumi.log)
    assert set(stack.up(expect_no_changes=True)) == {"same"}
    assert set(stack.refresh(expect_no_changes=True)) == {"same"}
    assert set(stack.preview(expect_no_changes=True)) == {"same"}
    reading = ("Get", "Describe", "List", "Head", "Assume", "View")
    assert [one for one in deployed.world.pulumi.log[before:] if not one.operation.startswith(reading)] == []


@pytest.mark.parametrize("region", REGIONS)
def test_a_regions_record_matches_the_cloud(deployed, region):
    found, cloud = deployed.world.deployment(region), deployed.world.cloud
    ecs, ec2, logs = (cloud.client(service, region) for service in ("ecs", "ec2", "logs"))
    assert (found.toril_version, found.region, found.account) == (__version__, region, cloud.account)
    assert found.store == f"s3://toril-{cloud.account}-us-east-1"
    assert [found.cluster] == ecs.list_clusters()["clusterArns"]
    (cluster,) = ecs.describe_clusters(clusters=[found.cluster])["clusters"]
    assert set(found.capacity_providers) == set(cluster["capacityProviders"])
    defined = set(ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"])
    own = {worker.task_definition for worker in found.workers} | ({found.home.coordinator} if found.home else set())
    assert own == defined
    for worker in found.workers:
        task = ecs.describe_task_definition(taskDefinition=worker.task_definition)["taskDefinition"]
        (container,) = task["containerDefinitions"]
        assert (container["name"], container["image"]) == (worker.container, worker.image)
        assert (task["taskRoleArn"], task["executionRoleArn"]) == (found.worker_role, found.execution_role)
        assert task["runtimePlatform"]["cpuArchitecture"] == worker.architecture.upper().replace("-", "_")
        assert container["logConfiguration"]["options"]["awslogs-group"] == found.log_group
    (group,) = logs.describe_log_groups(logGroupNamePrefix=found.log_group)["logGroups"]
    assert group["retentionInDays"] == 14
    subnets = ec2.describe_subnets(SubnetIds=list(found.network.subnets))["Subnets"]
    groups = ec2.describe_security_groups(GroupIds=list(found.network.security_groups))["SecurityGroups"]
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 2
    assert {one["VpcId"] for one in (*subnets, *groups)} == {subnets[0]["VpcId"]}
    assert groups[0]["IpPermissions"] == []
    rules = cloud.client("ecr", region).describe_pull_through_cache_rules()["pullThroughCacheRules"]
    assert [(one.prefix, one.upstream, one.ready) for one in found.caches] == [
        (rule["ecrRepositoryPrefix"], rule["upstreamRegistryUrl"], True) for rule in rules
    ]
    assert (found.home is not None) == (region == HOME)


def test_the_home_region_has_a_group_for_schedules(deployed):
    home, cloud = deployed.world.deployment(HOME).home, deployed.world.cloud
    groups = cloud.client("scheduler", HOME).list_schedule_groups()["ScheduleGroups"]
    assert home.schedule_group in {one["Name"] for one in groups}
    (queue,) = cloud.client("sqs", HOME).list_queues()["QueueUrls"]
    assert queue.rpartition("/")[2] == home.dead_letters.rpartition(":")[2]
    roles = {one["Arn"] for one in cloud.client("iam").list_roles(PathPrefix="/toril/main/")["Roles"]}
    assert {home.scheduler_role, home.sweeper_role} <= roles


@pytest.mark.nightly
def test_a_refresh_notices_a_manual_change_and_the_update_reverts_it(deployed):
    cloud, stack = deployed.world.cloud, deployed.stacks[AWAY]
    cloud.client("logs", AWAY).put_retention_policy(logGroupName="/toril/main/workers", retentionInDays=1)
    cloud.client("ecr", AWAY).delete_pull_through_cache_rule(ecrRepositoryPrefix="ecr-public")
    assert set(stack.preview(expect_no_changes=True)) == {"same"}  # compares only with the state
    with pytest.raises(CommandError, match="no changes were expected"):
        stack.preview(refresh=True, expect_no_changes=True)
    counts = stack.up(refresh=True)
    assert (counts["create"], counts["update"]) == (1, 1)
    (group,) = cloud.client("logs", AWAY).describe_log_groups()["logGroups"]
    assert group["retentionInDays"] == 14


@pytest.mark.nightly
def test_another_tag_reaches_existing_resources_and_replaces_none(deployed):
    stack, cloud = deployed.stacks[AWAY], deployed.world.cloud
    stack.configure({"tags": json.dumps({"team": "shop"})})
    counts = stack.up()
    assert set(counts) == {"same", "update"}
    (vpc,) = cloud.client("ec2", AWAY).describe_vpcs(Filters=[{"Name": "tag:team", "Values": ["shop"]}])["Vpcs"]
    assert {"Key": "toril:environment", "Value": "main"} in vpc["Tags"]
    templates = cloud.client("ecr", AWAY).describe_repository_creation_templates()["repositoryCreationTemplates"]
    assert [{"Key": "team", "Value": "shop"} in one["resourceTags"] for one in templates] == [True]
    stack.configure({"tags": ""})
    stack.up()


@pytest.mark.nightly
def test_another_digest_makes_only_revisions_of_its_task_definitions(deployed):
    stack, ecs = deployed.stacks[AWAY], deployed.world.cloud.client("ecs", AWAY)
    before = deployed.world.deployment(AWAY)
    stack.configure({"flavours": json.dumps({"slim": {"digest": DIGEST}, "full": {}})})
    counts = stack.up()
    counts.pop("same")
    assert counts == {"replace": 2, "update": 1}  # both architectures of the flavour, and deployments/<region>.json
    after = deployed.world.deployment(AWAY)
    changed = {
        (now.flavour, now.architecture)
        for then, now in zip(before.workers, after.workers, strict=True)
        if then.task_definition != now.task_definition
    }
    assert changed == {("slim", "x86-64"), ("slim", "arm64")}
    assert {one.digest for one in after.workers} == {DIGEST, None}
    active = set(ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"])
    assert active == {one.task_definition for one in after.workers}
    stack.configure({"flavours": ""})
    stack.up()


@pytest.mark.nightly
def test_another_cache_adds_at_most_four_resources_and_changes_those_that_name_it(deployed):
    stack = deployed.stacks[AWAY]
    before = deployed.resources(AWAY)
    stack.configure({"caches": json.dumps(["ecr-public", "quay"])})
    counts = stack.up()
    assert set(counts) == {"same", "create", "update"}
    assert counts["create"] <= 4
    assert counts["update"] == 2  # the right to make its repositories, and deployments/<region>.json
    assert {urn.rpartition("::")[2] for urn in deployed.resources(AWAY) - before} == {"eu-west-1-quay"}
    assert [one.prefix for one in deployed.world.deployment(AWAY).caches] == ["ecr-public", "quay"]
    stack.configure({"caches": json.dumps(["ecr-public"])})
    assert stack.up()["delete"] == counts["create"]


@pytest.mark.nightly
def test_a_region_can_be_destroyed_and_deployed_again_without_effects_on_others(deployed):
    stack, s3 = deployed.stacks[AWAY], deployed.world.cloud.client("s3")
    others = inventory(deployed.world.cloud, HOME)
    assert stack.destroy()["delete"] == deployed.made[AWAY]["create"]
    here = {one for one in others if not re.search(f"toril[-_]{AWAY}", one)}
    assert inventory(deployed.world.cloud, HOME) == here
    keys = [
        one["Key"] for one in s3.list_objects_v2(Bucket=f"toril-{deployed.world.cloud.account}-us-east-1")["Contents"]
    ]
    assert keys == [f"deployments/{HOME}.json"]
    for name in ("hub", HOME):
        assert set(deployed.stacks[name].preview(refresh=True, expect_no_changes=True)) == {"same"}
    assert stack.up() == deployed.made[AWAY]


@pytest.mark.nightly
def test_the_hub_can_be_destroyed_last_and_only_without_protection(deployed):
    hub = deployed.stacks["hub"]
    with pytest.raises(CommandError, match="protect"):
        hub.destroy()
    hub.configure({"protect": "false"})
    with pytest.raises(CommandError, match="still depend on this hub: eu-west-1, us-east-1"):
        hub.up()
    deployed.stacks[AWAY].destroy()
    with pytest.raises(CommandError, match=r"still depend on this hub: us-east-1\."):
        hub.up()
    deployed.stacks[HOME].destroy()
    hub.up()
    hub.destroy()
    assert [stack.resources() for stack in deployed.stacks.values()] == [{}, {}, {}]
    assert inventory(deployed.world.cloud, *REGIONS) == deployed.before
