"""What is known of each worker second by second: its virtual users and its health. A few bytes a worker and second."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toril.histogram import Int64s

NUMBER_AT = 32  # a report of virtual users in one integer: the file's number, then the count; the higher one holds
LOOK_BACK_S = 16
NEVER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHealth:
    """How one load generator fared. Fractions are of its CPU limit, or of one core."""

    cpu_max: float
    cpu_mean: float
    busiest_core_max: float
    memory_max_bytes: int
    throttled_s: float
    longest_above_s: int  # how many seconds in a row cpu or busiest core were at `above` or more
    first_above_s: int | None  # the first of those seconds


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


class HealthBySecond:
    """CPU of each worker by second, and the extremes of the rest."""

    def __init__(self) -> None:
        self._row_of: dict[str, int] = {}
        self._cpu: NDArray[np.float32] = np.full((4, 64), np.nan, np.float32)
        self._busiest: NDArray[np.float32] = np.full((4, 64), np.nan, np.float32)
        self._extremes: Int64s = np.zeros((4, 2), np.int64)  # highest memory, throttled µs in all

    def row(self, worker: str) -> int:
        return self._row_of.setdefault(worker, len(self._row_of))

    def add(self, rows: Int64s, reports: Int64s, scale: float) -> None:
        """Take reports (the table of an interval file) of the workers in those rows."""
        if not rows.size:
            return
        height, width = len(self._row_of), int(reports[0].max()) + 1
        self._cpu = grown(self._cpu, height, width, np.nan)
        self._busiest = grown(self._busiest, height, width, np.nan)
        self._extremes = grown(self._extremes, height, 2, 0)
        np.fmax.at(self._cpu, (rows, reports[0]), (reports[1] / scale).astype(np.float32))
        np.fmax.at(self._busiest, (rows, reports[0]), (reports[2] / scale).astype(np.float32))
        np.maximum.at(self._extremes[:, 0], rows, reports[3])
        np.add.at(self._extremes[:, 1], rows, reports[4])

    def of_workers(self, above: float) -> dict[str, WorkerHealth]:
        found = {}
        for worker, row in sorted(self._row_of.items()):
            cpu, busiest = self._cpu[row], self._busiest[row]
            known = cpu[~np.isnan(cpu)].astype(np.float64)
            longest, first = _longest(_with_gaps_filled(np.fmax(cpu, busiest)) >= np.float32(above))
            found[worker] = WorkerHealth(
                cpu_max=_rounded(known.max()),
                cpu_mean=_rounded(known.mean()),
                busiest_core_max=_rounded(np.nanmax(busiest)),
                memory_max_bytes=int(self._extremes[row, 0]),
                throttled_s=int(self._extremes[row, 1]) / 1e6,
                longest_above_s=longest,
                first_above_s=first,
            )
        return found


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


def _with_gaps_filled(readings: NDArray[np.float32]) -> NDArray[np.float32]:
    """A reading is about all the time since the one before it: a worker that is too busy skips seconds."""
    known = np.flatnonzero(~np.isnan(readings))
    if not known.size:
        return readings
    filled = readings.copy()
    between = np.arange(known[0], known[-1] + 1)
    filled[between] = readings[known[np.searchsorted(known, between)]]
    return filled


def _longest(high: NDArray[np.bool_]) -> tuple[int, int | None]:
    """Length and beginning of the longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], high, [False]])))
    lengths = edges[1::2] - edges[::2]
    if not lengths.size:
        return 0, None
    place = int(lengths.argmax())
    return int(lengths[place]), int(edges[2 * place])


def _rounded(value: float) -> float:
    return round(float(value), 4)
