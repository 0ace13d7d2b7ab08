"""The values of a criterion, computed from seconds of samples over windows or the whole run.

All readings are sums, so seconds can be added to a window and removed again exactly, and samples of different workers
can be mixed.

A criterion with a timeframe judges every whole second of the planned time in which its label has samples, together with
the N seconds that end there. Counts and rates are 0 in a second without samples, so criteria on them judge each second
of the planned time, from the first sample on. The second of the first sample lacks the time before the first response,
so a count that is too low there is no breach.

- `for` N: each of these seconds alone is in breach. A second that the criterion does not judge does not interrupt the
  series, and cannot be its last one, but counts in its length (last - first + 1), as in Taurus. The value is that of
  the second that breached least.
- `within` N: the value of the N seconds together; of fewer seconds while the label has existed for less than N.
- `over` N: the same, but only after the label has existed for N seconds.

The value of several seconds together:

- counts of hits, successes, failures and response codes: their sum
- percentiles: from the merged histogram
- averages: weighted by samples
- percentages: the share in the window's samples
- bytes and virtual users: the mean of the seconds
- metrics of scripts: as the figures of requests, or the exact minimum or maximum
- throughput: the window's samples divided by its length
- values that exist per second (the load of an execution, the health of a generator, a metric of CloudWatch): their
  mean, sum, maximum or minimum

For percentiles, averages and percentages, Taurus takes the plain mean of the seconds instead.
"""

import math
import operator
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from toril.criteria import METRICS, Criterion, Operator, WindowKind
from toril.stats.histogram import Histogram, Int64s, highest_us
from toril.stats.quantiles import rank_of
from toril.timeline import Slice, Stats
from toril.timeline.intervals import VALUE_SCALE
from toril.timeline.values import plainest
from toril.verdict.evidence import MissingLoad, Seconds, counts_silence

Combine = Literal["mean", "sum", "max", "min"]
Value = TypeVar("Value")

MORE = frozenset({">", ">="})  # operators with which high values are a breach
OPPOSITE: dict[str, Operator] = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}
_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq}
COMBINED: dict[Combine, Callable[[Sequence[float]], float]] = {
    "mean": lambda values: math.fsum(values) / len(values),
    "sum": math.fsum,
    "max": max,
    "min": min,
}


def opposite(criterion: Criterion) -> Criterion | None:
    """Returns the criterion with the negated condition; None for one on an exact value."""
    op = OPPOSITE.get(criterion.op)
    return None if op is None else replace(criterion, op=op)


def breaches(criterion: Criterion, value: float) -> bool:
    """Whether the value satisfies the criterion's condition, which is a breach."""
    return bool(_COMPARE[criterion.op](value, criterion.threshold))


def is_judged(criterion: Criterion, planned: Seconds, second: int, samples: int) -> bool:
    """Whether a criterion judges a second with this number of samples."""
    return second in planned and (samples > 0 or counts_silence(criterion))


def margin(criterion: Criterion, value: float) -> float:
    """Returns the distance of the value beyond the threshold; larger is worse, negative is no breach."""
    if math.isnan(value):
        return -math.inf
    beyond = value - criterion.threshold
    if criterion.op in MORE:
        return beyond
    return -beyond if criterion.op != "=" else -abs(beyond)


# The value of samples


@dataclass(frozen=True, slots=True)
class Reading:
    """The sums that one second (or the whole run) adds to a window."""

    weight: float  # the divisor of `amount`: samples, or seconds for throughput, bytes and virtual users
    amount: int = 0
    squares: int = 0
    histogram: Histogram | None = None
    min_us: int = 0
    max_us: int = 0

    @property
    def extremes(self) -> tuple[int, int]:
        return self.min_us, self.max_us


def kind_of(criterion: Criterion) -> WindowKind:
    """Returns how a window of the criterion becomes one value."""
    if criterion.percent:
        return "share"
    if criterion.subject == "bytes" and criterion.logic == "total":
        return "sum"
    return criterion.metric.window


def _codes(stats: Stats, pattern: str) -> int:
    return sum(count for code, count in stats.rc.items() if fnmatchcase(code, pattern))


def _succ(stats: Stats, _: int, __: str) -> Reading:
    return Reading(stats.samples, stats.samples - stats.failures)


def _extremes(stats: Stats, _: int, __: str) -> Reading:
    return Reading(stats.samples, histogram=stats.response, min_us=stats.min_us, max_us=stats.max_us)


