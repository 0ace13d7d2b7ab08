"""The health of each load generator per second, which shows whether it was saturated."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toril.stats.histogram import Int64s
from toril.timeline.intervals import HEALTH_SCALE, UNKNOWN, VITALS, Interval
from toril.timeline.tables import grown

Floats = NDArray[np.float64]

FRACTIONS = ("cpu", "core", "machine", "waiting", "throttled", "sockets_share")
COUNTS = ("memory_bytes", "sockets", "late_us", "late_p90_us", "dropped")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class HealthSeries:
    """One worker's health in each second with a reading. NaN, and -1 in counts: not measured.

    A reading covers the time since the previous one: usually one second, more if the worker itself got no CPU.
    """

    worker: str
    facts: Mapping[str, Any]  # the reported limits of the worker: memory_limit_bytes, cores, single_threaded
    throttled_s: float  # over the whole run
    second: Int64s  # ascending
    cpu: Floats  # use by worker and engines, as a share of the worker's CPU
    core: Floats  # use by the busiest process of a single-threaded engine, as a share of one core
    machine: Floats  # use by all programs, as a share of the engine's CPU
    waiting: Floats  # share of time the busiest engine process was ready but got no CPU; threads add up, per core
    throttled: Floats  # share of time the CPU quota of the control group throttled the worker, summed up to 1
    sockets_share: Floats  # open sockets and files of one process, or ports, as a share of the nearest limit
    memory_bytes: Int64s  # resident, of worker and engines
    sockets: Int64s  # open in worker and engines
    late_us: Int64s  # of the latest send
    late_p90_us: Int64s  # the 90th percentile of the sends' lateness
    dropped: Int64s  # due requests that were not sent

    def between(self, from_s: float, to_s: float) -> "HealthSeries":
        """Returns the readings in the seconds from `from_s` to `to_s` (exclusive)."""
        chosen = (self.second >= math.ceil(from_s)) & (self.second < to_s)
        return replace(self, **{name: getattr(self, name)[chosen] for name in ("second", *FRACTIONS, *COUNTS)})


class HealthBySecond:
    """The health of all workers: a table for each figure, with a row for each worker and a column for each second."""

    def __init__(self) -> None:
        self._row_of: dict[str, int] = {}
        self._facts: dict[str, Mapping[str, Any]] = {}
        self._throttled_us: dict[str, int] = {}
        empty: dict[str, NDArray[Any]] = {name: np.full((0, 0), np.nan, np.float32) for name in FRACTIONS}
        self._tables = empty | {name: np.full((0, 0), UNKNOWN, np.int64) for name in COUNTS}

    def add(self, batch: Sequence[Interval]) -> None:
        """Adds the readings of several files at once, so that each numpy call does more."""
        batch = [interval for interval in batch if interval.health.shape[1] or interval.vitals.shape[1]]
        if not batch:
            return
        rows = np.array([self._row_of.setdefault(interval.worker, len(self._row_of)) for interval in batch])
        for interval in batch:
            if interval.generator:
                self._facts[interval.worker] = interval.generator
            if interval.health.shape[1]:
                known = self._throttled_us.get(interval.worker, 0)
                self._throttled_us[interval.worker] = known + int(interval.health[4].sum())
        sizes = [interval.health.shape[1] for interval in batch]
        of_health = np.repeat(rows, sizes)
        alone = np.repeat([interval.generator.get("single_threaded", True) is True for interval in batch], sizes)
        second, cpu, core, memory, _ = np.concatenate([interval.health for interval in batch], axis=1)
        self._take("cpu", of_health, second, cpu / HEALTH_SCALE)
        self._take("core", of_health[alone], second[alone], core[alone] / HEALTH_SCALE)
        self._take("memory_bytes", of_health, second, memory)
        of_vitals = np.repeat(rows, [interval.vitals.shape[1] for interval in batch])
        vitals = np.concatenate([interval.vitals for interval in batch], axis=1)
        for name, values in zip(VITALS[1:], vitals[1:], strict=True):
            known = values != UNKNOWN
            taken = values[known] / HEALTH_SCALE if name in FRACTIONS else values[known]
            self._take(name, of_vitals[known], vitals[0][known], taken)

    def workers(self) -> tuple[str, ...]:
        return tuple(sorted(self._row_of))

    def series(self, worker: str) -> HealthSeries:
        """Returns one worker's readings; KeyError if it has none."""
        row = self._row_of[worker]
        tables = {name: table[row] for name, table in self._tables.items() if row < len(table)}
        width = max((line.size for line in tables.values()), default=0)
        known = np.zeros(width, np.bool_)
        for name, line in tables.items():
            known[: line.size] |= ~np.isnan(line) if name in FRACTIONS else line != UNKNOWN
        second = np.flatnonzero(known)
        columns: dict[str, Any] = {}
        for name in (*FRACTIONS, *COUNTS):
            whole: NDArray[Any] = np.full(width, np.nan) if name in FRACTIONS else np.full(width, UNKNOWN, np.int64)
            line = tables.get(name, whole[:0])
            whole[: line.size] = line
            columns[name] = whole[second]
        facts, throttled_s = self._facts.get(worker, {}), self._throttled_us.get(worker, 0) / 1e6
        return HealthSeries(worker=worker, facts=facts, throttled_s=throttled_s, second=second, **columns)

    def highest_by_worker(self, name: str, first: int, last: int) -> dict[str, float]:
        """Returns the highest value of each worker with readings in the seconds `first` to `last`."""
        known = self._tables[name][:, max(0, first) : last + 1]
        highest = np.fmax.reduce(known, axis=1).tolist() if known.size else []
        return {
            worker: highest[row] for worker, row in self._row_of.items() if row < len(highest) and highest[row] >= 0
        }

    def _take(self, name: str, rows: Int64s, second: Int64s, values: NDArray[Any]) -> None:
        """Adds readings; of two for the same second the worse one counts, but dropped requests add up."""
        if not second.size:
            return
        fraction = name in FRACTIONS
        table = grown(self._tables[name], len(self._row_of), int(second.max()) + 1, np.nan if fraction else UNKNOWN)
        self._tables[name] = table
        if name == "dropped":
            table[rows, second] = np.maximum(table[rows, second], 0)
            np.add.at(table, (rows, second), values)
        elif fraction:
            np.fmax.at(table, (rows, second), values.astype(np.float32))
        else:
            np.maximum.at(table, (rows, second), values)


def longest_run(second: Int64s, high: NDArray[np.bool_]) -> tuple[int, int | None]:
    """Returns the length and the first second of the longest series of high readings; (0, None) if there is none.

    A reading covers all the time since the previous one: a busy worker skips seconds.
    """
    if not second.size or not high.any():
        return 0, None
    covers = np.diff(second, prepend=second[0] - 1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], high, [False]])))
    ends = np.cumsum(covers)
    starts, stops = edges[::2], edges[1::2]
    lengths = ends[stops - 1] - (ends[starts] - covers[starts])
    place = int(lengths.argmax())
    begin = int(second[starts[place]] - covers[starts[place]]) + 1
    return int(lengths[place]), max(0, begin)
