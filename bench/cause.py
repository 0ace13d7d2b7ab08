"""Counts how often *Probable cause* names the planted cause of a simulated service first, and how often a wrong one.

    python bench/cause.py [--seeds 0-60] [--only KIND]

A service with four cores, a pool of connections, a table and a dependency answers Poisson arrivals for ten minutes,
first come, first served. Within the run one of six faults begins, for good or for two minutes. CloudWatch-like figures
of the service have periods of 10 s or 60 s that begin at any time: those of the fault, of its consequences, and others
that wander, jump, or follow the load. Clean runs have no fault, but a criterion that they breach: by noise, or since
the planned load rises. toril's own code judges all of them.

Prints Markdown rows, and exits with 1 if a promise is broken: first in 90 % of the runs with a fault, a wrong name in
5 % of clean runs at most.
"""

import argparse
import heapq
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.measured import START, counted, left, plan_of  # noqa: E402 - the tests' own, beside the package
from toril.load.curve import Curve  # noqa: E402
from toril.records import JudgedCriterion, MetricSeries, Plan, PlannedExecution, ServerMetrics, Verdict  # noqa: E402
from toril.records.cause import Trouble  # noqa: E402
from toril.records.summary import Summary  # noqa: E402
from toril.summary import Completeness, summarise  # noqa: E402
from toril.timeline import Timeline  # noqa: E402
from toril.timeline.intervals import Recorder, decode  # noqa: E402
from toril.verdict.findings import findings_of  # noqa: E402
from toril.verdict.findings.cause import troubles_of  # noqa: E402

Floats = NDArray[np.float64]
SECONDS, RATE, RAMP_S = 600, 50.0, 30
CORES, CONNECTIONS, TIMEOUT_S = 4, 10, 5.0
CPU_S, DATABASE_S, TABLE_S, DEPENDENCY_S = 0.02, 0.038, 0.008, 0.04
PERIODS_S = (10, 60)
CAUSES: Mapping[str, tuple[str, ...]] = MappingProxyType({  # fault → the figures that name it
    "saturated pool": ("PoolPending", "PoolUse"),
    "throttled table": ("ReadThrottleEvents",),
    "slow dependency": ("DependencyTime",),
    "garbage collection": ("GcTime", "HeapUsed"),
    "cold start": ("ColdStarts", "InitDuration"),
    "noisy neighbour": ("StolenTime",),
})  # fmt: skip
CLEAN = ("calm", "noisy", "rising load", "step of load")
FIRST, WRONG = 0.9, 0.05  # promises


@dataclass
class Run:
    """A simulated run: its requests, and the figures of the service by second."""

    rate: Floats
    begins_s: float
    ends_s: float
    at: Floats = field(default_factory=lambda: np.zeros(0))
    took: Floats = field(default_factory=lambda: np.zeros(0))
    ok: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    figures: dict[str, tuple[str, Floats]] = field(default_factory=dict)  # name → statistic, values by second


