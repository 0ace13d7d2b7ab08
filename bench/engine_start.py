"""Measures how long engines take to be parked, in seconds and CPU seconds. This is most of the gap in a duet.

    python bench/engine_start.py [--runs 3]

In turn, a run and its peer. The log of `toril run`, with one worker and a second of load, has the times. The peer is
plain bzt on the same suite, which cannot be parked: its times, with the engine's CPU, end at its first request.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.overhead import bzt_command, started  # noqa: E402 - beside this file
from tests.targets import target  # noqa: E402 - the tests' own, beside the package

ENGINES = {"locust": "Locust", "apiritif": "Apiritif", "jmeter": "JMeter"}
PARKED = re.compile(r"its engine was parked after ([0-9.]+) s and ([0-9.]+) s of CPU")
LIMIT_S = 60
HEAD = """
| engine | parked after, median | at worst | CPU, median | at worst | bzt: first request after, median | CPU, median |
|---|---|---|---|---|---|---|"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    print(HEAD)
    for engine, name in ENGINES.items():
        turns = [(parked(engine), first_request(engine)) for _ in range(runs)]
        wall, cpu = zip(*(ours for ours, _ in turns), strict=True)
        of_bzt = [statistics.median(column) for column in zip(*(peer for _, peer in turns), strict=True)]
        figures = (statistics.median(wall), max(wall), statistics.median(cpu), max(cpu), *of_bzt)
        print(f"| {name} | " + " | ".join(f"{figure:.2f} s" for figure in figures) + " |", flush=True)


def parked(engine: str) -> tuple[float, float]:
    with target() as service, tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        command = [sys.executable, "-m", "toril", "run", suite(store, engine, service.url), "--store", store, "--quiet"]
        subprocess.run([*map(str, command), "--fail-on", "none"], check=True, stdout=subprocess.DEVNULL)
        (log,) = store.glob("runs/*/workers/*/*/bzt.log")
        found = PARKED.search(log.read_text())
        if found is None:
            raise RuntimeError(f"{log} has no line about the parked engine")
        return float(found[1]), float(found[2])


def first_request(engine: str) -> tuple[float, float]:
    with target() as service, tempfile.TemporaryDirectory() as folder:
        command = bzt_command(Path(folder), suite(Path(folder), engine, service.url))
        began = time.time()
        with started(command, Path(folder)) as process:
            while service.first_at is None:
                if time.time() > began + LIMIT_S:
                    raise RuntimeError(f"bzt with {engine} sent no request within {LIMIT_S} s")
                time.sleep(0.01)
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            return service.first_at - began, sum(sum(one.cpu_times()[:4]) for one in family)


def suite(folder: Path, engine: str, url: str) -> Path:
    execution = {"scenario": {"requests": [f"{url}/"]}, "executor": engine, "concurrency": 2, "hold-for": "1s"}
    path = folder / "suite.json"
    path.write_text(json.dumps({"execution": [execution]}))
    return path


if __name__ == "__main__":
    main()
