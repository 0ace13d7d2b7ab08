"""The evidence for judging criteria: samples, planned time, and missing data."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from toril.criteria import Criterion
from toril.records import Plan, PlannedExecution, ServerMetrics
from toril.records.summary import Capacity, ServiceCost
from toril.summary import Completeness, judged_window
from toril.summary.completeness import united
from toril.timeline import Slice, Timeline


@dataclass(frozen=True, slots=True)
class Gap:
    """A span of seconds without data of one worker, both ends inclusive; `to_s` may be infinite."""

    worker: str
    from_s: int
    to_s: float
    execution: str | None = None  # None: all executions


@dataclass(frozen=True, slots=True)
class MissingData:
    """The parts of the plan without samples, and the number of other lost records. False if nothing is missing."""

    plan: Plan
    gaps: tuple[Gap, ...] = ()
    lost_records: int = 0
    end_s: float = math.inf  # the end of the load, if a criterion or a search ended it early

    def __bool__(self) -> bool:
        return bool(self.gaps or self.lost_records)


class MissingLoad:
    """The missing part of the load per second, of some executions in one location or in all."""

    def __init__(self, missing: MissingData, executions: Collection[str], location: str | None) -> None:
        self._lost_records = missing.lost_records
        self.end_s = missing.end_s
        self._parts: dict[int, float] = {}
        self._planned_rps, each = 0.0, {load.name: load.requests_per_due for load in missing.plan.executions}
        self._weights: dict[str, dict[str, float]] = {}  # execution → worker → part of the load
        for share in missing.plan.shares:
            if location in (None, share.location):
                for part in share.executions:
                    if not executions or part.execution in executions:
                        weight = part.throughput_rps or part.concurrency or 1
                        self._planned_rps += (part.throughput_rps or 0.0) * each.get(part.execution, 1)
                        self._weights.setdefault(part.execution, {})[share.worker] = weight
        self._gaps = [
            gap
            for gap in missing.gaps
            if any(gap.worker in self._weights[name] for name in self._weights if gap.execution in (None, name))
        ]

    @property
    def endless(self) -> bool:
        """Whether the end of the missing load is unknown."""
        return any(math.isinf(gap.to_s) for gap in self._gaps)

    def may_have_filled(self, second: int) -> bool:
        """Whether a second without samples may be one with missing samples."""
        return self._lost_records > 0 or self.part(second) > 0

    def part(self, second: int) -> float:
        """Returns the missing part of the planned load in a second, 0 … 1."""
        if second not in self._parts:
            away = [gap for gap in self._gaps if gap.from_s <= second <= gap.to_s]
            parts = [0.0]
            for name, weights in self._weights.items() if away else ():
                workers = {gap.worker for gap in away if gap.execution in (None, name)}
                parts.append(sum(n for worker, n in weights.items() if worker in workers) / sum(weights.values()))
            self._parts[second] = max(parts)
        return self._parts[second]

    def samples(self, first: int, last: float, measured: float, share_of_all: float = 1.0) -> float:
        """Returns the largest number of samples that can be missing in the seconds `first` … `last`.

        `measured` samples were recorded in these seconds. The missing part of the load is assumed to have the rate of
        the recorded part, or the planned rate if that is higher. `share_of_all` is the judged label's share of all
        requests. An infinite `last` means an unknown end of the load.
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


@dataclass(frozen=True, slots=True)
class Evidence:
    """The data of a run that criteria judge."""

    plan: Plan
    timeline: Timeline
    missing: MissingData | None = None
    completeness: Completeness = field(default_factory=lambda: Completeness(planned=()))
    metrics: ServerMetrics | None = None  # None: CloudWatch was not queried
    capacity: Mapping[str, Capacity] = field(default_factory=dict)  # by execution
    cost: ServiceCost | None = None  # None: the plan names no resources of the service
    within: tuple[float, float] | None = None  # a part of the run, for its figures alone

    @property
    def ended_by_criterion(self) -> bool:
        """Whether a criterion ended the load."""
        return self.completeness.stop is not None and self.completeness.stop.cause == "criterion"


# Which samples


def view_of(criterion: Criterion, timeline: Timeline, plan: Plan) -> Slice:
    """Returns the samples that the criterion judges.

    With `ramp-up-exclude` these are the samples of the steady state. A throughput in windows counts all samples
    completed in a second of the steady state, whenever they began.
    """
    rate_in_windows = criterion.metric.window == "rate" and criterion.logic != "total"
    steady = True if plan.ramp_up_exclude and not rate_in_windows else None
    executions, location = criterion.executions, criterion.location
    if kinds := criterion.metric.kinds:
        kind = next((kind for kind in kinds if timeline.series(criterion.label, kind)), kinds[0])
        return timeline.select(criterion.label, executions, location, steady, kind)
    wanted = timeline.select(criterion.label, executions, location, steady, criterion.kind)
    if criterion.kind is None or not criterion.label or wanted.total.samples:
        return wanted
    literal = f"{criterion.label} ({criterion.kind})"  # a label may literally end in its kind
    return timeline.select(literal, executions, location, steady)


def senders_of(plan: Plan, criterion: Criterion) -> list[PlannedExecution]:
    """Returns the executions in the criterion's scope that send its label; without known labels all in its scope."""
    loads = plan.chosen(criterion.executions)
    if criterion.location is not None:
        shares = (share for share in plan.shares if share.location == criterion.location)
        there = {part.execution for share in shares for part in share.executions}
        loads = [execution for execution in loads if execution.name in there] or loads
    names = {criterion.request, criterion.label} if criterion.request else set()
    return [load for load in loads if not load.labels or not names or names & {*load.labels}] or loads


# Which time


@dataclass(frozen=True, slots=True)
class Seconds:
    """Whole seconds of planned time: the parts in order, with unplanned time between them."""

    parts: tuple[range, ...]

    def __contains__(self, second: int) -> bool:
        return any(second in part for part in self.parts)

    @property
    def stop(self) -> int:
        return self.parts[-1].stop if self.parts else 0


def counts_silence(criterion: Criterion) -> bool:
    """Whether a second without samples has the value 0."""
    return not criterion.percent and criterion.metric.counts_silence


def planned_seconds(plan: Plan, criterion: Criterion, timeline: Timeline, stopped_at_s: float | None = None) -> Seconds:
    """Returns the whole seconds of planned time, from the start of the load (or steady state) to its expected end.

    Only executions that send the criterion's samples count. So a label whose execution has ended is not silent while
    others continue, nor between two phases. Responses after the end have no seconds of their own: only the slowest
    requests are left then. Without a planned end, the last recorded second may be incomplete, so counts leave it out.
    """
    known, spans = timeline.last_second or 0, []
    unplanned = known if counts_silence(criterion) else known + 1
    for execution in senders_of(plan, criterion):
        first = math.ceil(execution.steady_from_s) if plan.ramp_up_exclude else math.floor(execution.delay_s)
        end_s = min(execution.steady_to_s, stopped_at_s or math.inf, timeline.cut_at_s)
        spans.append((first, math.floor(end_s) if end_s <= known + 1 else unplanned))
    return Seconds(tuple(range(int(first), int(stop)) for first, stop in united(spans)))


def seconds_of_health(plan: Plan, executions: Sequence[str]) -> tuple[float, float]:
    """Returns the first and the last second in which generators are judged: of the run, or of its steady state."""
    start_s, end_s = judged_window(plan, math.inf, executions)
    return math.ceil(start_s), end_s if math.isinf(end_s) else math.floor(end_s) - 1
