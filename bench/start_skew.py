"""Measures how far the first requests of three workers are from the common start, and from each other.

    python bench/start_skew.py [ENGINE …] [--runs 3]

In turn, with one suite: `toril run` with three workers, then the peer, three plain `bzt` that are started together. The
workers measure their own lateness; bzt has no common start. The target measures the distance of the first requests.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.overhead import bzt_command, started  # noqa: E402 - beside this file
from tests.targets import Target, target  # noqa: E402 - the tests' own, beside the package

WORKERS, SECONDS, LIMIT_S = 3, 1, 60
HEAD = """
| engine | late, median | worst of three workers, median | at worst | apart, median | three bzt: apart, median |
|---|---|---|---|---|---|
"""
NAMES = {"locust": "Locust", "jmeter": "JMeter", "apiritif": "Apiritif"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engines", nargs="*", metavar="ENGINE", default=["locust", "jmeter"])
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    sys.stdout.write(HEAD)
    for engine in asked.engines:
        sys.stdout.write(row(engine, asked.runs))
        sys.stdout.flush()


def row(engine: str, runs: int) -> str:
    """Returns a table row: the lateness of the workers' first requests over all runs, and the distances of both."""
    worst_s, all_s, apart_s, peers_s = [], [], [], []
    for _ in range(runs):
        late_s, apart = toril(engine)
        worst_s.append(max(late_s))
        all_s += late_s
        apart_s.append(apart)
        peers_s.append(three_bzt(engine))
    late = (statistics.median(all_s), statistics.median(worst_s), max(worst_s))
    figures = (*late, statistics.median(apart_s), statistics.median(peers_s))
    return f"| {NAMES.get(engine, engine)} | " + " | ".join(f"{figure * 1000:.0f} ms" for figure in figures) + " |\n"


def toril(engine: str) -> tuple[list[float], float]:
    with tempfile.TemporaryDirectory() as name, target() as service:
        folder = Path(name)
        path = suite(folder, service, engine, "${TORIL_WORKER_INDEX}")
        command = [sys.executable, "-m", "toril", "run", path, "--store", folder / "store", "--quiet"]
        words = [*map(str, command), "--workers", str(WORKERS), "--fail-on", "none"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        exits = [json.loads(found.read_text()) for found in folder.glob("store/runs/*/workers/*/*/exit.json")]
        return [s for left in exits for s in left["first_sample_lateness_s"].values()], apart_of(service)


def three_bzt(engine: str) -> float:
    with tempfile.TemporaryDirectory() as name, target() as service, contextlib.ExitStack() as running:
        for number in range(WORKERS):
            folder = Path(name, str(number))
            folder.mkdir()
            command = bzt_command(folder, suite(folder, service, engine, str(number)))
            running.enter_context(started(command, folder))
        give_up = time.monotonic() + LIMIT_S
        while len(service.first_of) < WORKERS:
            if time.monotonic() > give_up:
                raise RuntimeError(f"after {LIMIT_S} s {sorted(service.first_of)} of {WORKERS} bzt have sent a request")
            time.sleep(0.02)
        return apart_of(service)


def apart_of(service: Target) -> float:
    first = [service.first_of[f"/{number}"] for number in range(WORKERS)]
    return max(first) - min(first)


def suite(folder: Path, service: Target, engine: str, number: str) -> Path:
    """Writes a suite of two virtual users whose requests identify their worker."""
    execution = {"executor": engine, "concurrency": 2 * WORKERS, "hold-for": f"{SECONDS}s", "scenario": "home"}
    scenario = {"requests": [{"url": f"{service.url}/{number}", "label": "home"}]}
    path = folder / "suite.json"
    path.write_text(json.dumps({"execution": [execution], "scenarios": {"home": scenario}}))
    return path


if __name__ == "__main__":
    main()
