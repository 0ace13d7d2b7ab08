"""Rare faults: clocks, disks, credentials and stops. Each run ends with the right outcome and reason."""

import shutil
import subprocess
import sys

import pytest

from tests.cloud.stand_in import WORKER
from tests.fargate.stage import AWAY, HOME, suite
from tests.outcomes import CROWDED, EFFECTS, codes

pytestmark = pytest.mark.xdist_group("stage")

AHEAD_S = 30
CLOCK = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, clock, at);
    if (clock == CLOCK_REALTIME) at->tv_sec += AHEAD_S;
    return failed;
}
"""
ONLY = 'if [ "$TORIL_WORKER" = "{worker}" ]; then {first}; fi; exec "$@"'
RECORDS_KIB = 16  # the largest file size; longer writes fail like on a full disk


@pytest.fixture
def shop(tmp_path, service):
    return suite(tmp_path / "shop", service.url, {"hold-for": "6s", "concurrency": 2})


@pytest.fixture
def in_one_worker(on_stage):
    """Returns a function that makes the task of one region start with a shell command."""

    def begins_with(first):
        on_stage.set_image(["sh", "-c", ONLY.format(worker=f"{AWAY}-1", first=first), "sh", *WORKER])

    return begins_with


@pytest.fixture
def clock_ahead(tmp_path):
    """A library that sets a program's clock ahead."""
    source, library = tmp_path / "clock.c", tmp_path / "clock.so"
    source.write_text(CLOCK)
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("a separate clock for a process needs Linux and a C compiler")
    subprocess.run([compiler, "-shared", "-fPIC", f"-DAHEAD_S={AHEAD_S}", "-o", library, source], check=True)
    return library


@pytest.mark.nightly
def test_a_clock_with_a_30_s_offset_makes_the_run_inconclusive(on_stage, shop, in_one_worker, clock_ahead):
    in_one_worker(f"export LD_PRELOAD={clock_ahead}")
    found = on_stage.drive("run", "clock", "--suite", shop).verdict()
    assert found["outcome"] == "inconclusive"
    assert "unsure-clock" in codes(found)
    assert f"the clock of worker {AWAY}-1 is off by +" in str(found["reasons"])
    assert f"the clock of worker {HOME}-1" not in str(found["reasons"])
    assert on_stage.running_tasks() == []


@pytest.mark.nightly
def test_a_full_disk_in_a_worker_makes_the_run_inconclusive(on_stage, service, tmp_path, in_one_worker):
    busy = suite(tmp_path / "busy", service.url, {"hold-for": "6s", "concurrency": 30})
    in_one_worker(f"ulimit -f {RECORDS_KIB * 2}")  # in blocks of 512 bytes
    found = on_stage.drive("run", "disk", "--suite", busy).verdict()
    assert found["outcome"] == "inconclusive"
    assert "lost-worker" in codes(found)
    assert f"{AWAY}-1" in str(found["reasons"])
    assert "the worker's disk is full" in str(found["reasons"])
    assert on_stage.running_tasks() == []


@pytest.mark.nightly
def test_a_run_with_expired_credentials_can_be_taken_over(on_stage, shop, service):
    runner = on_stage.runner()
    driven = on_stage.drive("run", "expired", "--suite", shop, "--pace", '{"orphaned_after_s": 40}', who=runner)
    driven.until("intervals-000002")
    on_stage.cloud.expire(runner.access_key)
    cut_off = driven.result()
    assert cut_off["code"] == 4
    assert "the AWS credentials have expired" in cut_off["error"]
    assert "toril watch expired --take-over" in cut_off["error"]
    assert on_stage.store.find("runs/expired/stop.json") is None
    found = on_stage.drive("take-over", "expired").verdict()
    assert codes(found) <= {"nothing-judged"} | CROWDED | EFFECTS
    assert on_stage.summary("expired")["labels"][""]["samples"] == service.answered
    assert on_stage.running_tasks() == []


@pytest.mark.nightly
def test_tasks_without_a_network_are_stopped_despite_throttling(on_stage, shop):
    """The tasks wait for their network, and cannot read stop.json."""
    on_stage.cloud.hold_starts(HOME)
    on_stage.cloud.hold_starts(AWAY)
    on_stage.cloud.fail_next("ecs", "StopTask", times=5)
    found = on_stage.drive("run", "stops", "--suite", shop, "--pace", '{"ready_timeout_s": 5}').result()
    assert found["code"] == 4
    assert on_stage.running_tasks() == []
