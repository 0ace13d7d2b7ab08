"""The whole chain with no more rights than the roles have: IAM decides on every request."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.fargate.stage import HOME, stage, suite
from tests.targets import target

pytestmark = pytest.mark.slow
SOON_S = 12


@pytest.fixture(scope="module")
def guarded():
    with stage(auth=True) as found:
        yield found


def test_a_workflows_role_is_enough_for_a_run_and_the_workers_roles_for_theirs(guarded, tmp_path):
    with target(delay_s=0.005) as service:
        folder = suite(tmp_path / "shop", service.url, criteria=["fail>1%"])
        done = guarded.toril("run", folder, "--on", "fargate", "--run-id", "granted", who=guarded.runner())
        assert done.code in (0, 3), done.said
        summary = json.loads(guarded.store.get("runs/granted/summary.json"))
        assert summary["labels"][""]["samples"] == service.answered
        assert guarded.running_tasks() == []
        refused = [one for one in guarded.cloud.decisions() if not one.allowed]
        assert refused == []


def test_a_schedule_runs_a_pushed_suite_and_leaves_its_verdict_in_the_store(guarded, tmp_path):
    with target(delay_s=0.005) as service:
        folder = suite(tmp_path / "nightly", service.url, criteria=["p95>1ms"])
        pushed = guarded.toril("push", folder)
        assert pushed.code == 0, pushed.said
        soon = (datetime.now(UTC) + timedelta(seconds=SOON_S)).strftime("at(%Y-%m-%dT%H:%M:%S)")
        schedule = {"name": "once", "suite": "nightly", "cron": soon}
        home = guarded.world.stack(HOME, schedules=[schedule])
        home.up()
        verdict = waited_for(guarded, "nightly")
        assert verdict["outcome"] in ("failed", "inconclusive"), verdict
        (invoked,) = guarded.cloud.invocations(HOME)
        (task,) = invoked["tasks"]
        stopped = ended(guarded, task)
        assert stopped["containers"][0]["exitCode"] in (1, 3)  # which is what the notices are about


def waited_for(one, name, within_s=90):
    """The verdict of the first run of that suite."""
    give_up = time.monotonic() + within_s
    while time.monotonic() < give_up:
        found = [key for key in one.store.keys("runs/") if f"-{name}-" in key and key.endswith("/verdict.json")]
        if found:
            return json.loads(one.store.get(found[0]))
        time.sleep(1)
    raise AssertionError(f"no verdict of {name} after {within_s} s: {one.cloud.invocations(HOME)}")


def ended(one, task, within_s=20):
    ecs, cluster = one.cloud.client("ecs", HOME), one.world.deployment(HOME).cluster
    give_up = time.monotonic() + within_s
    while time.monotonic() < give_up:
        (found,) = ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"]
        if found["lastStatus"] == "STOPPED":
            return found
        time.sleep(0.5)
    raise AssertionError(f"{task} did not end: {found}")
