"""A generator without CPU measures wrongly: this alone decides whether the same suite passes or is inconclusive."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.running import Finished, run
from tests.targets import target as serving

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
pytestmark = [
    pytest.mark.solo,
    pytest.mark.skipif(len(CORES) < 2, reason="needs Linux and two cores, one of them to be kept busy"),
]
BURNERS = 8  # each takes a whole core, so that an engine on it gets a ninth

LOCUSTFILE = """
import os, time
from locust import FastHttpUser, constant, task

mine = os.environ["BUSY"] if os.environ["TORIL_WORKER_INDEX"] == "0" else os.environ["OTHER"]
os.sched_setaffinity(0, {int(mine)})

class Visitor(FastHttpUser):
    wait_time = constant(0.03)  # eight users need about three tenths of a core

    @task
    def home(self):
        self.client.get("/home", name="home")
        enough = time.thread_time() + 0.001  # seconds of CPU time
        while time.thread_time() < enough:
            pass
"""


@contextlib.contextmanager
def kept_busy(core: int) -> Iterator[None]:
    """Runs BURNERS programs that never sleep on this core during the block, a minute at most."""
    burn = (
        f"import os, time\nos.sched_setaffinity(0, {{{core}}})\nend = time.time() + 60\nwhile time.time() < end: pass"
    )
    burners = [subprocess.Popen([sys.executable, "-c", burn]) for _ in range(BURNERS)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def visit(tmp_path: Path) -> Finished:
    """Runs two workers: the first one's engine on the last core, the other one's on the first core."""
    suite = {
        "execution": [{"executor": "locust", "concurrency": 16, "hold-for": "8s", "scenario": "home"}],
        "scenarios": {"home": {"script": "locustfile.py", "default-address": "${SHOP}"}},
        "reporting": [{"module": "passfail", "criteria": ["p95 of home>2s", "fail>0%"]}],
        "toril": {"workers": 2},
    }
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "suite.yml").write_text(json.dumps(suite))
    (tmp_path / "shop" / "locustfile.py").write_text(LOCUSTFILE)
    with serving() as target:
        given = [f"SHOP={target.url}", f"BUSY={CORES[-1]}", f"OTHER={CORES[0]}"]
        return run(tmp_path / "store", tmp_path / "shop", *(part for one in given for part in ("--env", one)))


@pytest.mark.nightly
def test_an_engine_on_its_own_core_is_not_saturated(tmp_path: Path) -> None:
    done = visit(tmp_path)
    assert done.code == 0, done.stdout + done.stderr
    summary = done.json("summary.json")
    assert summary["generators"]["saturated"] == []
    for worker in summary["generators"]["workers"].values():
        assert worker["waiting_max"] is not None
        assert worker["late_max_us"] >= 0
        assert worker["sockets_max"] >= 1
        assert worker["memory_limit_bytes"] > worker["memory_max_bytes"] > 0


def test_the_same_suite_with_one_engine_on_a_busy_core_is_inconclusive_with_the_reason_and_the_fix(
    tmp_path: Path,
) -> None:
    with kept_busy(CORES[-1]):
        done = visit(tmp_path)
    assert done.code == 3, done.stdout + done.stderr
    assert "saturated" in done.reasons()
    generators = done.json("summary.json")["generators"]
    assert "local-1" in generators["saturated"]
    starved = generators["workers"]["local-1"]
    assert starved["busiest_core_max"] < 0.6  # the CPU figures do not show it
    assert {one["what"] for one in starved["saturation"]} <= {"crowd", "waiting", "lateness"}
    assert "a core of its own" in generators["advice"]
    assert starved["saturation"][0]["message"][:60] in " ".join(done.stdout.split())
