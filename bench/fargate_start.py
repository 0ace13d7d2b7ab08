"""Measures toril's own time from the command to the load on Fargate, with tasks that start immediately.

    python bench/fargate_start.py [--workers 10] [--runs 2]

`toril run --on fargate` has half of its workers in each of two regions of the tests' embedded cloud (`_regions.py`).
Tasks are processes of this machine: each starts a Python and an engine. The peer, in turn, is the same command with the
same number of local workers, which has no AWS steps. Worker CPU: median of worker and engine for the whole run.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench._regions import REGIONS, Regions, regions  # noqa: E402 - beside this file
from tests.targets import target  # noqa: E402 - the tests' own, beside the package
from toril.store import FolderStore, Store  # noqa: E402

LOAD_S = 1
HEAD = """
| workers | decided | first task runs | last | first ready | all ready | load begins | local: load begins | worker CPU |
|---|---|---|---|---|---|---|---|---|"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--runs", type=int, default=2)
    asked = parser.parse_args()
    print(HEAD)
    with regions() as found, target(delay_s=0.005) as service, tempfile.TemporaryDirectory() as folder:
        where = suite(Path(folder), service.url, asked.workers)
        turns = [
            (
                *on_fargate(found, where, asked.workers, f"start-{number}"),
                local(Path(folder, str(number)), where, asked.workers),
            )
            for number in range(asked.runs)
        ]
    *moments, cpu_s, locally_s = (statistics.median(column) for column in zip(*turns, strict=True))
    shown = " | ".join(f"{moment:.1f} s" for moment in moments[:-1])
    print(f"| {asked.workers} | {shown} | **{moments[-1]:.1f} s** | {locally_s:.1f} s | {cpu_s:.1f} s |")


def on_fargate(found: Regions, where: Path, workers: int, run_id: str) -> tuple[float, ...]:
    """Returns the moments in seconds since the command, and the CPU seconds."""
    store = found.store
    began = commanded(where, workers, "--on", "fargate", "--run-id", run_id, env=found.environment())
    launch, start, end = (record(store, f"runs/{run_id}/{name}.json") for name in ("launch", "start", "end"))
    tasks = sorted(task["started_at"] - began for task in end["tasks"].values())
    readies = sorted(one["at"] - began for one in records(store, run_id, "ready"))
    assert len(readies) == len(tasks) == workers, readies
    cpu_s = [one["cpu_worker_s"] + one["cpu_engines_s"] for one in records(store, run_id, "exit")]
    moments = (launch["at"] - began, tasks[0], tasks[-1], readies[0], readies[-1], start["at"] - began)
    return (*moments, statistics.median(cpu_s))


def local(folder: Path, where: Path, workers: int) -> float:
    began = commanded(where, workers, "--store", str(folder), "--run-id", "here")
    return float(record(FolderStore(folder), "runs/here/start.json")["at"] - began)


def commanded(where: Path, workers: int, *more: str, env: dict[str, str] | None = None) -> float:
    """Runs `toril run` and returns when it began. Accepts a run that is inconclusive due to the crowded machine."""
    command = [sys.executable, "-m", "toril", "run", str(where), "--workers", str(workers), "--quiet", *more]
    began = time.time()
    done = subprocess.run([*command, "--fail-on", "none"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return began


def suite(folder: Path, url: str, workers: int) -> Path:
    half = workers // 2
    execution = {"executor": "locust", "concurrency": workers, "hold-for": f"{LOAD_S}s", "scenario": "s"}
    written = {
        "execution": [{**execution, "locations": dict(zip(REGIONS, (half, workers - half), strict=True))}],
        "scenarios": {"s": {"think-time": "50ms", "requests": [url]}},
        "toril": {"worker": {"cpu": 1024, "memory": 2048, "arch": "x86_64"}},
    }
    path = folder / "suite.yml"
    path.write_text(yaml.safe_dump(written))
    return path


def records(store: Store, run_id: str, name: str) -> list[dict[str, Any]]:
    """Returns the records of that name from all workers."""
    keys = [key for key in store.keys(f"runs/{run_id}/workers/") if key.endswith(f"/{name}.json")]
    return [record(store, key) for key in keys]


def record(store: Store, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(store.get(key))
    return found


if __name__ == "__main__":
    main()
