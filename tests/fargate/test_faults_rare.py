"""What seldom goes wrong: clocks, disks, credentials and stops. Each run ends with the right outcome and the reason."""

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
RECORDS_KIB = 16  # that a file may have: to whoever writes more, the disk is as full as when nothing is left of it


@pytest.fixture
def shop(tmp_path, service):
    return suite(tmp_path / "shop", service.url, {"hold-for": "6s", "concurrency": 2})


@pytest.fixture
def in_one_worker(on_stage):
    """A function that lets the task of one region, and all its processes, begin with a line of shell."""

    def begins_with(first):
        on_stage.set_image(["sh", "-c", ONLY.format(worker=f"{AWAY}-1", first=first), "sh", *WORKER])

    return begins_with


@pytest.fixture
def clock_ahead(tmp_path):
    """A library that lets a program's clock be ahead."""
    source, library = tmp_path / "clock.c", tmp_path / "clock.so"
    source.write_text(CLOCK)
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("a clock of its own for a process takes Linux and a C compiler")
    subprocess.run([compiler, "-shared", "-fPIC", f"-DAHEAD_S={AHEAD_S}", "-o", library, source], check=True)
    return library


@pytest.mark.nightly
def test_a_clock_that_is_30_s_off_makes_the_run_inconclusive_and_is_named(on_stage, shop, in_one_worker, clock_ahead):
    in_one_worker(f"export LD_PRELOAD={clock_ahead}")
    found = on_stage.drive("run", "clock", "--suite", shop).verdict()
    assert found["outcome"] == "inconclusive"
    assert "unsure-clock" in codes(found)
    assert f"the clock of worker {AWAY}-1 is off by +" in str(found["reasons"])
    assert f"the clock of worker {HOME}-1" not in str(found["reasons"])
    assert on_stage.running_tasks() == []


@pytest.mark.nightly
def test_a_disk_that_is_full_in_a_worker_loses_it_and_makes_the_run_inconclusive(
    on_stage, service, tmp_path, in_one_worker
):
    busy = suite(tmp_path / "busy", service.url, {"hold-for": "6s", "concurrency": 30})
    in_one_worker(f"ulimit -f {RECORDS_KIB * 2}")  # of 512 bytes each
    found = on_stage.drive("run", "disk", "--suite", busy).verdict()
    assert found["outcome"] == "inconclusive"
    assert "lost-worker" in codes(found)
    assert f"{AWAY}-1" in str(found["reasons"])
    assert "for want of room on the worker's disk" in str(found["reasons"])
    assert on_stage.running_tasks() == []


def test_credentials_that_expire_under_load_leave_the_run_to_whoever_takes_it_over(on_stage, shop, service):
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
def test_tasks_that_only_a_stop_can_end_are_stopped_through_throttling(on_stage, shop):
    """They wait for their network and know nothing of stop.json."""
    on_stage.cloud.hold_starts(HOME)
    on_stage.cloud.hold_starts(AWAY)
    on_stage.cloud.fail_next("ecs", "StopTask", times=5)
    found = on_stage.drive("run", "stops", "--suite", shop, "--pace", '{"ready_timeout_s": 5}').result()
    assert found["code"] == 4
    assert on_stage.running_tasks() == []
