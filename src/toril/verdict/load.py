"""Criteria on the achieved load, in per cent of the requested load. The worst execution in scope decides.

An execution's load is its throughput if one is set, else its virtual users. The whole seconds of its steady state
count, except the first and the last, as in the summary. With a load curve, the requested load of a second is what was
due one mean response time earlier, because samples count in the second of their response. Seconds with less than one
due request are not judged.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate

from toril.criteria import Criterion, Operator
from toril.load.curve import Curve
from toril.records import Plan, PlannedExecution
from toril.summary.load import EDGE_S, SteadyLoad, sends_of, sent_of, steady_load
from toril.timeline import Timeline
from toril.verdict.evidence import Evidence, MissingLoad
from toril.verdict.result import CriterionResult, never_full, settled, undecided, worst_of
from toril.verdict.windows import MORE, Points, fires, opposite

LEAST_DUE = 1.0  # request in a second


def judge_load(blank: CriterionResult, evidence: Evidence) -> CriterionResult:
    """Returns the result of a criterion on the load."""
    criterion = blank.criterion
    loads = [load for load in _loads(criterion, evidence) if next(load.values(load.seconds), None) is not None]
    if not loads:
        what = "no execution in its scope has a requested load and a whole second of steady state to judge"
        return undecided(blank, "no-samples", f"{what}; check the scope and `hold-for`")
    missing = {
        load.execution: MissingLoad(evidence.missing, (load.execution,), criterion.location)
        for load in loads
        if evidence.missing
    }
    result = worst_of(blank, [load.points() for load in loads])
    cut = criterion.logic != "total" and any(load.planned_to_s > load.seconds.stop for load in loads)
    if result is None:
        lasted_s = max(len(load.seconds) for load in loads)
        return never_full(blank, lasted_s, ended_by_criterion=evidence.ended_by_criterion, stands=not (missing and cut))
    against = criterion if result.fired else opposite(criterion)
    if not missing or against is None:
        return settled(result, stands=not missing)
    fires = any(_fires(blank, load, missing, against.op) for load in loads)
    return settled(result, stands=fires if result.fired else not cut and not fires)


def load_points(criterion: Criterion, plan: Plan, timeline: Timeline, first: int, last: int) -> list[Points]:
    """Returns the load of each execution in the judged seconds from `first` to `last`."""
    loads = _loads(criterion, Evidence(plan, timeline))
    return [load.points(range(max(first, load.seconds.start), min(last + 1, load.seconds.stop))) for load in loads]


@dataclass(frozen=True)
class _Load:
    """The load of one execution in one location or in all."""

    planned: PlannedExecution
    steady: SteadyLoad
    requested: float
    location: str | None
    timeline: Timeline
    planned_to_s: int  # planned end of the judged seconds

    @property
    def execution(self) -> str:
        return self.planned.name

    @property
    def of_throughput(self) -> bool:
        return bool(self.steady.requested_rps)

    @cached_property
    def _counts(self) -> tuple[float, ...]:
        """The requests due by the beginning of each second of the run."""
        return _due_by_second(self.planned.curve, self.planned.delay_s)

    @property
    def seconds(self) -> range:
        """The judged seconds."""
        return range(self.steady.from_s, self.steady.to_s)

    def points(self, seconds: range | None = None) -> Points:
        values = list(self.values(self.seconds if seconds is None else seconds))
        percents = [(second, 100 * value / planned) for second, value, planned in values]
        if seconds is not None or not values:
            return Points(self.execution, percents, None)
        total, requested = self._sums(values)
        return Points(self.execution, percents, 100 * total / requested)

    def _sums(self, values: Sequence[tuple[int, int, float]]) -> tuple[float, float]:
        """Returns the sums of achieved and planned load; requests count in the second they were sent."""
        if self.of_throughput:
            view = sends_of(self.timeline, self.planned, self.location, steady=True)
            return float(sent_of(view)), self.requested * self.steady.steady_s
        return float(sum(value for _, value, _ in values)), math.fsum(planned for *_, planned in values)

    def values(self, seconds: range) -> Iterator[tuple[int, int, float]]:
        """Yields for each judged second: the second, its requests or virtual users, and the planned number."""
        view = sends_of(self.timeline, self.planned, self.location)
        for second in seconds:
            if not self.planned.curve:
                value = view.second(second).samples if self.of_throughput else view.virtual_users(second)
                yield second, value, self.requested
                continue
            answered = view.second(second)
            planned = self._due(second, answered.mean_us / 1e6 if answered.samples else 0.0)
            if planned >= LEAST_DUE:
                yield second, answered.samples, planned

    def _due(self, second: int, late_s: float) -> float:
        """Returns the location's number of responses due in the second if responses take `late_s`."""
        part = self.requested / self.steady.requested_rps if self.steady.requested_rps else 1.0
        return part * (self._due_by(second + 1 - late_s) - self._due_by(second - late_s))

    def _due_by(self, at_s: float) -> float:
        second = min(max(0, math.floor(at_s)), len(self._counts) - 2)
        before, after = self._counts[second], self._counts[second + 1]
        return before + (after - before) * min(1.0, max(0.0, at_s - second))

    def with_missing(self, missing: MissingLoad | None, op: Operator) -> Points:
        """Returns the load with all missing data at the value that is the least likely to satisfy `op`.

        Missing data can only add load, so it counts only if too little load is the breach.
        """
        if missing is None:
            return self.points()
        lower = op not in MORE
        values, percents = list(self.values(self.seconds)), []
        for second, value, planned in values:
            added = self._absent(missing, second, second, value) if lower else 0.0
            percents.append((second, 100 * (value + added) / planned))
        total, requested = self._sums(values)
        end_s = max(self.planned_to_s, self.seconds.stop)
        rest = range(self.seconds.stop, end_s)
        requested += math.fsum(self._due(second, 0.0) if self.planned.curve else self.requested for second in rest)
        if lower:
            edge_s = EDGE_S if self.of_throughput else 0  # requests count in all of the steady state
            total += self._absent(missing, self.seconds.start - edge_s, end_s - 1 + edge_s, round(total))
        return Points(self.execution, percents, 100 * total / requested if requested else None)

    def _absent(self, missing: MissingLoad, first: int, last: int, measured: int) -> float:
        if self.of_throughput:
            return missing.samples(first, last, measured, 1 / self.planned.requests_per_due)
        return math.fsum(missing.part(second) for second in range(first, last + 1)) * self.requested


