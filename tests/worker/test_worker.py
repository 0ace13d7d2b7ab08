"""The worker as a process: signals, stops, stale starts, and no leftover processes."""

import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import psutil
import pytest

from tests.targets import target
from tests.tiers import by_day
from tests.worker.driver import RUN, engines_of, left_over, plan_of, planned, wait_until, workers
from toril.records import run_key

pytestmark = pytest.mark.live

PARENT = """
import subprocess, sys, time
print(subprocess.Popen(sys.argv[1:], start_new_session=True).pid, flush=True)
time.sleep(60)
"""
GENEROUS_S = 10.0  # the promise is 5 s; a busy machine takes longer


def long_plan(url, *, count=1, path="/delay/0.3", **settings):
    scenarios = {"shop": {"default-address": url, "requests": [{"url": path, "label": "it"}]}}
    return plan_of([planned("locust", "shop", concurrency=4, hold_for_s=120.0)], scenarios, workers=count, **settings)


def loaded(run, service):
    """Launched, started, and under load."""
    run.launch()
    run.wait_ready()
    run.start()
    wait_until(lambda: service.answered > 5, run)
    return engines_of(run)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.nightly)])
def test_a_repeated_signal_ends_the_worker_and_loses_nothing(tmp_path, number):
    with target() as service, workers(long_plan(service.url), tmp_path) as run:
        engines = loaded(run, service)
        for _ in range(5):
            run.processes[0].send_signal(number)
            time.sleep(0.05)
        assert run.wait() == [0]
        found = run.outcome()
        assert found.exits[0].outcome == "stopped"
        assert found.exits[0].signals >= 1
        assert 0 <= (found.exits[0].ended_after_signal_s or 0) < GENEROUS_S
        assert found.total().failures == 0
        assert found.samples <= service.answered <= found.samples + found.unfinished
        assert not left_over(engines)


def test_a_stop_in_the_store_ends_the_load_and_keeps_the_results(tmp_path):
    with target() as service, workers(long_plan(service.url, count=2), tmp_path) as run:
        engines = loaded(run, service)
        run.stop("user")
        assert run.wait() == [0, 0]
        found = run.outcome()
        assert {one.outcome for one in found.exits} == {"stopped"}
        assert found.samples == service.answered
        assert found.unfinished == 0
        assert not left_over(engines)


@pytest.mark.nightly
def test_max_duration_ends_the_load(tmp_path):
    with target() as service, workers(long_plan(service.url, max_duration_s=1.0), tmp_path) as run:
        found = run.go()
        assert found.exits[0].outcome == "stopped"
        assert "max-duration" in found.exits[0].message
        assert found.samples == service.answered


def test_a_parked_engine_sends_nothing_before_the_start(tmp_path):
    with target() as service, workers(long_plan(service.url, count=2, max_duration_s=0.5), tmp_path) as run:
        run.launch()
        run.wait_ready()
        assert len(engines_of(run)) >= 2
        time.sleep(0.5)
        assert service.started == 0
        run.start()
        run.wait()
        assert service.first_at is not None and service.first_at >= run.start_at - 0.001


def test_an_attempt_fails_without_load_if_a_file_of_the_suite_has_changed(tmp_path):
    with target() as service, workers(long_plan(service.url), tmp_path, {"workers/users.csv": "a"}) as run:
        run.store.put(run_key(RUN, "suite", "workers", "users.csv"), b"planted")
        run.launch()
        assert run.wait() != [0]
        assert run.exit().outcome == "failed"
        assert "workers/users.csv" in run.exit().message
        assert service.started == 0


def test_a_start_of_other_attempts_has_no_effect(tmp_path):
    with target() as service, workers(long_plan(service.url), tmp_path) as run:
        run.launch()
        run.wait_ready()
        engines = engines_of(run)
        run.start(attempts={"local-1": "somebody else's"})
        assert run.wait() == [0]
        assert run.exit().outcome == "stale"
        assert service.started == 0
        assert not left_over(engines)


