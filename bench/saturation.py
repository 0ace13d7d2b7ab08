"""Finds, for each engine, the saturation at which the generator distorts its own measurement.

A target on its own core answers after a constant time, and reports its accuracy. On another core, one worker and its
engine measure it with more and more virtual users, until the core is full. The difference between the engine's
percentiles and the target's is the generator's error. The table compares it with core, waiting and lateness as the
worker measured them. Below it are, for each, the values between which the measurement became wrong. A second part
repeats this with a program that never sleeps on the engine's core: no CPU fraction is high then, but the engine waits.

    python bench/saturation.py                     all engines, about 2 minutes, on an otherwise idle machine
    python bench/saturation.py locust --quick      two short steps, as a check of this script

Its results are the constants in src/toril/summary/generators.py. Needs Linux and two cores.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.worker.driver import plan_of, planned, workers  # noqa: E402 - the tests' driver is outside the package
from toril.timeline import HealthSeries  # noqa: E402

DELAY_MS = 50.0  # the target's response time, that of a quick web service
P50_WRONG, P99_WRONG = 0.05, 0.10  # larger relative errors count as wrong
TARGET_WRONG_US = 1000  # a step with a larger error of the target does not count
WARM_UP_S = 2  # excluded from each step
FULL = 0.97  # of the core; more users would not add load
USERS = {  # the last values exceed one core
    "locust": (60, 300, 480),
    "apiritif": (4, 26),
    "jmeter": (100, 300),
}
SECONDS = {"locust": 4, "apiritif": 4, "jmeter": 6}  # longer for the JVM's warm-up
BURNER = "while True: pass"
HEAD = """
| engine | on its core | users | rps | core | waiting | lateness p90 | p50, true | measured | p99, true | measured | |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One step."""

    engine: str
    burner: bool
    users: int
    rps: float
    core: float
    waiting: float
    late_p90_us: float
    true_us: dict[str, int]
    measured_us: dict[str, int]
    target_error_us: int

    @property
    def valid(self) -> bool:
        return self.target_error_us <= TARGET_WRONG_US

    @property
    def wrong(self) -> bool:
        errors = {name: self.measured_us[name] / self.true_us[name] - 1 for name in ("p50", "p99")}
        return abs(errors["p50"]) > P50_WRONG or abs(errors["p99"]) > P99_WRONG

    def row(self) -> str:
        what = "" if self.valid else f"excluded: the target's error was {self.target_error_us / 1000:.1f} ms"
        times = " | ".join(
            f"{us / 1000:.1f} ms" for name in ("p50", "p99") for us in (self.true_us[name], self.measured_us[name])
        )
        return (
            f"| {self.engine} | {'a burner too' if self.burner else 'alone'} | {self.users} | {self.rps:,.0f} "
            f"| {self.core:.0%} | {self.waiting:.0%} | {self.late_p90_us / 1000:.1f} ms | {times} "
            f"| {what or ('**wrong**' if self.wrong else '')} |\n"
        )


@contextlib.contextmanager
def program(*command: object, **options: Any) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen([sys.executable, *map(str, command)], text=True, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def step(engine: str, users: int, seconds: int, cores: tuple[int, int], burner: bool) -> Point:
    """Runs one worker with `users` users against a new target. `cores` are the engine's and the target's."""
    with contextlib.ExitStack() as stack:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        command = [ROOT / "bench" / "constant_target.py", "--delay-ms", DELAY_MS, "--users", users, "--core", cores[1]]
        target = stack.enter_context(program(*command, **pipes))
        assert target.stdin is not None
        assert target.stdout is not None
        url = target.stdout.readline().strip()
        os.sched_setaffinity(0, {cores[0]})  # processes started from here on inherit it
        scenario = {"requests": [{"url": f"{url}/", "label": "constant"}], "keepalive": True}
        plan = plan_of(
            [planned(engine, "constant", concurrency=users, hold_for_s=float(seconds))], {"constant": scenario}
        )
        run = stack.enter_context(workers(plan, Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        run.launch()
        run.wait_ready()
        if burner:
            stack.enter_context(program("-c", BURNER))
        tell(target)
        run.start()
        run.wait()
        true = tell(target)
        outcome = run.outcome()
    stats = outcome.timeline.select().window(WARM_UP_S, seconds - 1)
    health = outcome.timeline.health_series("local-1")
    steady = (health.second >= WARM_UP_S) & (health.second < seconds)
    return Point(
        engine=engine,
        burner=burner,
        users=users,
        rps=stats.samples / (seconds - WARM_UP_S),
        core=typical(core_of(health), steady),
        waiting=typical(health.waiting, steady),
        late_p90_us=typical(np.where(health.late_p90_us < 0, np.nan, health.late_p90_us), steady),
        true_us=true["service_us"],
        measured_us={"p50": stats.percentile(50), "p99": stats.percentile(99)},
        target_error_us=max(true["service_us"]["p99"] - round(DELAY_MS * 1000), true["blind_us"]["p99"]),
    )


def tell(target: "subprocess.Popen[str]") -> dict[str, Any]:
    """Returns the target's report since the previous call."""
    assert target.stdin is not None
    assert target.stdout is not None
    target.stdin.write("\n")
    target.stdin.flush()
    found: dict[str, Any] = json.loads(target.stdout.readline())
    return found


