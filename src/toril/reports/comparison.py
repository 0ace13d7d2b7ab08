"""Two runs side by side: what differs, by how much, and whether by more than chance within the runs explains.

`base` is the run compared with, `head` the one in question; every difference is head less base.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from toril.reports import view, wording
from toril.reports.bundle import Bundle
from toril.reports.comparable import differences
from toril.stats import mean_interval, share_interval

SCHEMA = "toril.comparison/1"
PERCENTILES = ("p50", "p90", "p95", "p99", "p99_9")
TIMES = ("mean", *PERCENTILES, "max")
NORMAL_FROM = 100  # samples from which the mean of response times is near enough to normal for its interval

Finding = Literal["differs", "within noise", "unknown"]
Kind = Literal["all", "label", "transaction", "location", "execution"]
Interval = tuple[float | None, float | None]  # None: open on that side


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of both runs, each with its 95 % interval where there is one. Values are in `unit`."""

    key: str  # rps failures mean p50 p90 p95 p99 p99_9 max
    unit: str  # as in `wording.quantity`: us, %, /s, s or a plain count
    base: float | None
    head: float | None
    base_interval: Interval | None = None
    head_interval: Interval | None = None
    resolution: float = 0  # what the record could not tell apart, in `unit`

    @property
    def title(self) -> str:
        """As a person writes it: p99.9, req/s."""
        return {"rps": "req/s", "failures": "failed"}.get(self.key, self.key.replace("_", "."))

    @property
    def delta(self) -> float | None:
        """Head less base."""
        return None if self.base is None or self.head is None else self.head - self.base

    @property
    def relative(self) -> float | None:
        """The difference as a part of base: 0.1 is 10 % more. None where base is 0 or missing."""
        return None if self.delta is None or not self.base else self.delta / self.base

    @property
    def finding(self) -> Finding:
        """`differs` when the intervals are apart by more than the record could not tell; `unknown` without both."""
        if self.base_interval is None or self.head_interval is None or self.delta is None:
            return "unknown"
        (base_low, base_high), (head_low, head_high) = map(_closed, (self.base_interval, self.head_interval))
        apart = max(head_low - base_high, base_low - head_high)
        return "differs" if apart > self.resolution else "within noise"

    def shown(self, side: Literal["base", "head"]) -> str:
        """The value of one run in words."""
        value = self.base if side == "base" else self.head
        return wording.time(value, self.resolution) if self.unit == "us" else wording.quantity(value, self.unit)

    @property
    def shown_delta(self) -> str:
        """The difference with its sign: `+3.20 ms`."""
        return wording.difference(self.delta, self.unit)

    @property
    def shown_relative(self) -> str:
        """The same in relation to base: `+12 %`; empty where that says nothing."""
        if self.relative is None or self.unit == "%":
            return ""
        return wording.signed_percent(100 * self.relative)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The figures of all requests, of a label, a location or an execution."""

    kind: Kind
    name: str  # harmless and shortened, as in `view.Row`; "all" for all requests
    base_samples: int
    head_samples: int
    figures: tuple[Figure, ...]
    only_in: Literal["base", "head"] | None = None  # the other run has nothing of this name
    marked: bool = False  # more than 1 % of the requests of either run failed; their times are in

    def figure(self, key: str) -> Figure:
        return next(figure for figure in self.figures if figure.key == key)

    @property
    def differing(self) -> tuple[Figure, ...]:
        return tuple(figure for figure in self.figures if figure.finding == "differs")


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionPair:
    """One criterion in both runs; None where a run does not have it."""

    text: str
    base: view.Criterion | None
    head: view.Criterion | None

    @property
    def changed(self) -> bool:
        """Whether it came out differently, or is in one run only."""
        return self.base is None or self.head is None or self.base.outcome != self.head.outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What one of the two runs is."""

    run_id: str
    suite: str
    outcome: str
    headline: str
    started_at: str
    window: str
    tags: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]  # of an outcome that is not passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that is shown of two runs."""

    base: Side
    head: Side
    differences: tuple[str, ...]  # what makes the two not comparable, in words
    load: tuple[Figure, ...]
    criteria: tuple[CriterionPair, ...]
    overall: Part
    labels: tuple[Part, ...]  # by name; transactions too
    locations: tuple[Part, ...]
    executions: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.overall, *self.labels, *self.locations, *self.executions)

    @property
    def headline(self) -> str:
        """What was found, in a sentence."""
        figures = [figure for part in (self.overall, *self.labels) for figure in part.figures]
        judged = sum(figure.finding != "unknown" for figure in figures)
        apart = sum(figure.finding == "differs" for figure in figures)
        if not judged:
            return "There is too little in both runs to compare"
        if not apart:
            return f"No difference beyond the noise within the runs, in {wording.plural(judged, 'figure')}"
        return f"{wording.number(apart)} of {wording.plural(judged, 'figure')} differ beyond the noise within the runs"

    @property
    def conclusion(self) -> str:
        """What can be concluded from two runs, and what cannot."""
        return CONCLUSION


CONCLUSION = (
    "A difference counts as more than noise when the 95 % intervals of the two runs are apart. They hold the chance "
    "within a run, not what changes from one run to the next (other tenants, caches, time of day): run the same thing "
    "twice and it differs as well. Two single runs show where to look; they prove no regression, and no improvement."
)


