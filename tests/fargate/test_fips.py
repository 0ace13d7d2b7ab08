"""With FIPS, every call of the runner and of the workers goes to a FIPS host, as observed by a proxy."""

import re
from dataclasses import replace

import pytest

from infra.network.fips import SERVICES
from tests.cloud.proxy import aws_proxy
from tests.cloud.stand_in import WORKER
from tests.fargate.stage import HOME, REPOSITORY, of_processes, stage, suite
from tests.outcomes import passes

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("fips")]
WEST = "us-west-2"
# AWS has no FIPS endpoints for these services, and no worker calls them
EXEMPT = re.compile(r"servicequotas\.|pricing\.")
FIPS = re.compile(r"[a-z0-9.-]+-fips\.(us-east-1|us-west-2)\.amazonaws\.com")


@pytest.fixture(scope="module")
def over_fips():
    with stage(away=WEST, fips=True, caches=[], auth=True) as found:
        yield found


def test_a_stack_publishes_its_existing_fips_hosts(over_fips):
    world = over_fips.world
    published = world.deployment(HOME)
    assert published.fips
    assert published.endpoints["s3"] == "s3-fips.us-east-1.amazonaws.com"
    for service, host in published.endpoints.items():
        assert host == SERVICES[service].host_in(HOME)
    ecs = world.cloud.client("ecs", HOME)
    for worker in published.workers:
        assert worker.image.startswith(f"{world.cloud.account}.dkr.ecr-fips.us-east-1.amazonaws.com/")
        task = ecs.describe_task_definition(taskDefinition=worker.task_definition)["taskDefinition"]
        environment = {one["name"]: one["value"] for one in task["containerDefinitions"][0]["environment"]}
        assert environment["AWS_USE_FIPS_ENDPOINT"] == "true"
    stack = world.stack(HOME, **over_fips.settings[HOME])
    assert set(stack.up(expect_no_changes=True)) == {"same"}


def test_a_run_with_fips_uses_fips_hosts_only(over_fips, tmp_path, service):
    with aws_proxy(over_fips.cloud) as proxy:
        through = proxy.environment(AWS_USE_FIPS_ENDPOINT="true")
        passed_on = {name: through[name] for name in ("AWS_CA_BUNDLE", "HTTPS_PROXY", "NO_PROXY")}
        tasks = {**of_processes(over_fips.cloud), **passed_on}
        over_fips.cloud.set_image(REPOSITORY, WORKER, environment=tasks)
        acting = replace(over_fips, more={**passed_on, "AWS_USE_FIPS_ENDPOINT": "true", "AWS_ENDPOINT_URL": ""})
        folder = suite(tmp_path / "shop", service.url, {"locations": {HOME: 1, WEST: 1}})
        done = acting.toril("run", folder, "--on", "fargate", "--run-id", "fips", who=acting.runner())
        assert passes(acting.verdict("fips")), done.output
        assert service.answered > 0
        hosts = set(proxy.hosts)
        assert {host for host in hosts if not EXEMPT.match(host) and not FIPS.fullmatch(host)} == set()
        bucket = f"{acting.bucket}.s3-fips.us-east-1.amazonaws.com"
        assert {bucket, f"ecs-fips.{HOME}.amazonaws.com", f"ecs-fips.{WEST}.amazonaws.com"} <= hosts
