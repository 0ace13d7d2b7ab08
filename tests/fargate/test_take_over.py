"""A coordinator dies at each stage of a run: another one continues it, or the sweeper ends it, with one verdict."""

import json
import time

import pytest

from tests.fargate.stage import suite
from tests.outcomes import passes

pytestmark = pytest.mark.xdist_group("stage")

STAGES = [
    "intervals-000002",
    *(
        pytest.param(name, marks=pytest.mark.nightly)
        for name in ("launch.json", "ready.json", "start.json", "end.json", "summary.json")
    ),
]


@pytest.fixture
def shop(tmp_path, service):
    return suite(tmp_path / "shop", service.url, {"hold-for": "6s", "concurrency": 2})


def killed_at(on_stage, stage_name, run_id, shop):
    """Kills a coordinator as soon as a key is written, by the coordinator or by a worker."""
    if stage_name in ("ready.json", "intervals-000002"):  # written by workers
        driven = on_stage.drive("run", run_id, "--suite", shop)
        driven.until(stage_name)
        driven.process.kill()
    else:
        driven = on_stage.drive("run", run_id, "--suite", shop, "--die-after", stage_name)
    assert driven.died()


@pytest.mark.parametrize("stage_name", STAGES)
def test_another_coordinator_continues_the_run_to_its_verdict(on_stage, shop, service, stage_name):
    run_id = "dead-" + stage_name.partition(".")[0]
    killed_at(on_stage, stage_name, run_id, shop)
    assert passes(on_stage.drive("take-over", run_id).verdict())
    assert on_stage.summary(run_id)["labels"][""]["samples"] == service.answered
    assert on_stage.running_tasks() == []


@pytest.mark.nightly
def test_a_run_with_an_incomplete_suite_is_ended(on_stage, shop):
    killed_at(on_stage, "plan.json", "dead-plan", shop)
    found = on_stage.drive("take-over", "dead-plan").result()
    assert "run the suite again" in found["error"]
    assert on_stage.store.find("runs/dead-plan/verdict.json") is not None


@pytest.mark.nightly
def test_a_run_has_one_owner_at_a_time(on_stage, shop):
    driven = on_stage.drive("run", "owned", "--suite", shop)
    driven.until("start.json")
    refused = on_stage.drive("take-over", "owned").result()
    assert "is controlled by" in refused["error"]
    driven.verdict()


@pytest.mark.nightly
def test_a_frozen_coordinator_leaves_its_run_to_the_new_owner(on_stage, shop):
    driven = on_stage.drive("run", "zombie", "--suite", shop)
    driven.until("start.json")
    driven.process.send_signal(19)  # SIGSTOP
    second = on_stage.drive("take-over", "zombie")
    give_up = time.monotonic() + 60
    while json.loads(on_stage.store.get("runs/zombie/lease.json"))["epoch"] < 2:
        assert time.monotonic() < give_up, "no other owner took the run over"
        time.sleep(0.3)
    driven.process.send_signal(18)  # SIGCONT
    assert "is controlled by" in driven.result()["error"]
    second.verdict()
    assert on_stage.running_tasks() == []


@pytest.mark.nightly
def test_a_run_without_an_owner_is_ended_by_its_workers_and_judged_by_the_sweeper(on_stage, shop, tmp_path, service):
    long = suite(tmp_path / "long", service.url, {"hold-for": "10m", "concurrency": 2})
    killed_at(on_stage, "intervals-000002", "orphans", long)
    began = time.monotonic()
    while on_stage.running_tasks():
        assert time.monotonic() - began < 60, "workers continue without an owner"
        time.sleep(1)
    done = on_stage.toril("stop", "orphans", "--all-tasks")
    assert done.code == 0, done.output
    assert on_stage.verdict("orphans")["outcome"] == "inconclusive"
    exits = [key for key in on_stage.store.keys("runs/orphans/workers/") if key.endswith("/exit.json")]
    assert len(exits) == 2
    assert all("renewed the run's lease" in json.loads(on_stage.store.get(key))["message"] for key in exits)
