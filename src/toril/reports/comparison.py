"""Compares two runs: the figures of both, their differences, and whether noise within the runs explains them.

`base` is the reference, `head` the run to check; every difference is head minus base.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from statistics import fmean
from typing import Any, Literal

import numpy as np

from toril import text
from toril.criteria.service import short_name
from toril.records.summary import LabelFigures, MetricFigures, Summary
from toril.reports.blocks import ShownCriterion
from toril.reports.bundle import Bundle
from toril.reports.differences import differences
from toril.reports.labels import slice_of
from toril.reports.run_blocks import headline, rules_of
from toril.reports.run_tables import is_notable, window_of
from toril.stats.quantiles import mean_interval, share_interval
from toril.text import plain

SCHEMA = "toril.comparison/1"
PERCENTILES = ("p50", "p90", "p95", "p99", "p99_9")
TIMES = ("mean", *PERCENTILES, "max")
NORMAL_FROM = 100  # samples from which the normal distribution fits means and counts well enough
BATCHES = 10
REACH = 2.262  # Student's t with nine degrees of freedom, for 95 %
SHORTEST_BATCH_S = 2
MetricKind = Literal["check", "trend", "counter", "gauge", "rate"]
OF_METRICS: Mapping[MetricKind, tuple[tuple[str, str], ...]] = {  # key and unit of the compared figures
    "check": (("failures", "%"),),
    "rate": (("true", "%"),),
    "trend": (("mean", ""), ("p50", ""), ("p95", ""), ("p99", "")),
    "gauge": (("mean", ""), ("max", "")),
    "counter": (("sum", ""), ("per_s", "/s")),
}
RULE_FIELDS = ("text", "outcome", "observed", "limit", "difference", "scope", "detail", "message", "bar")
CONCLUSION = (
    "A figure differs if the 95 % intervals of the two runs do not overlap. The intervals cover the noise within a "
    "run, but not the variation from run to run (other tenants, caches, time of day). Two single runs show where to "
    "search; they prove neither a regression nor an improvement. Use `toril duet` for a proof."
)

Finding = Literal["differs", "within noise", "unknown"]
Kind = Literal["all", "label", "transaction", "location", "execution"]
Interval = tuple[float | None, float | None]  # None: unbounded on that side


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedFigure:
    """One figure of both runs, with 95 % intervals if known. Values are in `unit`."""

    key: str  # rps failures mean p50 p90 p95 p99 p99_9 max; of own metrics those of OF_METRICS
    unit: str  # as in `text.quantity`: us, %, /s, s; empty for a count
    base: float | None
    head: float | None
    base_interval: Interval | None = None
    head_interval: Interval | None = None
    resolution: float = 0  # of the record, in `unit`

    @property
    def title(self) -> str:
        """Returns the name for reports: p99.9, req/s."""
        return {"rps": "req/s", "failures": "failed", "per_s": "per second"}.get(self.key, self.key.replace("_", "."))

    @property
    def delta(self) -> float | None:
        """Returns head minus base."""
        return None if self.base is None or self.head is None else self.head - self.base

    @property
    def relative(self) -> float | None:
        """Returns the difference relative to base: 0.1 is 10 % more. None if base is 0 or missing."""
        return None if self.delta is None or not self.base else self.delta / self.base

    @property
    def finding(self) -> Finding:
        """Returns `differs` if the gap between the intervals exceeds the resolution of the record.

        Returns `unknown` if an interval is missing, or if they overlap and one is unbounded: too few samples.
        """
        if self.base_interval is None or self.head_interval is None or self.delta is None:
            return "unknown"
        ends = (self.base_interval, self.head_interval), (self.head_interval, self.base_interval)
        gaps = [low - high for (_, high), (low, _) in ends if low is not None and high is not None]
        if any(gap > self.resolution for gap in gaps):
            return "differs"
        return "unknown" if None in (*self.base_interval, *self.head_interval) else "within noise"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPart:
    """The figures of all requests, a label, a location, an execution, a check or an own metric."""

    kind: Kind | MetricKind
    name: str  # "all" for all requests
    base_samples: int
    head_samples: int
    figures: tuple[ComparedFigure, ...]
    only_in: Literal["base", "head"] | None = None  # set if the other run has no such part
    marked: bool = False  # in either run, more than 1 % of the requests failed

    def figure(self, key: str) -> ComparedFigure:
        return next(figure for figure in self.figures if figure.key == key)

    @property
    def differing(self) -> tuple[ComparedFigure, ...]:
        return tuple(figure for figure in self.figures if figure.finding == "differs")


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionPair:
    """One criterion in both runs; None if a run does not have it."""

    text: str
    base: ShownCriterion | None
    head: ShownCriterion | None

    @property
    def changed(self) -> bool:
        """Returns whether the outcomes differ, or only one run has the criterion."""
        return self.base is None or self.head is None or self.base.outcome != self.head.outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Identity and outcome of one of the two runs."""

    run_id: str
    suite: str
    outcome: str
    headline: str
    started_at: str
    window: str
    tags: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]  # of an outcome that is not passed


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """The content of a report on two runs."""

    base: Side
    head: Side
    differences: tuple[str, ...]  # sentences on differences that limit the comparison
    load: tuple[ComparedFigure, ...]
    criteria: tuple[CriterionPair, ...]
    overall: ComparedPart
    labels: tuple[ComparedPart, ...]  # by name; also transactions, and requests by tag
    locations: tuple[ComparedPart, ...]
    executions: tuple[ComparedPart, ...]
    metrics: tuple[ComparedPart, ...] = ()  # checks and own metrics, by name; then those of the service

    @property
    def parts(self) -> tuple[ComparedPart, ...]:
        return (self.overall, *self.labels, *self.locations, *self.executions, *self.metrics)

    @property
    def headline(self) -> str:
        """Returns the result in a sentence."""
        figures = [figure for part in (self.overall, *self.labels, *self.metrics) for figure in part.figures]
        judged = sum(figure.finding != "unknown" for figure in figures)
        apart = sum(figure.finding == "differs" for figure in figures)
        if not judged:
            return "Too few samples to compare the runs"
        verb = "differs" if apart == 1 else "differ"
        if not apart:
            return f"None of {text.plural(judged, 'figure')} differs by more than the noise within the runs"
        return f"{text.number(apart)} of {text.plural(judged, 'figure')} {verb} by more than the noise within the runs"


