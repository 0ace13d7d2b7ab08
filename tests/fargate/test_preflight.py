"""The preflight in a deployed cloud with IAM checks: the role of load tests has all permissions for it.

The tests share the cloud, so each one restores its changes.
"""

import time

import pytest

from tests.cloud.stand_in import DIGEST, push_stand_in
from tests.fargate.stage import AWAY, HOME, REPOSITORY
from tests.launchers.plans import plan_of
from toril.launchers.preflight import CommandContext, check
from toril.launchers.prepare import read_deployments
from toril.store.s3 import S3Store

pytestmark = pytest.mark.xdist_group("guarded")
ON_DEMAND = "L-3032A538"
TEN = ("--on", "fargate", "--workers", 10)
LOOKED_AT = {
    "cloudwatch:GetMetricData",
    "ecr:BatchGetImage",
    "s3:GetObject",
    "s3:PutObject",
    "servicequotas:ListServiceQuotas",
}


class Session:
    """Renewed credentials of a role."""

    method: str = "assume-role-with-web-identity"
    token: str | None = "token"


@pytest.fixture
def on_stage(guarded):
    return guarded


@pytest.fixture
def plan(tmp_path):
    """Five workers of one vCPU in each region."""
    return plan_of(tmp_path)


def examined(one, plan, who, *, bucket=None, **more):
    """Returns the preflight of a role; `more`: additional regions."""

    def clients(service, region):
        return one.cloud.client(service, region, who)

    def store_of(name, acting):
        return S3Store(name, "", one.cloud.client("s3", HOME, acting), patience_s=5)

    deployments = {**read_deployments(store_of(one.bucket, None)), **more}
    store = store_of(bucket or one.bucket, who)
    around = CommandContext(store=store, now=time.time, environment={}, credentials=Session)
    return check(plan, deployments, clients, around)


def lacking(found):
    return {(one.region, one.name): one.detail for one in found.findings if one.state == "missing"}


def test_the_role_of_load_tests_has_all_permissions_of_the_preflight(on_stage, plan):
    found = examined(on_stage, plan, on_stage.runner())
    assert {one.state for one in found.findings} == {"ok"}, found.findings
    everything = examined(on_stage, None, on_stage.runner())
    assert {one.state for one in everything.findings} == {"ok"}, everything.findings
    decided = [one for one in on_stage.cloud.decisions() if one.role == "toril-run"]
    assert [one for one in decided if not one.allowed] == []
    assert {one.action for one in decided} >= LOOKED_AT


def test_each_missing_permission_is_named(on_stage, plan):
    arn = f"arn:aws:iam::{on_stage.cloud.account}:role/toril/main/toril-publish"
    claims = {"sub": "repo:acme/shop:environment:publish", "repository_id": "22"}
    found = examined(on_stage, None, on_stage.cloud.assume_with_github(arn, **claims))
    details = "\n".join(lacking(found).values())
    granted = {"ecr:BatchGetImage", "s3:GetObject"}
    for right in LOOKED_AT - granted - {"cloudwatch:GetMetricData"}:  # which depends on the answers of others
        assert right in details, right


def test_a_deleted_image_is_missing_in_its_region(on_stage, plan):
    ecr = on_stage.cloud.client("ecr", AWAY)
    ecr.batch_delete_image(repositoryName=REPOSITORY, imageIds=[{"imageDigest": DIGEST}])
    try:
        found = lacking(examined(on_stage, plan, on_stage.runner()))
    finally:
        push_stand_in(on_stage.cloud, REPOSITORY, (AWAY,))
    assert set(found) == {(AWAY, "image full x86-64")}
    assert DIGEST in found[AWAY, "image full x86-64"]


def test_a_quota_below_the_runs_vcpu_is_missing(on_stage, plan):
    on_stage.cloud.set_quota(AWAY, ON_DEMAND, 4)
    found = lacking(examined(on_stage, plan, on_stage.runner()))
    assert set(found) == {(AWAY, "on-demand vCPU")}
    assert "the run needs 5; 0 of 4 are in use" in found[AWAY, "on-demand vCPU"]


def test_running_tasks_count_against_the_quota(on_stage, plan):
    there = on_stage.world.deployment(AWAY)
    ecs = on_stage.cloud.client("ecs", AWAY)
    network = {"subnets": list(there.network.subnets), "securityGroups": list(there.network.security_groups)}
    on_stage.cloud.hold_starts(AWAY)
    ecs.run_task(
        cluster=there.cluster,
        taskDefinition=there.workers[0].task_definition,
        capacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1}],
        networkConfiguration={"awsvpcConfiguration": {**network, "assignPublicIp": "ENABLED"}},
        overrides={"cpu": "2048", "memory": "4096"},
    )
    found = examined(on_stage, plan, on_stage.runner())
    (warned,) = [one for one in found.findings if one.state != "ok"]
    assert (warned.region, warned.name, warned.code) == (AWAY, "on-demand vCPU", "busy-quota")
    assert "the run needs 5; 2 of 6 are in use" in warned.detail


def test_another_bucket_is_refused(on_stage, plan):
    on_stage.cloud.client("s3", HOME).create_bucket(Bucket="another-bucket")
    found = lacking(examined(on_stage, plan, on_stage.runner(), bucket="another-bucket"))
    assert {name for _, name in found} == {"store"}
    assert "s3:PutObject" in found["", "store"]
    assert f"--store s3://{on_stage.bucket}" in found[AWAY, "store"]


def test_doctor_and_plan_report_the_findings_and_the_price(on_stage, tmp_path):
    plan_of(tmp_path)
    suite = tmp_path / "shop.json"
    done = on_stage.toril("doctor", *TEN, suite, who=on_stage.runner())
    assert done.code == 0, done.output
    assert f"ok        {AWAY} image full x86-64" in done.out
    on_stage.cloud.set_quota(AWAY, ON_DEMAND, 1)
    done = on_stage.toril("doctor", *TEN, suite, who=on_stage.runner())
    assert done.code == 4
    assert f"MISSING   {AWAY} on-demand vCPU" in done.out
    on_stage.cloud.mend()
    planned = on_stage.toril("plan", suite, *TEN, who=on_stage.runner())
    assert planned.code == 0, planned.output
    assert "the load begins about" in planned.out
    assert "for a million requests" in planned.out


@pytest.mark.nightly
def test_a_run_with_a_missing_quota_or_too_high_cost_starts_no_task(on_stage, tmp_path):
    plan_of(tmp_path)
    suite = tmp_path / "shop.json"
    on_stage.cloud.set_quota(AWAY, ON_DEMAND, 1)
    refused = on_stage.toril("run", suite, *TEN, "--run-id", "none", who=on_stage.runner())
    assert refused.code == 4
    assert f"{AWAY} on-demand vCPU" in refused.err
    on_stage.cloud.mend()
    dear = on_stage.toril("run", suite, *TEN, "--run-id", "none", "--max-cost", "0.01", who=on_stage.runner())
    assert dear.code == 2
    assert "--max-cost 0.01" in dear.err
    assert on_stage.running_tasks() == []
    assert [key for key in on_stage.store.keys("runs/none")] == []
