"""Faults under load: each run has the right outcome and reason, and leaves no task."""

import json
import threading
import time

import pytest

from tests.fargate.stage import AWAY, HOME, suite
from tests.outcomes import codes, passes

pytestmark = pytest.mark.xdist_group("stage")


@pytest.fixture
def shop(tmp_path, service):
    return suite(tmp_path / "shop", service.url, {"hold-for": "7s", "concurrency": 2})


@pytest.fixture
def long(tmp_path, service):
    return suite(tmp_path / "long", service.url, {"hold-for": "90s", "concurrency": 2})


def under_load(driven):
    driven.until(f"{HOME}-1/{attempt(driven, f'{HOME}-1')}/intervals-000002")
    driven.until(f"{AWAY}-1/{attempt(driven, f'{AWAY}-1')}/intervals-000002")


def attempt(driven, worker):
    driven.until("start.json")
    return json.loads(driven.stage.store.get(f"runs/{driven.run_id}/start.json"))["attempts"][worker]


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("kill", "137"),
        pytest.param("run_out_of_memory", "out of memory", marks=pytest.mark.nightly),
        pytest.param("interrupt", "Spot", marks=pytest.mark.nightly),
    ],
)
def test_a_lost_worker_ends_the_run_with_aws_reason(on_stage, long, how, text):
    driven = on_stage.drive("run", f"away-{how}", "--suite", long)
    under_load(driven)
    getattr(on_stage.cloud, how)(driven.task(AWAY))
    found = driven.verdict()
    assert found["outcome"] == "inconclusive"
    assert "lost-worker" in codes(found)
    assert text in str(found["reasons"])
    assert "damaged-file" not in codes(found)
    assert on_stage.running_tasks() == []


@pytest.mark.nightly
def test_with_a_quorum_the_other_workers_continue(on_stage, shop):
    driven = on_stage.drive("run", "quorum-kill", "--suite", shop, "--plan", '{"quorum": 0.5}')
    under_load(driven)
    on_stage.cloud.kill(driven.task(AWAY))
    found = driven.verdict()
    assert found["outcome"] == "inconclusive"
    assert on_stage.summary("quorum-kill")["duration_s"] > 6


@pytest.mark.nightly
def test_a_frozen_worker_is_stopped_and_given_up(on_stage, shop):
    driven = on_stage.drive("run", "frozen", "--suite", shop, "--plan", '{"max_duration_s": 9}')
    under_load(driven)
    task = driven.task(AWAY)
    on_stage.cloud.freeze(task)
    found = driven.verdict()
    assert found["outcome"] == "inconclusive"
    assert f"{AWAY}-1" in str(found["reasons"])
    on_stage.cloud.kill(task)
    on_stage.ended(task)


@pytest.mark.nightly
def test_a_failing_bucket_loses_no_measurements(on_stage, shop, service):
    driven = on_stage.drive("run", "slow-down", "--suite", shop)
    driven.until("start.json")
    on_stage.cloud.fail_next("s3", "PutObject", "SlowDown", times=10, message="Please reduce your rate", status=503)
    on_stage.cloud.fail_next("s3", "GetObject", "InternalError", times=10, message="Internal error", status=500)
    on_stage.cloud.lose_answers("s3", "PutObject", times=5)
    assert passes(driven.verdict()), driven.output
    assert on_stage.summary("slow-down")["labels"][""]["samples"] == service.answered


@pytest.mark.nightly
def test_a_run_with_a_truncated_interval_file_is_inconclusive(on_stage, shop):
    driven = on_stage.drive("run", "truncated", "--suite", shop)
    driven.until("launch.json")
    worker = f"{HOME}-1"
    issued = json.loads(on_stage.store.get("runs/truncated/launch.json"))["attempts"][worker][0]
    key = f"runs/truncated/workers/{worker}/{issued}/intervals-000003"
    on_stage.store.put(key, b"half of an interv")  # before the worker, which does not overwrite it
    found = driven.verdict()
    assert found["outcome"] == "inconclusive"
    assert "damaged-file" in codes(found)
    assert "intervals-000003" in str(found["reasons"])


@pytest.mark.nightly
def test_a_stop_from_another_machine_keeps_and_judges_the_measurements(on_stage, long, service):
    driven = on_stage.drive("run", "stopped", "--suite", long)
    under_load(driven)
    stopped = on_stage.toril("stop", "stopped")
    assert stopped.code == 0, stopped.output
    found = driven.verdict()
    assert found["outcome"] == "inconclusive"
    assert "stopped" in codes(found)
    assert on_stage.summary("stopped")["labels"][""]["samples"] == service.answered
    assert on_stage.running_tasks() == []


@pytest.mark.nightly
@pytest.mark.solo
def test_signals_of_github_actions_keep_the_results_and_leave_no_task(on_stage, long):
    driven = on_stage.drive("run", "cancelled", "--suite", long, "--plan", '{"graceful_stop_s": 2}')
    under_load(driven)
    driven.process.send_signal(2)
    late = threading.Timer(7.5, lambda: driven.process.poll() is None and driven.process.terminate())
    late.start()
    began = time.monotonic()
    found = driven.verdict()
    late.cancel()
    assert found["interrupted"]
    assert found["outcome"] == "inconclusive"
    assert time.monotonic() - began < 10  # the time after which Actions kills the process
    assert on_stage.running_tasks() == []
