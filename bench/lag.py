"""Measures the age of the newest second in the owner's table and in `toril watch`, with quick and with slow answers.

    python bench/lag.py [DELAY_S …] [--seconds 10]

The peer, immediately after it, is plain bzt's listener (`_bzt_lag.py`), with the same load on the same target.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.overhead import bzt_command  # noqa: E402 - beside this file
from tests.targets import target as serving  # noqa: E402 - the tests' target is outside the package
from toril.clock import SystemClock  # noqa: E402
from toril.launchers.local import LocalLauncher  # noqa: E402
from toril.plan.options import RunOptions, plan_run  # noqa: E402
from toril.records import run_key  # noqa: E402
from toril.records.progress import Progress  # noqa: E402
from toril.run import run  # noqa: E402
from toril.runs.stored import follow  # noqa: E402
from toril.signals import Interrupts  # noqa: E402
from toril.store import FolderStore  # noqa: E402

SHOWN = (statistics.median, lambda lags: sorted(lags)[int(0.95 * len(lags))], max)


class Lags:
    """A view that records the age of its figures during the load."""

    def __init__(self) -> None:
        self.lags_s: list[float] = []

    def show(self, progress: Progress) -> None:
        if progress.phase == "running" and progress.figures.samples:
            self.lags_s.append(progress.lag_s)


class Seconds:
    """A view that records how long after its middle each second is first shown."""

    def __init__(self) -> None:
        self.lags_s: list[float] = []
        self._next = 0

    def show(self, progress: Progress) -> None:
        recent, now = progress.recent, SystemClock().now()
        for second in range(self._next, recent.from_s + len(recent.rps)):
            self._next = second + 1
            self.lags_s.append(now - (progress.started_at or now) - second - 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("delays", type=float, nargs="*", metavar="DELAY_S", default=[0.0, 3.0])
    parser.add_argument("--seconds", type=int, default=10)
    asked = parser.parse_args()
    sides = ("owner", "`toril watch`", "bzt")
    heads = " | ".join(f"{side}: median | p95 | at worst" for side in sides)
    sys.stdout.write(f"\n| answers take | {heads} |\n|{'---|' * 10}\n")
    for delay_s in asked.delays:
        all_lags = [*ours(delay_s, asked.seconds), of_bzt(delay_s, asked.seconds)]
        figures = [f"{figure(lags):.1f} s" if lags else "no figure at all" for lags in all_lags for figure in SHOWN]
        sys.stdout.write(f"| {delay_s:g} s | " + " | ".join(figures) + " |\n")
        sys.stdout.flush()


def ours(delay_s: float, seconds: int) -> tuple[list[float], list[float]]:
    """Runs two workers against a service with this response time, and a watcher.

    Returns the ages of the figures that the owner shows, and the times from a sample to the watcher's screen.
    """
    view, watching, clock = Lags(), Seconds(), SystemClock()
    with tempfile.TemporaryDirectory() as name, serving(delay_s=delay_s) as target:
        suite, plan = plan_run([written(Path(name), target.url, seconds)], RunOptions(workers=2), clock.now())
        store = FolderStore(Path(name) / "store")
        launcher = LocalLauncher(store, {})
        watcher = threading.Thread(target=watch, args=(store, plan.run_id, watching))
        watcher.start()
        run(suite, plan, store=store, launcher=launcher, clock=clock, view=view, interrupts=Interrupts())
        watcher.join()
    return view.lags_s, watching.lags_s


def watch(store: FolderStore, run_id: str, view: Seconds) -> None:
    clock = SystemClock()
    while store.find(run_key(run_id, "plan.json")) is None:
        clock.sleep(0.1)
    follow(store, run_id, clock=clock, view=view, interrupts=Interrupts())


def of_bzt(delay_s: float, seconds: int) -> list[float]:
    with tempfile.TemporaryDirectory() as name, serving(delay_s=delay_s) as target:
        folder = Path(name)
        probe = {
            "modules": {"lag": {"class": "bench._bzt_lag.Lag"}},
            "reporting": [{"module": "lag", "file": str(folder / "lags.json")}],
        }
        (folder / "probe.json").write_text(json.dumps(probe))
        command = bzt_command(folder, written(folder, target.url, seconds), folder / "probe.json")
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120
        )
        lags_s: list[float] = json.loads((folder / "lags.json").read_text())
        return lags_s


def written(folder: Path, url: str, seconds: int) -> Path:
    path = folder / "suite.json"
    execution = {"executor": "locust", "concurrency": 20, "hold-for": f"{seconds}s", "scenario": "home"}
    scenario = {"requests": [{"url": f"{url}/", "label": "home"}]}
    path.write_text(json.dumps({"execution": [execution], "scenarios": {"home": scenario}}))
    return path


if __name__ == "__main__":
    main()
