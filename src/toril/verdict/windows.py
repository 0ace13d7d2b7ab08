"""A criterion with a timeframe, followed second by second.

It looks at every second in which its label has samples, and at the N seconds that end there. A count or a rate is 0 in
a silent second: such a criterion looks at each of the planned time, from the first sample's on.

- `for` N: the condition held in each of those seconds by itself. Seconds that it does not look at neither break the
  series nor count as its end, but its length is last - first + 1, as in Taurus. Its value is the one that was held: the
  value of the second that breached least.
- `within` N: the value of the N seconds taken together; also of fewer, as long as the label has been there for less.
- `over` N: the same, once the label has been there for N seconds.

Taken together means: counts of hits, successes, failures and response codes are summed, percentiles come from the
merged histogram, averages are weighted by samples, percentages are the share of the window's samples (Taurus takes
the plain mean of the seconds' values for these three); bytes and virtual users are the mean of the seconds' values.
Throughput is the window's samples by its length.
"""

import math
import operator
from collections import deque
from dataclasses import dataclass

from toril.criteria import Criterion
from toril.timeline import Stats
from toril.verdict.absence import ScopedAbsence
from toril.verdict.measure import MORE, Pool, Reading, reader_of

_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq}


def breaches(criterion: Criterion, value: float) -> bool:
    """Whether the criterion's condition is true of the value."""
    return bool(_COMPARE[criterion.op](value, criterion.threshold))


def counts_silence(criterion: Criterion) -> bool:
    """Whether a second without samples has a value as well: 0."""
    return not criterion.percent and criterion.subject in ("throughput", "hits", "succ", "fail", "rc", "bytes")


@dataclass(frozen=True, slots=True)
class Seconds:
    """The whole seconds of planned time: its parts, in order, with time in between in which nothing is planned."""

    parts: tuple[range, ...]

    def __contains__(self, second: int) -> bool:
        return any(second in part for part in self.parts)

    @property
    def stop(self) -> int:
        return self.parts[-1].stop if self.parts else 0


def looked_at(criterion: Criterion, planned: Seconds, second: int, samples: int) -> bool:
    """Whether a criterion looks at a second with so many samples.

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


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a criterion and its value; both seconds inclusive."""

    from_s: int
    to_s: int
    value: float
    samples: int
    reported: int | None = None  # of `for`: how many of its seconds (or periods) had a value; silent ones may have none


