"""What changed when a trouble of a run began: figures of the service, beside the planned load, in order of time.

A trouble is a finding, or a breached criterion on times, failures or throughput, that begins or ends within the load.
A figure is listed if its change is significant among all of the run's figures: docs/explanation/findings.md.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from toril.criteria.server import KNOWN_TIMES
from toril.records import JudgedCriterion, Plan, ServerMetrics, Verdict
from toril.records.cause import Moved, Symptom, Trouble
from toril.records.summary import RunFinding, Summary
from toril.stats.onset import FINENESS, SHOWN, Change, Course, change_near, discoveries
from toril.timeline import Timeline
from toril.verdict.findings.seen import Floats, RunData

FALSE_DISCOVERIES = 0.05
SURE = 0.01  # of a symptom
LEAST_OF_SYMPTOM = {"response times": math.log(1.25), "failures": 0.01}  # what varies less has no beginning
LEAST_OF_THROUGHPUT = 0.1
WIDTHS = (1, 3)  # of bins
GROWING = 0.2  # part of a rise that the bins just before it show; more is no moment
LASTING_S, LEAST_BINS = 20, 3  # of a symptom; shorter ones are queues that come and go
AHEAD_S = 10.0  # a cause begins at most this long before the interval of its trouble
LAG_S = 60  # figures may follow the load of the last minute
MOST_TROUBLES, MOST_MOVED, MOST_SECONDS, MOST_BINS = 5, 5, 6 * 3600, 120
TOGETHER_S = 15  # troubles that begin so near are one
LEAST_CHANGE, LEAST_EFFECT = 0.02, 1.5  # of a listed figure: relative, and in deviations
MOST_BLUR = 3  # periods of the interval of its time
DRIFT, DELAY = "drift", "send delay of the generators"
BEGINNINGS: dict[str, tuple[Symptom, float, float]] = {  # finding → symptom, and the seconds around `from_s`
    "errors-began": ("failures", 3, 5),
    "service-saturated": ("response times", 15, 15),
    "periodic-stall": ("response times", 0, 4),
    DRIFT: ("response times", 0, 0),
}
# What load balancers and gateways measure is what toril measures: requests, times and failures. By Little's law, the
# requests in progress are rate times response time.
ENTRANCES = frozenset({"AWS/ApplicationELB", "AWS/NetworkELB", "AWS/ELB", "AWS/ApiGateway", "AWS/CloudFront"})
# Names in queries of Prometheus that measure a service's entrance.
OF_ENTRANCES = re.compile(r"http_(?:server_)?(?:requests?|response)_|(?:nginx|envoy|traefik|haproxy|istio)_")
OF_HOSTS = re.compile(r"Host|Reject|ConnectionError")  # what only they know
IN_PROGRESS = re.compile(r"(?i)in.?flight|concurren|active.?(?:conn|request)")
RANKS = tuple(map(re.compile, (  # figures that the next ones do not raise, by words of their names; the others follow
    r"(?i)throttl|reject|refus|cold|init|steal|stolen|gc|collect|pause|evict|miss|spill|swap|exceed|retr",
    r"(?i)time(?!out)|duration|latency",
    r"(?i)pend|queue|wait|acqui|block|lock|surge|timeout|drop|error|fail|delay",
)))  # fmt: skip
SUPPLY = re.compile(r"(?i)credit|balance|hit|free|available|healthy|limit|[._]max\b")  # worse if it falls
ADDITIVE, COUNTS = frozenset({"Average", "Sum", "SampleCount"}), frozenset({"Sum", "SampleCount"})
PERCENTAGES = frozenset({"CPUUtilization", "MemoryUtilization"})


class Figure(NamedTuple):
    """A figure of the service or the generators, and its unit in CloudWatch."""

    name: str
    unit: str
    course: Course


def troubles_of(
    plan: Plan, summary: Summary, timeline: Timeline, verdict: Verdict, metrics: ServerMetrics | None
) -> tuple[Trouble, ...]:
    """Returns the troubles of a run with the figures that changed when they began. `plan`: the load carried out."""
    seen = RunData(plan, summary, timeline)
    if plan.duet is not None or plan.functional or plan.tried or not 20 <= seen.seconds <= MOST_SECONDS:
        return ()
    found = _merged([*_of_findings(seen, summary.standouts), *_of_criteria(seen, verdict.criteria)])
    figures = [*_service(seen, metrics), *_generators(seen)]
    tests = [[_moved(seen, trouble, figure, seed) for seed, figure in enumerate(figures)] for trouble in found]
    limit = discoveries([moved.p if moved else 1.0 for row in tests for moved in row], FALSE_DISCOVERIES)
    return tuple(
        trouble.model_copy(
            update={
                "tested": len(figures),
                "moved": _ordered(
                    row, limit, FALSE_DISCOVERIES / (MOST_TROUBLES * max(1, len(figures))), ended=trouble.ended
                ),
            }
        )
        for trouble, row in zip(found, tests, strict=True)
    )


def _influences(seen: RunData, course: Course, *, curved: bool = True) -> list[Floats]:
    """Returns the planned load in each period, its square, and the load of the minute before."""
    columns, seconds, starts, ends = [], np.arange(seen.seconds + 1), course.starts_s, course.starts_s + course.period_s
    for name in sorted(seen.load_fields):
        rates = [getattr(row, name) or 0.0 for row in seen.summary.series[: seen.seconds]]
        before_start, at_start, at_end = (
            np.interp(times, seconds, np.concatenate([[0.0], np.cumsum(rates)]))
            for times in (starts - LAG_S, starts, ends)
        )
        mean = (at_end - at_start) / course.period_s
        columns += [mean, mean**2] if curved else [mean]
        columns += [at_start - before_start] if curved and course.period_s < LAG_S else []
    return columns


# ── Troubles ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_findings(seen: RunData, findings: Sequence[RunFinding]) -> Iterator[Trouble]:
    for one in findings:
        if one.code not in BEGINNINGS or one.from_s is None or one.to_s is None:
            continue
        symptom, early_s, late_s = BEGINNINGS[one.code]
        end_s = one.to_s if one.to_s < seen.seconds - 1 else None
        if one.code != DRIFT:
            yield _trouble(one.code, symptom, one.label, one.from_s, one.from_s - early_s, one.from_s + late_s, end_s)
        elif change := _symptom(seen, symptom, ""):  # a steady drift has no beginning
            yield _begun(one.code, symptom, "", change)


def _of_criteria(seen: RunData, criteria: Sequence[JudgedCriterion]) -> Iterator[Trouble]:
    for item in criteria:
        symptom, is_breached = _symptom_of(item), item.outcome in ("failed", "triggered")
        if symptom and is_breached and (change := _symptom(seen, symptom, item.label)):  # else as bad as the whole run
            yield _begun(item.criterion, symptom, item.label, change)


def _symptom_of(item: JudgedCriterion) -> Symptom | None:
    if item.counted not in ("sample", "second"):
        return None
    if item.unit == "us" and item.subject[:1] in "parl" and not item.subject.startswith("alb"):
        return "response times"
    if item.subject.startswith(("fail", "rc", "succ")):
        return "failures"
    return "throughput" if item.subject in ("throughput", "hits") else None


def _begun(code: str, symptom: Symptom, label: str, change: Change) -> Trouble:
    end_s = change.end_s if math.isfinite(change.end_s) else None
    times = change.at_s, change.low_s, change.high_s, end_s
    return _trouble(code, symptom, label, *times, ended=change.after < change.before)


def _trouble(
    code: str, symptom: Symptom, label: str, at_s: float, low_s: float, high_s: float, to_s: float | None, **more: bool
) -> Trouble:
    times: dict[str, Any] = {"at_s": at_s, "low_s": max(0.0, low_s), "high_s": high_s, "to_s": to_s}
    return Trouble(codes=(code,), symptom=symptom, label=label, **times, **more)


def _symptom(seen: RunData, symptom: Symptom, label: str) -> Change | None:
    """Returns the significant change of a symptom within the load, beside the planned load; values rise if worse.

    Wider bins are tried as well, since times of seconds may be noisy.
    """
    width = max(1, math.ceil(seen.seconds / MOST_BINS))
    found = (_symptom_in(seen, symptom, label, width * factor) for factor in WIDTHS)
    return next((change for change in found if change and change.p <= SURE / len(WIDTHS)), None)


def _symptom_in(seen: RunData, symptom: Symptom, label: str, width: int) -> Change | None:
    view, size = seen.timeline.select(label), seen.seconds // width
    by_second = view.by_second(seen.seconds)

    def in_bins(column: Any) -> Floats:
        bins: Floats = np.asarray(column, np.float64)[: size * width].reshape(size, width).sum(axis=1)
        return bins

    samples, starts = in_bins(by_second.samples), np.arange(0.0, size * width, width)
    some = samples > (-1 if symptom == "throughput" else 0)
    if symptom == "response times":
        values = np.log(np.maximum(1.0, in_bins(view.sums_us(seen.seconds))[some] / samples[some]))
    else:
        values = in_bins(by_second.failures)[some] / samples[some] if symptom == "failures" else -samples / width
    course = Course(starts[some], values, float(width), additive=False)
    ends, near = [math.inf, *course.starts_s[2::2].tolist()], (0.0, float(seen.seconds))
    more: dict[str, Any] = {"rounds": 1, "is_up": True, "lasting": max(LEAST_BINS, math.ceil(LASTING_S / width))}
    change = _clearest(course, _influences(seen, course), near, ends, len(label), 1_000, **more)
    if change is None:
        return None
    early = values[course.starts_s < change.at_s - 1e-6]
    if early.size > SHOWN and change.before - early[:-SHOWN].mean() > GROWING * (change.after - change.before) > 0:
        return None  # it began to grow earlier, slowly
    least = LEAST_OF_THROUGHPUT * abs(change.before) if symptom == "throughput" else LEAST_OF_SYMPTOM[symptom]
    return change if abs(change.after - change.before) >= least else None


def _clearest(course: Course, influences: Sequence[Floats], *args: Any, **more: Any) -> Change | None:
    """Returns the change of the values or of their ranks, whichever is less likely by chance, with a p for both."""
    found = [change_near(course, influences, *args, **more, ranked=ranked) for ranked in (False, True)]
    best = min(filter(None, found), key=lambda change: (change.p, change.after < change.before), default=None)
    return best and replace(best, p=min(1.0, 2 * best.p))


def _merged(troubles: Sequence[Trouble]) -> list[Trouble]:
    """Returns the troubles, those that begin together as the first one; the most severe ones, in order of time."""
    merged: list[Trouble] = []
    for one in troubles:
        alike = (at for at, other in enumerate(merged) if other.ended == one.ended)
        near = (at for at in alike if abs(merged[at].at_s - one.at_s) <= TOGETHER_S or _overlap(merged[at], one))
        if (place := next(near, None)) is None:
            merged.append(one)
        else:
            other = merged[place]
            codes, is_earlier = tuple(dict.fromkeys((*other.codes, *one.codes))), one.high_s < other.low_s
            merged[place] = (one if is_earlier else other).model_copy(update={"codes": codes})
    return sorted(merged[:MOST_TROUBLES], key=lambda one: one.high_s)


def _overlap(one: Trouble, other: Trouble) -> bool:
    return one.low_s <= other.high_s and other.low_s <= one.high_s


# ── Figures ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _service(seen: RunData, metrics: ServerMetrics | None) -> Iterator[Figure]:
    """Yields the figures of the service with their values in whole periods of the load."""
    asked = {one.model_copy(update={"resource": None}).key: one for one in (metrics.queries if metrics else ())}
    for one in asked.values():  # a criterion and the service may have asked for the same
        entrance = one.namespace in ENTRANCES or OF_ENTRANCES.search(one.promql)
        repeats = entrance and not OF_HOSTS.search(one.metric)
        if repeats or IN_PROGRESS.search(one.metric) or not one.points:
            continue
        last_s, first_s = seen.seconds - one.period_s, one.points[0][0] % one.period_s
        values = {round(at_s, 6): value for at_s, value in one.points if 0 <= at_s <= last_s}
        if one.answered and one.statistic in COUNTS:  # AWS does not publish counts of 0
            whole = (round(first_s + number * one.period_s, 6) for number in range(int(seen.seconds // one.period_s)))
            values = {at_s: 0.0 for at_s in whole if at_s <= last_s} | values
        columns = np.array(sorted(values.items()), np.float64).reshape(-1, 2)
        course = Course(columns[:, 0], columns[:, 1], float(one.period_s), additive=one.statistic in ADDITIVE)
        unit = one.unit or KNOWN_TIMES.get((one.namespace, one.metric), "Percent" * (one.metric in PERCENTAGES))
        of = ", ".join(one.dimensions.values())
        yield Figure(f"{one.metric} {one.statistic}{' of ' * bool(of)}{of}", unit, course)


def _generators(seen: RunData) -> Iterator[Figure]:
    """Yields the send delay of the generators, the longest of all workers in each few seconds."""
    width = max(2, math.ceil(seen.seconds / MOST_BINS))
    starts = np.arange(0, seen.seconds - width + 1, width)
    late = [seen.timeline.highest_by_generator("late_us", at, at + width - 1).values() for at in starts.tolist()]
    known = np.array([bool(values) for values in late])
    values = np.array([max(values) for values in late if values], np.float64)
    yield Figure(DELAY, "Microseconds", Course(starts[known].astype(np.float64), values, float(width), additive=False))


def _moved(seen: RunData, trouble: Trouble, figure: Figure, seed: int) -> Moved | None:
    """Returns the figure's change when the trouble began; None if it changed at another time, or not at all."""
    name, unit, course = figure
    blur_s, ends = 0.0 if course.additive else course.period_s, [math.inf]
    if trouble.to_s is not None:
        ends += [trouble.to_s, *course.starts_s[np.abs(course.starts_s - trouble.to_s) <= 2 * course.period_s].tolist()]
    near = trouble.low_s - AHEAD_S - blur_s, trouble.high_s + blur_s
    influences = _influences(seen, course, curved="service-saturated" not in trouble.codes)
    change = _clearest(course, influences, near, ends, seed)
    if change is None or change.low_s > trouble.high_s or change.high_s - change.low_s > MOST_BLUR * course.period_s:
        return None
    if name == DELAY and change.after < change.before:  # less work, since the service is slower
        return None
    low_s, high_s = change.low_s, change.high_s
    if course.additive:  # a level that is not constant after the change blurs its time within the period
        period_s, first_s, reach_s = course.period_s, course.starts_s[0], course.period_s / FINENESS
        low_s = min(low_s, first_s + math.floor((low_s + reach_s - first_s) / period_s + 1e-6) * period_s)
        high_s = first_s + (math.floor((high_s - reach_s - first_s) / period_s + 1e-6) + 1) * period_s
    least = LEAST_CHANGE * max(abs(change.after), abs(change.before))
    if abs(change.after - change.before) < least or (change.effect or LEAST_EFFECT) < LEAST_EFFECT:
        return None
    figures = {name: getattr(change, name) for name in ("at_s", "before", "after", "effect", "p")}
    return Moved(name=name, unit=unit, period_s=course.period_s, low_s=max(0.0, low_s), high_s=high_s, **figures)


