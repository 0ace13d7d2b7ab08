"""With FIPS on, every call of the runner and of the workers goes to a host that has it; seen on the wire."""

import re
from dataclasses import replace

import pytest

from tests.cloud.proxy import aws_proxy
from tests.cloud.stand_in import WORKER
from tests.fargate.stage import HOME, REPOSITORY, of_processes, stage, suite
from tests.outcomes import passes
from tests.targets import target

pytestmark = pytest.mark.nightly
WEST = "us-west-2"
# AWS has no FIPS endpoint for these, and no worker calls them
EXEMPT = re.compile(r"servicequotas\.|pricing\.")
FIPS = re.compile(r"[a-z0-9.-]+-fips\.(us-east-1|us-west-2)\.amazonaws\.com")


def test_a_run_with_fips_speaks_to_fips_hosts_only(tmp_path):
    with stage(away=WEST, fips=True, caches=[], auth=True) as one, aws_proxy(one.cloud) as proxy:
        through = proxy.environment(AWS_USE_FIPS_ENDPOINT="true")
        passed_on = {name: through[name] for name in ("AWS_CA_BUNDLE", "HTTPS_PROXY", "NO_PROXY")}
        tasks = {**of_processes(one.cloud), **passed_on}
        del tasks["AWS_ENDPOINT_URL"]
        one.cloud.set_image(REPOSITORY, WORKER, environment=tasks)
        acting = replace(one, more={**passed_on, "AWS_USE_FIPS_ENDPOINT": "true", "AWS_ENDPOINT_URL": ""})
        with target(delay_s=0.005) as service:
            folder = suite(tmp_path / "shop", service.url, {"locations": {HOME: 1, WEST: 1}})
            done = acting.toril("run", folder, "--on", "fargate", "--run-id", "fips", who=one.runner())
            assert passes(one.verdict("fips")), done.said
            assert service.answered > 0
        hosts = set(proxy.hosts)
        assert {host for host in hosts if not EXEMPT.match(host) and not FIPS.fullmatch(host)} == set()
        bucket = f"{one.bucket}.s3-fips.us-east-1.amazonaws.com"
        assert {bucket, f"ecs-fips.{HOME}.amazonaws.com", f"ecs-fips.{WEST}.amazonaws.com"} <= hosts
