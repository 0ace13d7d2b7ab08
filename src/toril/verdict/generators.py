"""Criteria on the load generators. The worst worker in scope decides.

Saturated generators do not excuse a breach, because these criteria judge the generators themselves.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from toril.criteria import Criterion
from toril.records import Plan
from toril.timeline import HealthSeries, Timeline
from toril.verdict.evidence import Evidence, seconds_of_health
from toril.verdict.result import CriterionResult, never_full, settled, undecided, worst_of
from toril.verdict.windows import MORE, Points, fires

FRACTIONS = {  # subject → column of a worker's health
    "generator-cpu": "cpu",
    "generator-core": "core",
    "generator-waiting": "waiting",
    "generator-throttled": "throttled",
}
COUNTS = {
    "generator-memory": "memory_bytes",
    "generator-sockets": "sockets",
    "generator-lateness": "late_us",
    "generator-dropped": "dropped",
}
EVENTS = frozenset({"generator-lateness", "generator-dropped"})  # events of one second; the others are gauges
PERCENT_DIGITS = 4  # workers write shares in ten thousandths; finer digits are rounding errors


def judge_generators(blank: CriterionResult, evidence: Evidence) -> CriterionResult:
    """Returns the result of a criterion on the health of the load generators."""
    criterion = blank.criterion
    first, last = seconds_of_health(evidence.plan, criterion.executions)
    series = health_points(criterion, evidence.plan, evidence.timeline, first, last)
    silent = [points.name for points in series if not points.points]
    if len(silent) == len(series):
        what = f"no worker reported {'' if evidence.timeline.health_workers() else 'its health, including '}"
        of_one_core = criterion.subject == "generator-core"
        fix = "; for an engine that uses several cores, judge `generator-cpu`" if of_one_core else ""
        return undecided(blank, "not-measured", f"{what}{criterion.subject}{fix}")
    result = worst_of(blank, series)
    if result is not None and result.fired:
        return settled(result, stands=_is_final(criterion, series, evidence))
    if silent:
        return undecided(blank, "not-measured", f"worker {silent[0]} did not report {criterion.subject}")
    stands = all(math.isinf(_known_until(evidence, points.name)) for points in series)
    if result is None:
        lasted_s = max(points.seconds for points in series)
        return never_full(blank, lasted_s, ended_by_criterion=evidence.ended_by_criterion, stands=stands)
    return settled(result, stands=stands)


def health_points(criterion: Criterion, plan: Plan, timeline: Timeline, first: float, last: float) -> list[Points]:
    """Returns the figure of each worker in scope, in the seconds from `first` to `last`."""
    reporting, executions = set(timeline.health_workers()), criterion.executions
    nothing_to_drop = criterion.subject == "generator-dropped" and not any(
        execution.throughput_rps for execution in plan.chosen(executions)
    )
    health = []
    for share in plan.shares:
        takes_part = not executions or any(part.execution in executions for part in share.executions)
        if criterion.location in (None, share.location) and takes_part:
            points = _points(criterion, timeline.health_series(share.worker)) if share.worker in reporting else []
            if not points and share.worker in reporting and nothing_to_drop:
                points = [(second, 0.0) for second in timeline.health_series(share.worker).second.tolist()]
            within = [(second, value) for second, value in points if first <= second <= last]
            values = [value for _, value in within]
            combined = math.fsum if criterion.subject == "generator-dropped" else max
            total = combined(values) if values else None
            health.append(Points(share.worker, within, total))
    return health


def _points(criterion: Criterion, series: HealthSeries) -> list[tuple[int, float]]:
    """Returns seconds and values in the criterion's unit; a gauge applies to the time since its previous reading."""
    if criterion.subject in FRACTIONS:
        figure = np.round(100 * getattr(series, FRACTIONS[criterion.subject]), PERCENT_DIGITS)
    else:
        counts = getattr(series, COUNTS[criterion.subject])
        figure = np.where(counts < 0, np.nan, counts.astype(np.float64))
    known = ~np.isnan(figure)
    seconds, values = series.second[known], figure[known]
    if criterion.subject not in EVENTS and seconds.size:
        every = np.arange(seconds[0], seconds[-1] + 1)
        values = values[np.searchsorted(seconds, every)]
        seconds = every
    return list(zip(seconds.tolist(), values.tolist(), strict=True))


def _is_final(criterion: Criterion, series: Sequence[Points], evidence: Evidence) -> bool:
    """Whether the known data of a worker is a breach that missing data cannot change.

    A maximum or sum that is too high stays so. Any other breach must lie before the worker's first missing second.
    """
    for worker in series:
        until = _known_until(evidence, worker.name)
        known = replace(worker, points=[(second, value) for second, value in worker.points if second < until])
        lasts = criterion.logic != "total" or criterion.op in MORE or math.isinf(until)
        if lasts and fires(criterion, known):
            return True
    return False


def _known_until(evidence: Evidence, worker: str) -> float:
    """Returns the worker's first second with missing data; infinite if there is none."""
    gaps = evidence.missing.gaps if evidence.missing else ()
    return min((float(gap.from_s) for gap in gaps if gap.worker == worker), default=math.inf)
