"""What a criterion's subject reads off the samples of one second, of a window or of the whole run.

Everything read is a sum, so that seconds can be added to a window and taken out again exactly, and so that it never
matters which worker a sample came from.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np

from toril.criteria import Criterion, Operator
from toril.stats.histogram import Histogram, Int64s, highest_us
from toril.stats.quantiles import rank_of
from toril.timeline import Stats

Kind = Literal["sum", "mean", "share", "stdev", "percentile", "rate"]

MORE = frozenset({">", ">="})  # the operators whose breach is a value that is too high
OPPOSITE: dict[str, Operator] = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}


@dataclass(frozen=True, slots=True)
class Reading:
    """The sums that one second (or the whole run) adds to a window."""

    weight: int  # what `amount` is divided by: samples, or seconds for throughput, bytes and virtual users
    amount: int = 0
    squares: int = 0
    histogram: Histogram | None = None
    max_us: int = 0


def opposite(criterion: Criterion) -> Criterion | None:
    """The criterion that comes true exactly when this one does not; None for one on an exact value."""
    op = OPPOSITE.get(criterion.op)
    return None if op is None else replace(criterion, op=op)


def kind_of(criterion: Criterion) -> Kind:
    """How windows of the criterion are condensed into one value."""
    if criterion.percent:
        return "share"
    match criterion.subject:
        case "throughput":
            return "rate"
        case "p":
            return "percentile"
        case "stdev-rt":
            return "stdev"
        case "hits" | "succ" | "fail" | "rc":
            return "sum"
        case "bytes":
            return "sum" if criterion.logic == "total" else "mean"
        case _:
            return "mean"


def reader_of(criterion: Criterion) -> Callable[[Stats, int], Reading | None]:
    """Reads the subject off the samples and the virtual users of a second; None where it was not measured."""
    match criterion.subject:
        case "hits":
            return lambda stats, _: Reading(stats.samples, stats.samples)
        case "throughput":
            return lambda stats, _: Reading(1, stats.samples)
        case "bytes":
            return lambda stats, _: Reading(1, stats.bytes)
        case "succ":
            return lambda stats, _: Reading(stats.samples, stats.samples - stats.failures)
        case "fail":
            return lambda stats, _: Reading(stats.samples, stats.failures)
        case "rc":
            pattern = criterion.rc_pattern or "*"
            return lambda stats, _: Reading(
                stats.samples, sum(count for code, count in stats.rc.items() if fnmatchcase(code, pattern))
            )
        case "avg-rt":
            return lambda stats, _: Reading(stats.samples, stats.sum_us)
        case "avg-lt":
            return lambda stats, _: Reading(stats.ttfb_count, stats.ttfb_sum_us) if stats.ttfb_count else None
        case "avg-ct":
            return lambda stats, _: Reading(stats.connect_count, stats.connect_sum_us) if stats.connect_count else None
        case "stdev-rt":
            return lambda stats, _: Reading(stats.samples, stats.sum_us, stats.sum_sq)
        case "p":
            return lambda stats, _: Reading(stats.samples, histogram=stats.response, max_us=stats.max_us or 0)
        case "concurrency":
            return lambda _, users: Reading(1, users)
    raise AssertionError(f"a criterion on {criterion.subject!r}")


class Pool:
    """The readings of a window, added up."""

    __slots__ = ("amount", "counts", "squares", "weight")

    def __init__(self) -> None:
        self.weight = 0
        self.amount = 0
        self.squares = 0
        self.counts: Int64s = np.zeros(0, np.int64)  # samples by response-time bucket, dense

    def add(self, reading: Reading, sign: int = 1) -> None:
        """Add a reading, or take it out again with sign -1."""
        self.weight += sign * reading.weight
        self.amount += sign * reading.amount
        self.squares += sign * reading.squares
        if reading.histogram is not None and reading.histogram.buckets.size:
            top = int(reading.histogram.buckets[-1]) + 1
            if top > self.counts.size:
                self.counts = np.concatenate([self.counts, np.zeros(max(top, 2048) - self.counts.size, np.int64)])
            self.counts[reading.histogram.buckets] += sign * reading.histogram.counts

    def samples(self, criterion: Criterion) -> int:
        """How many samples were measured, as far as what is absent is estimated from them."""
        return self.amount if criterion.subject == "throughput" else self.weight

    def value(self, criterion: Criterion, max_us: int, absent: float = 0.0) -> float:
        """The value that is compared with the threshold, in its unit.

        `absent` samples that were planned but never came in are given the value that speaks most against a breach,
        which is infinity where there is no bound to it, and not-a-number where the criterion asks for an exact value.
        """
        if absent and criterion.op == "=":
            return math.nan
        more = criterion.op in MORE
        match kind_of(criterion):
            case "sum":
                if more or not absent:
                    return self.amount
                return math.inf if criterion.subject == "bytes" else self.amount + absent
            case "rate":
                return (self.amount + (0 if more else absent)) / self.weight
            case "share":
                if math.isinf(absent):
                    return 0.0 if more else 100.0
                return 100.0 * (self.amount + (0 if more else absent)) / (self.weight + absent)
            case "mean":
                if absent and not more:
                    return math.inf
                return self.amount / (self.weight + (0 if criterion.subject == "concurrency" else absent))
            case "stdev":
                if absent and not more:
                    return math.inf
                spread = self.weight * self.squares - self.amount * self.amount  # exact: n² times the variance
                return math.sqrt(max(0, spread) / self.weight / (self.weight + absent))
            case "percentile":
                return self._percentile(criterion.percentile or 0.0, max_us, absent, more)

    def _percentile(self, percentile: float, max_us: int, absent: float, more: bool) -> float:
        if math.isinf(absent):
            return 0.0 if more else math.inf
        missing = math.ceil(absent)
        rank = rank_of(percentile, self.weight + missing)
        if more:
            rank -= missing
            if rank < 1:
                return 0.0
        elif rank > self.weight:
            return math.inf
        return min(highest_us(int(np.searchsorted(np.cumsum(self.counts), rank))), max_us)