def test_a_stale_start_is_found_before_preparation(tmp_path):
    with target() as service, workers(long_plan(service.url), tmp_path) as run:
        run.start(attempts={})
        run.launch()
        assert run.wait() == [0]
        assert run.exit().outcome == "stale"
        assert run.store.find(run.key(0, "ready.json")) is None


@pytest.mark.nightly
def test_a_signal_while_preparing_ends_the_worker(tmp_path):
    service_that_hangs = {"services": [{"module": "shellexec", "prepare": ["sleep 60"]}]}
    with workers(long_plan("http://127.0.0.1:9", common=service_that_hangs), tmp_path) as run:
        run.launch()
        wait_until(lambda: engines_of(run), run)
        engines = engines_of(run)
        run.processes[0].terminate()
        assert run.wait() == [0]
        assert run.exit().outcome == "stopped"
        assert not left_over(engines)


@pytest.mark.parametrize(
    ("after_s", "number"), by_day(product([0.1, 0.25, 0.4, 0.55], [signal.SIGTERM, signal.SIGINT]), each=3)
)
def test_a_signal_while_the_worker_still_loads_its_own_code_ends_it_with_a_record(tmp_path, number, after_s):
    with workers(long_plan("http://127.0.0.1:9"), tmp_path) as run:
        run.launch()
        wait_until(lambda: listens(run.processes[0].pid), run)
        time.sleep(after_s - 0.1)
        run.processes[0].send_signal(number)
        assert run.wait() == [0]
        assert run.exit().outcome == "stopped"
        assert run.exit().signals == 1


WRAPS = """
import os, signal, time
from bzt.engine import Service

class Wraps(Service):
    def prepare(self):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        except BaseException as error:
            raise RuntimeError("cannot be read") from error
"""


def test_an_interruption_that_bzt_replaces_by_another_error_still_counts(tmp_path, monkeypatch):
    (tmp_path / "wraps.py").write_text(WRAPS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    common = {"modules": {"wraps": {"class": "wraps.Wraps"}}, "services": ["wraps"]}
    with workers(long_plan("http://127.0.0.1:9", common=common), tmp_path) as run:
        run.launch()
        assert run.wait() == [0]
        assert run.exit().outcome == "stopped"


def listens(pid):
    """Returns whether the process handles SIGTERM; only Linux reports it, elsewhere assume so after a moment."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        time.sleep(0.1)
        return True
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def test_workers_end_with_their_coordinator(tmp_path):
    with target() as service, workers(long_plan(service.url), tmp_path) as run:
        run.launch()  # only for its command: the worker under test has a parent that dies
        command = run.command(0)
        run.processes[0].kill()
        run.processes[0].wait()
        parent = subprocess.Popen([sys.executable, "-c", PARENT, *command], stdout=subprocess.PIPE)
        assert parent.stdout is not None
        run.processes[0] = parent
        worker = psutil.Process(int(parent.stdout.readline()))
        run.wait_ready()
        run.start()
        wait_until(lambda: service.answered > 5, run)
        family = [worker, *worker.children(recursive=True)]
        parent.kill()
        parent.wait()
        parent.stdout.close()
        psutil.wait_procs(family, timeout=GENEROUS_S)
        assert not left_over(family)
        found = run.outcome()
        assert found.exits[0].message == "the coordinator ended"
        assert found.samples <= service.answered <= found.samples + found.unfinished


@pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel to tell a child that its parent is gone")
def test_a_killed_worker_leaves_no_engine(tmp_path):
    with target() as service, workers(long_plan(service.url), tmp_path) as run:
        engines = loaded(run, service)
        os.kill(run.processes[0].pid, signal.SIGKILL)
        run.processes[0].wait()
        assert not left_over(engines)


def test_each_second_has_health_and_users(tmp_path):
    with target() as service, workers(long_plan(service.url, max_duration_s=2.5), tmp_path) as run:
        found = run.go()
        assert found.exits[0].interval_files == len(found.intervals) >= 2
        assert max(found.timeline.select("").virtual_users(second) for second in (0, 1)) == 4
        assert found.exits[0].cpu_engines_s > 0
