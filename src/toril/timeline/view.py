"""What is read off a timeline: Stats of a slice's total, of one of its seconds, or of a window."""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from toril.stats.histogram import Histogram, Int64s, bucket_of, highest_us, lowests_of
from toril.stats.quantiles import rank_of
from toril.timeline.intervals import MAX_DURATION_US, Kind

if TYPE_CHECKING:
    from toril.timeline.merge import Timeline

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

ENDLESS_US = MAX_DURATION_US - 1  # a time that no sample has
ENDLESS_SUM = 10**30  # µs, and µs² of its square: no number of samples makes a mean of it small


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """Requests whose answer never came: failed samples of infinite time, were they judged."""

    unanswered: Mapping[str, Mapping[tuple[str, str], int]]  # label → location and execution → requests
    at_s: Mapping[str, int]  # execution → the second in which they count
    timed_out: Collection[str]  # response codes of failed samples whose time is infinite, too


class Stats:
    """Some samples taken together: the requests (or transactions) of a slice in some seconds.

    Counts are those of the moment it was made. Histogram, response codes and what follows from them are gathered when
    first asked for, since most questions need none of them.
    """

    def __init__(self, timeline: "Timeline", good: Int64s, failed: Int64s, unfinished: int) -> None:
        self._timeline = timeline
        self._failed_rows = failed
        self._rows = np.concatenate([good, failed])
        sums = timeline.sums[self._rows].sum(axis=0).tolist()
        found = dict(zip(SUMS, sums, strict=True))
        self.samples: int = found["samples"]
        self.failures = int(timeline.sums[failed, 0].sum())
        self.bytes: int = found["bytes"]
        self.ttfb_sum_us: int = found["ttfb_sum_us"]
        self.ttfb_count: int = found["ttfb_count"]
        self.connect_sum_us: int = found["connect_sum_us"]
        self.connect_count: int = found["connect_count"]
        self.unfinished = unfinished
        self._above_us: int = found["above_us"]
        self.endless = 0  # whose time is infinite
        self._above_sq: int = (found["above_sq_high"] << 32) + found["above_sq_low"]

    @cached_property
    def response(self) -> Histogram:
        """The response times, those of failed requests among them."""
        return self._timeline.buckets.histogram(self._rows)

    @property
    def min_us(self) -> int:
        """The exact minimum; 0 when there are no samples."""
        return int(self._timeline.extremes[self._rows, 0].min()) if self._rows.size else 0

    @cached_property
    def max_us(self) -> int:
        """The exact maximum; 0 when there are no samples."""
        return int(self._timeline.extremes[self._rows, 1].max(initial=0))

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
        """Samples by response code."""
        found: Counter[str] = Counter()
        for (rc, _), count in self._timeline.outcomes(self._rows).items():
            found[rc] += count
        return found

    @cached_property
    def errors(self) -> Counter[tuple[str, str]]:
        """Failed samples by message and response code."""
        found = self._timeline.outcomes(self._failed_rows)
        return Counter({(message, rc): count for (rc, message), count in found.items()})

    @property
    def mean_us(self) -> float:
        """The exact mean of the response times; ValueError when there are no samples."""
        return self.sum_us / self._some()

    @property
    def stdev_us(self) -> float:
        """The exact standard deviation (of the samples themselves, as Taurus has it)."""
        samples = self._some()
        return math.sqrt(max(0, samples * self.sum_sq - self.sum_us**2)) / samples

    @property
    def ttfb_mean_us(self) -> float | None:
        """The mean time to first byte; None where the engine does not tell."""
        return self.ttfb_sum_us / self.ttfb_count if self.ttfb_count else None

    @property
    def connect_mean_us(self) -> float | None:
        """The mean time to connect; None where the engine does not tell."""
        return self.connect_sum_us / self.connect_count if self.connect_count else None

    def percentile(self, percent: float) -> int:
        """The nearest-rank percentile (0 … 100): the highest value of its bucket, but never above the maximum."""
        samples = self._some()
        return min(highest_us(self.response.bucket_at_rank(rank_of(percent, samples))), self.max_us)

    def _some(self) -> int:
        if not self.samples:
            raise ValueError("no samples")
        return self.samples


