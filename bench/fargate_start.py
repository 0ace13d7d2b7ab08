"""From the command to the load on Fargate, where tasks take no time to start: what toril's own steps take.

    PULUMI=… python bench/fargate_start.py [--workers 10] [--runs 1]

`make bench` sets PULUMI. Worker CPU: of a worker and its engine, for the whole run, median.

Stacks of two regions in the embedded cloud of the tests, tasks as processes of this machine:
`toril run --on fargate` with half of its workers in each. A task is a Python that starts, and an engine that does.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.fargate.stage import AWAY, HOME, Stage, stage, suite  # noqa: E402 - the tests' own, beside the package
from tests.targets import target  # noqa: E402

LOAD_S = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--runs", type=int, default=1)
    asked = parser.parse_args()
    print("| workers | command decides | first task runs | last | first ready | all ready | load begins | worker CPU |")
    print("|---|---|---|---|---|---|---|---|")
    with stage() as one, target(delay_s=0.005) as service, tempfile.TemporaryDirectory() as folder:
        for number in range(asked.runs):
            print(measured(one, Path(folder) / str(number), service.url, asked.workers, f"start-{number}"), flush=True)


def measured(one: Stage, folder: Path, url: str, workers: int, run_id: str) -> str:
    """A row: seconds since the command was typed."""
    half = workers // 2
    execution = {"concurrency": workers, "hold-for": f"{LOAD_S}s", "locations": {HOME: half, AWAY: workers - half}}
    where = suite(folder, url, execution)
    began = time.time()
    done = one.toril("run", where, "--on", "fargate", "--run-id", run_id, "--workers", workers)
    # whether so many generators on one machine measured well is not what this is about
    assert one.store.find(f"runs/{run_id}/verdict.json") and "lost" not in done.out, done.said
    launch, start, end = (record(one, f"runs/{run_id}/{name}.json") for name in ("launch", "start", "end"))
    tasks = sorted(task["started_at"] - began for task in end["tasks"].values())
    readies = sorted(found["at"] - began for found in records(one, run_id, "ready"))
    assert len(readies) == len(tasks) == workers, readies
    cpu_s = [found["cpu_worker_s"] + found["cpu_engines_s"] for found in records(one, run_id, "exit")]
    moments = (launch["at"] - began, tasks[0], tasks[-1], readies[0], readies[-1])
    shown = " | ".join(f"{moment:.1f} s" for moment in moments)
    return f"| {workers} | {shown} | **{start['at'] - began:.1f} s** | {statistics.median(cpu_s):.1f} s |"


def records(one: Stage, run_id: str, name: str) -> list[dict[str, Any]]:
    """Of that name, from all workers."""
    keys = [key for key in one.store.keys(f"runs/{run_id}/workers/") if key.endswith(f"/{name}.json")]
    return [record(one, key) for key in keys]


def record(one: Stage, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(one.store.get(key))
    return found


if __name__ == "__main__":
    main()
