"""Which row of the timeline is a series in a second: a table while that is small, else a sorted list.

A table answers fastest, but a script that puts ids into its labels has 100,000 series that hold a sample now and then:
series × seconds would be more than any memory, while there are no more rows than samples.
"""

import numpy as np
from numpy.typing import NDArray

from toril.stats.histogram import Int64s
from toril.timeline.workers import grown

MOST_PLACES = 1 << 24  # of a table: 64 MB
SECOND_BITS = 21
SECONDS = (1 << SECOND_BITS) - 1
FEW = 64  # series that are looked up one by one


class Rows:
    """The rows by series and second, numbered from 0 as they come."""

    def __init__(self, most_places: int = MOST_PLACES) -> None:
        self.count = 0
        self._most_places = most_places
        self._index: _Table | _Sorted = _Table()

    def of(self, series: Int64s, seconds: Int64s) -> Int64s:
        """The row of each pair of series and second; new ones are made."""
        if isinstance(self._index, _Table) and not self._index.reach(series, seconds, self._most_places):
            self._index = _Sorted(*self._index.everything())
        rows = self._index.find(series, seconds)
        unknown = rows < 0
        new = np.unique((series[unknown] << SECOND_BITS) + seconds[unknown])
        if new.size:
            self._index.put(new, np.arange(self.count, self.count + new.size))
            self.count += new.size
            rows = self._index.find(series, seconds)
        return rows

    def places(
        self, series: Int64s, first: int | None = None, last: int | None = None
    ) -> tuple[Int64s, Int64s, Int64s]:
        """Where there are samples: the position in `series`, the second, and the row; both ends are part of it."""
        start = 0 if first is None else max(0, first)
        end = SECONDS + 1 if last is None else max(start, last + 1)
        return self._index.places(series, start, end)


class _Table:
    """Series down, seconds across; −1 where there is no row."""

    def __init__(self) -> None:
        self._rows: NDArray[np.int32] = np.full((16, 64), -1, np.int32)

    def reach(self, series: Int64s, seconds: Int64s, most_places: int) -> bool:
        """Grow to hold these; False when that would be too large."""
        height, width = int(series.max(initial=-1)) + 1, int(seconds.max(initial=-1)) + 1
        if max(height, len(self._rows)) * max(width, self._rows.shape[1]) > most_places:
            return False
        self._rows = grown(self._rows, height, width, -1)
        return True

    def find(self, series: Int64s, seconds: Int64s) -> Int64s:
        return self._rows[series, seconds].astype(np.int64)

    def put(self, keys: Int64s, rows: Int64s) -> None:
        self._rows[keys >> SECOND_BITS, keys & SECONDS] = rows

    def places(self, series: Int64s, start: int, end: int) -> tuple[Int64s, Int64s, Int64s]:
        known = np.flatnonzero(series < len(self._rows))
        rows = self._rows[series[known], start:end]
        which, seconds = np.nonzero(rows >= 0)
        return known[which], seconds + start, rows[which, seconds].astype(np.int64)

    def everything(self) -> tuple[Int64s, Int64s]:
        series, seconds = np.nonzero(self._rows >= 0)
        return (series << SECOND_BITS) + seconds, self._rows[series, seconds].astype(np.int64)


class _Sorted:
    """Keys (series, then second) in ascending order, each with its row."""

    def __init__(self, keys: Int64s, rows: Int64s) -> None:
        self._keys, self._rows = keys, rows
        self._by_second: tuple[Int64s, Int64s] | None = None  # the same by second, made when it is asked for

    def find(self, series: Int64s, seconds: Int64s) -> Int64s:
        keys = (series << SECOND_BITS) + seconds
        if not self._keys.size:
            return np.full(keys.size, -1, np.int64)
        at = np.minimum(np.searchsorted(self._keys, keys), self._keys.size - 1)
        return np.where(self._keys[at] == keys, self._rows[at], -1)

    def put(self, keys: Int64s, rows: Int64s) -> None:
        at = np.searchsorted(self._keys, keys)
        self._keys, self._rows = np.insert(self._keys, at, keys), np.insert(self._rows, at, rows)
        self._by_second = None

    def places(self, series: Int64s, start: int, end: int) -> tuple[Int64s, Int64s, Int64s]:
        whole = start == 0 and end > SECONDS
        if whole or series.size <= FEW:
            which, at = self._of_series(series, start, end)
        else:
            which, at = self._of_seconds(series, start, end)
        return which, self._keys[at] & SECONDS, self._rows[at]

    def _of_series(self, series: Int64s, start: int, end: int) -> tuple[Int64s, Int64s]:
        first = np.searchsorted(self._keys, (series << SECOND_BITS) + start)
        sizes = np.searchsorted(self._keys, (series << SECOND_BITS) + end) - first
        which = np.repeat(np.arange(series.size), sizes)
        return which, np.arange(which.size) + np.repeat(first - (np.cumsum(sizes) - sizes), sizes)

    def _of_seconds(self, series: Int64s, start: int, end: int) -> tuple[Int64s, Int64s]:
        if self._by_second is None:
            order = np.argsort(self._keys & SECONDS, kind="stable")
            self._by_second = order, (self._keys & SECONDS)[order]
        order, seconds = self._by_second
        low, high = np.searchsorted(seconds, [start, end])
        at = order[low:high]
        owner = self._keys[at] >> SECOND_BITS
        position = np.full(int(max(series.max(initial=0), owner.max(initial=0))) + 1, -1, np.int64)
        position[series] = np.arange(series.size)
        which = position[owner]
        return which[which >= 0], at[which >= 0]
