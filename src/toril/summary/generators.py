"""Whether load generators had room left to measure with, what each took, and what would mend it.

Only the seconds that are judged count: not the ramp-up when the plan leaves it out.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toril.records import Plan
from toril.summary.saturation import Limits, Saturation, saturations
from toril.timeline import HealthSeries, Timeline, WorkerHealth

MOST_LOOKED_AT = 100  # workers of a run that goes on, many times a minute; the verdict looks at all
ROOM = 0.8  # of a limit: what the advised number of workers will need each


OTHERS = Limits(  # executors that were not measured
    cpu=0.9,
    core=0.9,
    waiting=0.5,
    throttled=0.05,
    lateness_us=5_000,  # machines are as late as that without being in trouble
    lateness_of_median=0.1,
    memory=0.9,
    sockets=0.9,
)
# Browsers have threads by the hundred, whose waits add up; and what they show is late before the core is full
# (bench/browsers.py).
BROWSERS = replace(OTHERS, cpu=0.65, waiting=None)
# Held against bench/saturation.py (results and what they do not say: bench/README.md): from there on p50 reads wrong.
LIMITS: Mapping[str, Limits] = {
    "locust": OTHERS,
    "apiritif": OTHERS,
    "playwright": BROWSERS,
    "selenium": BROWSERS,
    "jmeter": replace(OTHERS, waiting=None),  # threads that wake together wait for each other, and their waits add up
    "vegeta": replace(OTHERS, waiting=None),  # likewise; how late it sends is measured at every send
}


def generators(
    plan: Plan, timeline: Timeline, window: tuple[float, float], median_us: int | None = None
) -> dict[str, Any]:
    """The worst of all load generators, and each of them.

    `window` is what is judged, from and to; `median_us` the shortest median response time among its labels.
    """
    health = timeline.health()
    series = {worker: timeline.health_series(worker) for worker in health}
    limits = {worker: _for_median(one, median_us) for worker, one in _limits_of(plan, health).items()}
    found = {
        worker: saturations(
            _within(series[worker], window), limits[worker], worker=worker, facts=timeline.health_facts(worker)
        )
        for worker in health
    }
    workers = {
        worker: _of_worker(health[worker], series[worker], timeline.health_facts(worker), found[worker])
        for worker in health
    }
    engines = sorted({execution.executor for execution in plan.executions})
    return {
        "cpu_max": _most(workers, "cpu_max"),
        "busiest_core_max": _most(workers, "busiest_core_max"),
        "machine_max": _most(workers, "machine_max"),
        "waiting_max": _most(workers, "waiting_max"),
        "throttled_max": _most(workers, "throttled_max"),
        "late_max_us": _most(workers, "late_max_us"),
        "dropped": _sum(workers, "dropped"),
        "sockets_max": _most(workers, "sockets_max"),
        "memory_max_bytes": _most(workers, "memory_max_bytes"),
        "throttled_s": round(sum(one.throttled_s for one in health.values()), 3) if health else None,
        "saturated": [worker for worker in health if found[worker]],
        "advice": _advice(plan, {worker: found[worker] for worker in health if found[worker]}, series, limits, window),
        "limits": {engine: asdict(LIMITS.get(engine, OTHERS)) for engine in engines},
        "workers": workers,
    }


def strained(plan: Plan, timeline: Timeline, last_second: int) -> tuple[str, ...]:
    """Who has been saturated in the last ten seconds of a run that goes on. Of very many workers the first are asked.

    Always in the same words, so that each need be shown only once.
    """
    measured = timeline.select().window(max(0, last_second - 9), last_second)
    median_us = measured.percentile(50) if measured.samples else None
    found = []
    for worker, limits in _limits_of(plan, timeline.health_workers()[:MOST_LOOKED_AT]).items():
        recent = _within(timeline.health_series(worker), (last_second - 9, last_second + 1))
        for one in saturations(recent, _for_median(limits, median_us), facts=timeline.health_facts(worker))[:1]:
            found.append(f"worker {worker} has no room left to measure with ({one.what}); the run may be inconclusive")
    return tuple(found)


def saturated_between(
    plan: Plan, timeline: Timeline, window: tuple[int, int], execution: str
) -> tuple[Saturation, ...]:
    """Where generators of that execution had no room left in these seconds, from and to."""
    measured = timeline.select(executions=(execution,)).window(window[0], window[1] - 1)
    median_us = measured.percentile(50) if measured.samples else None
    told = [worker for worker in timeline.health_workers() if worker in _workers_of(plan, execution)]
    found: list[Saturation] = []
    for worker, limits in _limits_of(plan, told).items():
        series = _within(timeline.health_series(worker), window)
        facts = timeline.health_facts(worker)
        found += saturations(series, _for_median(limits, median_us), worker=worker, facts=facts)
    return tuple(found)


def dropped_between(plan: Plan, timeline: Timeline, window: tuple[int, int], execution: str) -> int:
    """How many sends generators of that execution did not make in these seconds although they were due."""
    told = [worker for worker in timeline.health_workers() if worker in _workers_of(plan, execution)]
    dropped = (_within(timeline.health_series(worker), window).dropped for worker in told)
    return sum(int(counts[counts >= 0].sum()) for counts in dropped)


def _workers_of(plan: Plan, execution: str) -> frozenset[str]:
    return frozenset(
        share.worker for share in plan.shares if any(part.execution == execution for part in share.executions)
    )


def _advice(
    plan: Plan,
    found: Mapping[str, tuple[Saturation, ...]],
    series: Mapping[str, HealthSeries],
    limits_of: Mapping[str, Limits],
    window: tuple[float, float],
) -> str | None:
    """What would mend it, from the worst excess; None when nothing is saturated."""
    if not found:
        return None
    kinds = {one.what for worker in found.values() for one in worker}
    crowded = False  # by programs that are none of the generators
    excess = 1.0
    for worker, saturated in found.items():
        judged = _within(series[worker], window)
        own = _typical(judged.cpu)
        crowded |= _typical(judged.machine) - own > 1 - ROOM
        limits = limits_of[worker]
        wanted = max(
            _typical(np.fmin(judged.core + np.nan_to_num(judged.waiting), 1.0)) / limits.core, own / limits.cpu
        )
        shares = [one.value / one.limit for one in saturated if one.what in ("cpu", "core", "memory", "sockets")]
        excess = max([excess, wanted, *shares])
    now = len(plan.shares)
    workers = max(now + 1, math.ceil(now * excess / ROOM))
    users = [execution.concurrency for execution in plan.executions]
    most = sum(count for count in users if count) if all(users) else workers
    if (
        crowded
        and kinds & {"crowd", "full", "waiting", "machine", "lateness"}
        and not kinds & {"core", "cpu", "throttled"}
    ):
        return (
            "give the engine a core of its own: other programs took much of the CPU that it may use; "
            f"where that cannot be, use {_workers(workers)} on machines of their own"
        )
    if workers > most:
        return "use less load, or a faster machine: there are no more virtual users to divide"
    if kinds == {"memory"}:
        return f"use {_workers(workers)}, or give each more memory"
    if kinds == {"sockets"}:
        return f"use {_workers(workers)}, or keep connections open; `ulimit -n` raises the limit of files"
    return f"use {_workers(workers)}{', on machines of their own' if crowded else ''}, or less load"


def _workers(count: int) -> str:
    return f"{count} worker{'s' if count > 1 else ''}"


def _limits_of(plan: Plan, workers: Collection[str]) -> dict[str, Limits]:
    """Those of the engines that each worker runs; of several the strictest."""
    executor_of = {execution.name: execution.executor for execution in plan.executions}
    engines = {
        share.worker: frozenset(
            executor_of[part.execution] for part in share.executions if part.execution in executor_of
        )
        for share in plan.shares
    }
    return {worker: _strictest(engines.get(worker, frozenset())) for worker in workers}


def _for_median(limits: Limits, median_us: int | None) -> Limits:
    """A delay is the more harmful the shorter the times are that it is added to."""
    return replace(limits, lateness_us=max(limits.lateness_us, round((median_us or 0) * limits.lateness_of_median)))


@cache
def _strictest(engines: frozenset[str]) -> Limits:
    of_engines = [asdict(LIMITS.get(engine, OTHERS)) for engine in engines] or [asdict(OTHERS)]
    known = {name: [limits[name] for limits in of_engines if limits[name] is not None] for name in of_engines[0]}
    strictest: dict[str, Any] = {name: min(values, default=None) for name, values in known.items()}
    return Limits(**strictest)


def _within(series: HealthSeries, window: tuple[float, float]) -> HealthSeries:
    judged = (series.second >= math.ceil(window[0])) & (series.second < window[1])
    columns = {name: getattr(series, name) for name in HealthSeries.__dataclass_fields__ if name != "UNKNOWN"}
    worker = columns.pop("worker")
    return HealthSeries(worker=worker, **{name: column[judged] for name, column in columns.items()})


def _of_worker(
    health: WorkerHealth, series: HealthSeries, facts: Mapping[str, Any], found: tuple[Saturation, ...]
) -> dict[str, Any]:
    late_us = np.sort(series.late_us[series.late_us >= 0])
    dropped = series.dropped[series.dropped >= 0]
    return {
        "cpu_max": health.cpu_max,
        "cpu_mean": health.cpu_mean,
        "busiest_core_max": health.busiest_core_max,
        "machine_max": _highest(series.machine),
        "waiting_max": _highest(series.waiting),
        "throttled_max": _highest(series.throttled),
        "throttled_s": health.throttled_s,
        "late_max_us": int(late_us[-1]) if late_us.size else None,
        "late_p99_us": int(late_us[math.ceil(0.99 * late_us.size) - 1]) if late_us.size else None,
        "dropped": int(dropped.sum()) if dropped.size else None,
        "sockets_max": _count(series.sockets),
        "memory_max_bytes": health.memory_max_bytes,
        "memory_limit_bytes": facts.get("memory_limit_bytes"),
        "longest_above_s": health.longest_above_s,
        "first_above_s": health.first_above_s,
        "saturation": [asdict(one) for one in found],
    }


def _highest(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return round(float(known.max()), 4) if known.size else None


def _typical(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else 0.0


def _count(values: NDArray[np.int64]) -> int | None:
    return int(values.max()) if values.size and values.max() >= 0 else None


def _most(workers: Mapping[str, Mapping[str, Any]], name: str) -> Any:
    return max((told[name] for told in workers.values() if told[name] is not None), default=None)


def _sum(workers: Mapping[str, Mapping[str, Any]], name: str) -> Any:
    known = [told[name] for told in workers.values() if told[name] is not None]
    return sum(known) if known else None
