"""Whether load generators were saturated, the figures of each, and advice for the next run.

Only the judged seconds count, without the ramp-up if the plan excludes it. A figure invalidates response times if it
exceeds its limit for 5 s in a row, or for 5 s and more than a tenth of the time in total. In a load of under 50 s, a
tenth of it replaces the 5 s, but at least 1 s. A shorter spike affects only a few samples, and all machines have such
spikes.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toril import text
from toril.records import Plan
from toril.records.summary import Generator, GeneratorLimits, GeneratorMaxima, Generators, Saturation
from toril.timeline import HealthSeries, Timeline, longest_run

MOST_LIVE_WORKERS = 100  # checked many times a minute during a run; the verdict checks all workers
ROOM = 0.8  # of a limit: the load of each worker if the advice is followed

IN_A_ROW_S, LEAST_S = 5, 1
SHARE_OF_TIME = 0.1
FULL = 0.97  # of the CPU that the engine may use: no core is free when the engine needs one
CROWDED = 0.6  # share of other programs in a full CPU, above which the engine has to compete with them
STARVED = 0.5  # share of time the engine waits for a core of a full machine
NOTABLE = 0.1  # waiting below this does not starve an engine, even if it runs nearly all the time

OTHERS = GeneratorLimits()  # executors without measured limits
# Browsers have hundreds of threads, whose waits add up; and their measurements are late before the core is full
# (bench/browsers.py).
BROWSERS = replace(OTHERS, cpu=0.65, waiting=None)
# From these limits on, p50 is wrong, as measured by bench/saturation.py (results: bench/README.md).
LIMITS: Mapping[str, GeneratorLimits] = {
    "locust": OTHERS,
    "apiritif": OTHERS,
    "playwright": BROWSERS,
    "selenium": BROWSERS,
    "jmeter": replace(OTHERS, waiting=None),  # the waits of threads that wake together add up
    # likewise; toril's engine measures its lateness at each send
    **dict.fromkeys(("toril", "vegeta"), replace(OTHERS, waiting=None)),
}

SIGNS: Mapping[str, str] = {  # of saturation, in a note during the run
    "core": "its core is busy",
    "cpu": "its CPU is busy",
    "crowd": "other programs use its CPU",
    "full": "it waits for a busy CPU",
    "machine": "the CPU of its machine is busy",
    "waiting": "it waits for a CPU",
    "throttled": "its CPU quota is used up",
    "lateness": "it sends requests late",
    "memory": "its memory is full",
    "sockets": "it has too many open sockets or files",
}
MAXIMA = [figure.name for figure in fields(GeneratorMaxima) if "max" in figure.name]
AdviceCode = Literal["own-core", "less-load", "memory", "sockets", "more-workers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """How to avoid saturation in the next run."""

    code: AdviceCode
    workers: int | None  # the required number; None if more workers would not help
    message: str


@dataclass(frozen=True, slots=True)
class GeneratorCheck:
    """One worker's health in the judged window, its limits, and the figures that exceeded them."""

    judged: HealthSeries
    limits: GeneratorLimits
    found: tuple[Saturation, ...]


def check_generators(
    plan: Plan,
    timeline: Timeline,
    window: tuple[float, float],
    median_us: int | None = None,
    workers: Collection[str] | None = None,
    load_s: float | None = None,
) -> dict[str, GeneratorCheck]:
    """Compares each worker's health in the window (from, to) with the limits of its engines.

    `median_us` is the shortest median response time of the judged labels: the limit of lateness depends on it. `load_s`
    is the length of the whole load if that is longer than the window.
    """
    most_s = most_over_s(window[1] - window[0] if load_s is None else load_s)
    checks, paused = {}, _paused(plan)
    for worker, limits in limits_of(plan, timeline.health_workers() if workers is None else workers, median_us).items():
        judged = _on_time(timeline.health_series(worker).between(*window), paused)
        checks[worker] = GeneratorCheck(judged, limits, saturations(judged, limits, most_s))
    return checks


def _paused(plan: Plan) -> list[int]:
    """Returns the seconds in which a person paused all the load, so that nothing is due."""
    curves = [(one.delay_s, curve) for one in plan.adjustable if (curve := one.planned_rate()) is not None]
    if len(curves) < len(plan.executions) or not any(
        rps == after == 0 for _, c in curves for (_, rps), (_, after) in pairwise(c.points)
    ):
        return []
    seconds = range(math.ceil(max(delay_s + curve.length_s for delay_s, curve in curves)))
    due = sum(np.array(curve.by_second(seconds, delay_s)) for delay_s, curve in curves)
    return [int(second) for second in np.flatnonzero(due < 1e-6)]


