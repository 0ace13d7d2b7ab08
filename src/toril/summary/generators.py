"""Whether load generators had room left to measure with: what each took, second by second, against the limits.

A figure above its limit falsifies times, if it is above it for 5 s in a row, or for 5 s and more than a tenth of the
time in all. Only the seconds that are judged count: not the ramp-up when the plan leaves it out. A lone spike is no
reason: it costs a few samples, and machines have them.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toril.records import Plan
from toril.timeline import HealthSeries, Timeline, WorkerHealth, longest_run

IN_A_ROW_S = 5
IN_ALL_S = 5
SHARE_OF_TIME = 0.1
NOTABLE = 0.1  # of waiting: less is no reason to call an engine that runs nearly all the time a starved one
MOST_LOOKED_AT = 100  # workers of a run that goes on, many times a minute; the verdict looks at all
ROOM = 0.8  # of a limit: what the advised number of workers will need each


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on a generator's own slowness shows in what it measures. Fractions as in HealthSeries."""

    cpu: float = 0.9
    core: float = 0.9  # also of running and waiting together: what is left is all the time that it had to spare
    waiting: float = 0.5
    throttled: float = 0.05
    lateness_us: int = 20_000  # of the ninth of ten sends
    memory: float = 0.9  # of the control group's limit, or of the machine
    sockets: float = 0.9  # of the nearest limit: files of a process, or ports


# Where bench/saturation.py (results: bench/README.md) found p50 or p99 of a target of constant latency to read wrong.
# The many threads of a JVM wait for each other's cores a little even when it has plenty, and their waits add up.
LIMITS: Mapping[str, Limits] = {
    "locust": Limits(),
    "apiritif": Limits(),
    "jmeter": Limits(waiting=0.9),
}
OTHERS = Limits()  # executors that were not measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """One figure of one worker that was above its limit for too long."""

    what: str  # cpu, core, machine, waiting, throttled, lateness, memory, sockets
    value: float  # the worst of those seconds; lateness in µs, all else a fraction
    limit: float
    from_s: int  # the first second of the longest time in a row
    lasted_s: int  # how long that was
    seconds: int  # above the limit in all
    message: str


def generators(plan: Plan, timeline: Timeline, window: tuple[float, float]) -> dict[str, Any]:
    """The worst of all load generators, and each of them; `window` is what is judged, from and to."""
    health = timeline.health()
    series = {worker: timeline.health_series(worker) for worker in health}
    limits = _limits_of(plan, health)
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
    found = []
    for worker, limits in _limits_of(plan, timeline.health_workers()[:MOST_LOOKED_AT]).items():
        recent = _within(timeline.health_series(worker), (last_second - 9, last_second + 1))
        for one in saturations(recent, limits, facts=timeline.health_facts(worker))[:1]:
            found.append(f"worker {worker} has no room left to measure with ({one.what}); the run may be inconclusive")
    return tuple(found)


def saturations(
    series: HealthSeries, limits: Limits, *, worker: str = "", facts: Mapping[str, Any] | None = None
) -> tuple[Saturation, ...]:
    """Everything that was above its limit for too long, what was worst first."""
    total = (facts or {}).get("memory_limit_bytes")
    memory = np.where(series.memory_bytes >= 0, series.memory_bytes / total, np.nan) if total else _unknown(series)
    late_us = np.where(series.late_p90_us >= 0, series.late_p90_us.astype(np.float64), np.nan)
    starved = (series.waiting >= NOTABLE) & (series.core < limits.core) & (series.core + series.waiting >= limits.core)
    measured: list[tuple[str, NDArray[np.float64], float]] = [
        ("core", series.core, limits.core),
        ("cpu", series.cpu, limits.cpu),
        # A machine that is full is no harm to an engine that gets its CPU; where nobody can tell, it may be.
        ("machine", np.where(np.isnan(series.waiting), series.machine, np.nan), limits.cpu),
        ("throttled", series.throttled, limits.throttled),
        ("lateness", late_us, limits.lateness_us),
        ("memory", memory, limits.memory),
        ("sockets", series.sockets_share, limits.sockets),
    ]
    found = [_saturation(series, worker, *one) for one in measured]
    found.append(_saturation(series, worker, "waiting", series.waiting, limits.waiting, starved))
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.limit / one.value))


def _saturation(
    series: HealthSeries,
    worker: str,
    what: str,
    values: NDArray[np.float64],
    limit: float,
    too: NDArray[np.bool_] | None = None,  # seconds that were too much for another reason
) -> Saturation | None:
    known = ~np.isnan(values)
    second, told = series.second[known], values[known]
    high = told.astype(np.float32) >= np.float32(limit)
    high |= False if too is None else too[known]
    lasted_s, from_s = longest_run(second, high)
    if from_s is None:
        return None
    seconds = int(high.sum())
    if lasted_s < IN_A_ROW_S and (seconds < IN_ALL_S or seconds <= SHARE_OF_TIME * told.size):
        return None
    worst = float(told[high].max())
    when = f"{lasted_s} s in a row from {from_s} s on"
    if lasted_s < IN_A_ROW_S:
        when = f"in {seconds} of {told.size} seconds, first at {second[high][0]} s"
    return Saturation(
        what=what,
        value=round(worst, 4),
        limit=limit,
        from_s=from_s,
        lasted_s=lasted_s,
        seconds=seconds,
        message=f"{_words(worker, what, worst, limit)}, {when}",
    )


def _words(worker: str, what: str, value: float, limit: float) -> str:
    if what == "lateness":
        late, most = (f"{us / 1000:,.0f} ms" for us in (value, limit))
        return f"worker {worker} sent a tenth of its requests {late} late or later (limit {most})"
    words = {
        "core": f"the engine of worker {worker} took up to {value:.0%} of the one core that it can use",
        "cpu": f"worker {worker} took up to {value:.0%} of the CPU that it may use",
        "machine": f"the machine of worker {worker} was busy with up to {value:.0%} of its CPU",
        "waiting": f"the engine of worker {worker} was ready to run but got no CPU for up to {value:.0%} of a second",
        "throttled": f"worker {worker} was held back by its CPU quota for up to {value:.0%} of a second",
        "memory": f"worker {worker} used up to {value:.0%} of its memory",
        "sockets": f"worker {worker} used up to {value:.0%} of the sockets or files that it may open",
    }
    return f"{words[what]} (limit {limit:.0%})"


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
    if crowded and kinds & {"waiting", "machine", "lateness"} and not kinds & {"core", "cpu", "throttled"}:
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


@cache
def _strictest(engines: frozenset[str]) -> Limits:
    of_engines = [asdict(LIMITS.get(engine, OTHERS)) for engine in engines] or [asdict(OTHERS)]
    return Limits(**{name: min(limits[name] for limits in of_engines) for name in of_engines[0]})


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


def _unknown(series: HealthSeries) -> NDArray[np.float64]:
    return np.full(series.second.size, np.nan)


def _most(workers: Mapping[str, Mapping[str, Any]], name: str) -> Any:
    return max((told[name] for told in workers.values() if told[name] is not None), default=None)


def _sum(workers: Mapping[str, Mapping[str, Any]], name: str) -> Any:
    known = [told[name] for told in workers.values() if told[name] is not None]
    return sum(known) if known else None
