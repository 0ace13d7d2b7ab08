"""What was planned but never measured, as far as a criterion has to allow for it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from toril.records import Plan


@dataclass(frozen=True, slots=True)
class Gap:
    """Seconds of which nothing is known of one worker, both inclusive; `to_s` may be infinite."""

    worker: str
    from_s: int
    to_s: float
    execution: str | None = None  # None: of all its executions


@dataclass(frozen=True, slots=True)
class Absence:
    """Where in the plan samples are missing, and records that are known to have been lost besides."""

    plan: Plan
    gaps: tuple[Gap, ...] = ()
    lost_records: int = 0
    end_s: float = math.inf  # the load was rightly ended there, before its planned end

    def __bool__(self) -> bool:
        return bool(self.gaps or self.lost_records)

    def of(self, executions: Sequence[str], location: str | None) -> "ScopedAbsence | None":
        """The same for the executions (none: all of them) and the location that a criterion judges; None: nothing."""
        if not self:
            return None
        return ScopedAbsence(self, tuple(executions), location)


class ScopedAbsence:
    """The absent part of the load, second by second, of some executions in one location or in all."""

    def __init__(self, absence: Absence, executions: tuple[str, ...], location: str | None) -> None:
        plan = absence.plan
        self._lost_records = absence.lost_records
        self.end_s = absence.end_s
        self._parts: dict[int, float] = {}
        self._planned_rps = 0.0
        self._weights: dict[str, dict[str, float]] = {}  # execution → worker → its part of the load
        for share in plan.shares:
            if location is None or share.location == location:
                for part in share.executions:
                    if not executions or part.execution in executions:
                        weight = part.throughput_rps or part.concurrency or 1
                        self._planned_rps += part.throughput_rps or 0.0
                        self._weights.setdefault(part.execution, {})[share.worker] = weight
        self._gaps = [
            gap
            for gap in absence.gaps
            if any(gap.worker in self._weights[name] for name in self._weights if gap.execution in (None, name))
        ]

    @property
    def endless(self) -> bool:
        """Whether nobody knows how long the absent load would have gone on."""
        return any(math.isinf(gap.to_s) for gap in self._gaps)

    def may_have_filled(self, second: int) -> bool:
        """Whether a silent second may be silent only because its samples are missing."""
        return self._lost_records > 0 or self.part(second) > 0

    def part(self, second: int) -> float:
        """The part of the planned load, 0 … 1, of which nothing is known in that second."""
        found = self._parts.get(second)
        if found is None:
            found = self._parts[second] = self._part(second)
        return found

    def _part(self, second: int) -> float:
        away = [gap for gap in self._gaps if gap.from_s <= second <= gap.to_s]
        if not away:
            return 0.0
        return max(
            _part(workers, {gap.worker for gap in away if gap.execution in (None, name)})
            for name, workers in self._weights.items()
        )

    def samples(self, first: int, last: float, measured: int, share_of_all: float = 1.0) -> float:
        """At most how many samples are missing from the seconds `first` … `last`, of which `measured` came in.

        The absent part would have brought what the present part did, or what was planned if that is more;
        `share_of_all` is the part of all requests that carries the judged label. An infinite `last` means that nobody
        knows how long the load would have gone on.
        """
        if math.isinf(last):
            return math.inf if self._gaps else self._lost_records
        away = sum(self.part(second) for second in range(first, int(last) + 1)) if self._gaps else 0.0
        if away == 0:
            return self._lost_records
        present = last - first + 1 - away
        if present < 1e-9:
            return math.inf
        return self._lost_records + away * max(measured / present, self._planned_rps * share_of_all)


def _part(workers: dict[str, float], away: set[str]) -> float:
    return sum(weight for worker, weight in workers.items() if worker in away) / sum(workers.values())
