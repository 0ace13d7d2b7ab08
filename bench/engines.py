"""Measures the cost of a request for each engine: CPU of the generator, and list price on Fargate.

Alternating runs against one target: nginx with one process and a fixed small answer, with keep-alive. Each engine runs
by `toril run` with one worker. The peers are the bare vegeta program and, as the upper limit, wrk. CPU is that of
worker and engine without the first seconds, which excludes the start and a JVM's warm-up. vegeta gets a rate. The
others have 10 users who do not wait, which is cheapest per request. By name, two more are measured: Apiritif, and
JMeter at vegeta's rate, by its throughput timer and with 50 users.

    .venv/bin/python bench/engines.py [ENGINE …] [--rounds 3] [--rate 25000]
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.overhead import target  # noqa: E402 - scripts are run by their paths
from toril.launchers.pricing import list_prices  # noqa: E402
from toril.programs import cache_folder  # noqa: E402
from toril.timeline.intervals import Interval, decode  # noqa: E402
from toril.timeline.intervals.format import HEALTH_SCALE  # noqa: E402

PACED = "jmeter-at-the-rate"
USUAL = ("vegeta", "bare vegeta", "wrk", "jmeter", "locust")
ENGINES = (*USUAL, PACED, "apiritif")
BY_TORIL = {"vegeta": 5, "jmeter": 13, PACED: 13, "locust": 5, "apiritif": 5}  # seconds of load
WARM_S = {"jmeter": 8, PACED: 8}  # seconds to exclude at the beginning; 2 for the others
WORKER = (2.0, 4.0)  # vCPU and GiB, toril's default
HEAD = """
| engine | requests per CPU-second | µs of CPU a request | to bare vegeta | to JMeter | to Locust | rate asked, reached | dollars a million: x86, on demand | arm64, on demand | arm64, Spot |
|---|---|---|---|---|---|---|---|---|---|
"""  # noqa: E501 - a table


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: the CPU time of a request, and the reached rate."""

    cpu_us: float
    rps: float


def children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def by_toril(engine: str, url: str, folder: Path, rate: int) -> Measured:
    """Runs an engine. Measures by the worker's health readings, without the first and last seconds of the load."""
    seconds, warm_s = BY_TORIL[engine], WARM_S.get(engine, 2)
    load = {"vegeta": f"throughput: {rate}", PACED: f"throughput: {rate}, concurrency: 50"}.get(
        engine, "concurrency: 10"
    )
    suite = folder / "suite.yml"
    suite.write_text(
        f"execution: [{{executor: {engine.partition('-')[0]}, {load}, hold-for: {seconds}s, scenario: home}}]\n"
        f"scenarios: {{home: {{default-address: '{url}', keepalive: true, requests: [{{url: /, label: home}}]}}}}\n"
    )
    store = Path(tempfile.mkdtemp(dir=folder))
    command = [sys.executable, "-m", "toril", "run", suite, "--store", store, "--workers", "1", "--quiet"]
    subprocess.run([*map(str, command), "--fail-on", "none"], check=True, stdout=subprocess.DEVNULL)
    files = sorted(store.glob("runs/*/workers/*/*/intervals-*"))
    return steady([decode(path.read_bytes(), path.name) for path in files], warm_s, seconds - 1)


def steady(intervals: list[Interval], from_s: int, to_s: int) -> Measured:
    cpu_s, samples = 0.0, 0
    for one in intervals:
        cores = float(one.generator.get("cores") or os.cpu_count() or 1)
        for second, cpu in zip(one.health[0].tolist(), one.health[1].tolist(), strict=True):
            cpu_s += cpu / HEALTH_SCALE * cores * (from_s <= second < to_s)
        requests = np.array([series.kind == "request" for series in one.series], bool)[one.cells[1]]
        counted = (one.cells[0] >= from_s) & (one.cells[0] < to_s) & requests
        samples += int(one.cells[3][counted].sum())
    return Measured(cpu_s / max(1, samples) * 1e6, samples / (to_s - from_s))