def _ordered(row: Iterable[Moved | None], limit: float, sure: float, *, ended: bool) -> tuple[Moved, ...]:
    """Returns the figures in order of time; those whose intervals allow that they were first by `_rank`.

    Figures with a p-value above `sure` follow, since one of them may have changed by chance.
    """
    left, ordered = [one for one in row if one and one.p <= limit], list[Moved]()
    while left:
        known = [one for one in left if one.p <= sure] or left
        first_s = min(one.high_s for one in known)
        ordered += sorted((one for one in known if one.low_s < first_s), key=lambda one: _rank(one, ended=ended))
        left = [one for one in left if one not in ordered]
    return tuple(ordered[:MOST_MOVED])


def _rank(one: Moved, *, ended: bool) -> tuple[int, float, float]:
    """Returns the order of simultaneous changes: limits, times of parts, queues and errors, then use.

    A queue grows if a part is slower, but a part is not slower since a queue grows. Signs that improve come last. Then
    the greatest relative change comes first, in tenths, and the greatest one in deviations.
    """
    name = one.name.partition(" of ")[0]  # without the resource's
    supply, has_risen = SUPPLY.search(name) is not None, one.after > one.before
    is_worse = has_risen is (supply is ended)
    named = 0 if supply else next((place for place, words in enumerate(RANKS) if words.search(name)), len(RANKS))
    relative = abs(one.after - one.before) / max(abs(one.after), abs(one.before))
    effect = math.inf if one.effect is None else one.effect
    return named if is_worse else len(RANKS) + 1, -round(relative, 1), -effect
