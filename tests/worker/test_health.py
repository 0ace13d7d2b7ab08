"""What a worker says of its own state."""

import os
import subprocess
import sys
import time

from toril.worker.health import Monitor

BUSY = "import time\nend = time.time() + 5\nwhile time.time() < end: pass"


def test_a_busy_engine_shows_against_its_core_and_against_the_limit():
    with subprocess.Popen([sys.executable, "-c", BUSY], process_group=0) as engine:
        try:
            monitor = Monitor(time.time())
            monitor.read(time.time(), [engine.pid])
            time.sleep(0.5)
            health = monitor.read(time.time(), [engine.pid])
        finally:
            engine.kill()
    assert health.busiest_engine_core_fraction > 0.05
    assert 0 < health.cpu_fraction_of_limit <= 1.5
    assert health.cpu_fraction_of_limit >= health.busiest_engine_core_fraction / (os.cpu_count() or 1) / 1.1
    assert health.memory_bytes > 1_000_000
    assert health.throttled_s >= 0


def test_an_engine_with_many_threads_is_not_judged_against_one_core():
    with subprocess.Popen([sys.executable, "-c", BUSY], process_group=0) as engine:
        try:
            monitor = Monitor(time.time())
            monitor.read(time.time(), [])
            time.sleep(0.3)
            health = monitor.read(time.time(), [])
        finally:
            engine.kill()
    assert health.busiest_engine_core_fraction == 0
    assert health.cpu_fraction_of_limit > 0
