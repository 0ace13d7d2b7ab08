"""The values of a criterion: read off seconds of samples, condensed over windows or the whole run.

Everything read is a sum, so that seconds can be added to a window and taken out again exactly, and the worker that a
sample came from never matters.

A criterion with a timeframe is followed second by second. It judges every second in which its label has samples, with
the N seconds that end there. A count or a rate is 0 in a silent second: such a criterion judges each second of the
planned time, from the first sample's on.

- `for` N: the condition held in each of those seconds by itself. Seconds that it does not judge neither break the
  series nor count as its end, but its length is last - first + 1, as in Taurus. Its value is the one that was held: the
  value of the second that breached least.
- `within` N: the value of the N seconds taken together; also of fewer, as long as the label has been there for less.
- `over` N: the same, once the label has been there for N seconds.

Taken together means: counts of hits, successes, failures and response codes are summed, percentiles come from the
merged histogram, averages are weighted by samples, percentages are the share of the window's samples (Taurus takes
the plain mean of the seconds' values for these three); bytes and virtual users are the mean of the seconds' values.
Throughput is the window's samples by its length. Figures that are known by the second (the load of an execution, the
health of a generator, a metric of CloudWatch) are taken together by their mean, sum, maximum or minimum.
"""

import math
import operator
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from toril.criteria import Criterion, Operator
from toril.stats.histogram import Histogram, Int64s, highest_us
from toril.stats.quantiles import rank_of
from toril.timeline import Slice, Stats
from toril.verdict.evidence import MissingLoad, Seconds

Kind = Literal["sum", "mean", "share", "stdev", "percentile", "rate"]
Combine = Literal["mean", "sum", "max", "min"]
Value = TypeVar("Value")

KINDS: dict[str, Kind] = {  # of all other subjects: mean
    "throughput": "rate",
    "p": "percentile",
    "stdev-rt": "stdev",
    "hits": "sum",
    "succ": "sum",
    "fail": "sum",
    "rc": "sum",
}
MORE = frozenset({">", ">="})  # the operators whose breach is a value that is too high
OPPOSITE: dict[str, Operator] = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}
_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq}
COMBINED: dict[Combine, Callable[[Sequence[float]], float]] = {
    "mean": lambda values: math.fsum(values) / len(values),
    "sum": math.fsum,
    "max": max,
    "min": min,
}


def opposite(criterion: Criterion) -> Criterion | None:
    """The criterion that comes true exactly when this one does not; None for one on an exact value."""
    op = OPPOSITE.get(criterion.op)
    return None if op is None else replace(criterion, op=op)


def breaches(criterion: Criterion, value: float) -> bool:
    """Whether the criterion's condition is true of the value."""
    return bool(_COMPARE[criterion.op](value, criterion.threshold))


def counts_silence(criterion: Criterion) -> bool:
    """Whether a second without samples has a value as well: 0."""
    return not criterion.percent and criterion.subject in ("throughput", "hits", "succ", "fail", "rc", "bytes")


def is_judged(criterion: Criterion, planned: Seconds, second: int, samples: int) -> bool:
    """Whether a criterion judges a second with that number of samples.

    The seconds of the planned time are whole ones. Of others, such as those in which the last answers come, a count is
    not what it would have been, and can only be too high.
    """
    if not counts_silence(criterion):
        return samples > 0
    return second in planned or (samples > 0 and criterion.subject != "throughput" and criterion.op not in ("<", "<="))


def margin(criterion: Criterion, value: float) -> float:
    """How far the value is on the wrong side of the threshold: the larger, the worse."""
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

    weight: float  # what `amount` is divided by: samples, or seconds for throughput, bytes and virtual users
    amount: int = 0
    squares: int = 0
    histogram: Histogram | None = None
    max_us: int = 0


