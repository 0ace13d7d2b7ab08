"""The load that was planned, second by second, and the load that was reached in steady time."""

import math
from dataclasses import dataclass, replace

from toril.records import Plan, PlannedExecution
from toril.timeline import Slice, Timeline

EDGE_S = 1  # of virtual users, left out at both ends of steady time: they are still being started, or are leaving


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyLoad:
    """Planned and achieved load of one execution in its steady time.

    Virtual users are those of its whole seconds, less one at each end; requests count where they were sent.
    """

    execution: str
    requested_users: int | None
    requested_rps: float | None  # of a load curve: its mean in steady time
    from_s: int
    to_s: int  # exclusive; from_s when there was no such second
    steady_s: float = 0.0  # all of the steady time, its edges too; 0 without a planned end
    achieved_users: float | None = None
    achieved_rps: float | None = None


def planned_users(execution: PlannedExecution, at_s: float) -> float:
    """Virtual users that should be active then; an execution without a hold goes on until its iterations are done."""
    if execution.curve:  # all from the beginning on: its rate is what rises
        return (execution.concurrency or 0) * float(execution.delay_s <= at_s < execution.steady_to_s)
    return (execution.concurrency or 0) * height(execution, at_s)


def planned_by_second(execution: PlannedExecution, seconds: range) -> list[float] | None:
    """How many requests are due in each of these seconds; None where throughput is not limited."""
    rate = execution.planned_rate()
    return None if rate is None else rate.by_second(seconds, execution.delay_s)


def steady_load(plan: Plan, timeline: Timeline, stopped_at_s: float | None = None) -> tuple[SteadyLoad, ...]:
    """Every execution's load in its steady time, as far as that lies before an early stop."""
    return tuple(_steady(execution, timeline, stopped_at_s) for execution in plan.executions)


def _steady(execution: PlannedExecution, timeline: Timeline, stopped_at_s: float | None) -> SteadyLoad:
    first = math.ceil(execution.steady_from_s) + EDGE_S
    end, steady_s = first, 0.0
    if math.isfinite(execution.steady_to_s):
        steady_to_s = min(execution.steady_to_s, math.inf if stopped_at_s is None else stopped_at_s)
        end, steady_s = math.floor(steady_to_s) - EDGE_S, max(0.0, steady_to_s - execution.steady_from_s)
    load = SteadyLoad(
        execution=execution.name,
        requested_users=None if execution.rate else execution.concurrency,  # of a rate they are the cap, and no load
        requested_rps=execution.throughput_rps,
        from_s=first,
        to_s=max(first, end),
        steady_s=steady_s,
    )
    if not steady_s:
        return load
    view, rate = timeline.select(executions=(execution.name,), steady=True), execution.rate
    if rate is not None:
        from_s = execution.ramp_up_s
        load = replace(load, requested_rps=rate.mean(from_s, from_s + steady_s))
    if load.to_s > first:
        users = sum(view.virtual_users_curve(load.to_s)[first:])
        load = replace(load, achieved_users=users / (load.to_s - first))
    return replace(load, achieved_rps=sent_of(view) / steady_s)


def sent_of(view: Slice) -> int:
    """Requests that were sent: those that were answered or failed, and those that were unfinished at the end."""
    total = view.total
    return total.samples + total.unfinished


def height(execution: PlannedExecution, at_s: float) -> float:
    """The part of the full load, 0 … 1: nothing, a ramp or stairs, the hold, nothing."""
    since = at_s - execution.delay_s
    if since < 0 or at_s >= execution.steady_to_s:
        return 0.0
    if since >= execution.ramp_up_s:
        return 1.0
    if execution.steps:
        return (math.floor(since / execution.ramp_up_s * execution.steps) + 1) / execution.steps
    return since / execution.ramp_up_s