def compare(base: Bundle, head: Bundle) -> Comparison:
    """Both runs side by side, from their summaries and verdicts alone."""
    return Comparison(
        base=_side(base),
        head=_side(head),
        differences=tuple(differences(base, head)),
        load=tuple(_load(base.summary, head.summary)),
        criteria=tuple(_criteria(base, head)),
        overall=_part("all", "all", _figures(base).get(""), _figures(head).get("")),
        labels=_parts("label", _labels(base), _labels(head)),
        locations=_parts("location", _totals(base, "locations"), _totals(head, "locations")),
        executions=_parts("execution", _totals(base, "executions"), _totals(head, "executions")),
    )


def _side(bundle: Bundle) -> Side:
    return Side(
        run_id=wording.plain(bundle.plan.run_id),
        suite=wording.plain(bundle.plan.suite),
        outcome=bundle.outcome,
        headline=view.headline(bundle),
        started_at=wording.plain(bundle.summary.get("started_at") or ""),
        window=view.window(bundle),
        tags=tuple((wording.plain(key), wording.plain(value)) for key, value in sorted(bundle.plan.tags.items())),
        reasons=() if bundle.outcome == "passed" else tuple(message for _, message in view.reasons(bundle)),
    )


def _load(base: Mapping[str, Any], head: Mapping[str, Any]) -> Iterable[Figure]:
    """What was asked of the generators and what they made, where either run knows."""
    for key, unit, *path in (
        ("users requested", "", "load", "requested", "virtual_users"),
        ("users", "", "load", "achieved", "virtual_users"),
        ("throughput requested", "/s", "load", "requested", "rps"),
        ("throughput", "/s", "load", "achieved", "rps"),
        ("duration", "s", "duration_s"),
        ("workers", "", "workers", "reported"),
    ):
        both = [_at(summary, path) for summary in (base, head)]
        if both != [None, None]:
            yield Figure(key=key, unit=unit, base=both[0], head=both[1])


def _at(data: Any, path: Iterable[str]) -> float | None:
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return None if data is None else float(data)


def _criteria(base: Bundle, head: Bundle) -> Iterable[CriterionPair]:
    """Criteria pair up by text and scope; the second of two equal ones with the second."""
    found: dict[tuple[str, str, int], list[view.Criterion | None]] = {}
    for side, bundle in enumerate((base, head)):
        seen: dict[tuple[str, str], int] = {}
        for item, rule in zip(bundle.verdict.get("criteria", ()), view.criteria(bundle), strict=True):
            name = (rule.text, str(item.get("scope")))
            seen[name] = seen.get(name, 0) + 1
            found.setdefault((*name, seen[name]), [None, None])[side] = rule
    for (text, _, _), (of_base, of_head) in found.items():
        yield CriterionPair(text=text, base=of_base, head=of_head)


def _figures(bundle: Bundle) -> Mapping[str, Any]:
    found: Mapping[str, Any] = bundle.summary.get("labels", {})
    return found


def _labels(bundle: Bundle) -> Mapping[str, Any]:
    return {name: figures for name, figures in _figures(bundle).items() if name}


def _totals(bundle: Bundle, key: str) -> Mapping[str, Any]:
    parts = bundle.summary.get(key, {})
    return {name: part.get("labels", {}).get("", {}) for name, part in parts.items()}


def _parts(kind: Kind, base: Mapping[str, Any], head: Mapping[str, Any]) -> tuple[Part, ...]:
    return tuple(_part(kind, name, base.get(name), head.get(name)) for name in sorted({*base, *head}))


def _part(kind: Kind, name: str, base: Mapping[str, Any] | None, head: Mapping[str, Any] | None) -> Part:
    rows = [view.row(name, figures or {}) for figures in (base, head)]
    if kind == "label" and any(row.kind == "transaction" for row in rows):
        kind = "transaction"
    resolution_us = max(row.resolution_us for row in rows)
    values, intervals = zip(*map(_measured, rows), strict=True)
    return Part(
        kind=kind,
        name=rows[0].name,
        base_samples=rows[0].samples,
        head_samples=rows[1].samples,
        figures=tuple(
            Figure(
                key=key,
                unit=unit,
                base=values[0].get(key),
                head=values[1].get(key),
                base_interval=intervals[0].get(key),
                head_interval=intervals[1].get(key),
                resolution=resolution_us if unit == "us" else 0,
            )
            for key, unit in (("rps", "/s"), ("failures", "%"), *((key, "us") for key in TIMES))
        ),
        only_in="head" if base is None and head is not None else "base" if head is None and base is not None else None,
        marked=any(row.mark for row in rows),
    )


def _measured(row: view.Row) -> tuple[dict[str, float | None], dict[str, Interval]]:
    """The values of a row by key, and the intervals of those that have one."""
    if not row.samples:
        return {}, {}
    values: dict[str, float | None] = {key: row.times_us.get(key) for key in TIMES}
    values |= {"rps": row.rps, "failures": 100 * row.failures / row.samples}
    intervals: dict[str, Interval] = {key: row.intervals_us[key] for key in PERCENTILES if key in row.intervals_us}
    low, high = share_interval(row.failures, row.samples)
    intervals["failures"] = (100 * low, 100 * high)
    mean, stdev = row.times_us.get("mean"), row.times_us.get("stdev")
    if mean is not None and stdev is not None and row.samples >= NORMAL_FROM:
        intervals["mean"] = mean_interval(mean, stdev, row.samples)
    return values, intervals


def _closed(interval: Interval) -> tuple[float, float]:
    low, high = interval
    return -math.inf if low is None else low, math.inf if high is None else high
