"""A worker's readings of its own state."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from toril.worker.health import Health, Monitor

BUSY = "import time\nend = time.time() + 5\nwhile time.time() < end: pass"


def readings(read: Callable[[Monitor, int], Health], wait_s: float = 0.5) -> Health:
    """Returns the second of two readings, with a busy program in its own process group."""
    with subprocess.Popen([sys.executable, "-c", BUSY], process_group=0) as engine:
        try:
            monitor = Monitor(time.time())
            time.sleep(0.2)  # let it run first: a process that never ran has no wait
            read(monitor, engine.pid)
            time.sleep(wait_s)
            return read(monitor, engine.pid)
        finally:
            engine.kill()


def test_a_busy_engine_is_measured_against_its_core_and_the_limit():
    health = readings(lambda monitor, pid: monitor.read(time.time(), [pid]))
    assert health.busiest_engine_core_fraction > 0.05
    assert 0 < health.cpu_fraction_of_limit <= 1.5
    assert health.cpu_fraction_of_limit >= health.busiest_engine_core_fraction / (os.cpu_count() or 1) / 1.1
    assert health.memory_bytes > 1_000_000
    assert health.throttled_s >= 0
    assert health.machine is None or 0 < health.machine <= 1


def test_an_engine_with_many_threads_is_not_judged_against_one_core():
    health = readings(lambda monitor, pid: monitor.read(time.time(), [], [pid]))
    assert health.busiest_engine_core_fraction == 0
    assert health.cpu_fraction_of_limit > 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the waiting of threads")
def test_linux_counters_of_an_engine_are_measured():
    health = readings(lambda monitor, pid: monitor.read(time.time(), [pid]))
    assert health.waiting is not None
    assert 0 <= health.waiting <= 1
    assert health.sockets is not None
    assert health.sockets_share is not None
    assert 0 < health.sockets_share <= 1


def test_waiting_is_not_measured_for_programs_that_are_not_engines():
    assert readings(lambda monitor, _: monitor.read(time.time(), [])).waiting is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity")
def test_two_engines_on_one_core_wait_for_each_other():
    usable = os.sched_getaffinity(0)
    burn = f"import os\nos.sched_setaffinity(0, {{{max(usable)}}})\n{BUSY}"
    engines = [subprocess.Popen([sys.executable, "-c", burn], process_group=0) for _ in range(2)]
    try:
        monitor, pids = Monitor(time.time()), [engine.pid for engine in engines]
        time.sleep(0.3)
        monitor.read(time.time(), pids)
        time.sleep(1)
        health = monitor.read(time.time(), pids)
    finally:
        for engine in engines:
            engine.kill()
            engine.wait()
    assert health.waiting is not None
    assert health.waiting > 0.3
    assert health.busiest_engine_core_fraction < 0.8


def test_memory_has_a_limit():
    monitor = Monitor(time.time())
    assert monitor.memory_limit_bytes > monitor.read(time.time() + 1, []).memory_bytes
    assert 0 < monitor.cores <= (os.cpu_count() or 1)
