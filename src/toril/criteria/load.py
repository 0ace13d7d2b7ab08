"""Criteria on the load that was reached, in per cent of what was asked for: the worst execution in scope counts.

An execution's load is its throughput where one is set, else its virtual users, in the whole seconds of its steady time
but the first and the last, as in the summary.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from toril.criteria.absence import ScopedAbsence
from toril.criteria.measure import MORE, opposite
from toril.criteria.result import CriterionResult, never_full, settled
from toril.criteria.scope import Evidence, chosen
from toril.criteria.series import Points, worst_of
from toril.criteria.windows import breaches
from toril.grammar import Criterion, Operator
from toril.records import Plan
from toril.summary.load import EDGE_S, SteadyLoad, steady_load
from toril.timeline import Timeline


def on_load(blank: CriterionResult, evidence: Evidence) -> CriterionResult:
    """Judge a criterion on achieved against requested load."""
    criterion, absence = blank.criterion, evidence.absence
    loads = [load for load in _loads(blank, evidence) if load.seconds]
    if not loads:
        what = "no execution asks for virtual users or throughput, or had a whole second of steady time but its edges"
        return replace(blank, outcome="inconclusive", code="no-samples", message=what)
    missing = {
        load.execution: scoped
        for load in loads
        if absence is not None and (scoped := absence.of((load.execution,), criterion.location)) is not None
    }
    result, name = worst_of(blank, [load.points() for load in loads], "mean", "execution")
    cut = criterion.logic != "total" and any(load.planned_to_s > load.seconds.stop for load in loads)
    if name is None:
        lasted_s = max(len(load.seconds) for load in loads)
        return never_full(blank, lasted_s, rightly_ended=evidence.rightly_ended, stands=not (missing and cut))
    other = opposite(criterion)
    if not missing or (other is None and not result.fired):
        return settled(result, stands=not missing)
    if result.fired:
        return settled(result, stands=any(_fires(blank, load, missing, criterion.op) for load in loads))
    adverse = any(_fires(blank, load, missing, (other or criterion).op) for load in loads)
    return settled(result, stands=not cut and not adverse)


def load_points(
    criterion: Criterion, executions: Sequence[str], plan: Plan, timeline: Timeline, first: int, last: int
) -> list[Points]:
    """The load of each execution in the seconds from `first` to `last`, as far as they are judged."""
    blank = CriterionResult(criterion=criterion, where="", executions=tuple(executions))
    loads = _loads(blank, Evidence(plan, timeline))
    return [load.points(range(max(first, load.seconds.start), min(last + 1, load.seconds.stop))) for load in loads]


@dataclass(frozen=True, slots=True)
class _Load:
    """One execution's load in one location or in all."""

    execution: str
    requested: float
    of_throughput: bool
    seconds: range  # those that are judged
    planned_to_s: int  # where they would have ended
    location: str | None
    timeline: Timeline

    def points(self, seconds: range | None = None) -> Points:
        values = list(self.values(self.seconds if seconds is None else seconds))
        total = None
        if seconds is None and values:
            total = 100 * sum(value for _, value in values) / len(values) / self.requested
        return Points(self.execution, [(second, 100 * value / self.requested) for second, value in values], total)

    def values(self, seconds: range) -> Iterator[tuple[int, int]]:
        """Requests, or virtual users, by second."""
        view = self.timeline.select(executions=(self.execution,), location=self.location)
        for second in seconds:
            yield second, view.second(second).samples if self.of_throughput else view.virtual_users(second)

    def with_absent(self, absence: ScopedAbsence | None, op: Operator) -> Points:
        """The same with everything that is missing at the value that speaks most against `op`.

        Missing load can only have been more: it counts where too little is the breach.
        """
        if absence is None:
            return self.points()
        lower = op not in MORE
        found, total = [], 0.0
        for second, value in self.values(self.seconds):
            added = self._absent(absence, second, second, value) if lower else 0.0
            found.append((second, 100 * (value + added) / self.requested))
            total += value
        planned = range(self.seconds.start, max(self.planned_to_s, self.seconds.stop))
        if lower:
            total += self._absent(absence, planned.start, planned.stop - 1, round(total))
        return Points(self.execution, found, 100 * total / len(planned) / self.requested)

    def _absent(self, absence: ScopedAbsence, first: int, last: int, measured: int) -> float:
        if self.of_throughput:
            return absence.samples(first, last, measured)
        return math.fsum(absence.part(second) for second in range(first, last + 1)) * self.requested


def _loads(blank: CriterionResult, evidence: Evidence) -> list[_Load]:
    plan, criterion = evidence.plan, blank.criterion
    planned = {execution.name: execution for execution in chosen(plan, blank.executions)}
    found = []
    for steady in steady_load(plan, evidence.timeline, evidence.stopped_at_s):
        execution = planned.get(steady.execution)
        requested = _requested(plan, steady, criterion.location)
        if execution is None or not requested:
            continue
        end_s = min(execution.steady_to_s, evidence.absence.end_s if evidence.absence else math.inf)
        found.append(
            _Load(
                execution=steady.execution,
                requested=requested,
                of_throughput=bool(steady.requested_rps),
                seconds=range(steady.from_s, steady.to_s),
                planned_to_s=steady.to_s if math.isinf(end_s) else math.floor(end_s) - EDGE_S,
                location=criterion.location,
                timeline=evidence.timeline,
            )
        )
    return found


def _requested(plan: Plan, steady: SteadyLoad, location: str | None) -> float:
    """Requests per second, or virtual users, that were asked for: in all, or of the workers in one location."""
    if location is None:
        return steady.requested_rps or steady.requested_users or 0
    parts = [
        part
        for share in plan.shares
        if share.location == location
        for part in share.executions
        if part.execution == steady.execution
    ]
    if steady.requested_rps:
        return math.fsum(part.throughput_rps or 0 for part in parts)
    return sum(part.concurrency or 0 for part in parts)


def _fires(blank: CriterionResult, load: _Load, missing: dict[str, ScopedAbsence], op: Operator) -> bool:
    """Whether the criterion comes true of the execution, with everything that is missing speaking against `op`."""
    points = load.with_absent(missing.get(load.execution), op)
    if blank.criterion.logic == "total":
        return points.total is not None and breaches(blank.criterion, points.total)
    return worst_of(blank, [points], "mean", "execution")[0].fired
