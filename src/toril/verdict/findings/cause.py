"""What changed when a trouble of a run began: figures of the service, beside the planned load, in order of time.

A trouble is a finding, or a breached criterion on times, failures or throughput, that begins or ends within the load.
A figure is listed if its change is significant among all of the run's figures: docs/explanation/findings.md.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from toril.criteria.server import KNOWN_TIMES
from toril.records import JudgedCriterion, MetricSeries, Plan, ServerMetrics, Verdict
from toril.records.cause import Moved, Symptom, Trouble
from toril.records.summary import RunFinding, Summary
from toril.stats.onset import LEAST_PERIODS, Change, Course, change_near, discoveries, trend_within
from toril.timeline import Timeline
from toril.verdict.findings.seen import Floats, RunData

FALSE_DISCOVERIES = 0.05
SURE = 0.01  # of a symptom
AHEAD_S = 20.0  # a cause begins at most this long before its trouble
LAG_S = 60  # figures may follow the load of the last minute
MOST_TROUBLES, MOST_MOVED, MOST_SECONDS = 5, 5, 6 * 3600
SYMPTOM_BINS, TOGETHER_S = 120, 15
LEAST_CHANGE, LEAST_EFFECT = 0.02, 1.5  # of a listed figure: relative, and in deviations
BEGINNINGS: dict[str, Symptom] = {"errors-began": "failures", "service-saturated": "response times"}
BEGINNINGS |= {"periodic-stall": "response times", "drift": "response times"}
TREND = "drift"
REACH_S = {"errors-began": (3, 5), "service-saturated": (15, 15), "periodic-stall": (0, 4)}  # before and after `from_s`
# What load balancers and gateways measure is what toril measures: requests, times and failures.
ENTRANCES = frozenset({"AWS/ApplicationELB", "AWS/NetworkELB", "AWS/ELB", "AWS/ApiGateway", "AWS/CloudFront"})
LIMIT = re.compile(  # names of saturation and errors (Gregg's USE method)
    r"(?i)throttl|reject|refus|cold|init|pend|queue|wait|block|lock|steal|stolen|gc|collect|pause|evict|surge|spill|swap"
    r"|credit|balance|exceed|retr|timeout|drop|error|fail"
)
ADDITIVE = frozenset({"Average", "Sum", "SampleCount"})
COUNTS = frozenset({"Sum", "SampleCount"})
GENERATORS = {
    "late_us": ("send delay of the generators", "Microseconds"),
    "waiting": ("CPU wait of the generators", ""),
}


def troubles_of(
    plan: Plan, summary: Summary, timeline: Timeline, verdict: Verdict, metrics: ServerMetrics | None
) -> tuple[Trouble, ...]:
    """Returns the troubles of a run with the figures that changed when they began. `plan`: the load carried out."""
    seen = RunData(plan, summary, timeline)
    if plan.duet is not None or plan.functional or plan.tried or not 20 <= seen.seconds <= MOST_SECONDS:
        return ()
    load = _Load(seen)
    found = _merged([*_of_findings(load, summary.standouts), *_of_criteria(load, verdict.criteria)])
    figures = [*_service(seen, metrics), *_generators(seen)]
    tests = [
        (place, moved)
        for place, trouble in enumerate(found)
        for number, (figure, course) in enumerate(figures)
        if (moved := _moved(load, trouble, figure, course, number)) is not None
    ]
    kept = discoveries([moved.p for _, moved in tests], FALSE_DISCOVERIES)
    of: dict[int, list[Moved]] = {place: [] for place in range(len(found))}
    for (place, moved), is_kept in zip(tests, kept, strict=True):
        of[place] += [moved] if is_kept else []
    tested = Counter(place for place, _ in tests)
    return tuple(
        trouble.model_copy(update={"tested": tested[place], "moved": _ordered(of[place])})
        for place, trouble in enumerate(found)
    )


class _Load:
    """The planned load of a run, as influences on its figures."""

    def __init__(self, seen: RunData) -> None:
        self.seen = seen
        names = sorted(seen.load_fields)
        rows = seen.summary.series[: seen.seconds]
        self._sums = [np.concatenate([[0.0], np.cumsum([getattr(row, name) or 0.0 for row in rows])]) for name in names]

    def influences(self, course: Course, *, curved: bool = True) -> list[Floats]:
        """Returns the load in each period, its square, and the load of the minute before."""
        columns = []
        for sums in self._sums:
            mean = _means(sums, course.starts_s, course.starts_s + course.period_s)
            columns += [mean, mean**2] if curved else [mean]
            if curved and course.period_s < LAG_S:
                columns.append(_means(sums, course.starts_s - LAG_S, course.starts_s))
        return columns


def _means(sums: Floats, first: Floats, last: Floats) -> Floats:
    """Returns the mean of a column between two times, from its cumulative sums; before the start, it is 0."""
    seconds = np.arange(sums.size)
    total = np.interp(last, seconds, sums) - np.interp(first, seconds, sums)
    return np.asarray(total / (last - first), np.float64)


# ── Troubles ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_findings(load: _Load, findings: Sequence[RunFinding]) -> Iterator[Trouble]:
    for finding in findings:
        symptom, from_s, to_s = BEGINNINGS.get(finding.code), finding.from_s, finding.to_s
        if symptom is None or from_s is None or to_s is None:
            continue
        trouble = Trouble(codes=(finding.code,), symptom=symptom, at_s=from_s, low_s=from_s, high_s=to_s)
        if finding.code != TREND:
            early_s, late_s = REACH_S[finding.code]
            times: dict[str, Any] = {"low_s": max(0.0, from_s - early_s), "high_s": from_s + late_s}
            ends = {"to_s": to_s if to_s < load.seen.seconds - 1 else None, "label": finding.label}
            yield trouble.model_copy(update=times | ends)
        elif change := _symptom(load, symptom, ""):  # a step, which is no drift
            yield _begun(load, trouble, change)
        else:
            yield trouble.model_copy(update={"to_s": to_s, "shape": "trend"})


def _begun(load: _Load, trouble: Trouble, change: Change) -> Trouble:
    """Returns the trouble with the times of its symptom's change."""
    is_worse = (change.after > change.before) is (trouble.symptom != "throughput")
    return trouble.model_copy(
        update={
            "at_s": change.at_s,
            "low_s": max(0.0, change.low_s),
            "high_s": change.high_s,
            "to_s": change.end_s if change.end_s < load.seen.seconds else None,
            "ended": not is_worse,
        }
    )


