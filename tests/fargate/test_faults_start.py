"""Faults before the load: each run starts nevertheless, or ends with the reason."""

import pytest

from tests.fargate.stage import AWAY, HOME, suite
from tests.outcomes import passes

pytestmark = pytest.mark.xdist_group("stage")


@pytest.fixture
def shop(tmp_path, service):
    return suite(tmp_path / "shop", service.url, {"hold-for": "4s", "concurrency": 2})


@pytest.mark.nightly
def test_a_run_waits_for_capacity_with_a_note(on_stage, shop):
    on_stage.cloud.fail_next_tasks(AWAY, "Capacity is unavailable at this time", "Capacity is unavailable at this time")
    driven = on_stage.drive("run", "capacity", "--suite", shop)
    assert passes(driven.verdict()), driven.output
    assert "Capacity is unavailable" in driven.output
    assert on_stage.running_tasks() == []


@pytest.mark.nightly
def test_a_task_without_a_network_interface_is_started_again(on_stage, shop):
    on_stage.cloud.fail_next_starts(HOME, "Timeout waiting for network interface provisioning to complete.")
    driven = on_stage.drive("run", "eni", "--suite", shop)
    assert passes(driven.verdict()), driven.output


@pytest.mark.nightly
def test_a_missing_image_ends_the_run_with_aws_reason(on_stage, shop):
    reason = "CannotPullContainerError: image not found"
    on_stage.cloud.fail_next_starts(HOME, reason)
    found = on_stage.drive("run", "image", "--suite", shop).result()
    assert found["code"] == 4
    assert reason in found["error"]
    assert on_stage.running_tasks() == []
    assert on_stage.store.find("runs/image/verdict.json") is not None


@pytest.mark.nightly
def test_throttling_starts_each_worker_once(on_stage, shop):
    on_stage.cloud.fail_next("ecs", "RunTask", times=6)
    on_stage.cloud.fail_next("ecs", "DescribeTasks", times=4)
    assert passes(on_stage.drive("run", "storm", "--suite", shop).verdict())


@pytest.mark.nightly
def test_a_lost_answer_of_run_task_starts_no_second_task(on_stage, shop):
    on_stage.cloud.lose_answers("ecs", "RunTask", times=2)
    driven = on_stage.drive("run", "lost-answer", "--suite", shop)
    driven.until("start.json")
    assert driven.task(HOME)
    assert driven.task(AWAY)
    assert passes(driven.verdict()), driven.output


@pytest.mark.nightly
def test_a_task_that_was_started_twice_sends_its_load_once(on_stage, shop, service):
    on_stage.cloud.duplicate_next_tasks(HOME)
    assert passes(on_stage.drive("run", "twins", "--suite", shop).verdict())
    assert on_stage.summary("twins")["labels"][""]["samples"] == service.answered
    assert on_stage.running_tasks() == []


@pytest.mark.nightly
def test_a_region_that_is_not_ready_in_time_is_named(on_stage, shop):
    on_stage.cloud.hold_starts(AWAY)
    found = on_stage.drive("run", "never", "--suite", shop, "--pace", '{"ready_timeout_s": 15}').result()
    assert found["code"] == 4
    assert f"{AWAY}-1" in found["error"]
    assert "pulling the image" in found["error"] or "network interface" in found["error"]
    assert on_stage.running_tasks() == []


@pytest.mark.nightly
def test_with_a_quorum_a_late_worker_makes_the_run_inconclusive(on_stage, shop):
    on_stage.cloud.hold_starts(AWAY)
    words = ("--pace", '{"ready_timeout_s": 20}', "--plan", '{"quorum": 0.5}')  # the other worker needs some seconds
    found = on_stage.drive("run", "quorum", "--suite", shop, *words).result()
    assert found["outcome"] == "inconclusive"
    assert f"{AWAY}-1" in str(found["reasons"])


@pytest.mark.nightly
def test_a_stale_start_starts_no_worker(on_stage, shop):
    """An old start.json of another run exists: the run does not pass, and no task runs."""
    stale = b'{"schema": "toril.start/1", "at": 1000.0, "attempts": {"us-east-1-1": "old", "eu-west-1-1": "old"}}'
    on_stage.store.put("runs/stale/start.json", stale)
    found = on_stage.drive("run", "stale", "--suite", shop).result()
    assert found.get("outcome", "inconclusive") == "inconclusive", found
    assert on_stage.running_tasks() == []