READERS: Mapping[str, Callable[[Stats, int, str], Reading | None]] = {  # samples, users and pattern of a second
    "avg-rt": lambda stats, _, __: Reading(stats.samples, stats.sum_us),
    "avg-lt": lambda stats, _, __: Reading(stats.ttfb_count, stats.ttfb_sum_us) if stats.ttfb_count else None,
    "avg-ct": lambda stats, _, __: Reading(stats.connect_count, stats.connect_sum_us) if stats.connect_count else None,
    "stdev-rt": lambda stats, _, __: Reading(stats.samples, stats.sum_us, stats.sum_sq),
    "fail": lambda stats, _, __: Reading(stats.samples, stats.failures),
    "rc": lambda stats, _, pattern: Reading(stats.samples, _codes(stats, pattern)),
    "hits": lambda stats, _, __: Reading(stats.samples, stats.samples),
    "throughput": lambda stats, _, __: Reading(1, stats.samples),
    "concurrency": lambda _, users, __: Reading(1, users),
    "bytes": lambda stats, _, __: Reading(1, stats.bytes),
    **dict.fromkeys(("succ", "check-rate", "metric-rate"), _succ),
    **dict.fromkeys(("p", "metric-p", "metric-min", "metric-max"), _extremes),
    **dict.fromkeys(("metric-avg", "metric-sum"), lambda stats, _, __: Reading(stats.samples, stats.sum_us)),
    "metric-per-s": lambda stats, _, __: Reading(1, stats.sum_us),
}
if READERS.keys() != {name for name, metric in METRICS.items() if metric.source == "samples"}:
    raise AssertionError("each metric of samples needs a reader")


def reader_of(criterion: Criterion) -> Callable[[Stats, int], Reading | None]:
    """Returns a function from the samples and virtual users of a second to its reading; None if not measured."""
    reader, pattern = READERS[criterion.subject], criterion.rc_pattern or "*"
    return lambda stats, users: reader(stats, users, pattern)


class Pool:
    """The sum of a window's readings."""

    __slots__ = ("amount", "counts", "squares", "weight")

    def __init__(self, reading: Reading | None = None) -> None:
        self.weight: float = 0
        self.amount = 0
        self.squares = 0
        self.counts: Int64s = np.zeros(0, np.int64)  # samples by response-time bucket, dense
        if reading is not None:
            self.add(reading)

    def add(self, reading: Reading, sign: int = 1) -> None:
        """Adds a reading, or removes it with sign -1."""
        self.weight += sign * reading.weight
        self.amount += sign * reading.amount
        self.squares += sign * reading.squares
        if reading.histogram is not None and reading.histogram.buckets.size:
            top = int(reading.histogram.buckets[-1]) + 1
            if top > self.counts.size:
                self.counts = np.concatenate([self.counts, np.zeros(max(top, 2048) - self.counts.size, np.int64)])
            self.counts[reading.histogram.buckets] += sign * reading.histogram.counts

    def samples(self, criterion: Criterion) -> float:
        """Returns the number of measured samples, from which missing ones are estimated."""
        return self.amount if criterion.metric.window == "rate" else self.weight

    def value(self, criterion: Criterion, extremes: tuple[int, int], absent: float = 0.0) -> float:
        """Returns the value to compare with the threshold, in its unit; `extremes` are minimum and maximum in µs.

        `absent` samples were planned but not recorded. They get the value that is the least likely to breach: infinity
        if it has no bound, not-a-number if the criterion is on an exact value.
        """
        if absent and criterion.op == "=":
            return math.nan
        value = self._value(criterion, extremes, absent)
        return value / VALUE_SCALE if criterion.metric.kinds and not criterion.percent else value

    def _value(self, criterion: Criterion, extremes: tuple[int, int], absent: float) -> float:
        more, of_values = criterion.op in MORE, bool(criterion.metric.kinds)  # one missing value may be any number
        match kind_of(criterion):
            case "min":
                return 0.0 if absent and more else extremes[0]
            case "max":
                return math.inf if absent and not more else extremes[1]
            case "sum":
                if more or not absent:
                    return self.amount
                return math.inf if criterion.subject == "bytes" or of_values else self.amount + absent
            case "rate":
                if math.isinf(self.weight) or (absent and of_values and not more):
                    return 0.0 if more else math.inf
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
                spread = self.weight * self.squares - self.amount * self.amount  # n² × variance, exact in integers
                return math.sqrt(max(0, spread) / self.weight / (self.weight + absent))
            case "percentile":
                bucket = self._bucket(criterion.percentile or 0.0, absent, more)
                if bucket is None:
                    return 0.0 if more else math.inf
                return plainest(bucket, *extremes) if of_values else min(highest_us(bucket), extremes[1])

    def _bucket(self, percentile: float, absent: float, more: bool) -> int | None:
        """Returns the bucket of a percentile; None if it may be one of the absent samples."""
        if math.isinf(absent):
            return None
        missing = math.ceil(absent)
        rank = rank_of(percentile, int(self.weight) + missing)
        if more:
            rank -= missing
        if rank < 1 or rank > self.weight:
            return None
        return int(np.searchsorted(np.cumsum(self.counts), rank))


