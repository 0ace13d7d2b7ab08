"""What a criterion is judged on: samples, time, and what is known to be missing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from toril.criteria import Criterion
from toril.records import Plan, PlannedExecution, ServerMetrics
from toril.records.summary import Capacity
from toril.summary import Completeness, lasted_s, planned_s
from toril.summary.completeness import united
from toril.timeline import Slice, Timeline
from toril.verdict.absence import Absence
from toril.verdict.windows import Seconds


@dataclass(frozen=True, slots=True)
class Evidence:
    """A run that is over, as far as criteria look at it."""

    plan: Plan
    timeline: Timeline
    absence: Absence | None = None  # None: nothing is missing
    completeness: Completeness | None = None
    metrics: ServerMetrics | None = None  # None: CloudWatch was not asked
    capacity: Mapping[str, Capacity] = field(default_factory=dict)  # by execution

    @property
    def duration_s(self) -> float:
        """How long the load lasted, as the summary has it."""
        return lasted_s(self.plan, self.timeline, self.completeness or Completeness(planned=()))

    @property
    def stopped_at_s(self) -> float | None:
        """When the load was ended early."""
        return None if self.completeness is None else self.completeness.stopped_at_s

    @property
    def rightly_ended(self) -> bool:
        """Whether a criterion of the user's ended the load."""
        stop = None if self.completeness is None else self.completeness.stop
        return stop is not None and stop.cause == "criterion"


def view_of(criterion: Criterion, executions: Sequence[str], timeline: Timeline, plan: Plan) -> Slice:
    """The samples that the criterion judges.

    With `ramp-up-exclude` they are the steady ones. A rate in a window is different: all that completed in a second of
    steady time make its rate, wherever they began.
    """
    rate_in_windows = criterion.subject == "throughput" and criterion.logic != "total"
    steady = True if plan.ramp_up_exclude and not rate_in_windows else None
    wanted = timeline.select(criterion.label, tuple(executions), criterion.location, steady, criterion.kind)
    if criterion.kind is None or not criterion.label or wanted.total.samples:
        return wanted
    literal = f"{criterion.label} ({criterion.kind})"  # a label may really be called so
    return timeline.select(literal, tuple(executions), criterion.location, steady)


def chosen(plan: Plan, executions: Sequence[str]) -> list[PlannedExecution]:
    """The executions that are judged; none named: all."""
    return [execution for execution in plan.executions if not executions or execution.name in executions]


def at_work(plan: Plan, criterion: Criterion, executions: Sequence[str]) -> list[PlannedExecution]:
    """The executions that make the criterion's samples: those of its place, and of its label as far as plans know."""
    found = chosen(plan, executions)
    if criterion.location is not None:
        shares = (share for share in plan.shares if share.location == criterion.location)
        there = {part.execution for share in shares for part in share.executions}
        found = [execution for execution in found if execution.name in there] or found
    return [one for one in found if not one.labels or not criterion.label or criterion.label in one.labels] or found


def judged_s(evidence: Evidence, executions: Sequence[str], label: str) -> float:
    """How many seconds a rate on the whole run is divided by, as in the summary."""
    completeness = evidence.completeness or Completeness(planned=())
    return planned_s(evidence.plan, evidence.timeline, completeness, executions, label)


def judged_time(evidence: Evidence, executions: Sequence[str]) -> tuple[float, float]:
    """From and to, in seconds since the start signal: the whole run or its steady time, as in the summary."""
    found, end = chosen(evidence.plan, executions), evidence.duration_s
    if not evidence.plan.ramp_up_exclude or not found:
        return 0.0, end
    start = min(execution.steady_from_s for execution in found)
    return start, max(start, min(end, max(execution.steady_to_s for execution in found)))


def seconds_of_rate(
    plan: Plan, criterion: Criterion, executions: Sequence[str], timeline: Timeline, stopped_at_s: float | None = None
) -> Seconds:
    """The whole seconds of planned time: from the load's begin (or its ramp-up's end) to its planned or rightful end.

    That is the load of the executions at work for the criterion: a place or a label whose load is over is not silent
    because others go on, and neither is the time between two phases. Stragglers after the end make no rate. Without a
    planned end the last second that anybody told something of is left out, because it may have been cut.
    """
    known, spans = timeline.last_second or 0, []
    for one in at_work(plan, criterion, executions):
        first = math.ceil(one.steady_from_s) if plan.ramp_up_exclude else math.floor(one.delay_s)
        end_s = min(one.steady_to_s, stopped_at_s or math.inf, timeline.cut_at_s)
        spans.append((first, math.floor(end_s) if end_s <= known + 1 else known))
    return Seconds(tuple(range(int(first), int(stop)) for first, stop in united(spans)))


def seconds_of_health(plan: Plan, executions: Sequence[str]) -> tuple[float, float]:
    """The first and the last second in which generators are judged: all, or those of steady time."""
    found = chosen(plan, executions)
    if not plan.ramp_up_exclude or not found:
        return 0, math.inf
    end = max(execution.steady_to_s for execution in found)
    return math.ceil(min(e.steady_from_s for e in found)), end if math.isinf(end) else math.floor(end) - 1