def _loads(criterion: Criterion, evidence: Evidence) -> list[_Load]:
    plan = evidence.plan
    planned = {execution.name: execution for execution in plan.chosen(criterion.executions)}
    loads = []
    for steady in steady_load(plan, evidence.timeline, evidence.completeness.stopped_at_s):
        execution = planned.get(steady.execution)
        requested = _requested(plan, steady, criterion.location)
        if execution is None or not requested:
            continue
        end_s = min(execution.steady_to_s, evidence.missing.end_s if evidence.missing else math.inf)
        planned_to_s = steady.to_s if math.isinf(end_s) else math.floor(end_s) - EDGE_S
        loads.append(_Load(execution, steady, requested, criterion.location, evidence.timeline, planned_to_s))
    return loads


@lru_cache(maxsize=64)  # called every second while a criterion may end the run
def _due_by_second(points: tuple[tuple[float, float], ...], delay_s: float) -> tuple[float, ...]:
    curve = Curve(points)
    by_second = curve.by_second(range(math.ceil(delay_s + curve.length_s) + 1), delay_s)
    return tuple(accumulate(by_second, initial=0.0))


def _requested(plan: Plan, steady: SteadyLoad, location: str | None) -> float:
    """Returns the requested requests per second or virtual users: in total, or of one location's workers."""
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
        rps = math.fsum(part.throughput_rps or 0 for part in parts)
        whole_rps = math.fsum(load.throughput_rps or 0 for load in plan.executions if load.name == steady.execution)
        return rps / whole_rps * steady.requested_rps  # the mean of a load curve
    return sum(part.concurrency or 0 for part in parts)


def _fires(blank: CriterionResult, load: _Load, missing: dict[str, MissingLoad], op: Operator) -> bool:
    """Whether the execution breaches the criterion even if all missing load is as unfavourable to `op` as possible."""
    return fires(blank.criterion, load.with_missing(missing.get(load.execution), op))