def compare(base: Bundle, head: Bundle) -> RunComparison:
    """Returns the comparison. Rates have intervals only if the bundles have timelines."""
    both = (base.without_gaps(), head.without_gaps())
    return RunComparison(
        base=_side(base),
        head=_side(head),
        differences=tuple(differences(base, head)),
        load=tuple(_load(base.summary, head.summary)),
        criteria=tuple(_criteria(base, head)),
        overall=_parts("all", both)[0],
        labels=_parts("label", both),
        locations=_parts("location", both),
        executions=_parts("execution", both),
        metrics=(*_metrics(base.summary, head.summary), *_service(base, head)),
    )


def document(comparison: RunComparison) -> dict[str, Any]:
    """Returns the comparison as plain data (`toril.comparison/1`), with derived values."""
    return {"schema": SCHEMA, "headline": comparison.headline, "conclusion": CONCLUSION, **_data(comparison)}


def _data(value: Any) -> Any:
    if isinstance(value, ShownCriterion):
        return {name: getattr(value, name) for name in RULE_FIELDS}
    if isinstance(value, ComparedFigure):
        return {**asdict(value), "delta": value.delta, "relative": value.relative, "finding": value.finding}
    if is_dataclass(value):
        return {field.name: _data(getattr(value, field.name)) for field in fields(value)}
    return [_data(item) for item in value] if isinstance(value, tuple) else value


def _side(bundle: Bundle) -> Side:
    reasons = bundle.verdict.reasons if bundle.outcome != "passed" else ()
    return Side(
        run_id=plain(bundle.plan.run_id),
        suite=plain(bundle.plan.suite),
        outcome=bundle.outcome,
        headline=headline(bundle),
        started_at=plain(bundle.summary.started_at or ""),
        window=f"figures of the {window_of(bundle)}",
        tags=tuple((plain(key), plain(value)) for key, value in sorted(bundle.tags.items())),
        reasons=tuple(plain(reason.message, 1000) for reason in reasons),
    )


def _criteria(base: Bundle, head: Bundle) -> Iterable[CriterionPair]:
    """Yields criteria paired by text and scope; equal criteria pair in their order."""
    criteria: dict[tuple[Any, ...], list[ShownCriterion | None]] = {}
    for side, bundle in enumerate((base, head)):
        seen: dict[tuple[Any, ...], int] = {}
        for item, rule in zip(bundle.verdict.criteria, rules_of(bundle), strict=True):
            name = (rule.text, item.scope)
            seen[name] = seen.get(name, 0) + 1
            criteria.setdefault((*name, seen[name]), [None, None])[side] = rule
    for (words, *_), (of_base, of_head) in criteria.items():
        yield CriterionPair(text=words, base=of_base, head=of_head)


