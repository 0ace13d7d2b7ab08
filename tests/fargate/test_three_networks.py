"""One environment with three networks: the home region over FIPS behind NAT, a second one with its image copied into
ECR, and a region without internet access, whose images come from a warmed cache and from ECR.

Tasks are processes that use AWS' own host names through a proxy, so the cloud judges each request by its VPC.
"""

import json
import subprocess
import sys
import time

import pytest

from tests.cloud.oci import INDEX, Registry, index
from tests.cloud.proxy import aws_proxy
from tests.cloud.stand_in import DIGEST, IMAGES, WORKER, push_stand_in
from tests.fargate.stage import GITHUB, ROOT, Stage, of_processes, suite
from tests.infra.world import committed, world
from tests.outcomes import passes
from toril.desk.starting import request_run
from toril.launchers.fargate.coordinator_task import FargateStarter
from toril.plan.options import RunOptions

pytestmark = [pytest.mark.live, pytest.mark.nightly, pytest.mark.xdist_group("networks")]
HOME, WEST, CLOSED = "us-east-1", "us-west-2", "eu-west-1"
EVERYWHERE = {"locations": {HOME: 1, WEST: 1, CLOSED: 1}, "concurrency": 3}
PRIVATE = "registry.example.com/acme/toril"
LOGIN = ("acme", "pull-t0k3n")
HUB_LOGIN = {"username": "acme", "accessToken": "hub-t0k3n"}
VERDICT_WITHIN_S = 120


@pytest.fixture(scope="module")
def deployed():
    with world(auth=True) as found:
        cloud = found.cloud
        login = json.dumps({"username": LOGIN[0], "password": LOGIN[1]})
        secret = cloud.client("secretsmanager", HOME).create_secret(Name="acme/registry", SecretString=login)["ARN"]
        cloud.set_upstream(PRIVATE.partition("/")[0], login=LOGIN)
        cloud.set_upstream("registry-1.docker.io", login=(HUB_LOGIN["username"], HUB_LOGIN["accessToken"]))
        upstream = Registry(cloud.upstream("registry-1.docker.io"))
        for one in IMAGES.values():
            upstream.push("acme/toril", one)
        upstream.push_manifest("acme/toril", index(IMAGES), INDEX, ["1"])
        nat = {"mode": "private", "nat": True}
        stacks = {
            "hub": {**committed("hub"), "github": GITHUB},
            HOME: {
                "home": True,
                "fips": True,
                "network": {**nat, "dnsFirewall": True},
                "flavours": {"slim": {"image": f"{PRIVATE}:1", "digest": DIGEST, "credentials": secret}},
            },
            WEST: {"fips": True, "network": nat, "flavours": {"slim": {"digest": DIGEST}}},
            CLOSED: {
                "network": {"mode": "private"},
                "caches": ["docker-hub", "ghcr"],
                "credentials": {"docker-hub": HUB_LOGIN, "github": {"username": "acme", "accessToken": "gh-t0k3n"}},
                "flavours": {
                    "slim": {"image": "docker.io/acme/toril:1", "digest": DIGEST},
                    "full": {"digest": DIGEST},
                },
            },
        }
        for name, settings in stacks.items():
            found.stack(name, **settings).up()
        push_stand_in(cloud, "toril/worker", (WEST, CLOSED))
        with aws_proxy(cloud) as proxy:
            through = {**of_processes(cloud), **proxy.settings()}
            for image in ("toril/worker", PRIVATE, "docker-hub/acme/toril"):
                cloud.set_image(image.removeprefix("registry.example.com/"), WORKER, environment=through)
            yield (
                Stage(
                    world=found,
                    bucket=f"toril-{cloud.account}-{HOME}",
                    regions=(HOME, WEST, CLOSED),
                    settings=stacks,
                    more={**proxy.settings(), "AWS_ENDPOINT_URL": ""},
                ),
                proxy,
            )


def acting(stage, role):
    arn = f"arn:aws:iam::{stage.cloud.account}:role/toril/main/toril-{role}"
    return stage.cloud.assume_with_github(arn, sub=f"repo:acme/shop:environment:{role}", repository_id="22")


