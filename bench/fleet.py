"""Measures the coordinator of 1,000 workers in 10 regions: cost, lag and duration of the start.

    python bench/fleet.py [--workers 100] [--seconds 15] [--labels 10] [--samples 100] [--task-start 8]

The real `run`, with the command's launcher, boto3 and store. Another process (`fleet_cloud`) simulates S3, ECS and the
workers, at AWS's documented latencies and rates. Half of the regions start 20 tasks a second, half 5. The peer is the
obvious way to follow a run in a bucket: list it, and get the new files one after another.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from toril.clock import SystemClock  # noqa: E402 - the package of this folder's checkout
from toril.launchers.fargate import usual_rates  # noqa: E402
from toril.launchers.prepare import launcher_for  # noqa: E402
from toril.plan.options import RunOptions, plan_run  # noqa: E402
from toril.records import (  # noqa: E402
    DeployedLimits,
    DeployedNetwork,
    DeployedWorker,
    Deployment,
    Start,
    deployment_key,
    run_key,
)
from toril.records.progress import Progress  # noqa: E402
from toril.run import run  # noqa: E402
from toril.signals import Interrupts  # noqa: E402
from toril.store import Store, open_store  # noqa: E402

FAST = ("eu-west-1", "eu-central-1", "us-east-1", "us-west-2", "ap-northeast-1")
SLOW = ("eu-south-1", "af-south-1", "ap-east-1", "me-south-1", "ca-west-1")
FILE_S = 5
PEER_FILES = 100
KINDS = ("GET", "GET not found", "LIST", "PUT", "HEAD")


class Noted:
    """A store that records the files read since the last step."""

    def __init__(self, store: Store) -> None:
        self._store, self.read = store, list[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def find_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        found = self._store.find_many(keys)
        self.read += found
        return found


@dataclass(slots=True)
class Steps(SystemClock):
    """A clock that records the end of each coordinator step, after it folded the files and checked the criteria."""

    store: Noted
    at: list[tuple[float, float]] = field(default_factory=list)  # wall clock, CPU of the process
    folded: dict[str, float] = field(default_factory=dict)

    def sleep(self, seconds: float) -> None:
        now = self.now()
        self.at.append((now, time.process_time()))
        self.folded.update((key, now) for key in self.store.read)
        self.store.read.clear()
        time.sleep(max(0.0, seconds))

    def between(self, first: float, last: float) -> tuple[float, float]:
        """Returns the CPU seconds of the steps between two moments, and the duration of the longest step."""
        steps = [(now, cpu) for now, cpu in self.at if first <= now <= last]
        gaps = [after[0] - before[0] for before, after in pairwise(steps)]
        return (steps[-1][1] - steps[0][1]) / (steps[-1][0] - steps[0][0]), max(gaps)


class Lags:
    """A view that records the age of the live table's figures."""

    def __init__(self) -> None:
        self.lags_s: list[float] = []

    def show(self, progress: Progress) -> None:
        if progress.phase == "running" and progress.figures.samples:
            self.lags_s.append(progress.lag_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=100, help="Workers in each of 10 regions.")
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--labels", type=int, default=10)
    parser.add_argument("--samples", type=int, default=100, help="Samples per label and second.")
    parser.add_argument("--task-start", type=float, default=8, help="Mean start time of a task, in seconds.")
    asked = parser.parse_args()
    with cloud(asked) as address, tempfile.TemporaryDirectory() as folder:
        measure(asked, address, Path(folder))


def measure(asked: argparse.Namespace, address: str, folder: Path) -> None:
    """Runs the coordinator, then the peer on the same files."""
    store = Noted(open_store("s3://results"))
    deploy(store)  # type: ignore[arg-type]  # a store by __getattr__
    clock, view = Steps(store), Lags()
    write_suite(folder, asked)

    began, cpu = clock.now(), time.process_time()
    suite, plan = plan_run([folder / "suite.yml"], RunOptions(on="fargate", run_id="fleet"), began)
    plan_s = time.process_time() - cpu
    launcher = launcher_for(plan, store, {}, clock)  # type: ignore[arg-type]
    judged = run(suite, plan, store=store, launcher=launcher, clock=clock, view=view, interrupts=Interrupts())  # type: ignore[arg-type]
    ended, cpu = clock.now(), time.process_time()
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)

    report = report_of(address)
    start = Start.from_json(store.get(run_key("fleet", "start.json")), "start.json")
    workers = len(plan.shares)
    total = judged.bundle.summary.total.samples
    assert judged.bundle.verdict.outcome == "passed", judged.bundle.verdict.reasons
    assert total == workers * asked.seconds * asked.labels * asked.samples, total

    launching = clock.between(began, start.at)
    loading = clock.between(start.at + FILE_S, start.at + asked.seconds)
    written = {key: at for key, at in report["written"].items() if "/intervals-" in key}
    lags_s = sorted(clock.folded[key] - at for key, at in written.items() if key in clock.folded)
    settled_s = 2 * FILE_S  # before the first files, the coordinator cannot know when the next ones are due
    counts = counted(report["counts"], start.at + settled_s, start.at + asked.seconds)
    rate = workers * (asked.seconds - settled_s) / 60
    last = max(at for key, at in report["written"].items() if key.endswith("/exit.json"))
    seen_cpu = clock.at[-1][1]
    quick, slow = (max(at for region, at in report["accepted"] if region in these) - began for these in (FAST, SLOW))
    print(f"| what | {workers:,} workers |\n|---|---|")
    rows = {
        "plan": f"{plan_s:.2f} CPU-s",
        "last task accepted, regions with 20 a second / 5 a second": f"{quick:.1f} s / {slow:.1f} s after the command",
        "all ready": f"{start.at - plan.pace.start_lead_s - began:.1f} s, of it 8–12 s the simulated tasks and engines",
        "coordinator's CPU while launching / while the load is on": (
            f"{launching[0]:.0%} / **{loading[0]:.0%}** of a core"
        ),
        "longest step": f"{max(launching[1], loading[1]):.1f} s",
        "file written to folded, p50 / p99 / at worst (goal 10 s at 100 workers)": (
            f"{statistics.median(lags_s):.1f} s / {lags_s[int(0.99 * len(lags_s))]:.1f} s / **{lags_s[-1]:.1f} s**"
        ),
        "live table, p50 / at worst": f"{statistics.median(view.lags_s):.1f} s / {max(view.lags_s):.1f} s old",
        "coordinator's requests a worker and minute: files / not found / PUT / LIST": (
            " / ".join(f"{counts[kind] / rate:.2f}" for kind in ("GET", "GET not found", "PUT", "LIST"))
        ),
        "last worker's exit to the verdict": f"{ended - last:.1f} s; after the last step {cpu - seen_cpu:.1f} CPU-s",
        "peak memory": f"{memory_mib:.0f} MiB",
        f"peer: what {workers:,} workers write in {FILE_S} s": peer(
            store,  # type: ignore[arg-type]
            workers,
            [key for key in written if key.endswith("intervals-000002")][:PEER_FILES],
        ),
    }
    for name, value in rows.items():
        print(f"| {name} | {value} |", flush=True)