def _on_time(series: HealthSeries, paused: list[int]) -> HealthSeries:
    """Returns the series without a late send in a pause: a reading otherwise covers the time since the last one."""
    idle = np.isin(series.second, paused) & (series.late_p90_us < 0)
    return replace(series, late_p90_us=np.where(idle, 0, series.late_p90_us))


def limits_of(plan: Plan, workers: Iterable[str], median_us: int | None = None) -> dict[str, GeneratorLimits]:
    """Returns the limits of each worker, the strictest of its engines; `median_us` as in `check_generators`."""
    executor_of = {execution.name: execution.executor for execution in plan.executions}
    engines = {
        share.worker: frozenset(
            executor_of[part.execution] for part in share.executions if part.execution in executor_of
        )
        for share in plan.shares
    }
    of_worker = {}
    for worker in workers:
        limits = _strictest(engines.get(worker, frozenset()))
        lateness_us = max(limits.lateness_us, round((median_us or 0) * limits.lateness_of_median))
        of_worker[worker] = replace(limits, lateness_us=lateness_us)
    return of_worker


def generators(plan: Plan, timeline: Timeline, window: tuple[float, float], median_us: int | None = None) -> Generators:
    """Returns the worst figures of all load generators, and those of each; parameters as in `check_generators`."""
    check = check_generators(plan, timeline, window, median_us)
    workers = {worker: _generator(timeline.health_series(worker), own.found) for worker, own in check.items()}
    every = workers.values()
    dropped = [worker.dropped for worker in every if worker.dropped is not None]
    worst: dict[str, Any] = {
        name: max((value for worker in every if (value := getattr(worker, name)) is not None), default=None)
        for name in MAXIMA
    }
    advice = advise(plan, check)
    engines = sorted({execution.executor for execution in plan.executions})
    return Generators(
        **worst,
        dropped=sum(dropped) if dropped else None,
        throttled_s=round(sum(float(worker.throttled_s or 0) for worker in every), 3) if workers else None,
        saturated=tuple(worker for worker, own in check.items() if own.found),
        advice=None if advice is None else advice.message,
        limits={engine: LIMITS.get(engine, OTHERS) for engine in engines},
        workers=workers,
    )


def saturated_now(plan: Plan, timeline: Timeline, last_second: int) -> tuple[str, ...]:
    """Returns a note on each worker that was saturated in the last ten seconds of a running load.

    Checks the first 100 workers. The same finding has the same text, so that it is shown once.
    """
    measured = timeline.select().window(max(0, last_second - 9), last_second)
    median_us = measured.percentile(50) if measured.samples else None
    workers = timeline.health_workers()[:MOST_LIVE_WORKERS]
    window = (last_second - 9, last_second + 1)
    check = check_generators(plan, timeline, window, median_us, workers, plan.duration_s)
    return tuple(
        f"worker {worker} is saturated ({SIGNS[own.found[0].what]}), so the run may be inconclusive"
        for worker, own in check.items()
        if own.found
    )


def saturated_between(
    plan: Plan, timeline: Timeline, window: tuple[int, int], execution: str
) -> tuple[Saturation, ...]:
    """Returns the figures of the execution's generators that exceeded their limits in the window (from, to)."""
    measured = timeline.select(executions=(execution,)).window(window[0], window[1] - 1)
    median_us = measured.percentile(50) if measured.samples else None
    check = check_generators(plan, timeline, window, median_us, _workers_of(plan, timeline, execution))
    return tuple(saturation for own in check.values() for saturation in own.found)


def dropped_between(plan: Plan, timeline: Timeline, window: tuple[int, int], execution: str) -> int:
    """Returns the number of due requests that the execution's generators did not send in the window."""
    series = (timeline.health_series(worker).between(*window) for worker in _workers_of(plan, timeline, execution))
    return sum(int(health.dropped[health.dropped >= 0].sum()) for health in series)


def _workers_of(plan: Plan, timeline: Timeline, execution: str) -> list[str]:
    """Returns the execution's workers that have reported their health."""
    own = {share.worker for share in plan.shares if any(part.execution == execution for part in share.executions)}
    return [worker for worker in timeline.health_workers() if worker in own]