def refused(stage, role):
    """Returns the calls of a role that IAM refused."""
    return [one for one in stage.cloud.decisions() if one.role == f"toril-{role}" and not one.allowed]


def test_a_second_update_changes_nothing(deployed):
    stage, _ = deployed
    for region in stage.regions:
        assert set(stage.world.stack(region, **stage.settings[region]).up(expect_no_changes=True)) == {"same"}


def test_doctor_names_what_a_closed_region_lacks_and_fills_its_cache(deployed):
    stage, _ = deployed
    words = ("doctor", "--on", "fargate")
    lacking = stage.toril(*words, who=stage.runner())
    assert lacking.code == 4, lacking.output
    missing = [line.split()[1:3] for line in lacking.out.splitlines() if line.startswith("MISSING")]
    assert missing == [[CLOSED, "image"]] * 2, lacking.output  # of each architecture
    assert "toril doctor --on fargate --fill-caches" in lacking.out
    filled = stage.toril(*words, "--fill-caches", who=acting(stage, "publish"))
    assert filled.code == 0, filled.output
    assert "is cached now" in filled.out
    assert refused(stage, "publish") == []
    again = stage.toril(*words, who=stage.runner())
    assert again.code == 0, again.output


def test_a_run_from_outside_and_one_of_a_coordinator_load_from_all_three_networks(deployed, tmp_path, service):
    stage, proxy = deployed
    folder = suite(tmp_path / "shop", service.url, EVERYWHERE)
    done = stage.toril("run", folder, "--on", "fargate", "--run-id", "outside", who=stage.runner())
    assert passes(stage.verdict("outside")), done.output
    assert set(stage.summary("outside")["locations"]) == {HOME, WEST, CLOSED}
    assert stage.toril("suite", "push", folder).code == 0
    asked = request_run(stage.store, "shop", RunOptions(on="fargate"), by="anna", at=time.time(), key="k")
    FargateStarter(lambda: (stage.world.deployment(HOME), stage.cloud.client)).start(asked)
    give_up = time.monotonic() + VERDICT_WITHIN_S
    while not (verdict := stage.store.find(f"runs/{asked.run_id}/verdict.json")):
        assert time.monotonic() < give_up, stage.cloud.stopped_requests()
        time.sleep(0.5)
    assert passes(json.loads(verdict))
    assert stage.cloud.stopped_requests() == []
    bucket = f"{stage.bucket}.s3"
    assert {f"{bucket}-fips.{HOME}.amazonaws.com", f"{bucket}.{HOME}.amazonaws.com"} <= set(proxy.hosts)
    assert {f"ecs-fips.{HOME}.amazonaws.com", f"ecs-fips.{WEST}.amazonaws.com"} <= set(proxy.hosts)
    assert f"ecs.{CLOSED}.amazonaws.com" in proxy.hosts
    assert not [host for host in proxy.hosts if host.startswith(f"{bucket}.eu-") or "ecs-fips.eu" in host]
    for region in stage.regions:
        streams = stage.cloud.client("logs", region).describe_log_streams(logGroupName="/toril/main/workers")
        assert any(one["logStreamName"].startswith("worker/") for one in streams["logStreams"])


def test_the_repositories_of_caches_are_listed_and_deleted_before_the_stack_is_destroyed(deployed):
    stage, _ = deployed
    environment = stage.environment(acting(stage, "deploy"))

    def repositories(*words):
        command = [sys.executable, "-m", "tools.cache_repositories", CLOSED, *words]
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    listed = f"{CLOSED}  docker-hub/acme/toril"
    assert repositories() == f"{listed}\n"
    assert repositories("--delete") == f"{listed}  deleted\n"
    assert repositories() == ""
    assert refused(stage, "deploy") == []
    left = stage.cloud.client("ecr", CLOSED).describe_repositories()["repositories"]
    assert [one["repositoryName"] for one in left] == ["toril/worker"]
