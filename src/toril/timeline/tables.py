"""Tables that grow with a timeline: rows by series and second, outcomes by row, virtual users by worker and second.

The index of rows is a sorted list. A script that puts ids into its labels has 100,000 series with few samples each; a
table of series × seconds would not fit into memory.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from toril.stats.histogram import Int64s

SECOND_BITS = 21
SECONDS = (1 << SECOND_BITS) - 1
FEW = 64  # up to this number, series are always looked up one by one
SERIES_PER_SORT = 20  # sorting this many keys by second costs as much as one look-up of a series

Number = TypeVar("Number", np.int32, np.int64)
Outcome = tuple[str, str]  # response code, message
CODE_BITS = 32
CODE = (1 << CODE_BITS) - 1

NUMBER_AT = 32  # a report of virtual users is one integer, file number and count: the later file has the larger one
COUNT = (1 << NUMBER_AT) - 1
LOOK_BACK_S = 16
NEVER = -1


class Rows:
    """The rows by series and second, numbered from 0 in the order of their first use."""

    def __init__(self) -> None:
        self._keys: Int64s = np.empty(0, np.int64)  # series and second, ascending
        self._rows: Int64s = np.empty(0, np.int64)  # the row of each key
        self._by_second: tuple[Int64s, Int64s] | None = None  # positions and seconds of the keys, by second

    @property
    def count(self) -> int:
        return self._keys.size

    def of(self, series: Int64s, seconds: Int64s) -> Int64s:
        """Returns the row of each pair of series and second; creates missing rows."""
        keys = (series << SECOND_BITS) + seconds
        new = np.unique(keys[~self._known(keys)])
        if new.size:
            at = np.searchsorted(self._keys, new)
            self._rows = np.insert(self._rows, at, np.arange(self.count, self.count + new.size))
            self._keys = np.insert(self._keys, at, new)
            self._by_second = None
        return self._rows[np.searchsorted(self._keys, keys)]

    def places(
        self, series: Int64s, first: int | None = None, last: int | None = None
    ) -> tuple[Int64s, Int64s, Int64s]:
        """Returns for each row with samples: its position in `series`, its second, and the row; both ends inclusive."""
        start = 0 if first is None else max(0, first)
        end = SECONDS + 1 if last is None else max(start, last + 1)
        whole = first is None and last is None
        if whole or series.size <= max(FEW, self._keys.size // SERIES_PER_SORT):
            which, at = self._of_series(series, start, end)
        else:
            which, at = self._of_seconds(series, start, end)
        return which, self._keys[at] & SECONDS, self._rows[at]

    def _known(self, keys: Int64s) -> NDArray[np.bool_]:
        if not self._keys.size:
            return np.zeros(keys.size, np.bool_)
        at = np.minimum(np.searchsorted(self._keys, keys), self._keys.size - 1)
        return np.equal(self._keys[at], keys)

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


class Outcomes:
    """The number of times of each outcome, by row."""

    def __init__(self) -> None:
        self._code_of: dict[Outcome, int] = {}
        self._first: NDArray[np.int32] = np.full(64, -1, np.int32)  # by row: its first outcome, or −1 …
        self._times: Int64s = np.zeros(64, np.int64)  # … and its count
        self._others: dict[int, dict[int, int]] = {}  # row → its other outcomes and their counts

    def code(self, outcome: Outcome) -> int:
        """Returns the number of an outcome."""
        return self._code_of.setdefault(outcome, len(self._code_of))

    def add(self, rows: Int64s, codes: Int64s, times: Int64s) -> None:
        """Adds outcomes; a pair of row and code may occur more than once."""
        keys, positions = np.unique((rows << CODE_BITS) + codes, return_inverse=True)
        sums = np.zeros(keys.size, np.int64)
        np.add.at(sums, positions, times)
        rows, codes = keys >> CODE_BITS, keys & CODE
        reached = int(rows.max(initial=-1)) + 1
        self._first, self._times = longer(self._first, reached, -1), longer(self._times, reached, 0)
        new, at = np.unique(rows, return_index=True)
        free = self._first[new] < 0
        self._first[new[free]] = codes[at[free]]
        first = self._first[rows] == codes
        self._times[rows[first]] += sums[first]  # each row has one first outcome
        others = zip(rows[~first].tolist(), codes[~first].tolist(), sums[~first].tolist(), strict=True)
        for row, code, count in others:
            known = self._others.setdefault(row, {})
            known[code] = known.get(code, 0) + count

    @property
    def names(self) -> tuple[Outcome, ...]:
        """All outcomes by their numbers."""
        return tuple(self._code_of)

    def pairs(self, rows: Int64s) -> tuple[Int64s, Int64s, Int64s]:
        """Returns the rows' outcomes as positions in `rows` (unordered), numbers of outcomes, and counts."""
        positions = np.flatnonzero(rows < self._first.size)
        positions = positions[self._first[rows[positions]] >= 0]
        first = rows[positions]
        others = [
            (position, code, count)
            for position, row in enumerate(rows.tolist() if self._others else ())
            for code, count in self._others.get(row, {}).items()
        ]
        more = np.array(others, np.int64).reshape(-1, 3).T
        return (
            np.concatenate([positions, more[0]]),
            np.concatenate([self._first[first].astype(np.int64), more[1]]),
            np.concatenate([self._times[first], more[2]]),
        )

    def of(self, rows: Int64s) -> Counter[Outcome]:
        """Returns the sum of the outcomes of several rows."""
        _, codes, counts = self.pairs(rows)
        names, totals = self.names, np.zeros(len(self._code_of), np.int64)
        np.add.at(totals, codes, counts)
        return Counter({names[code]: int(totals[code]) for code in np.flatnonzero(totals).tolist()})


