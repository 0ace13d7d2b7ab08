"""The sweeper alone, with no more rights than its role has: IAM decides on every request."""

import json
import time

import pytest

from tests.fargate.stage import HOME, stage, suite
from tests.fargate.test_roles import ended
from tests.targets import target

pytestmark = pytest.mark.slow
SWEPT_WITHIN_S = 120


@pytest.fixture(scope="module")
def guarded():
    with stage(auth=True) as found:
        yield found


def test_a_forgotten_run_is_ended_and_judged_with_no_more_rights_than_a_sweeper_has(guarded, tmp_path):
    """Its coordinator is gone and its workers are frozen: the schedule at its deadline is all there is."""
    words = (
        "--plan",
        '{"max_duration_s": 4, "graceful_stop_s": 0}',
        "--pace",
        '{"ready_timeout_s": 30, "kill_after_s": 1, "give_up_s": 1}',
    )
    with target(delay_s=0.005) as service:
        folder = suite(tmp_path / "long", service.url, {"hold-for": "10m", "concurrency": 2})
        driven = guarded.drive("run", "forgotten", "--suite", folder, *words, who=guarded.runner())
        driven.until("intervals-000002")
        workers = guarded.running_tasks()
        driven.process.kill()
        driven.process.communicate()
        for task in workers:
            guarded.cloud.freeze(task)
        give_up = json.loads(guarded.store.get("runs/forgotten/launch.json"))["deadline"] + SWEPT_WITHIN_S
        while guarded.store.find("runs/forgotten/verdict.json") is None or set(workers) & set(guarded.running_tasks()):
            assert time.time() < give_up, (guarded.cloud.invocations(HOME), guarded.running_tasks())
            time.sleep(1)
    assert json.loads(guarded.store.get("runs/forgotten/verdict.json"))["outcome"] == "inconclusive"
    (sweep,) = [one for one in guarded.cloud.invocations(HOME) if one["schedule"] == "sweep-forgotten"]
    (task,) = sweep["tasks"]
    assert ended(guarded, task)["containers"][0]["exitCode"] == 0
    asked = [one for one in guarded.cloud.decisions() if one.role == "toril-sweeper"]
    assert {"ecs:ListTasks", "ecs:StopTask", "s3:PutObject"} <= {one.action for one in asked}
    assert [one for one in asked if not one.allowed] == []