def _of_criteria(load: _Load, criteria: Sequence[JudgedCriterion]) -> Iterator[Trouble]:
    for item in criteria:
        symptom = _symptom_of(item)
        if item.outcome not in ("failed", "triggered") or symptom is None or item.counted not in ("sample", "second"):
            continue
        if change := _symptom(load, symptom, item.label):  # else as bad as the whole run, or as the load explains
            trouble = Trouble(codes=(item.criterion,), symptom=symptom, label=item.label, at_s=0, low_s=0, high_s=0)
            yield _begun(load, trouble, change)


def _symptom_of(item: JudgedCriterion) -> Symptom | None:
    if item.unit == "us" and item.subject[:1] in "parl" and not item.subject.startswith("alb"):
        return "response times"
    if item.subject.startswith(("fail", "rc", "succ")):
        return "failures"
    return "throughput" if item.subject in ("throughput", "hits") else None


def _symptom(load: _Load, symptom: Symptom, label: str) -> Change | None:
    """Returns the significant change of a symptom within the load, beside the planned load."""
    seen = load.seen
    view, width = seen.timeline.select(label), max(1, math.ceil(seen.seconds / SYMPTOM_BINS))
    starts = np.arange(0, seen.seconds - width + 1, width)
    if starts.size < LEAST_PERIODS:
        return None
    by_second = view.by_second(seen.seconds)
    samples, failures = (np.add.reduceat(column, starts) for column in (by_second.samples, by_second.failures))
    if starts[-1] + width < seen.seconds:  # the last bin has only whole ones
        end = int(starts[-1] + width)
        samples[-1], failures[-1] = (
            by_second.samples[starts[-1] : end].sum(),
            by_second.failures[starts[-1] : end].sum(),
        )
    if symptom == "throughput":
        values, some = samples / width, np.ones(starts.size, bool)
    elif symptom == "failures":
        values, some = failures / np.maximum(1, samples), samples > 0
    else:
        sums = np.array(view.sums_us(seen.seconds), np.float64)
        total = np.array([sums[start : start + width].sum() for start in starts])
        values, some = np.log(np.maximum(1.0, total / np.maximum(1, samples))), samples > 0
    course = Course(starts[some].astype(float), values[some].astype(float), float(width), additive=False)
    ends, near = [math.inf, *course.starts_s[2::2].tolist()], (0.0, float(seen.seconds))
    change = _clearest(course, load.influences(course), near, ends, seed=len(label), tries=1_000)
    return change if change is not None and change.p <= SURE else None


def _clearest(
    course: Course, influences: Sequence[Floats], near: tuple[float, float], *args: Any, **more: Any
) -> Change | None:
    """Returns the change of the values or of their ranks, whichever is less likely by chance, with a p for both."""
    found = [change_near(course, influences, near, *args, **more, ranked=ranked) for ranked in (False, True)]
    best = min(filter(None, found), key=lambda change: change.p, default=None)
    return best and replace(best, p=min(1.0, 2 * best.p))


def _merged(troubles: Sequence[Trouble]) -> list[Trouble]:
    """Returns the troubles, those that begin together as one; the first ones, most severe first."""
    merged: list[Trouble] = []
    for trouble in troubles:
        for place, other in enumerate(merged):
            together = other.low_s - TOGETHER_S <= trouble.high_s and trouble.low_s - TOGETHER_S <= other.high_s
            if together and (other.shape, other.ended) == (trouble.shape, trouble.ended):
                codes = tuple(dict.fromkeys((*other.codes, *trouble.codes)))
                merged[place] = other.model_copy(update={"codes": codes})
                break
        else:
            merged.append(trouble)
    return merged[:MOST_TROUBLES]