def advise(plan: Plan, check: Mapping[str, GeneratorCheck]) -> Advice | None:
    """Returns how to avoid the worst excess in the next run; None if nothing is saturated."""
    saturated = [own for own in check.values() if own.found]
    if not saturated:
        return None
    kinds = {sign.what for own in saturated for sign in own.found}
    crowded = False  # by programs other than the generators
    excess = 1.0
    for busy in saturated:
        series, limits = busy.judged, busy.limits
        own = _typical(series.cpu)
        crowded |= _typical(series.machine) - own > 1 - ROOM
        core = _typical(np.fmin(series.core + np.nan_to_num(series.waiting), 1.0))
        measured = ("cpu", "core", "memory", "sockets")
        shares = [sign.value / sign.limit for sign in busy.found if sign.what in measured]
        excess = max([excess, core / limits.core, own / limits.cpu, *shares])
    now = len(plan.shares)
    workers = max(now + 1, math.ceil(now * excess / ROOM))
    more = f"use {workers} worker{'s' if workers > 1 else ''}"
    users = [execution.concurrency for execution in plan.executions]
    most = sum(count for count in users if count) if all(users) else workers
    starved = kinds & {"crowd", "full", "waiting", "machine", "lateness"}
    if crowded and starved and not kinds & {"core", "cpu", "throttled"}:
        message = (
            "stop the other programs on the engine's CPU, or give the engine a core of its own. If the service itself "
            "runs on this machine, use another machine or fewer users, or pin both to cores of their own (`taskset`). "
            f"If that is impossible, {more} on separate machines"
        )
        return Advice(code="own-core", workers=workers, message=message)
    if workers > most:
        message = "use less load or a faster machine; there are no more virtual users to divide among workers"
        return Advice(code="less-load", workers=None, message=message)
    if kinds == {"memory"}:
        return Advice(code="memory", workers=workers, message=f"{more}, or give each worker more memory")
    if kinds == {"sockets"}:
        message = f"{more}, keep connections open, or raise the limit of open files (`ulimit -n`)"
        return Advice(code="sockets", workers=workers, message=message)
    message = f"{more}{' on separate machines' if crowded else ''}, or less load"
    return Advice(code="more-workers", workers=workers, message=message)


@cache
def _strictest(engines: frozenset[str]) -> GeneratorLimits:
    of_engines = [asdict(LIMITS.get(engine, OTHERS)) for engine in engines] or [asdict(OTHERS)]
    known = {name: [limits[name] for limits in of_engines if limits[name] is not None] for name in of_engines[0]}
    strictest: dict[str, Any] = {name: min(values, default=None) for name, values in known.items()}
    return GeneratorLimits(**strictest)


def _generator(series: HealthSeries, saturation: tuple[Saturation, ...]) -> Generator:
    """Returns the figures of the whole run, and those that exceeded their limits in the judged window."""
    late_us = np.sort(series.late_us[series.late_us >= 0])
    dropped = series.dropped[series.dropped >= 0]
    cpu, busiest = series.cpu[~np.isnan(series.cpu)], np.fmax(series.cpu, series.core)
    known = ~np.isnan(busiest)
    longest_s, first_s = longest_run(series.second[known], busiest[known].astype(np.float32) >= np.float32(OTHERS.cpu))
    return Generator(
        cpu_max=_highest(series.cpu),
        cpu_mean=round(float(cpu.mean()), 4) if cpu.size else None,
        busiest_core_max=_highest(series.core),
        machine_max=_highest(series.machine),
        waiting_max=_highest(series.waiting),
        throttled_max=_highest(series.throttled),
        throttled_s=series.throttled_s,
        late_max_us=int(late_us[-1]) if late_us.size else None,
        late_p99_us=int(late_us[math.ceil(0.99 * late_us.size) - 1]) if late_us.size else None,
        dropped=int(dropped.sum()) if dropped.size else None,
        sockets_max=_count(series.sockets),
        memory_max_bytes=int(series.memory_bytes.max(initial=0)),
        memory_limit_bytes=series.facts.get("memory_limit_bytes"),
        longest_above_s=longest_s,
        first_above_s=first_s,
        saturation=saturation,
    )