def simulated(kind: str, seed: int) -> Run:
    """Returns a run with the fault (or the clean condition) of this kind."""
    random = np.random.default_rng([seed, *kind.encode()])
    seconds = np.arange(SECONDS)
    height = np.minimum(1.0, (seconds + 0.5) / RAMP_S)
    if kind == "rising load" or (kind in CAUSES and seed % 3 == 2):
        height = 0.7 + 0.3 * (seconds + 0.5) / SECONDS
    if kind == "step of load":
        height = np.where(seconds < random.uniform(150, 450), 0.7, 1.15)
    run = Run(RATE * height, random.uniform(150, 400), math.inf)
    if seed % 2:
        run.ends_s = run.begins_s + random.uniform(100, 180)
    at = np.repeat(seconds, random.poisson(run.rate))
    at = np.sort(at + random.uniform(0, 1, at.size))
    bad = (at >= run.begins_s) & (at < run.ends_s)
    bad_s = (seconds >= run.begins_s) & (seconds < run.ends_s)
    noise = np.exp(_wander(random, SECONDS, 0.9 if kind == "noisy" else 0.5, 0.1 if kind == "noisy" else 0.03))[
        at.astype(int)
    ]
    cpu = random.lognormal(math.log(CPU_S) - 0.125, 0.5, at.size) * noise
    database = random.lognormal(math.log(DATABASE_S) - 0.125, 0.5, at.size) * noise
    table = random.lognormal(math.log(TABLE_S) - 0.125, 0.5, at.size)
    dependency = random.lognormal(math.log(DEPENDENCY_S) - 0.125, 0.5, at.size) * (random.uniform(size=at.size) < 0.5)
    connections = np.full(at.size, CONNECTIONS)
    pauses, retries, cold = np.zeros((0, 2)), np.zeros(at.size), np.zeros(at.size, bool)
    match kind:
        case "saturated pool":  # connections leak
            connections[bad] = 2
        case "throttled table":
            retries = random.geometric(0.6, at.size) - 1.0
            retries[~bad] = 0
            table += 0.05 * (2**retries - 1)
        case "slow dependency":
            dependency[bad] *= 5
        case "garbage collection":
            starts = np.arange(run.begins_s, min(run.ends_s, SECONDS), 8.0)
            pauses = np.column_stack([starts, starts + random.uniform(0.6, 1.0, starts.size)])
        case "cold start":  # new instances: the first requests of each load code and fill caches
            run.ends_s = run.begins_s + 40
            bad, bad_s = (at >= run.begins_s) & (at < run.ends_s), (seconds >= run.begins_s) & (seconds < run.ends_s)
            cold = bad & (random.uniform(size=at.size) < 0.03)
            cpu[bad] *= 2.5
            cpu[cold] += 0.8
        case "noisy neighbour":
            cpu[bad] *= 3.2
    begun, served = _served(at, cpu, np.full(at.size, CORES), pauses)
    connected, answered = _served(served, database, connections, np.zeros((0, 2)))
    done = answered + table + dependency
    run.took = np.minimum(done - at, TIMEOUT_S)
    run.at, run.ok = at + run.took, (done - at < TIMEOUT_S) & (random.uniform(size=at.size) > 0.001)
    requests = np.bincount(at.astype(int), minlength=SECONDS)[:SECONDS].astype(float)

    def mean_of(values: Floats, when: Floats) -> Floats:
        second = np.minimum(SECONDS - 1, when.astype(int))
        counts = np.bincount(second, minlength=SECONDS)[:SECONDS]
        return np.bincount(second, values, minlength=SECONDS)[:SECONDS] / np.maximum(1, counts)

    jitter = lambda scale: random.normal(0, scale, SECONDS)  # noqa: E731
    busy = _in_use(begun, served)
    throttles = np.bincount(np.minimum(SECONDS - 1, answered.astype(int)), retries, minlength=SECONDS)[:SECONDS]
    collected = _in_use(pauses[:, 0], pauses[:, 1]) * 1000 + np.maximum(0, 4 + jitter(2))
    connection_limit = np.where(bad_s & (kind == "saturated pool"), 2, CONNECTIONS)
    starts_ms = np.bincount(at[cold].astype(int), minlength=SECONDS)[:SECONDS].astype(float)
    stolen = np.where(bad_s & (kind == "noisy neighbour"), 55.0, 1.0) + np.abs(jitter(1.5))
    run.figures = {
        "CPUUtilization": ("Average", 100 * busy / CORES + jitter(1.5) + 15 * (collected > 100)),
        "StolenTime": ("Average", stolen),
        "GcTime": ("Sum", collected),
        "HeapUsed": ("Average", 55 + _wander(random, SECONDS, 0.95, 2.0) + 20 * bad_s * (kind == "garbage collection")),
        "RequestsInFlight": ("Average", _in_use(at, np.minimum(done, at + TIMEOUT_S)) + jitter(0.2)),
        "PoolUse": ("Average", 100 * _in_use(connected, answered) / connection_limit + jitter(1.0)),
        "PoolPending": ("Average", _in_use(served, connected)),
        "DatabaseTime": ("Average", 1000 * mean_of(database, connected)),
        "DatabaseCPU": ("Average", 20 * _in_use(connected, answered) / 2 + jitter(1.0)),
        "ReadThrottleEvents": ("Sum", throttles),
        "ConsumedReadCapacity": ("Sum", requests + throttles * 0.5),
        "TableTime": ("Average", 1000 * TABLE_S * np.exp(jitter(0.05))),
        "DependencyTime": ("Average", 2000 * mean_of(dependency, answered)),
        "ColdStarts": ("Sum", starts_ms),
        "InitDuration": ("Maximum", 800 * (starts_ms > 0)),
        "MemoryUtilization": ("Average", 40 + _wander(random, SECONDS, 0.98, 0.4)),
        "NetworkOut": ("Sum", 2000 * requests * np.exp(jitter(0.03))),
        "CacheHitRate": ("Average", 96 + jitter(0.5)),
        "ErrorLogs": ("Sum", random.poisson(0.02, SECONDS).astype(float)),
        "RunningTaskCount": ("Average", np.where(seconds < random.uniform(60, 540), 3.0, 4.0)),
    }  # fmt: skip
    for number, memory in enumerate(random.uniform(0.5, 0.995, 8)):
        run.figures[f"Other{number}"] = ("Average", 50 + _wander(random, SECONDS, float(memory), 3.0))
    return run