def kind_of(criterion: Criterion) -> Kind:
    """How windows of the criterion are condensed into one value."""
    if criterion.percent:
        return "share"
    if criterion.subject == "bytes" and criterion.logic == "total":
        return "sum"
    return KINDS.get(criterion.subject, "mean")


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

    def __init__(self, reading: Reading | None = None) -> None:
        self.weight: float = 0
        self.amount = 0
        self.squares = 0
        self.counts: Int64s = np.zeros(0, np.int64)  # samples by response-time bucket, dense
        if reading is not None:
            self.add(reading)

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

    def samples(self, criterion: Criterion) -> float:
        """How many samples were measured, as far as what is absent is estimated from them."""
        return self.amount if criterion.subject == "throughput" else self.weight

    def value(self, criterion: Criterion, max_us: int, absent: float = 0.0) -> float:
        """The value that is compared with the threshold, in its unit.

        `absent` samples, which were planned but not recorded, get the value that is the least likely to breach:
        infinity where it has no bound, and not-a-number where the criterion is about an exact value.
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
                if math.isinf(self.weight):
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
                spread = self.weight * self.squares - self.amount * self.amount  # exact: n² times the variance
                return math.sqrt(max(0, spread) / self.weight / (self.weight + absent))
            case "percentile":
                return self._percentile(criterion.percentile or 0.0, max_us, absent, more)

    def _percentile(self, percentile: float, max_us: int, absent: float, more: bool) -> float:
        if math.isinf(absent):
            return 0.0 if more else math.inf
        missing = math.ceil(absent)
        rank = rank_of(percentile, int(self.weight) + missing)
        if more:
            rank -= missing
            if rank < 1:
                return 0.0
        elif rank > self.weight:
            return math.inf
        return min(highest_us(int(np.searchsorted(np.cumsum(self.counts), rank))), max_us)


# Windows


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a criterion and its value; both seconds inclusive."""

    from_s: int
    to_s: int
    value: float
    samples: int
    reported: int | None = None  # of `for`: how many of its seconds (or periods) had a value; silent ones may have none