def bare(url: str, folder: Path, rate: int) -> Measured:
    """Runs vegeta's own command, which writes its results."""
    program = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "build"), "vegeta", str(cache_folder())],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout.strip()  # fmt: skip
    seconds, kept = 5, folder / "results.gob"
    before = children_cpu_s()
    with kept.open("wb") as results:
        subprocess.run(
            [program, "attack", f"-rate={rate}", f"-duration={seconds}s", "-max-workers=20000"],
            input=f"GET {url}/\n".encode(), stdout=results, check=True,
        )  # fmt: skip
    cpu_s = children_cpu_s() - before
    encoded = subprocess.run([program, "encode", "--to", "csv", str(kept)], check=True, stdout=subprocess.PIPE).stdout
    samples = encoded.count(b"\n")
    return Measured(cpu_s / samples * 1e6, samples / seconds)


def wrk(url: str, folder: Path, rate: int) -> Measured:
    """Runs wrk as fast as possible, on one thread and without results."""
    before = children_cpu_s()
    done = subprocess.run(
        ["wrk", "-t1", "-c10", "-d4s", f"{url}/"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    samples = int(done[: done.index(" requests in ")].split()[-1])
    return Measured((children_cpu_s() - before) / samples * 1e6, samples / 4)


def price_of_a_million(cpu_us: float) -> tuple[float, float, float]:
    """Returns dollars in us-east-1 for x86 on demand, arm64 on demand and arm64 Spot.

    Assumes a fully used worker, and this machine's speed for all of them.
    """
    prices = list_prices()
    vcpu, gib = WORKER
    found = []
    for architecture, part in (("x86-64", 1.0), ("arm64", 1.0), ("arm64", prices.spot)):
        hour = prices.of("us-east-1").task_hour(architecture, vcpu, gib) * part  # type: ignore[arg-type]
        found.append(hour / 3600 / vcpu * cpu_us)  # cpu_us is also the CPU-seconds of a million requests
    return found[0], found[1], found[2]


def measure(engine: str, url: str, folder: Path, rate: int) -> Measured:
    others: dict[str, Callable[[str, Path, int], Measured]] = {"bare vegeta": bare, "wrk": wrk}
    return others[engine](url, folder, rate) if engine in others else by_toril(engine, url, folder, rate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", default=list(USUAL), help="of " + ", ".join(ENGINES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=25_000, help="Rate for vegeta and for the bare program.")
    asked = parser.parse_args()
    engines = [one for one in asked.engines if one != "wrk" or shutil.which("wrk")]
    found: dict[str, list[Measured]] = {engine: [] for engine in engines}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with target(folder) as url:
            for _ in range(asked.rounds):
                for engine in engines:
                    found[engine].append(measure(engine, url, folder, asked.rate))
    sys.stdout.write(HEAD)
    for engine in engines:
        sys.stdout.write(row(engine, found, asked.rate))
    for peer, how in (("jmeter", "at its fastest"), (PACED, "at the same rate")):
        if {"vegeta", peer} <= found.keys():
            pairs = zip(found[peer], found["vegeta"], strict=True)
            prices = ((price_of_a_million(a.cpu_us)[0], price_of_a_million(b.cpu_us)[2]) for a, b in pairs)
            times = statistics.median(theirs / ours for theirs, ours in prices)
            ratio = f"vegeta on arm64, Spot, costs 1/{times:.1f} of JMeter {how} on x86, on demand (goal 1/15)"
            sys.stdout.write(f"\n{ratio}\n")


def ratio(engine: str, peer: str, found: dict[str, list[Measured]]) -> str:
    """Returns how many times the CPU of a request a peer takes: the median of the rounds."""
    if peer not in found or peer == engine:
        return "–"
    pairs = zip(found[engine], found[peer], strict=True)
    return f"{statistics.median(theirs.cpu_us / ours.cpu_us for ours, theirs in pairs):.2f}"


def row(engine: str, found: dict[str, list[Measured]], rate: int) -> str:
    """Returns a table row of medians. Ratios are medians of the ratios of the rounds."""

    to = partial(ratio, engine, found=found)
    cpu_us = statistics.median(one.cpu_us for one in found[engine])
    rps = statistics.median(one.rps for one in found[engine])
    rates = f"{rate:,}, {rps:,.0f}" if "vegeta" in engine or engine == PACED else f"–, {rps:,.0f}"
    costs: list[Any] = [f"{cost:.5f}" if engine in BY_TORIL else "" for cost in price_of_a_million(cpu_us)]
    return (
        f"| {engine} | {1e6 / cpu_us:,.0f} | {cpu_us:.1f} | {to('bare vegeta')} | {to('jmeter')} "
        f"| {to('locust')} | {rates} "
        f"| {' | '.join(costs)} |\n"
    )


if __name__ == "__main__":
    main()
