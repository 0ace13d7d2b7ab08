"""The virtual users of each worker second by second. A few bytes a worker and second."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toril.stats.histogram import Int64s

NUMBER_AT = 32  # a report of virtual users in one integer: the file's number, then the count; the higher one holds
LOOK_BACK_S = 16
NEVER = -1


class UsersBySecond:
    """Virtual users by worker and execution: a value holds until the next one, or until the worker's end."""

    def __init__(self) -> None:
        self._row_of: dict[tuple[str, str, str], int] = {}  # location, worker, execution
        self._reports: Int64s = np.full((4, 64), NEVER, np.int64)

    def row(self, location: str, worker: str, execution: str) -> int:
        row = self._row_of.setdefault((location, worker, execution), len(self._row_of))
        if row >= len(self._reports):
            self._reports = grown(self._reports, row + 1, 0, NEVER)
        return row

    def add(self, rows: Int64s, seconds: Int64s, counts: Int64s, numbers: Int64s) -> None:
        """Take reports in any order: of two for one second, that of the later file holds."""
        if seconds.size:
            self._reports = grown(self._reports, 0, int(seconds.max()) + 1, NEVER)
            np.maximum.at(self._reports, (rows, seconds), (numbers << NUMBER_AT) + counts)

    def at(self, second: int, location: str | None, executions: Collection[str], last: dict[str, int]) -> int:
        """The users active in that second; a worker that has told nothing since has ended (`last`: by worker)."""
        rows = [row for row, _, ended in self._chosen(location, executions, last) if ended >= second >= 0]
        if not rows:
            return 0
        chosen = np.array(rows)
        end = min(second + 1, self._reports.shape[1])
        start = max(0, end - LOOK_BACK_S)
        found = _latest(self._reports[chosen, start:end])
        silent = chosen[found == NEVER]
        found = found[found != NEVER]
        earlier = _latest(self._reports[silent, :start]) if start and silent.size else found[:0]
        return int((found & _COUNT).sum() + (earlier[earlier != NEVER] & _COUNT).sum())

    def curve(self, seconds: int, location: str | None, executions: Collection[str], last: dict[str, int]) -> Int64s:
        """The same for the seconds 0 … `seconds` − 1."""
        total = np.zeros(seconds, np.int64)
        for row, _, ended in self._chosen(location, executions, last):
            reports = self._reports[row, :seconds]
            known = np.where(reports >= 0, np.arange(reports.size), 0)
            filled = reports[np.maximum.accumulate(known)] if reports.size else reports
            values = np.where(filled >= 0, filled & _COUNT, 0)
            until = min(seconds, ended + 1)
            total[: min(until, values.size)] += values[:until]
            if values.size < until:
                total[values.size : until] += values[-1] if values.size else 0
        return total

    def _chosen(
        self, location: str | None, executions: Collection[str], last: dict[str, int]
    ) -> list[tuple[int, str, int]]:
        return [
            (row, worker, last.get(worker, NEVER))
            for (place, worker, execution), row in self._row_of.items()
            if location in (None, place) and (not executions or execution in executions)
        ]


_COUNT = (1 << NUMBER_AT) - 1


def grown(table: NDArray[Any], rows: int, columns: int, fill: float) -> NDArray[Any]:
    """The table, with at least so many rows and columns; each grows by doubling."""
    height, width = table.shape
    if rows <= height and columns <= width:
        return table
    larger = (max(rows, 2 * height) if rows > height else height, max(columns, 2 * width) if columns > width else width)
    new = np.full(larger, fill, table.dtype)
    new[:height, :width] = table
    return new


def _latest(reports: Int64s) -> Int64s:
    """The last known value of each row, or NEVER."""
    known = reports[:, ::-1] >= 0
    position = reports.shape[1] - 1 - known.argmax(axis=1)
    return np.where(known.any(axis=1), reports[np.arange(len(reports)), position], NEVER)