class _LowestValue:
    """The entry with the lowest key among the latest seconds; each second costs O(1) amortised."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: deque[tuple[int, float, float]] = deque()

    def push(self, second: int, key: float, value: float, oldest: int) -> float:
        """Add a second, drop those before `oldest`; returns the value under the lowest key."""
        while self._entries and self._entries[-1][1] >= key:
            self._entries.pop()
        self._entries.append((second, key, value))
        while self._entries[0][0] < oldest:
            self._entries.popleft()
        return self._entries[0][2]


class WindowWatch(Generic[Value]):
    """Follows a criterion with a timeframe through the values of its seconds (or periods)."""

    def __init__(self, criterion: Criterion, frame: int | None = None) -> None:
        self.criterion = criterion
        self.fired: Window | None = None  # the first window that breached the criterion
        self.worst: Window | None = None
        self.first_second: int | None = None
        self.last_second: int | None = None
        self._frame = frame or criterion.timeframe_s
        self.restart()

    def restart(self) -> None:
        """Begin anew after a time in which nothing was planned: no window spans it."""
        self.first_second = None
        self._seconds: deque[tuple[int, Any, int]] = deque()  # with their samples
        self._samples = 0
        self._lowest = _LowestValue()

    def add(self, second: int, value: Value, samples: int = 1) -> Window | None:
        """Take the next second; the window that ends there if it is the first to breach."""
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
            reported = len(self._seconds)
            return self._compare(Window(start, second, held, self._samples, reported)) if start <= earliest else None
        self._enter(second, value)
        while self._seconds[0][0] < earliest:
            _, left, left_samples = self._seconds.popleft()
            self._samples -= left_samples
            self._leave(left)
        if self.criterion.logic == "over" and self.first_second > earliest:
            return None
        start = max(earliest, self.first_second)
        return self._compare(Window(start, second, self._together(start, second), self._samples))

    def miss(self, second: int) -> None:
        """Take a second whose data is missing: it ends every series of `for`."""
        if self.criterion.logic == "for" and self._seconds:
            self._seconds.append((second, None, 0))
            self._lowest.push(second, -math.inf, math.nan, self._seconds[0][0])

    def _compare(self, window: Window) -> Window | None:
        if self.worst is None or margin(self.criterion, window.value) > margin(self.criterion, self.worst.value):
            self.worst = window
        if self.fired is None and breaches(self.criterion, window.value):
            self.fired = window
            return window
        return None

    def _alone(self, second: int, value: Value) -> float:
        """The value of one second."""
        raise NotImplementedError

    def _together(self, first: int, last: int) -> float:
        """The value of the window."""
        raise NotImplementedError

    def _enter(self, second: int, value: Value) -> None:
        """A second enters the window."""

    def _leave(self, value: Value) -> None:
        """A second leaves the window."""


class SampleWatch(WindowWatch[Reading]):
    """Follows a criterion on samples.

    Each `missing` sample is given the value that is the least likely to breach; the most likely to, where `against` is
    the criterion's opposite.
    """

    def __init__(
        self,
        criterion: Criterion,
        missing: MissingLoad | None = None,
        share_of_all: float = 1.0,
        against: Criterion | None = None,
    ) -> None:
        self.begun = False  # there was a sample, if only in a second that is not judged
        self._read = reader_of(criterion)
        self._valued = against or criterion
        self._missing = missing
        self._share_of_all = share_of_all
        super().__init__(criterion)

    def restart(self) -> None:
        super().restart()
        self._pool = Pool()
        self._highest = _LowestValue()  # the exact maximum, by its negative
        self._max_us = 0

    def follow(self, view: Slice, second: int, planned: Seconds) -> Window | None:
        """Take one second of the samples, if the criterion judges it; as `add`."""
        stats = view.second(second)
        self.begun |= stats.samples > 0
        if not is_judged(self.criterion, planned, second, stats.samples):
            return None
        if counts_silence(self.criterion) and second in planned and second - 1 not in planned:
            self.restart()
        users = view.virtual_users(second) if self.criterion.subject == "concurrency" else 0
        reading = self._read(stats, users)
        return self.add(second, reading, stats.samples) if self.begun and reading is not None else None

    def _alone(self, second: int, value: Reading) -> float:
        return self._value(Pool(value), value.max_us, second, second)

    def _together(self, first: int, last: int) -> float:
        return self._value(self._pool, self._max_us, first, last)

    def _enter(self, second: int, value: Reading) -> None:
        self._pool.add(value)
        self._max_us = int(self._highest.push(second, -value.max_us, value.max_us, second - self._frame + 1))

    def _leave(self, value: Reading) -> None:
        self._pool.add(value, -1)

    def _value(self, pool: Pool, max_us: int, first: int, last: int) -> float:
        absent = 0.0
        if self._missing is not None:
            absent = self._missing.samples(first, last, pool.samples(self._valued), self._share_of_all)
        return pool.value(self._valued, max_us, absent)


# Figures that are known by the second


@dataclass(frozen=True, slots=True)
class Points:
    """One figure by the second."""

    name: str  # of a worker, of an execution
    points: Sequence[tuple[int, float]] = field(default_factory=tuple)  # second, value; ascending
    total: float | None = None  # of the whole run; None where it was not measured

    @property
    def seconds(self) -> int:
        """How many seconds lie between the first and the last."""
        return self.points[-1][0] - self.points[0][0] + 1 if self.points else 0


def combined_by(criterion: Criterion) -> Combine:
    """How the seconds of a window are taken together; lateness is the maximum of each second already."""
    match criterion.subject:
        case "generator-dropped":
            return "sum"
        case "generator-lateness":
            return "max"
    return "mean"


class PointWatch(WindowWatch[float]):
    """Follows a criterion on such a figure."""

    def __init__(self, criterion: Criterion, combine: Combine | None = None, frame: int | None = None) -> None:
        super().__init__(criterion, frame)
        self._combine = COMBINED[combine or combined_by(criterion)]

    @classmethod
    def through(cls, criterion: Criterion, series: Points) -> "PointWatch":
        """All windows of one series."""
        watch = cls(criterion)
        for second, value in series.points:
            watch.add(second, value)
        return watch

    def _alone(self, second: int, value: float) -> float:
        return value

    def _together(self, first: int, last: int) -> float:
        return self._combine([value for _, value, _ in self._seconds])
