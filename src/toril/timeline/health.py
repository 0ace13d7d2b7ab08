"""The health of each load generator, second by second: had it room left to measure with?"""

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
    """One worker's health in every second of which it has a reading. NaN, and -1 in counts: not measured.

    A reading is about the time since the one before it: mostly a second, more when the worker itself got no CPU.
    """

    worker: str
    facts: Mapping[str, Any]  # its limits, as far as it reported them: memory_limit_bytes, cores, single_threaded
    throttled_s: float  # in all
    second: Int64s  # ascending
    cpu: Floats  # what worker and engines took of the CPU that the worker may use
    core: Floats  # what the busiest process of a single-threaded engine took of one core
    machine: Floats  # what all programs together took of the CPU that the engine may use
    waiting: Floats  # the busiest engine process could have run but got no CPU; of several threads the sum per core
    throttled: Floats  # of the time, held back by the control group's CPU quota; several cores add up, to 1 at most
    sockets_share: Floats  # open sockets and files of one process, or ports, of the limit that is nearest
    memory_bytes: Int64s  # resident, of worker and engines
    sockets: Int64s  # open in worker and engines
    late_us: Int64s  # of the latest send
    late_p90_us: Int64s  # nine in ten sends were no later
    dropped: Int64s  # sends that a throughput asked for and that were never made

    def between(self, from_s: float, to_s: float) -> "HealthSeries":
        """The readings of these seconds; `to_s` is not part of them."""
        chosen = (self.second >= math.ceil(from_s)) & (self.second < to_s)
        return replace(self, **{name: getattr(self, name)[chosen] for name in ("second", *FRACTIONS, *COUNTS)})


class HealthBySecond:
    """The health of every worker: a table for each figure, a row for each worker, a column for each second."""

    def __init__(self) -> None:
        self._row_of: dict[str, int] = {}
        self._facts: dict[str, Mapping[str, Any]] = {}
        self._throttled_us: dict[str, int] = {}
        empty: dict[str, NDArray[Any]] = {name: np.full((0, 0), np.nan, np.float32) for name in FRACTIONS}
        self._tables = empty | {name: np.full((0, 0), UNKNOWN, np.int64) for name in COUNTS}

    def add(self, batch: Sequence[Interval]) -> None:
        """Take the readings of some files; of several at once, since each numpy call then does more."""
        batch = [interval for interval in batch if interval.health.shape[1] or interval.vitals.shape[1]]
        if not batch:
            return
        rows = np.array([self._row_of.setdefault(one.worker, len(self._row_of)) for one in batch])
        for interval in batch:
            if interval.generator:
                self._facts[interval.worker] = interval.generator
            if interval.health.shape[1]:
                known = self._throttled_us.get(interval.worker, 0)
                self._throttled_us[interval.worker] = known + int(interval.health[4].sum())
        of_health = np.repeat(rows, [interval.health.shape[1] for interval in batch])
        alone = np.repeat(
            [interval.generator.get("single_threaded", True) is True for interval in batch],
            [interval.health.shape[1] for interval in batch],
        )
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
        """One worker's readings; KeyError when it has none."""
        row = self._row_of[worker]
        found = {name: table[row] for name, table in self._tables.items() if row < len(table)}
        width = max((line.size for line in found.values()), default=0)
        known = np.zeros(width, np.bool_)
        for name, line in found.items():
            known[: line.size] |= ~np.isnan(line) if name in FRACTIONS else line != UNKNOWN
        second = np.flatnonzero(known)
        columns: dict[str, Any] = {}
        for name in (*FRACTIONS, *COUNTS):
            whole: NDArray[Any] = np.full(width, np.nan) if name in FRACTIONS else np.full(width, UNKNOWN, np.int64)
            line = found.get(name, whole[:0])
            whole[: line.size] = line
            columns[name] = whole[second]
        facts, throttled_s = self._facts.get(worker, {}), self._throttled_us.get(worker, 0) / 1e6
        return HealthSeries(worker=worker, facts=facts, throttled_s=throttled_s, second=second, **columns)

    def _take(self, name: str, rows: Int64s, second: Int64s, values: NDArray[Any]) -> None:
        """Of two readings for the same second the worse one holds; dropped sends add up."""
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
    """How many seconds in a row the readings were high, and from which on.

    A reading is about all the time since the one before it: a worker that is too busy skips seconds.
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
