"""From a sample's completion to the live table: how old the newest shown second is, with quick and with slow answers.

.venv/bin/python bench/lag.py [DELAY_S …] [--seconds 15]
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.targets import target as serving  # noqa: E402 - the tests' target is outside the package
from toril.clock import SystemClock  # noqa: E402
from toril.figures import LiveFigures  # noqa: E402
from toril.interrupts import Interrupts  # noqa: E402
from toril.launchers.local import LocalLauncher  # noqa: E402
from toril.run import RunOptions, plan_run, run  # noqa: E402
from toril.store import FolderStore  # noqa: E402


class Lags:
    """A view that notes how old its figures are while the load is on."""

    def __init__(self) -> None:
        self.lags_s: list[float] = []

    def show(self, figures: LiveFigures) -> None:
        if figures.phase == "running" and figures.samples:
            self.lags_s.append(figures.lag_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("delays", type=float, nargs="*", metavar="DELAY_S", default=[0.0, 3.0])
    parser.add_argument("--seconds", type=int, default=15)
    asked = parser.parse_args()
    sys.stdout.write("\n| answers take | lag, median | lag, at worst |\n|---|---|---|\n")
    for delay_s in asked.delays:
        lags_s = lags(delay_s, asked.seconds)
        sys.stdout.write(f"| {delay_s:g} s | {statistics.median(lags_s):.1f} s | {max(lags_s):.1f} s |\n")


def lags(delay_s: float, seconds: int) -> list[float]:
    """One run of two workers against a service that takes so long."""
    view, clock = Lags(), SystemClock()
    with tempfile.TemporaryDirectory() as name, serving(delay_s=delay_s) as target:
        path = Path(name) / "suite.json"
        execution = {"executor": "locust", "concurrency": 20, "hold-for": f"{seconds}s", "scenario": "home"}
        scenario = {"requests": [{"url": f"{target.url}/", "label": "home"}]}
        path.write_text(json.dumps({"execution": [execution], "scenarios": {"home": scenario}}))
        suite, plan = plan_run([path], RunOptions(workers=2), clock.now())
        store = FolderStore(Path(name) / "store")
        launcher = LocalLauncher(store, {})
        run(suite, plan, store=store, launcher=launcher, clock=clock, view=view, interrupts=Interrupts())
    return view.lags_s


if __name__ == "__main__":
    main()