def _wander(random: np.random.Generator, size: int, memory: float, scale: float) -> Floats:
    """Returns autoregressive noise with this standard deviation."""
    steps, level = random.normal(0, scale * math.sqrt(1 - memory**2), size), random.normal(0, scale)
    values = np.empty(size)
    for place, step in enumerate(steps):
        values[place] = level = memory * level + step
    return values


def _served(at: Floats, service: Floats, servers: NDArray[Any], pauses: Floats) -> tuple[Floats, Floats]:
    """Returns when each request began and ended, with a number of servers that changes; nothing runs in pauses."""
    order, free = np.argsort(at, kind="stable"), [0.0] * int(servers.max())
    began, ended = np.empty(at.size), np.empty(at.size)
    heapq.heapify(free)
    pause_at = 0
    for place in order.tolist():
        now, allowed = float(at[place]), int(servers[place])
        while len(free) < allowed:
            heapq.heappush(free, now)
        if len(free) > allowed:
            free = heapq.nlargest(allowed, free)
            heapq.heapify(free)
        start = max(now, heapq.heappop(free))
        while pause_at < len(pauses) and pauses[pause_at, 1] <= start:
            pause_at += 1
        end = start + float(service[place])
        for first, last in pauses[pause_at : pause_at + 2]:
            if start < last and end > first:
                start, end = (last, last + service[place]) if start >= first else (start, end + last - first)
        began[place], ended[place] = start, end
        heapq.heappush(free, end)
    return began, ended


def _in_use(begun: Floats, ended: Floats) -> Floats:
    """Returns how many are in use in each second, on average."""
    edges = np.arange(SECONDS + 1, dtype=float)

    def passed(times: Floats) -> Floats:
        ordered = np.sort(times)
        sums, count = np.concatenate([[0.0], np.cumsum(ordered)]), np.searchsorted(ordered, edges)
        return edges * count - sums[count]

    return np.asarray(np.diff(passed(begun) - passed(ended)), np.float64)


def metrics_of(run: Run, period_s: int, seed: int) -> ServerMetrics:
    """Returns CloudWatch's answer: figures in periods that begin at any time; counts of 0 are not there."""
    first = np.random.default_rng(seed).integers(period_s)
    starts = np.arange(first, SECONDS - period_s + 1, period_s)
    queries = []
    for name, (statistic, values) in run.figures.items():
        merge = {"Sum": np.sum, "Maximum": np.max}.get(statistic, np.mean)
        merged = [(float(start), float(merge(values[start : start + period_s]))) for start in starts]
        queries.append(
            MetricSeries(
                namespace="Shop", metric=name, statistic=statistic, period_s=period_s, answered=True,
                points=tuple((at, value) for at, value in merged if statistic != "Sum" or value),
            )
        )  # fmt: skip
    return ServerMetrics(queries=tuple(queries))


