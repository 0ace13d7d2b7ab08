"""The figures of two runs side by side, each with how sure it is within its own run."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from toril.reports import view, wording
from toril.reports.bundle import Bundle
from toril.reports.rates import rate_interval
from toril.stats.quantiles import mean_interval, share_interval

PERCENTILES = ("p50", "p90", "p95", "p99", "p99_9")
TIMES = ("mean", *PERCENTILES, "max")
NORMAL_FROM = 100  # samples from which means and counts are near enough to normal for their intervals

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
        """`differs` when the intervals are apart by more than the record could not tell.

        `unknown` without both intervals, or when they are not apart but one is open: there are too few samples.
        """
        if self.base_interval is None or self.head_interval is None or self.delta is None:
            return "unknown"
        (base_low, base_high), (head_low, head_high) = map(_closed, (self.base_interval, self.head_interval))
        apart = max(head_low - base_high, base_low - head_high)
        if apart > self.resolution:
            return "differs"
        return "unknown" if None in (*self.base_interval, *self.head_interval) else "within noise"

    def shown(self, side: Literal["base", "head"]) -> str:
        """The value of one run in words."""
        return self._in_words(self.base if side == "base" else self.head)

    def shown_interval(self, side: Literal["base", "head"], apart: str = " … ") -> str:
        """The 95 % interval of one run, without the unit that its value has; empty where there is none."""
        interval = self.base_interval if side == "base" else self.head_interval
        if interval is None or self.shown(side) == "–":
            return ""
        return wording.interval(interval, self.shown(side), self._in_words, apart)

    def _in_words(self, value: float | None) -> str:
        if self.unit == "us":
            return wording.time(value, self.resolution)
        return wording.quantity(value, self.unit)

    @property
    def shown_delta(self) -> str:
        """The difference with its sign, no finer than what was recorded: `+3.20 ms`."""
        return wording.difference(self.delta, self.unit, self.resolution)

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


def load(base: Mapping[str, Any], head: Mapping[str, Any]) -> Iterable[Figure]:
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
    searched = dict.fromkeys(name for summary in (base, head) for name in summary.get("capacity") or {})
    for name in searched:
        both = [_at(summary, ("capacity", name, "held_rps")) for summary in (base, head)]
        yield Figure(key=f"capacity of {wording.plain(name, 80)}", unit="/s", base=both[0], head=both[1])


def _at(data: Any, path: Iterable[str]) -> float | None:
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return None if data is None else float(data)


def parts(kind: Kind, both: tuple[Bundle, Bundle]) -> tuple[Part, ...]:
    """Everything of that kind in either run, by name; of "all" there is one."""
    base, head = (_found(bundle, kind) for bundle in both)
    return tuple(_part(kind, name, both, (base.get(name), head.get(name))) for name in sorted({*base, *head}))


def _found(bundle: Bundle, kind: Kind) -> Mapping[str, Mapping[str, Any]]:
    """The figures of a summary by name; all requests have none."""
    if kind in ("all", "label"):
        labels: Mapping[str, Mapping[str, Any]] = bundle.summary.get("labels", {})
        return {"": labels.get("", {})} if kind == "all" else {name: one for name, one in labels.items() if name}
    found = bundle.summary.get(f"{kind}s", {})
    return {name: part.get("labels", {}).get("", {}) for name, part in found.items()}


def _part(
    kind: Kind, name: str, both: tuple[Bundle, Bundle], found: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]
) -> Part:
    rows = [view.row(name, figures or {}) for figures in found]
    resolution_us = max(row.resolution_us for row in rows)
    scope: dict[str, str] = {"label": name} if kind in ("all", "label") else {str(kind): name}
    values, intervals = zip(
        *(_measured(row, bundle, scope) for row, bundle in zip(rows, both, strict=True)), strict=True
    )
    base_only, head_only = found[1] is None, found[0] is None
    return Part(
        kind="transaction" if kind == "label" and any(row.kind == "transaction" for row in rows) else kind,
        name=rows[0].name or "all",
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
        only_in="base" if base_only else "head" if head_only else None,
        marked=any(row.mark for row in rows),
    )


def _measured(
    row: view.Row, bundle: Bundle, scope: Mapping[str, str]
) -> tuple[dict[str, float | None], dict[str, Interval]]:
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
    rate = rate_interval(bundle, row.rps, **scope) if row.samples >= NORMAL_FROM else None
    if rate is not None:
        intervals["rps"] = rate
    return values, intervals


def _closed(interval: Interval) -> tuple[float, float]:
    low, high = interval
    return -math.inf if low is None else low, math.inf if high is None else high