class _Lowest:
    """The entry with the lowest key among the latest seconds; each second costs O(1) amortised."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: deque[tuple[int, float, float]] = deque()

    def push(self, second: int, key: float, value: float, oldest: int) -> float:
        """Add a second, forget those before `oldest`; the value under the lowest key."""
        while self._entries and self._entries[-1][1] >= key:
            self._entries.pop()
        self._entries.append((second, key, value))
        while self._entries[0][0] < oldest:
            self._entries.popleft()
        return self._entries[0][2]


class Found:
    """The first window that breached a criterion, and the worst of all."""

    __slots__ = ("criterion", "fired", "worst")

    def __init__(self, criterion: Criterion) -> None:
        self.criterion = criterion
        self.fired: Window | None = None
        self.worst: Window | None = None

    def note(self, window: Window | None) -> Window | None:
        """Take note of the next window; it comes back if it is the first to breach."""
        if window is None:
            return None
        if self.worst is None or margin(self.criterion, window.value) > margin(self.criterion, self.worst.value):
            self.worst = window
        if self.fired is None and breaches(self.criterion, window.value):
            self.fired = window
            return window
        return None


class Held:
    """The values of `for`: what was held in each of the latest seconds (or periods) of a timeframe."""

    __slots__ = ("_criterion", "_frame", "_lowest", "_samples", "_seconds")

    def __init__(self, criterion: Criterion, frame: int) -> None:
        self._criterion, self._frame = criterion, frame
        self._seconds: deque[tuple[int, int]] = deque()
        self._lowest = _Lowest()
        self._samples = 0

    def see(self, second: int, value: float, samples: int) -> Window | None:
        """The next second with its own value; the window that ends there, once one is full."""
        earliest = second - self._frame + 1
        self._seconds.append((second, samples))
        self._samples += samples
        while len(self._seconds) > 1 and self._seconds[1][0] <= earliest:
            self._samples -= self._seconds.popleft()[1]
        start = self._seconds[0][0]
        held = self._lowest.push(second, margin(self._criterion, value), value, start)
        return Window(start, second, held, self._samples, len(self._seconds)) if start <= earliest else None

    def miss(self, second: int) -> None:
        """A second of which nothing is known: no series survives it."""
        if self._seconds:
            self._seconds.append((second, 0))
            self._lowest.push(second, -math.inf, math.nan, self._seconds[0][0])


class Watch:
    """Follows one criterion with a timeframe. `fired` is the first window that breached it, `worst` the worst of all.

    With an `absence` every missing sample is given the value that speaks most against a breach; or most for it, where
    `against` is the criterion's opposite.
    """

    def __init__(
        self,
        criterion: Criterion,
        absence: ScopedAbsence | None = None,
        share_of_all: float = 1.0,
        against: Criterion | None = None,
    ) -> None:
        self.criterion = criterion
        self.found = Found(criterion)
        self.first_second: int | None = None
        self.last_second: int | None = None
        self.begun = False  # there was a sample, if only in a second that is not looked at
        self._read = reader_of(criterion)
        self._valued = against or criterion
        self._absence = absence
        self._share_of_all = share_of_all
        self._seconds: deque[tuple[int, Reading, int]] = deque()
        self._pool = Pool()
        self._samples = 0
        self._held = Held(criterion, criterion.timeframe_s)
        self._highest = _Lowest()  # the exact maximum, by its negative

    @property
    def fired(self) -> Window | None:
        return self.found.fired

    @property
    def worst(self) -> Window | None:
        return self.found.worst

    def see(self, second: int, stats: Stats, users: int) -> Window | None:
        """Take the next second; the window that ends there if it is the first to breach."""
        reading = self._read(stats, users)
        if not self.begun or reading is None:
            return None
        self.last_second = second
        if self.first_second is None:
            self.first_second = second
        if self.criterion.logic == "for":
            pool = Pool()
            pool.add(reading)
            value = pool.value(self._valued, reading.max_us, self._absent(second, second, pool.samples(self._valued)))
            return self.found.note(self._held.see(second, value, stats.samples))
        return self.found.note(self._window(second, reading, stats))

    def restart(self) -> None:
        """Begin anew after a time in which nothing was planned: no window spans it."""
        self.first_second, self._samples = None, 0
        self._seconds.clear()
        self._pool, self._highest = Pool(), _Lowest()
        self._held = Held(self.criterion, self.criterion.timeframe_s)

    def miss(self, second: int) -> None:
        """A second that has no samples because they are missing: no series survives it."""
        if self.criterion.logic == "for" and self.first_second is not None:
            self._held.miss(second)

    def _window(self, second: int, reading: Reading, stats: Stats) -> Window | None:
        assert self.first_second is not None  # noqa: S101 — set before the first window is looked at
        earliest = second - self.criterion.timeframe_s + 1
        self._seconds.append((second, reading, stats.samples))
        self._pool.add(reading)
        self._samples += stats.samples
        while self._seconds[0][0] < earliest:
            _, left, samples = self._seconds.popleft()
            self._pool.add(left, -1)
            self._samples -= samples
        max_us = int(self._highest.push(second, -reading.max_us, reading.max_us, earliest))
        if self.criterion.logic == "over" and self.first_second > earliest:
            return None
        start = max(earliest, self.first_second)
        absent = self._absent(start, second, self._pool.samples(self._valued))
        return Window(start, second, self._pool.value(self._valued, max_us, absent), self._samples)

    def _absent(self, first: int, last: int, measured: int) -> float:
        return 0.0 if self._absence is None else self._absence.samples(first, last, measured, self._share_of_all)