def _highest(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return round(float(known.max()), 4) if known.size else None


def _typical(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else 0.0


def _count(values: NDArray[np.int64]) -> int | None:
    return int(values.max()) if values.size and values.max() >= 0 else None


def most_over_s(load_s: float) -> float:
    """Returns the seconds over a limit that invalidate the response times of a load of this length."""
    return max(LEAST_S, min(IN_A_ROW_S, SHARE_OF_TIME * load_s))


def seconds_over_limits(plan: Plan, timeline: Timeline) -> frozenset[int]:
    """Returns the seconds in which any generator exceeded a limit, and those after, when delayed requests complete."""
    total, seconds = timeline.select().total, set[int]()
    limits = limits_of(plan, timeline.health_workers(), total.percentile(50) if total.samples else None)
    paused = _paused(plan)
    for worker in limits:
        series = _on_time(timeline.health_series(worker), paused)
        over = over_limits(series, limits[worker])
        before = np.concatenate([series.second[:1] - 1, series.second[:-1]])  # a reading covers the time since the last
        for since, second in zip(before[over].tolist(), series.second[over].tolist(), strict=True):
            seconds.update(range(since + 1, second + 2))
    return frozenset(seconds)


def saturations(series: HealthSeries, limits: GeneratorLimits, most_s: float) -> tuple[Saturation, ...]:
    """Returns each figure that exceeded its limit for `most_s` seconds, the worst first."""
    measured = _measured(series, limits)
    kinds = {figure.what: excess for figure in measured if (excess := _saturation(series, figure, most_s)) is not None}
    if "crowd" in kinds:
        kinds.pop("full", None)  # the same finding
    return tuple(sorted(kinds.values(), key=lambda excess: excess.limit / excess.value))


def over_limits(series: HealthSeries, limits: GeneratorLimits) -> NDArray[np.bool_]:
    """Returns for each reading whether any of its figures exceeds a limit."""
    return np.asarray(np.any([figure.over for figure in _measured(series, limits)], axis=0), np.bool_)


class _Measured(NamedTuple):
    """One figure in each reading; NaN: not measured."""

    what: str
    values: NDArray[np.float64]
    limit: float
    too: NDArray[np.bool_] | None = None  # readings over the limit for another reason

    @property
    def over(self) -> NDArray[np.bool_]:
        high = self.values.astype(np.float32) >= np.float32(self.limit)
        return high if self.too is None else high | (self.too & ~np.isnan(self.values))


def _measured(series: HealthSeries, limits: GeneratorLimits) -> list[_Measured]:
    total = series.facts.get("memory_limit_bytes") or np.nan
    memory = np.where(series.memory_bytes >= 0, series.memory_bytes / total, np.nan)
    late_us = np.where(series.late_p90_us >= 0, series.late_p90_us.astype(np.float64), np.nan)
    starved = (series.waiting >= NOTABLE) & (series.core < limits.core) & (series.core + series.waiting >= limits.core)
    others = series.machine - np.fmax(series.cpu, series.core)
    crowd = np.where((others >= CROWDED) | np.isnan(series.machine), series.machine, 0.0)
    full = np.where(series.waiting >= STARVED, series.machine, np.where(np.isnan(series.waiting), np.nan, 0.0))
    figures = [
        _Measured("core", series.core, limits.core),
        _Measured("cpu", series.cpu, limits.cpu),
        # If `waiting` is known, `core` and `waiting` show whether the engine itself fills the machine.
        _Measured("machine", np.where(np.isnan(series.waiting), series.machine, np.nan), limits.cpu),
        _Measured("crowd", crowd, FULL),
        _Measured("full", full, FULL),
        _Measured("throttled", series.throttled, limits.throttled),
        _Measured("lateness", late_us, limits.lateness_us),
        _Measured("memory", memory, limits.memory),
        _Measured("sockets", series.sockets_share, limits.sockets),
    ]
    if limits.waiting is not None:
        figures.append(_Measured("waiting", series.waiting, limits.waiting, starved))
    return figures


def _saturation(series: HealthSeries, measured: _Measured, most_s: float) -> Saturation | None:
    known = ~np.isnan(measured.values)
    second, known_values = series.second[known], measured.values[known]
    high = measured.over[known]
    lasted_s, from_s = longest_run(second, high)
    if from_s is None:
        return None
    seconds = int(high.sum())
    if lasted_s < most_s and (seconds < most_s or seconds <= SHARE_OF_TIME * known_values.size):
        return None
    worst = float(known_values[high].max())
    when = f"for {lasted_s} s from {from_s} s on"
    if lasted_s < most_s:
        when = f"in {seconds} of {known_values.size} seconds, first at {second[high][0]} s"
    return Saturation(
        what=measured.what,
        value=round(worst, 4),
        limit=measured.limit,
        from_s=from_s,
        lasted_s=lasted_s,
        seconds=seconds,
        message=f"{_describe(series.worker, measured.what, worst, measured.limit)}, {when}",
    )


def _describe(worker: str, what: str, value: float, limit: float) -> str:
    if what == "lateness":
        late, most = text.time(value), text.limit(limit, "us")
        return f"worker {worker} sent a tenth of its requests at least {late} late (limit {most})"
    used = text.percent(round(100 * value))
    texts = {
        "core": f"the engine of worker {worker} used up to {used} of the one core that it can use",
        "cpu": f"worker {worker} used up to {used} of its CPU",
        "crowd": f"other programs filled the CPU of the engine of worker {worker} to {used}",
        "full": f"the engine of worker {worker} waited for a CPU half of the time, with the machine at {used}",
        "machine": f"the machine of worker {worker} used up to {used} of its CPU",
        "waiting": f"the engine of worker {worker} was ready to run but got no CPU for up to {used} of a second",
        "throttled": f"the CPU quota throttled worker {worker} for up to {used} of a second",
        "memory": f"worker {worker} used up to {used} of its memory",
        "sockets": f"worker {worker} used up to {used} of the sockets or files that it may open",
    }
    return f"{texts[what]} (limit {text.percent(round(100 * limit, 1))})"