def measured(run: Run) -> tuple[Plan, Summary, Timeline]:
    """Returns what toril measures of a run."""
    curve = Curve(tuple((float(second), float(rate)) for second, rate in enumerate(np.append(run.rate, run.rate[-1]))))
    execution = PlannedExecution(
        name="shop", index=0, executor="vegeta", scenario="shop", throughput_rps=float(run.rate.max()),
        hold_for_s=SECONDS, curve=curve.points,
    )  # fmt: skip
    plan: Plan = plan_of(executions=(execution,))
    recorder, timeline, (share,) = Recorder(plan.shares[0].worker, plan.shares[0].location), Timeline(), plan.shares
    kept = run.at < SECONDS
    size = int(kept.sum())
    recorder.add_many(
        "shop",
        {
            "completed_s": run.at[kept], "response_us": (run.took[kept] * 1e6).astype(np.int64),
            "label": np.full(size, "GET /"), "ok": run.ok[kept], "steady": np.ones(size, bool),
            "rc": np.where(run.ok[kept], "200", "504"), "message": "Gateway Timeout",
        },
    )  # fmt: skip
    while data := recorder.flush():
        timeline.add(decode(data, share.worker))
    exits = counted({share.worker: left(share.worker)}, timeline)
    complete = Completeness(planned=(share.worker,), reported=(share.worker,), exits=exits, started_at=START)
    summary = summarise(plan, timeline, complete, START)
    return plan, replace(summary, standouts=findings_of(plan, summary, timeline)), timeline


def judged(of: tuple[Plan, Summary, Timeline], metrics: ServerMetrics) -> tuple[Trouble, ...]:
    """Returns the troubles that toril finds in a run whose p95 breached a criterion, with their figures."""
    plan, summary, timeline = of
    breached = JudgedCriterion(criterion="p95>100ms", outcome="failed", subject="p95", unit="us")
    verdict = Verdict(outcome="failed", criteria=(breached,))
    return troubles_of(plan, summary, timeline, verdict, metrics)


def outcome(kind: str, run: Run, troubles: tuple[Trouble, ...]) -> str:
    """Returns what the report says first."""
    named = [trouble.moved[0].name.split()[0] for trouble in troubles if trouble.moved]
    if kind not in CAUSES:
        return f"wrong: {named[0]}" if named else "silent" if troubles else "no moment"
    if not troubles:
        return "no moment"
    if not named:
        return "silent"
    return "first" if named[0] in CAUSES[kind] else f"wrong: {named[0]}"


def rows(kinds: list[str], seeds: range) -> Iterator[tuple[str, int, Counter[str], list[bool]]]:
    for kind in kinds:
        counts: dict[int, Counter[str]] = {period_s: Counter() for period_s in PERIODS_S}
        held: dict[int, list[bool]] = {period_s: [] for period_s in PERIODS_S}
        for seed in seeds:
            run = simulated(kind, seed)
            of = measured(run)
            for period_s in PERIODS_S:
                troubles = judged(of, metrics_of(run, period_s, seed))
                counts[period_s][outcome(kind, run, troubles)] += 1
                for trouble in troubles if kind in CAUSES else ():
                    for one in trouble.moved:
                        if one.name.split()[0] in CAUSES[kind]:
                            times = [run.begins_s] + ([run.ends_s] if trouble.ended else [])
                            held[period_s].append(any(one.low_s <= time <= one.high_s for time in times))
        for period_s in PERIODS_S:
            yield kind, period_s, counts[period_s], held[period_s]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0-60")
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    seeds = range(*map(int, asked.seeds.split("-")))
    kinds = [kind for kind in (*CAUSES, *CLEAN) if asked.only in kind]
    broken = False
    print("| service | period | named first | wrong first | no moment | no figure | interval holds the true time |")
    print("|---|---|---|---|---|---|---|")
    for kind, period_s, counts, held in rows(kinds, seeds):
        total = sum(counts.values())
        wrong = {name.removeprefix("wrong: "): count for name, count in counts.items() if name.startswith("wrong")}
        share = sum(wrong.values()) / total
        broken |= counts["first"] < FIRST * total if kind in CAUSES else share > WRONG
        first = f"{counts['first'] / total:.0%}" if kind in CAUSES else "–"
        moment, silent = (f"{counts[name] / total:.0%}" for name in ("no moment", "silent"))
        names = ", ".join(f"{name} × {count}" for name, count in sorted(wrong.items(), key=lambda one: -one[1])[:3])
        sure = f"{np.mean(held):.0%}" if held else "–"
        wrong_first = f"{share:.0%}{f' ({names})' if names else ''}"
        print(f"| {kind} | {period_s} s | {first} | {wrong_first} | {moment} | {silent} | {sure} |", flush=True)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