class UsersBySecond:
    """Virtual users by worker and execution; a value is valid until the next one, or until the worker's end."""

    def __init__(self) -> None:
        self._row_of: dict[tuple[str, str, str], int] = {}  # location, worker, execution
        self._reports: Int64s = np.full((4, 64), NEVER, np.int64)

    def row(self, location: str, worker: str, execution: str) -> int:
        row = self._row_of.setdefault((location, worker, execution), len(self._row_of))
        if row >= len(self._reports):
            self._reports = grown(self._reports, row + 1, 0, NEVER)
        return row

    def add(self, rows: Int64s, seconds: Int64s, counts: Int64s, numbers: Int64s) -> None:
        """Adds reports in any order; of two for the same second, that of the later file counts."""
        if seconds.size:
            self._reports = grown(self._reports, 0, int(seconds.max()) + 1, NEVER)
            np.maximum.at(self._reports, (rows, seconds), (numbers << NUMBER_AT) + counts)

    def at(self, second: int, location: str | None, executions: Collection[str], last: dict[str, int]) -> int:
        """Returns the active users in a second; a worker has ended after its last report (`last`, by worker)."""
        rows = [row for row, ended in self._chosen(location, executions, last) if ended >= second >= 0]
        if not rows:
            return 0
        chosen = np.array(rows)
        end = min(second + 1, self._reports.shape[1])
        start = max(0, end - LOOK_BACK_S)
        latest = _latest(self._reports[chosen, start:end])
        silent = chosen[latest == NEVER]
        latest = latest[latest != NEVER]
        earlier = _latest(self._reports[silent, :start]) if start and silent.size else latest[:0]
        return int((latest & COUNT).sum() + (earlier[earlier != NEVER] & COUNT).sum())

    def curve(self, seconds: int, location: str | None, executions: Collection[str], last: dict[str, int]) -> Int64s:
        """Returns the active users in the seconds 0 … `seconds` − 1."""
        total = np.zeros(seconds, np.int64)
        for row, ended in self._chosen(location, executions, last):
            reports = self._reports[row, :seconds]
            known = np.where(reports >= 0, np.arange(reports.size), 0)
            filled = reports[np.maximum.accumulate(known)] if reports.size else reports
            values = np.where(filled >= 0, filled & COUNT, 0)
            until = min(seconds, ended + 1)
            total[: min(until, values.size)] += values[:until]
            if values.size < until:
                total[values.size : until] += values[-1] if values.size else 0
        return total

    def _chosen(self, location: str | None, executions: Collection[str], last: dict[str, int]) -> list[tuple[int, int]]:
        """Returns each row of the executions and the location, and the last second of its worker."""
        return [
            (row, last.get(worker, NEVER))
            for (place, worker, execution), row in self._row_of.items()
            if location in (None, place) and (not executions or execution in executions)
        ]


def longer(numbers: NDArray[Number], size: int, fill: int) -> NDArray[Number]:
    """Returns the array with at least `size` numbers; it grows by doubling."""
    more = max(size, 2 * numbers.size) - numbers.size if size > numbers.size else 0
    return np.concatenate([numbers, np.full(more, fill, numbers.dtype)]) if more else numbers


def grown(table: NDArray[Any], rows: int, columns: int, fill: float) -> NDArray[Any]:
    """Returns the table with at least `rows` and `columns`; each grows by doubling."""
    height, width = table.shape
    if rows <= height and columns <= width:
        return table
    larger = (max(rows, 2 * height) if rows > height else height, max(columns, 2 * width) if columns > width else width)
    new = np.full(larger, fill, table.dtype)
    new[:height, :width] = table
    return new


def _latest(reports: Int64s) -> Int64s:
    """Returns the last known value of each row, or NEVER."""
    known = reports[:, ::-1] >= 0
    position = reports.shape[1] - 1 - known.argmax(axis=1)
    return np.where(known.any(axis=1), reports[np.arange(len(reports)), position], NEVER)