def counted(counts: list[Any], first: float, last: float) -> Counter[str]:
    found: Counter[str] = Counter()
    for kind, second, count in counts:
        if first <= second < last:
            found[kind] += count
    return found


def peer(store: Store, workers: int, keys: list[str]) -> str:
    """Lists the whole run, then gets file after file. Extrapolates the median of three samples to all files."""
    looks = [looked(store, workers, keys) for _ in range(3)]
    all_s = statistics.median(looks)
    late = f"{all_s / FILE_S:.1f} times too slow; it never catches up" if all_s > FILE_S else "in time"
    return f"{all_s:.0f} s, {late}"


def looked(store: Store, workers: int, keys: list[str]) -> float:
    began = time.monotonic()
    assert sum(1 for _ in store.keys("runs/fleet/workers/"))
    list_s = time.monotonic() - began
    for key in keys:
        assert store.find(key)
    return list_s + (time.monotonic() - began - list_s) / len(keys) * workers


def deploy(store: Store) -> None:
    for region in (*FAST, *SLOW):
        assert usual_rates(region).sustained_per_s == (20.0 if region in FAST else 5.0)
        worker = DeployedWorker(
            flavour="slim",
            architecture="arm64",
            task_definition=f"arn:aws:ecs:{region}:123456789012:task-definition/toril-main-slim-arm64:7",
            container="worker",
            image="toril/worker",
            digest=f"sha256:{'0a' * 32}",
        )
        made = Deployment(
            toril_version="1",
            environment="main",
            region=region,
            account="123456789012",
            store="s3://results",
            store_region="eu-west-1",
            cluster=f"arn:aws:ecs:{region}:123456789012:cluster/toril-main",
            network=DeployedNetwork(subnets=("subnet-1",), security_groups=("sg-1",), public_addresses=True),
            workers=(worker,),
            log_group="/toril/main",
            execution_role="arn:aws:iam::123456789012:role/execution",
            worker_role="arn:aws:iam::123456789012:role/worker",
            limits=DeployedLimits(vcpus=4000, cost_usd=100, duration_s=3600),
        )
        store.put(deployment_key(region), made.to_json())


def write_suite(folder: Path, asked: argparse.Namespace) -> None:
    workers = 10 * asked.workers
    execution = {
        "executor": "locust",
        "scenario": "shop",
        "concurrency": 10 * workers,
        "hold-for": f"{asked.seconds}s",
        "locations": dict.fromkeys((*FAST, *SLOW), asked.workers),
    }
    pages = [{"url": "http://127.0.0.1/", "label": f"/page/{number}"} for number in range(asked.labels)]
    criteria = ["p95>5s", "p99 of /page/3>5s for 10s, stop as failed", "fail>5% for 10s, stop as failed", "fail>5%"]
    suite = {
        "execution": [execution],
        "scenarios": {"shop": {"requests": pages}},
        "reporting": [{"module": "passfail", "criteria": criteria}],
        "toril": {"workers": workers},
    }
    (folder / "suite.yml").write_text(yaml.safe_dump(suite))


@contextmanager
def cloud(asked: argparse.Namespace) -> Iterator[str]:
    """Starts the simulated cloud and yields its address, which this process's AWS clients use."""
    words = {"workers": asked.workers, "seconds": asked.seconds, "labels": asked.labels, "samples": asked.samples}
    command = [sys.executable, str(ROOT / "bench/fleet_cloud"), "--regions", *FAST, *SLOW]
    command += [word for name, value in words.items() for word in (f"--{name}", str(value))]
    command += ["--task-start-s", str(asked.task_start)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        address = f"http://127.0.0.1:{int(process.stdout.readline())}"
        named = {"ACCESS_KEY_ID": "bench", "SECRET_ACCESS_KEY": "bench", "REGION": "eu-west-1"}
        os.environ |= {f"AWS_{name}": value for name, value in named.items()} | {"AWS_ENDPOINT_URL": address}
        os.environ["NO_PROXY"] = "127.0.0.1"
        yield address
    finally:
        process.stdin.close()
        process.wait(20)


def report_of(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{address}/report") as answer:  # noqa: S310 - of our own process
        found: dict[str, Any] = json.load(answer)
        return found


if __name__ == "__main__":
    main()
