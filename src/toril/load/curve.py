"""A rate over time: straight lines between points, with jumps. Every shape of load becomes a curve.

Steps are jumps, and a sine is many short lines, so that division, charts, counts and engines handle one form. The
integral of the curve is the number of requests that are due; workers follow the integral, not the rate.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]  # seconds, requests per second


@dataclass(frozen=True, slots=True)
class Curve:
    """Requests per second over the seconds since this load began; 0 before the first point and after the last.

    `points` are (seconds, requests per second), in order of time. Of two points at the same time, the second one
    applies from then on. Raises ValueError for fewer than two points, for unsorted times, for a length of 0, and for a
    rate below 0.
    """

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        times = [at_s for at_s, _ in self.points]
        if len(times) < 2 or times[0] != 0 or times != sorted(times) or not 0 < times[-1] < math.inf:
            raise ValueError("A curve needs at least two points, the first at 0, sorted by time.")
        if not all(0 <= rps < math.inf for _, rps in self.points):
            raise ValueError("A rate cannot be below 0.")

    @property
    def length_s(self) -> float:
        return self.points[-1][0]

    @property
    def peak_rps(self) -> float:
        return max(rps for _, rps in self.points)

    @property
    def total(self) -> float:
        """The number of requests of the whole curve."""
        return self.count_to(self.length_s)

    def rate_at(self, at_s: float) -> float:
        """Returns the requests per second at a time; at a jump, the rate after it.

        >>> Curve(((0, 0), (10, 100), (10, 20), (20, 20))).rate_at(5)
        50.0
        """
        if not 0 <= at_s < self.length_s:
            return 0.0
        (from_s, low), (to_s, high) = self._piece(at_s)
        return low + (high - low) * (at_s - from_s) / (to_s - from_s)

    def count_to(self, at_s: float) -> float:
        """Returns the number of requests that are due before a time, with a fraction for the next one.

        >>> Curve(((0, 0), (10, 100), (10, 20), (20, 20))).count_to(15)
        600.0
        """
        return self._counts([at_s])[0]

    def mean(self, from_s: float, to_s: float) -> float:
        """Returns the mean rate between two times, in requests per second."""
        return (self.count_to(to_s) - self.count_to(from_s)) / (to_s - from_s)

    def by_second(self, seconds: range, late_s: float = 0.0) -> list[float]:
        """Requests that are due in each of these seconds of a run, in which this load begins at `late_s`.

        >>> Curve(((0, 0), (10, 100), (10, 20), (12, 20))).by_second(range(9, 13), late_s=0.5)
        [90.0, 58.75, 20.0, 10.0]
        """
        counts = self._counts([second - late_s for second in range(seconds.start, seconds.stop + 1)])
        return [after - before for before, after in pairwise(counts)]

    def _counts(self, times_s: Sequence[float]) -> list[float]:
        lines = list(self._lines())
        ends_s = [end[0] for _, end, _ in lines]
        counts = []
        for at_s in times_s:
            begin, end, done = lines[min(bisect_right(ends_s, at_s), len(lines) - 1)]
            counts.append(done + _area(begin, end, min(max(at_s, 0.0), self.length_s)))
        return counts

    def changed(self, at_s: float, rps: float) -> "Curve":
        """Returns a curve with the rate `rps` from `at_s` to its end; the same curve if it ends before.

        >>> Curve(((0, 10), (20, 10))).changed(5, 30).points
        ((0, 10), (5, 10.0), (5, 30), (20, 30))
        """
        if at_s >= self.length_s:
            return self
        if at_s <= 0:
            return Curve(((0, rps), (self.length_s, rps)))
        before = [point for point in self.points if point[0] < at_s]
        (from_s, low), (to_s, high) = self._piece(at_s, before=True)
        then = low + (high - low) * (at_s - from_s) / (to_s - from_s)
        return Curve((*before, (at_s, then), (at_s, rps), (self.length_s, rps)))

    def times_of(self, counts: Iterable[float]) -> Iterator[float]:
        """Returns the due times of the n-th requests, in seconds, for rising numbers from 0 on; ends with the curve.

        The first request is due at once, or as soon as there is a rate.
        """
        wanted = iter(counts)
        count = next(wanted, None)
        for (from_s, low), (to_s, high), done in self._lines():
            lasts_s = to_s - from_s
            while count is not None and count < done + lasts_s * (low + high) / 2:
                yield from_s + _seconds_until(count - done, low, (high - low) / lasts_s)
                count = next(wanted, None)

    def _lines(self) -> Iterator[tuple[Point, Point, float]]:
        """Yields its lines in order, each from a point to a later one, with the requests that are due before it."""
        done = 0.0
        for begin, end in pairwise(self.points):
            if end[0] > begin[0]:
                yield begin, end, done
                done += (end[0] - begin[0]) * (begin[1] + end[1]) / 2

    def _piece(self, at_s: float, *, before: bool = False) -> Sequence[Point]:
        times = [at for at, _ in self.points]
        index = (times.index(at_s) if before and at_s in times else bisect_right(times, at_s)) - 1
        return self.points[index], self.points[index + 1]


def _area(begin: Point, end: Point, at_s: float) -> float:
    """Returns the requests that are due on a line until a time."""
    lasts_s = at_s - begin[0]
    return lasts_s * (begin[1] + (end[1] - begin[1]) * lasts_s / (end[0] - begin[0]) / 2)


def _seconds_until(count: float, low: float, slope: float) -> float:
    """Returns the seconds until `count` requests of a line are due: the root of `low t + slope t² / 2 = count`."""
    if count <= 0:
        return 0.0
    return 2 * count / (low + math.sqrt(max(0.0, low * low + 2 * slope * count)))