class WorstStats(Stats):
    """The same with unanswered requests as failed samples of infinite time, and timed-out ones of infinite time."""

    def __init__(
        self, timeline: "Timeline", good: Int64s, failed: Int64s, unfinished: int, unanswered: int, worst: Worst
    ) -> None:
        super().__init__(timeline, good, failed, unfinished)
        codes = timeline.outcomes(failed)
        self._timed_out = sum(count for (rc, _), count in codes.items() if rc in worst.timed_out)
        self.endless = unanswered + self._timed_out
        self.samples += unanswered
        self.failures += unanswered

    @cached_property
    def response(self) -> Histogram:
        """Those that timed out are the longest of the failed ones."""
        found = self._timeline.buckets.histogram(self._rows)
        if not self.endless:
            return found
        failed = self._timeline.buckets.histogram(self._failed_rows)
        longer = failed.counts[::-1].cumsum()[::-1] - failed.counts
        taken = np.clip(self._timed_out - longer, 0, failed.counts)
        pairs = Histogram.from_pairs(
            np.concatenate([found.buckets, failed.buckets, [bucket_of(ENDLESS_US)]]),
            np.concatenate([found.counts, -taken, [self.endless]]),
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


class Slice:
    """The samples of a timeline that have some properties; it follows the timeline as that grows."""

    def __init__(
        self,
        timeline: "Timeline",
        label: str,
        executions: frozenset[str],
        location: str | None,
        steady: bool | None,
        kind: Kind | None,
        ok: bool | None,
        arm: int | None,
        block: int | None,
        between: tuple[int, int] | None = None,
    ) -> None:
        self._timeline = timeline
        self.label, self.executions, self.location = label, executions, location
        self.steady, self.kind, self.ok = steady, kind, ok
        self.arm, self.block = arm, block
        self._between = between
        self._known = -1  # how many series there were when they were last looked through
        self._good: Int64s = np.empty(0, np.int64)
        self._failed: Int64s = np.empty(0, np.int64)

    @property
    def total(self) -> Stats:
        """All samples together."""
        return self._stats(*(self._between or (None, None)))

    @property
    def seconds(self) -> list[int]:
        """Every second that has samples, ascending."""
        self._look()
        rows = np.concatenate([self._good, self._failed])
        _, seconds, _ = self._timeline.places(rows, *(self._between or ()))
        found: list[int] = np.unique(seconds).tolist()
        worst = self._timeline.worst
        if worst is not None:
            also = {worst.at_s[execution] for _, execution, _ in self._unanswered(worst)}
            found = sorted({*found, *also})
        return found

    def second(self, second: int) -> Stats:
        """The samples that completed in one second."""
        return self._stats(second, second)

    def window(self, first: int, last: int) -> Stats:
        """The samples of several seconds; both are part of the window."""
        return self._stats(first, last)

    def places(self, first: int, last: int) -> tuple[tuple[Int64s, Int64s], tuple[Int64s, Int64s]]:
        """Second and row of everything from `first` to `last`: of the good samples, and of the failed ones."""
        self._look()
        _, *good = self._timeline.places(self._good, first, last)
        _, *failed = self._timeline.places(self._failed, first, last)
        return (good[0], good[1]), (failed[0], failed[1])

    def virtual_users(self, second: int) -> int:
        """The users active in that second, in the slice's executions and location, whatever the label."""
        users, last = self._timeline.users()
        return users.at(second, self.location, self.executions, last)

    def virtual_users_curve(self, seconds: int) -> list[int]:
        """The same for the seconds 0 … `seconds` − 1."""
        users, last = self._timeline.users()
        curve: list[int] = users.curve(seconds, self.location, self.executions, last).tolist()
        return curve

    def _stats(self, first: int | None, last: int | None) -> Stats:
        self._look()
        *_, good = self._timeline.places(self._good, first, last)
        *_, failed = self._timeline.places(self._failed, first, last)
        unfinished, worst = self._unfinished(first, last), self._timeline.worst
        if worst is None:
            return Stats(self._timeline, good, failed, unfinished)
        low, high = -math.inf if first is None else first, math.inf if last is None else last
        unanswered = sum(n for _, one, n in self._unanswered(worst) if low <= worst.at_s[one] <= high)
        return WorstStats(self._timeline, good, failed, unfinished, unanswered, worst)

    def _unanswered(self, worst: Worst) -> list[tuple[str, str, int]]:
        """Location, execution and number of the requests that were never answered, or may be of the label."""
        if self.kind in ("transaction", "timing") or self.ok:
            return []
        labels = ["", self.label] if self.label else list(worst.unanswered)
        senders = self._timeline.senders(self.label) if self.label else self.executions
        return [
            (location, execution, count)
            for label in labels
            for (location, execution), count in worst.unanswered.get(label, {}).items()
            if self.location in (None, location)
            and (not self.executions or execution in self.executions)
            and (not senders or execution in senders)
        ]

    def _look(self) -> None:
        """Find the slice's series, if there are new ones."""
        series = self._timeline.series(self.label)
        if len(series) == self._known:
            return
        kind = self.kind or (self._timeline.kind_of(self.label) if self.label else "request")
        found = [
            (number, one.ok)
            for (location, one), number in series.items()
            if one.kind == kind
            and (not self.executions or one.execution in self.executions)
            and self.location in (None, location)
            and self.steady in (None, one.steady)
            and self.ok in (None, one.ok)
            and self.arm in (None, one.arm)
            and self.block in (None, one.block)
        ]
        self._good = np.array([number for number, ok in found if ok], np.int64)
        self._failed = np.array([number for number, ok in found if not ok], np.int64)
        self._known = len(series)

    def _unfinished(self, first: int | None, last: int | None) -> int:
        """Requests in flight at the end; whether they were steady nobody knows, so they belong to both."""
        if self.kind in ("transaction", "timing"):
            return 0
        low, high = -math.inf if first is None else first, math.inf if last is None else last
        return sum(
            count
            for (location, execution), seconds in self._timeline.unfinished(self.label)
            if self.location in (None, location) and (not self.executions or execution in self.executions)
            for second, count in seconds.items()
            if low <= second <= high
        )