# Windows


@dataclass(frozen=True, slots=True)
class JudgedWindow:
    """One window of a criterion and its value; both ends inclusive."""

    from_s: int
    to_s: int
    value: float
    samples: int
    reported: int | None = None  # with `for`: the number of its seconds (or periods) with a value


class _LowestValue:
    """The entry with the lowest key in a sliding window; each second costs O(1) amortised."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: deque[tuple[int, float, float]] = deque()

    def push(self, second: int, key: float, value: float, oldest: int) -> float:
        """Adds a second, drops those before `oldest`, and returns the value with the lowest key."""
        while self._entries and self._entries[-1][1] >= key:
            self._entries.pop()
        self._entries.append((second, key, value))
        while self._entries[0][0] < oldest:
            self._entries.popleft()
        return self._entries[0][2]


class WindowWatch(Generic[Value]):
    """Computes the windows of a criterion with a timeframe from the values of its seconds (or periods)."""

    def __init__(self, criterion: Criterion, frame: int | None = None) -> None:
        self.criterion = criterion
        self.fired: JudgedWindow | None = None  # the first window in breach
        self.worst: JudgedWindow | None = None
        self.last_second: int | None = None
        self._frame = frame or criterion.timeframe_s
        self.restart()

    def restart(self) -> None:
        """Restarts after unplanned time, which no window may span."""
        self.first_second: int | None = None
        self._seconds: deque[tuple[int, Any, int]] = deque()  # with their samples
        self._samples = 0
        self._lowest = _LowestValue()

    def add(self, second: int, value: Value, samples: int = 1) -> JudgedWindow | None:
        """Adds the next second; returns the window that ends there if it is the first in breach."""
        self.last_second = second
        self.first_second = second if self.first_second is None else self.first_second
        earliest = second - self._frame + 1
        each_alone = self.criterion.logic == "for"
        self._seconds.append((second, None if each_alone else value, samples))
        self._samples += samples
        if each_alone:
            while len(self._seconds) > 1 and self._seconds[1][0] <= earliest:
                self._samples -= self._seconds.popleft()[2]
            start, own = self._seconds[0][0], self._alone(second, value)
            held = self._lowest.push(second, margin(self.criterion, own), own, start)
            window = JudgedWindow(start, second, held, self._samples, len(self._seconds))
            return self._compare(window) if start <= earliest else None
        self._enter(second, value)
        while self._seconds[0][0] < earliest:
            _, left, left_samples = self._seconds.popleft()
            self._samples -= left_samples
            self._leave(left)
        if self.criterion.logic == "over" and self.first_second > earliest:
            return None
        start = max(earliest, self.first_second)
        return self._compare(JudgedWindow(start, second, self._together(start, second), self._samples))

    def miss(self, second: int) -> None:
        """Adds a second with missing data, which ends every series of `for`."""
        if self.criterion.logic == "for" and self._seconds:
            self._seconds.append((second, None, 0))
            self._lowest.push(second, -math.inf, math.nan, self._seconds[0][0])

    def _compare(self, window: JudgedWindow) -> JudgedWindow | None:
        if self.worst is None or margin(self.criterion, window.value) > margin(self.criterion, self.worst.value):
            self.worst = window
        if self.fired is None and breaches(self.criterion, window.value):
            self.fired = window
            return window
        return None

    def _alone(self, second: int, value: Value) -> float:
        """Returns the value of one second."""
        raise NotImplementedError

    def _together(self, first: int, last: int) -> float:
        """Returns the value of the window."""
        raise NotImplementedError

    def _enter(self, second: int, value: Value) -> None:
        """Adds a second to the window."""

    def _leave(self, value: Value) -> None:
        """Removes a second from the window."""


class SampleWatch(WindowWatch[Reading]):
    """Computes the windows of a criterion on samples.

    Each `missing` sample gets the value that is the least likely to breach, or the most likely if `against` is the
    criterion's opposite.
    """

    def __init__(
        self,
        criterion: Criterion,
        missing: MissingLoad | None = None,
        share_of_all: float = 1.0,
        against: Criterion | None = None,
    ) -> None:
        # true from the first sample on, even in a second that is not judged; in a phase, the label has existed before
        self.begun = criterion.phase is not None
        self._read = reader_of(criterion)
        self._valued = against or criterion
        self._missing = missing
        self._share_of_all = share_of_all
        super().__init__(criterion)

    def restart(self) -> None:
        super().restart()
        self._starting = True  # until the first sample
        self._pool = Pool()
        self._lowest_us, self._highest_us = _LowestValue(), _LowestValue()  # the latter of negated maxima
        self._extremes = 0, 0

    def follow(self, view: Slice, second: int, planned: Seconds) -> JudgedWindow | None:
        """Adds one second of the samples if the criterion judges it; returns what `add` returns."""
        stats, counts = view.second(second), counts_silence(self.criterion)
        if counts and second in planned and second - 1 not in planned:
            self.restart()
        incomplete = counts and self._starting and self.criterion.op not in MORE and not view.second(second - 1).samples
        if stats.samples:
            self.begun, self._starting = True, False
        if (incomplete and stats.samples) or not is_judged(self.criterion, planned, second, stats.samples):
            return None
        users = view.virtual_users(second) if self.criterion.subject == "concurrency" else 0
        reading = self._read(stats, users)
        return self.add(second, reading, stats.samples) if self.begun and reading is not None else None

    def _alone(self, second: int, value: Reading) -> float:
        return self._value(Pool(value), value.extremes, second, second)

    def _together(self, first: int, last: int) -> float:
        return self._value(self._pool, self._extremes, first, last)

    def _enter(self, second: int, value: Reading) -> None:
        self._pool.add(value)
        oldest, (low, high) = second - self._frame + 1, value.extremes
        least = self._lowest_us.push(second, low, low, oldest)
        self._extremes = int(least), int(self._highest_us.push(second, -high, high, oldest))

    def _leave(self, value: Reading) -> None:
        self._pool.add(value, -1)

    def _value(self, pool: Pool, extremes: tuple[int, int], first: int, last: int) -> float:
        absent = 0.0
        if self._missing is not None:
            absent = self._missing.samples(first, last, pool.samples(self._valued), self._share_of_all)
        return pool.value(self._valued, extremes, absent)


# Values per second


@dataclass(frozen=True, slots=True)
class Points:
    """One value per second."""

    name: str  # of a worker or an execution
    points: Sequence[tuple[int, float]] = field(default_factory=tuple)  # second, value; ascending
    total: float | None = None  # over the whole run; None if not measured

    @property
    def seconds(self) -> int:
        """The number of seconds from the first to the last, inclusive."""
        return self.points[-1][0] - self.points[0][0] + 1 if self.points else 0


# How the seconds of a window are combined, if not by their mean; lateness is already the maximum of each second.
COMBINED_BY: Mapping[str, Combine] = {"generator-dropped": "sum", "generator-lateness": "max"}


class PointWatch(WindowWatch[float]):
    """Computes the windows of a criterion on values per second."""

    def __init__(self, criterion: Criterion, combine: Combine | None = None, frame: int | None = None) -> None:
        super().__init__(criterion, frame)
        self._combine = COMBINED[combine or COMBINED_BY.get(criterion.subject, "mean")]

    @classmethod
    def through(cls, criterion: Criterion, series: Points) -> "PointWatch":
        """Returns the windows of one series."""
        watch = cls(criterion)
        for second, value in series.points:
            watch.add(second, value)
        return watch

    def _alone(self, second: int, value: float) -> float:
        return value

    def _together(self, first: int, last: int) -> float:
        return self._combine([value for _, value, _ in self._seconds])


def fires(criterion: Criterion, points: Points) -> bool:
    """Whether one series breaches the criterion: its total, or any of its windows."""
    if criterion.logic == "total":
        return points.total is not None and breaches(criterion, points.total)
    return PointWatch.through(criterion, points).fired is not None