# ── Figures ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _load(base: Summary, head: Summary) -> Iterable[ComparedFigure]:
    """Yields the requested and the achieved load, if known of either run."""
    for key, unit, of_base, of_head in (
        ("users requested", "", base.load.requested.virtual_users, head.load.requested.virtual_users),
        ("users", "", base.load.achieved.virtual_users, head.load.achieved.virtual_users),
        ("throughput requested", "/s", base.load.requested.rps, head.load.requested.rps),
        ("throughput", "/s", base.load.achieved.rps, head.load.achieved.rps),
        ("journeys requested", "/s", base.load.requested.journeys_per_s, head.load.requested.journeys_per_s),
        ("journeys", "/s", base.load.achieved.journeys_per_s, head.load.achieved.journeys_per_s),
        ("duration", "s", base.duration_s, head.duration_s),
        ("workers", "", base.workers.reported, head.workers.reported),
    ):
        if (of_base, of_head) != (None, None):
            yield ComparedFigure(key=key, unit=unit, base=_float(of_base), head=_float(of_head))
    searches = [summary.capacity or {} for summary in (base, head)]
    for name in dict.fromkeys((*searches[0], *searches[1])):
        both = [_float(search[name].held_rps) if name in search else None for search in searches]
        unit = next(search[name].unit or "/s" for search in searches if name in search)
        yield ComparedFigure(key=f"capacity of {plain(name, 80)}", unit=unit, base=both[0], head=both[1])


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _parts(kind: Kind, both: tuple[Bundle, Bundle]) -> tuple[ComparedPart, ...]:
    """Returns the parts of that kind in either run, by name; "all" gives one part."""
    base, head = (_figures_by_name(bundle.summary, kind) for bundle in both)
    return tuple(_part(kind, name, both, (base.get(name), head.get(name))) for name in sorted({*base, *head}))


def _figures_by_name(summary: Summary, kind: Kind) -> Mapping[str, LabelFigures]:
    if kind == "all":
        return {"": summary.total}
    if kind == "label":
        return {name: figures for name, figures in (summary.labels | summary.tagged).items() if name}
    parts = summary.locations if kind == "location" else summary.executions
    return {name: part.total for name, part in parts.items()}


def _part(
    kind: Kind, name: str, both: tuple[Bundle, Bundle], pair: tuple[LabelFigures | None, LabelFigures | None]
) -> ComparedPart:
    sides = [figures or LabelFigures() for figures in pair]
    resolution_us = float(max(figures.resolution_us or 1 for figures in sides))
    scope: dict[str, str] = {"label": name} if kind in ("all", "label") else {str(kind): name}
    base, head = (_measured(figures, bundle, scope) for figures, bundle in zip(sides, both, strict=True))
    figures = []
    for key, unit in (("rps", "/s"), ("failures", "%"), *((key, "us") for key in TIMES)):
        of_base, of_head = base.get(key, (None, None)), head.get(key, (None, None))
        figures.append(
            ComparedFigure(
                key=key,
                unit=unit,
                base=of_base[0],
                head=of_head[0],
                base_interval=of_base[1],
                head_interval=of_head[1],
                resolution=resolution_us if unit == "us" else 0,
            )
        )
    return ComparedPart(
        kind="transaction" if kind == "label" and any(side.kind == "transaction" for side in sides) else kind,
        name=plain(name) or "all",
        base_samples=sides[0].samples,
        head_samples=sides[1].samples,
        figures=tuple(figures),
        only_in="base" if pair[1] is None else "head" if pair[0] is None else None,
        marked=any(map(is_notable, sides)),
    )


def _metrics(*both: Summary) -> Iterator[ComparedPart]:
    """Yields the checks and own metrics of either run, by name."""
    for name, kind in sorted({(name, own.kind) for summary in both for name, own in summary.metrics.items()}):
        pair = [own if (own := summary.metrics.get(name)) and own.kind == kind else None for summary in both]
        base, head = pair
        yield ComparedPart(
            kind=kind,
            name=plain(name),
            base_samples=base.samples if base else 0,
            head_samples=head.samples if head else 0,
            figures=tuple(_metric(key, unit, pair) for key, unit in OF_METRICS[kind]),
            only_in="base" if head is None else "head" if base is None else None,
        )


