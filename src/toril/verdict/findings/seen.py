"""The measurements of a run as analyses need them: columns by second, up to the planned end of the load."""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from toril.records import Plan
from toril.records.summary import Summary
from toril.stats.histogram import Histogram, highest_us
from toril.stats.quantiles import quantile_interval, rank_of
from toril.timeline import Stats, Timeline

SURE = 0.9999  # confidence of the intervals that analyses compare
MOST_LABELS, LEAST_OF_LABEL = 20, 10

Floats = NDArray[np.float64]
Span = tuple[int, int]  # first second, and the first one after it


@dataclass(frozen=True)
class RunData:
    """A finished run."""

    plan: Plan
    summary: Summary
    timeline: Timeline

    @cached_property
    def seconds(self) -> int:
        """The number of whole seconds with load; while the last requests finish, there is less."""
        stop, planned_s = self.summary.stop, self.plan.bounded_s
        ends = (self.summary.duration_s, planned_s, stop.at_s if stop else None, float(len(self.summary.series)))
        return math.floor(min((end for end in ends if end is not None), default=0.0))

    @cached_property
    def samples(self) -> Floats:
        return np.array([second.samples for second in self.summary.series[: self.seconds]], float)

    @cached_property
    def failures(self) -> Floats:
        return np.array([second.failures for second in self.summary.series[: self.seconds]], float)

    @cached_property
    def load(self) -> Floats:
        """The load by second: the planned rate, or the active users where rates are not planned; 0 for a mixture.

        Users of an open model are requests in flight, so they are a result and not the load.
        """
        if len(self.load_fields) > 1:
            return np.zeros(self.seconds)
        field = next(iter(self.load_fields), "virtual_users")
        return np.array([getattr(second, field) or 0.0 for second in self.summary.series[: self.seconds]])

    @property
    def load_unit(self) -> str:
        units = {"planned_rps": " planned requests/s", "planned_journeys": " planned journeys/s"}
        return units.get(next(iter(self.load_fields), ""), " users")

    @cached_property
    def load_fields(self) -> set[str]:
        """The fields of a second with the load of the executions."""
        rates = {"arrivals": "planned_journeys"}
        return {
            rates.get(load.model, "planned_rps") if load.planned_rate() else "virtual_users"
            for load in self.plan.executions
        }

    @cached_property
    def hold(self) -> Span:
        """The longest time of constant planned load."""
        series = self.summary.series[: self.seconds]
        spans, start = [(0, 0)], 0
        for height, same in groupby(
            (row.planned_users or row.virtual_users, row.planned_rps, row.planned_journeys) for row in series
        ):
            end = start + len(list(same))
            spans += [(start, end)] if any(height) else []
            start = end
        return max(spans, key=lambda span: span[1] - span[0])

    def stats(self, span: Span) -> Stats:
        """Returns the figures of all requests in the seconds."""
        return self.timeline.select().window(span[0], span[1] - 1)

    @cached_property
    def busiest_labels(self) -> list[str]:
        """The labels of requests with the most samples."""
        counts = {name: row.samples for name, row in self.summary.labels.items() if name and row.kind == "request"}
        return sorted(counts, key=counts.__getitem__, reverse=True)[:MOST_LABELS]

    def growth(self, early: Span, late: Span, percent: float) -> float:
        """Returns the factor by which a percentile grew within labels, so that a change of their mix counts nothing."""
        factors, weights = [], []
        for label in self.busiest_labels:
            view = self.timeline.select(label)
            before, after = (successes(view.window(span[0], span[1] - 1)) for span in (early, late))
            if min(before.total, after.total) >= LEAST_OF_LABEL:
                factors.append(percentile(after, percent) / percentile(before, percent))
                weights.append(after.total)
        return float(np.average(factors, weights=weights)) if factors else 1.0


def successes(stats: Stats) -> Histogram:
    """Returns the response times of successful requests."""
    if not stats.failures:
        return stats.response
    failed = stats.failed.response
    pairs = Histogram.from_pairs(
        np.concatenate([stats.response.buckets, failed.buckets]),
        np.concatenate([stats.response.counts, -failed.counts]),
    )
    return Histogram(pairs.buckets[pairs.counts > 0], pairs.counts[pairs.counts > 0])


def percentile(times: Histogram, percent: float) -> int:
    """Returns the nearest-rank percentile (0 … 100) in µs; ValueError without samples."""
    return highest_us(times.bucket_at_rank(rank_of(percent, times.total)))


def is_longer(times: Histogram, others: Histogram, percent: float, factor: float = 1.0) -> bool:
    """Whether the percentile is surely longer than `factor` times that of others."""
    low, _ = quantile_interval(times, percent, SURE)
    _, high = quantile_interval(others, percent, SURE)
    return low is not None and high is not None and low > factor * high