# ── Figures ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _service(seen: RunData, metrics: ServerMetrics | None) -> Iterator[tuple[Moved, Course]]:
    """Yields the figures of the service with their values in whole periods of the load."""
    for series in metrics.queries if metrics else ():
        if series.namespace in ENTRANCES or not series.points:
            continue
        values = {at_s: value for at_s, value in series.points if at_s >= 0 and at_s + series.period_s <= seen.seconds}
        if series.answered and series.statistic in COUNTS:  # AWS does not publish counts of 0
            first = series.points[0][0] % series.period_s
            for number in range(math.floor((seen.seconds - first) / series.period_s)):
                values.setdefault(round(first + number * series.period_s, 6), 0.0)
        unit = series.unit or KNOWN_TIMES.get((series.namespace, series.metric), "")
        if not unit and series.metric in ("CPUUtilization", "MemoryUtilization"):
            unit = "Percent"
        columns = np.array(sorted(values.items()), np.float64).reshape(-1, 2)
        yield (
            _figure(name_of(series), series.period_s, unit=unit, resource=getattr(series, "resource", None)),
            Course(columns[:, 0], columns[:, 1], float(series.period_s), additive=series.statistic in ADDITIVE),
        )


def name_of(series: MetricSeries) -> str:
    """Returns the metric and its resource: `DatabaseConnections Maximum of shop-db`."""
    of = ", ".join(series.dimensions.values())
    return f"{series.metric} {series.statistic}" + (f" of {of}" if of else "")


def _generators(seen: RunData) -> Iterator[tuple[Moved, Course]]:
    """Yields the signs of an overloaded generator, as the worst of all workers in each few seconds."""
    width = max(2, math.ceil(seen.seconds / SYMPTOM_BINS))
    starts = np.arange(0, seen.seconds - width + 1, width, dtype=float)
    for column, (name, unit) in GENERATORS.items():
        worst = np.full(starts.size, np.nan)
        for worker in seen.timeline.health_workers():
            health = seen.timeline.health_series(worker)
            known = (getattr(health, column) >= 0) & (health.second < starts.size * width) & (health.second >= 0)
            np.fmax.at(worst, (health.second[known] // width).astype(int), getattr(health, column)[known].astype(float))
        there = np.isfinite(worst)
        if there.sum() >= LEAST_PERIODS:
            figure = _figure(name, width, unit=unit).model_copy(update={"source": "generator"})
            yield figure, Course(starts[there], worst[there], float(width), additive=False)


def _figure(name: str, period_s: float, *, unit: str, resource: str | None = None) -> Moved:
    return Moved(
        name=name, unit=unit, resource=resource, period_s=period_s, at_s=0, low_s=0, high_s=0, before=0, after=0, p=1.0
    )


def _moved(load: _Load, trouble: Trouble, figure: Moved, course: Course, number: int) -> Moved | None:
    """Returns the figure's change when the trouble began; None if it changed at another time, or not at all."""
    if trouble.shape == "trend":
        span = trouble.low_s, trouble.to_s or load.seen.seconds
        change = trend_within(course, span, seed=number)
    else:
        early_s, late_s = (0.0, 0.0) if course.additive else (course.period_s, course.period_s)
        near = trouble.low_s - AHEAD_S - early_s, trouble.high_s + late_s
        ends = [math.inf]
        if trouble.to_s is not None:
            edges = course.starts_s[np.abs(course.starts_s - trouble.to_s) <= 2 * course.period_s]
            ends += [trouble.to_s, *edges.tolist()]
        influences = load.influences(course, curved="service-saturated" not in trouble.codes)
        change = _clearest(course, influences, near, ends, seed=number)
    if change is None or (change.low_s > trouble.high_s and trouble.shape == "step"):
        return None
    height = abs(change.after - change.before)
    if (
        height < LEAST_CHANGE * max(abs(change.after), abs(change.before))
        or (change.effect or LEAST_EFFECT) < LEAST_EFFECT
    ):
        return None
    if figure.source == "generator" and change.after < change.before:  # less work, since the service is slower
        return None
    return figure.model_copy(
        update={
            "shape": trouble.shape,
            "at_s": change.at_s,
            "low_s": max(0.0, change.low_s),
            "high_s": change.high_s,
            "before": change.before,
            "after": change.after,
            "effect": change.effect,
            "p": change.p,
        }
    )


def _ordered(moved: Sequence[Moved]) -> tuple[Moved, ...]:
    """Returns the figures in order of time; those whose intervals allow that they were first by `_rank`."""
    left, ordered = list(moved), list[Moved]()
    while left and len(ordered) < MOST_MOVED:
        first_s = min(one.high_s for one in left)
        group = [one for one in left if one.low_s <= first_s]
        ordered += sorted(group, key=_rank)
        left = [one for one in left if one.low_s > first_s]
    return tuple(ordered[:MOST_MOVED])


def _rank(one: Moved) -> tuple[bool, float, float]:
    """Returns the order of simultaneous changes: signs of a limit first, since they explain use and times."""
    effect = one.effect if one.effect is not None else math.inf
    return LIMIT.search(one.name) is None, -effect, one.at_s
