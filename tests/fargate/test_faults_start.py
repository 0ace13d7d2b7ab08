"""What goes wrong before the load: each run starts all the same, or is called off with the reason."""

import pytest

from tests.fargate.stage import AWAY, HOME, suite
from tests.outcomes import passes

pytestmark = pytest.mark.xdist_group("stage")


@pytest.fixture
def shop(tmp_path, service):
    return suite(tmp_path / "shop", service.url, {"hold-for": "4s", "concurrency": 2})


@pytest.mark.nightly
def test_no_capacity_is_waited_for_and_said(on_stage, shop):
    on_stage.cloud.fail_next_tasks(AWAY, "Capacity is unavailable at this time", "Capacity is unavailable at this time")
    driven = on_stage.drive("run", "capacity", "--suite", shop)
    assert passes(driven.verdict()), driven.said
    assert "Capacity is unavailable" in driven.said
    assert on_stage.running_tasks() == []


@pytest.mark.nightly
def test_a_network_interface_that_does_not_come_is_tried_again(on_stage, shop):
    on_stage.cloud.fail_next_starts(HOME, "Timeout waiting for network interface provisioning to complete.")
    driven = on_stage.drive("run", "eni", "--suite", shop)
    assert passes(driven.verdict()), driven.said


def test_an_image_that_is_not_there_calls_the_run_off_with_aws_reason(on_stage, shop):
    reason = "CannotPullContainerError: image not found"
    on_stage.cloud.fail_next_starts(HOME, reason)
    found = on_stage.drive("run", "image", "--suite", shop).result()
    assert found["code"] == 4
    assert reason in found["error"]
    assert on_stage.running_tasks() == []
    assert on_stage.store.find("runs/image/verdict.json") is not None


@pytest.mark.nightly
def test_a_storm_of_throttling_starts_each_share_once(on_stage, shop):
    on_stage.cloud.fail_next("ecs", "RunTask", times=6)
    on_stage.cloud.fail_next("ecs", "DescribeTasks", times=4)
    assert passes(on_stage.drive("run", "storm", "--suite", shop).verdict())


@pytest.mark.nightly
def test_an_answer_of_run_task_that_is_lost_starts_no_second_task(on_stage, shop):
    on_stage.cloud.lose_answers("ecs", "RunTask", times=2)
    driven = on_stage.drive("run", "lost-answer", "--suite", shop)
    driven.until("start.json")
    assert driven.task(HOME)
    assert driven.task(AWAY)
    assert passes(driven.verdict()), driven.said


def test_a_task_that_was_started_twice_does_its_share_once_and_none_is_left(on_stage, shop, service):
    on_stage.cloud.duplicate_next_tasks(HOME)
    assert passes(on_stage.drive("run", "twins", "--suite", shop).verdict())
    assert on_stage.summary("twins")["labels"][""]["samples"] == service.answered
    assert on_stage.running_tasks() == []


def test_a_region_that_is_never_ready_ends_the_start_at_its_deadline_and_is_named(on_stage, shop):
    on_stage.cloud.hold_starts(AWAY)
    found = on_stage.drive("run", "never", "--suite", shop, "--pace", '{"ready_timeout_s": 15}').result()
    assert found["code"] == 4
    assert f"{AWAY}-1" in found["error"]
    assert "pulling the image" in found["error"] or "network interface" in found["error"]
    assert on_stage.running_tasks() == []


@pytest.mark.nightly
def test_with_a_quorum_a_late_worker_is_left_behind_and_the_run_is_never_passed(on_stage, shop):
    on_stage.cloud.hold_starts(AWAY)
    words = ("--pace", '{"ready_timeout_s": 20}', "--plan", '{"quorum": 0.5}')  # the other worker needs some seconds
    found = on_stage.drive("run", "quorum", "--suite", shop, *words).result()
    assert found["outcome"] == "inconclusive"
    assert f"{AWAY}-1" in str(found["reasons"])


@pytest.mark.nightly
def test_a_stale_start_starts_nobody(on_stage, shop):
    """Somebody's start.json of an hour ago lies there already: the run is not passed, and nothing runs."""
    stale = b'{"schema": "toril.start/1", "at": 1000.0, "attempts": {"us-east-1-1": "old", "eu-west-1-1": "old"}}'
    on_stage.store.put("runs/stale/start.json", stale)
    found = on_stage.drive("run", "stale", "--suite", shop).result()
    assert found.get("outcome", "inconclusive") == "inconclusive", found
    assert on_stage.running_tasks() == []