def core_of(health: HealthSeries) -> Any:
    """Returns the fraction of the one core. For a multi-threaded engine it is the CPU of worker and engine."""
    return health.cpu if np.isnan(health.core).all() else health.core


def typical(values: Any, chosen: Any) -> float:
    known = [float(value) for value in values[chosen] if not np.isnan(value)]
    return statistics.median(known) if known else float("nan")


def limits(engine: str, points: list[Point]) -> str:
    """Returns lines with the values of each figure between which the measurement became wrong."""
    lines = []
    judged = [point for point in points if point.engine == engine and point.valid]
    for what, chosen in (
        ("core", [point for point in judged if not point.burner]),
        ("waiting", judged),
        ("late_p90_us", judged),
    ):
        right = max((getattr(point, what) for point in chosen if not point.wrong), default=None)
        wrong = min((getattr(point, what) for point in chosen if point.wrong), default=None)
        middle = None if right is None or wrong is None else (right + wrong) / 2
        figures = [shown(what, value) for value in (right, wrong, middle)]
        lines.append(
            f"- {engine}, {what}: right up to {figures[0]}, wrong from {figures[1]} on; limit about {figures[2]}\n"
        )
    return "".join(lines)


def shown(what: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value / 1000:.1f} ms" if what == "late_p90_us" else f"{value:.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", default=list(USERS), help="of " + ", ".join(USERS))
    parser.add_argument(
        "--quick", action="store_true", help="Run two short steps per engine, as a check of this script."
    )
    asked = parser.parse_args()
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(usable) < 2:
        sys.exit("bench/saturation.py needs Linux and two cores: one for the engine, one for the target.")
    cores = usable[0], usable[-1]
    busy = os.getloadavg()[0]
    if busy > 0.5:
        sys.stderr.write(f"Other programs are busy (load {busy:.1f}) and may distort the results.\n")
    sys.stdout.write(HEAD)
    points: list[Point] = []
    for engine in asked.engines:
        seconds = SECONDS[engine] - 2 * asked.quick
        alone = USERS[engine][:2] if asked.quick else USERS[engine]
        beside = alone[:1] if asked.quick else alone[1:2]
        for users, burner in [*((n, False) for n in alone), *((n, True) for n in beside)]:
            if not burner and any(p.engine == engine and p.core >= FULL and p.valid for p in points):
                continue
            points.append(step(engine, users, seconds, cores, burner))
            sys.stdout.write(points[-1].row())
            sys.stdout.flush()
    sys.stdout.write("\n" + "".join(limits(engine, points) for engine in asked.engines))


if __name__ == "__main__":
    main()
