"""The merged samples of a run: sums, histograms and outcomes by row, and the figures of any set of rows.

A row is one second of one series (location, execution, label, kind, steady, ok, arm, block). Memory grows with series
× seconds, not with workers.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from toril.stats.histogram import Histogram, Int64s, bucket_of, highest_us, highests_of, lowests_of
from toril.stats.quantiles import rank_of
from toril.timeline.buckets import HOT_BLOCKS, BucketCounts
from toril.timeline.intervals import CELL_COLUMNS, MAX_DURATION_US, TAGGED, TIMED, Interval, Kind, Series
from toril.timeline.tables import Outcomes, Rows, grown, longer

SUMS = (
    "samples",
    "bytes",
    "above_us",
    "above_sq_high",
    "above_sq_low",
    "ttfb_sum_us",
    "ttfb_count",
    "connect_sum_us",
    "connect_count",
)

SUM_COLUMNS = [CELL_COLUMNS.index(name) for name in SUMS]
SECOND, SERIES, BUCKETS = (CELL_COLUMNS.index(name) for name in ("second", "series", "buckets"))
SAMPLES, ABOVE = SUMS.index("samples"), SUMS.index("above_us")
MIN_ABOVE, MAX_ABOVE = CELL_COLUMNS.index("min_above_us"), CELL_COLUMNS.index("max_above_us")
NO_MIN = np.iinfo(np.int64).max

ENDLESS_US = MAX_DURATION_US - 1  # stands for infinity; no sample has this time
ENDLESS_SUM = 10**30  # µs; so large that the mean of any number of samples stays large

Placed = tuple[str, Series]  # a location and a series of its intervals


class SampleTable:
    """The rows of a run so far, in any order, whichever workers sent them."""

    def __init__(self, hot_blocks: int = HOT_BLOCKS) -> None:
        self.placed: list[Placed] = []  # all series by number
        self.series: dict[Placed, int] = {}  # of requests, transactions and timings
        self.series_of: defaultdict[str, dict[Placed, int]] = defaultdict(dict)  # the same, by label
        self.measured: dict[Kind, dict[str, dict[Placed, int]]] = {}  # of the other kinds, by label; also by tag alone
        self.sums: Int64s = np.zeros((64, len(SUMS)), np.int64)  # by row
        self.extremes: Int64s = np.tile(np.array([NO_MIN, 0]), (64, 1))  # by row: min_us, max_us
        self.counts: Int64s = np.zeros(64, np.int64)  # by series: samples of all seconds
        self.buckets = BucketCounts(hot_blocks)
        self.rows = Rows()
        self.outcomes = Outcomes()  # pairs of response code and message

    def percentiles(
        self, rows: Int64s, seconds: Int64s, size: int, percents: Sequence[float]
    ) -> list[list[int | None]]:
        """Returns nearest-rank percentiles of the seconds 0 … `size` − 1; `seconds` are those of the rows."""
        positions, buckets, counts = self.buckets.pairs(rows)
        width = int(buckets.max(initial=0)) + 1
        ends = np.cumsum(np.bincount(seconds[positions] * width + buckets, counts, size * width))  # exact below 2**53
        samples, highest = np.zeros(size, np.int64), np.zeros(size, np.int64)
        np.add.at(samples, seconds, self.sums[rows, 0])
        np.maximum.at(highest, seconds, self.extremes[rows, 1])
        some, before = np.flatnonzero(samples), np.cumsum(samples) - samples
        columns: list[list[int | None]] = []
        for percent in percents:
            ranks = np.array([rank_of(percent, count) for count in samples[some].tolist()], np.int64)
            buckets = np.searchsorted(ends, before[some] + ranks) % width
            column: list[int | None] = [None] * size
            for second, us in zip(some.tolist(), np.minimum(highests_of(buckets), highest[some]).tolist(), strict=True):
                column[second] = us
            columns.append(column)
        return columns

    def add(self, batch: Sequence[Interval]) -> None:
        """Merges the samples of several interval files at once, so that each numpy call does more."""
        cells = np.concatenate([interval.cells for interval in batch], axis=1)
        buckets = np.concatenate([interval.buckets for interval in batch], dtype=np.int64)
        counts = np.concatenate([interval.counts for interval in batch], dtype=np.int64)
        numbers = [[self._number((interval.location, series)) for series in interval.series] for interval in batch]
        series = np.concatenate(
            [np.array(codes, np.int64)[interval.cells[SERIES]] for interval, codes in zip(batch, numbers, strict=True)]
        )
        rows = self._rows_for(series, cells[SECOND])
        self.counts = longer(self.counts, len(self.placed), 0)
        np.add.at(self.counts, series, cells[CELL_COLUMNS.index("samples")])
        sizes = cells[BUCKETS]
        ends = np.cumsum(sizes)
        for place, column in enumerate(SUM_COLUMNS):
            np.add.at(self.sums[:, place], rows, cells[column])
        np.minimum.at(self.extremes[:, 0], rows, lowests_of(buckets[ends - sizes]) + cells[MIN_ABOVE])
        np.maximum.at(self.extremes[:, 1], rows, lowests_of(buckets[ends - 1]) + cells[MAX_ABOVE])
        self.buckets.add(rows, sizes, buckets, counts)
        self._add_outcomes(batch, rows)

    def _add_outcomes(self, batch: Sequence[Interval], rows: Int64s) -> None:
        places, codes, times, start = [], [], [], 0
        for interval in batch:
            cell, rc, message, count = interval.outcomes
            code_of = {
                (a << 32) + b: self.outcomes.code((interval.rcs[a], interval.messages[b]))
                for a, b in set(zip(rc.tolist(), message.tolist(), strict=True))
            }
            codes.append(np.array([code_of[pair] for pair in ((rc << 32) + message).tolist()], np.int64))
            places.append(rows[start + cell])
            times.append(count)
            start += interval.cells.shape[1]
        self.outcomes.add(np.concatenate(places), np.concatenate(codes), np.concatenate(times))

    def _number(self, placed: Placed) -> int:
        _, series = placed
        timed = series.kind in TIMED
        known = self.series if timed else self.measured.setdefault(series.kind, {}).setdefault(series.label, {})
        number = known.get(placed)
        if number is None:
            number = known[placed] = len(self.placed)
            self.placed.append(placed)
            if timed:
                self.series_of[series.label][placed] = number
            elif series.kind == TAGGED:
                tag = series.label[max(0, series.label.rfind("{")) :]
                self.measured[TAGGED].setdefault(tag, {})[placed] = number
        return number

    def _rows_for(self, series: Int64s, seconds: Int64s) -> Int64s:
        """Returns the row of each pair of series and second; creates missing rows."""
        known = self.rows.count
        rows = self.rows.of(series, seconds)
        if self.rows.count > known:
            height = len(self.sums)
            self.sums = grown(self.sums, self.rows.count, 0, 0)
            self.extremes = grown(self.extremes, self.rows.count, 0, 0)
            self.extremes[height:, 0] = NO_MIN
        return rows


@dataclass(frozen=True, slots=True, eq=False)
class BySecond:
    """The figures of a slice in each second from 0."""

    samples: Int64s
    failures: Int64s
    bytes: Int64s
    percentiles_us: tuple[list[int | None], ...]  # in the requested order; None in a second without samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """The unanswered requests, to be counted as failed samples of infinite time."""

    unanswered: Mapping[str, Mapping[tuple[str, str], int]]  # label → location and execution → requests
    at_s: Mapping[str, int]  # execution → the second in which they count
    timed_out: Collection[str]  # response codes of timeouts, whose time counts as infinite too


class Stats:
    """The figures of a set of samples: the requests (or transactions) of a slice in some seconds.

    The counts do not change later. Histogram and response codes are computed at first use, because most callers do not
    need them.
    """

    def __init__(self, table: SampleTable, good: Int64s, failed: Int64s, unfinished: int) -> None:
        self._table = table
        self._failed_rows = failed
        self._rows = np.concatenate([good, failed])
        sums = table.sums[self._rows].sum(axis=0).tolist()
        named = dict(zip(SUMS, sums, strict=True))
        self.samples: int = named["samples"]
        self.failures = int(table.sums[failed, 0].sum())
        self.bytes: int = named["bytes"]
        self.ttfb_sum_us: int = named["ttfb_sum_us"]
        self.ttfb_count: int = named["ttfb_count"]
        self.connect_sum_us: int = named["connect_sum_us"]
        self.connect_count: int = named["connect_count"]
        self.unfinished = unfinished
        self._above_us: int = named["above_us"]
        self.endless = 0  # the number of samples of infinite time
        self._above_sq: int = (named["above_sq_high"] << 32) + named["above_sq_low"]

    @property
    def failed(self) -> "Stats":
        """The figures of the failed samples alone."""
        return Stats(self._table, self._failed_rows[:0], self._failed_rows, self.unfinished)

    @cached_property
    def response(self) -> Histogram:
        """The response times, including those of failed requests."""
        return self._table.buckets.histogram(self._rows)

    @property
    def min_us(self) -> int:
        """The exact minimum; 0 without samples."""
        return int(self._table.extremes[self._rows, 0].min()) if self._rows.size else 0

    @cached_property
    def max_us(self) -> int:
        """The exact maximum; 0 without samples."""
        return int(self._table.extremes[self._rows, 1].max(initial=0))

    @cached_property
    def sum_us(self) -> int:
        """The exact sum."""
        return self._above_us + int((lowests_of(self.response.buckets) * self.response.counts).sum())

    @cached_property
    def sum_sq(self) -> int:
        """The exact sum of squares, in µs²."""
        lowest, counts = lowests_of(self.response.buckets), self.response.counts
        upper, lower = lowest >> 20, lowest & 0xFFFFF
        middle = (upper * lower << 21) + lower * lower  # lowest² − (upper² << 40)
        high = int(((upper * upper << 8) + (middle >> 32)) @ counts)
        return self._above_sq + (high << 32) + int((middle & 0xFFFFFFFF) @ counts)

    @cached_property
    def rc(self) -> Counter[str]:
        """The number of samples by response code."""
        by_code: Counter[str] = Counter()
        for (rc, _), count in self._table.outcomes.of(self._rows).items():
            by_code[rc] += count
        return by_code

    @cached_property
    def errors(self) -> Counter[tuple[str, str]]:
        """The number of failed samples by message and response code."""
        counts = self._table.outcomes.of(self._failed_rows)
        return Counter({(message, rc): count for (rc, message), count in counts.items()})

    @property
    def mean_us(self) -> float:
        """The exact mean of the response times; ValueError without samples."""
        return self.sum_us / self._some()

    @property
    def stdev_us(self) -> float:
        """The exact standard deviation of the population of samples, as in Taurus."""
        samples = self._some()
        return math.sqrt(max(0, samples * self.sum_sq - self.sum_us**2)) / samples

    def percentile(self, percent: float) -> int:
        """Returns the nearest-rank percentile (0 … 100): the highest value of its bucket, at most the maximum."""
        samples = self._some()
        return min(highest_us(self.response.bucket_at_rank(rank_of(percent, samples))), self.max_us)

    def _some(self) -> int:
        if not self.samples:
            raise ValueError("no samples")
        return self.samples


class WorstStats(Stats):
    """The same figures with unanswered and timed-out requests as failed samples of infinite time."""

    def __init__(
        self, table: SampleTable, good: Int64s, failed: Int64s, unfinished: int, unanswered: int, worst: Worst
    ) -> None:
        super().__init__(table, good, failed, unfinished)
        codes = table.outcomes.of(failed)
        self._timed_out = sum(count for (rc, _), count in codes.items() if rc in worst.timed_out)
        self.endless = unanswered + self._timed_out
        self.samples += unanswered
        self.failures += unanswered

    @cached_property
    def response(self) -> Histogram:
        """The response times; timed-out requests are the longest of the failed ones."""
        histogram = self._table.buckets.histogram(self._rows)
        if not self.endless:
            return histogram
        failed = self._table.buckets.histogram(self._failed_rows)
        longer = failed.counts[::-1].cumsum()[::-1] - failed.counts
        taken = np.clip(self._timed_out - longer, 0, failed.counts)
        pairs = Histogram.from_pairs(
            np.concatenate([histogram.buckets, failed.buckets, [bucket_of(ENDLESS_US)]]),
            np.concatenate([histogram.counts, -taken, [self.endless]]),
        )
        return Histogram(pairs.buckets[pairs.counts > 0], pairs.counts[pairs.counts > 0])

    @cached_property
    def max_us(self) -> int:
        return ENDLESS_US if self.endless else super().max_us

    @cached_property
    def sum_us(self) -> int:
        return ENDLESS_SUM if self.endless else super().sum_us

    @cached_property
    def sum_sq(self) -> int:
        return ENDLESS_SUM**3 if self.endless else super().sum_sq