def _service(*both: Bundle) -> Iterator[ComparedPart]:
    """Yields the metrics of the service's resources in either run: mean and highest of their periods."""
    queries = [bundle.metrics.queries if bundle.metrics else () for bundle in both]
    runs = [{f"{short_name(q.resource)} {q.metric} {q.statistic}": q for q in own if q.resource} for own in queries]
    for name in sorted({name for run in runs for name, series in run.items() if series.points}):
        points = [[value for _, value in run[name].points] if name in run else [] for run in runs]
        base, head = points
        means, highest = ([of(values) if values else None for values in points] for of in (fmean, max))
        yield ComparedPart(
            kind="gauge",
            name=plain(name),
            base_samples=len(base),
            head_samples=len(head),
            figures=(
                ComparedFigure(key="mean", unit="", base=means[0], head=means[1]),
                ComparedFigure(key="max", unit="", base=highest[0], head=highest[1]),
            ),
            only_in="base" if not head else "head" if not base else None,
        )


def _metric(key: str, unit: str, pair: Sequence[MetricFigures | None]) -> ComparedFigure:
    """Returns a figure of a check or own metric in both runs."""
    (base, of_base), (head, of_head) = (_value(key, unit, own) for own in pair)
    return ComparedFigure(key=key, unit=unit, base=base, head=head, base_interval=of_base, head_interval=of_head)


def _value(key: str, unit: str, own: MetricFigures | None) -> tuple[float | None, Interval | None]:
    """Returns a figure with its interval; only shares have one."""
    if own is None or unit != "%" or not own.samples:
        return _float(getattr(own, key) if own and unit != "%" else None), None
    count = own.failures if key == "failures" else own.samples - own.failures
    low, high = share_interval(count, own.samples)
    return 100 * count / own.samples, (100 * low, 100 * high)


def _measured(
    figures: LabelFigures, bundle: Bundle, scope: Mapping[str, str]
) -> dict[str, tuple[float | None, Interval | None]]:
    """Returns each figure with its interval; empty without samples."""
    times, samples, rps = figures.response_us, figures.samples, float(figures.rps or 0)
    if not samples:
        return {}
    many = samples >= NORMAL_FROM
    intervals: Mapping[str, Interval] = times.interval if times else {}
    measured = {key: (getattr(times, key, None), intervals.get(key)) for key in TIMES}
    if many and times and times.mean is not None and times.stdev is not None:
        measured["mean"] = (times.mean, mean_interval(times.mean, times.stdev, samples))
    low, high = share_interval(figures.failures, samples)
    measured["failures"] = (100 * figures.failures / samples, (100 * low, 100 * high))
    measured["rps"] = (rps, rate_interval(bundle, rps, **scope) if many else None)
    return measured


# ── Rates ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def rate_interval(
    bundle: Bundle, rps: float, *, label: str = "", execution: str | None = None, location: str | None = None
) -> tuple[float, float] | None:
    """Returns the 95 % interval of that rate, per second; None for a window under 20 s, or without the timeline.

    The interval is the spread of batch means, as in simulations. Requests of a closed model depend on each other, so
    a Poisson distribution does not fit their count. The counts of long batches are nearly independent. A ramp-up in
    the window makes the interval wider, never narrower.
    """
    timeline = bundle.timeline
    if timeline is None:
        return None
    first, end = _seconds(bundle, execution)
    size = (end - first) // BATCHES
    if size < SHORTEST_BATCH_S:
        return None
    executions = () if execution is None else (execution,)
    chosen = slice_of(timeline, label, executions, location, True if bundle.plan.ramp_up_exclude else None)
    counts = chosen.by_second(end).samples[first : first + size * BATCHES]
    means = counts.reshape(BATCHES, size).mean(axis=1)
    mean = float(means.mean())
    # One request more or less at the edges.
    reach = REACH * float(np.std(means, ddof=1)) / math.sqrt(BATCHES) + 1 / size
    return max(0.0, min(rps, mean) - reach), max(rps, mean) + reach


def _seconds(bundle: Bundle, execution: str | None) -> tuple[int, int]:
    """Returns the whole seconds of the judged window: the first, and the one after the last."""
    window = bundle.summary.window
    start, end = (window.from_s, window.to_s) if window else (0.0, 0.0)
    for planned in bundle.plan.executions if bundle.plan.ramp_up_exclude else ():
        if planned.name == execution:
            start, end = planned.steady_from_s, min(end, planned.steady_to_s)
    return math.ceil(start), max(math.ceil(start), math.floor(end))
