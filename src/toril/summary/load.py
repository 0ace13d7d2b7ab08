"""The planned load per second, and the achieved load in the steady state."""

import math
from dataclasses import dataclass, replace

from toril.load.model import JOURNEY_START
from toril.records import Plan, PlannedExecution
from toril.timeline import Slice, Timeline

EDGE_S = 1  # left out at both ends of the steady state, where virtual users still start or already leave


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyLoad:
    """Planned and achieved load of one execution in its steady state.

    Virtual users are counted in whole seconds, without one at each end; requests in the second they were sent.
    """

    execution: str
    requested_users: int | None
    requested_rps: float | None  # of a load curve: its mean in the steady state; journeys per second in that model
    from_s: int
    to_s: int  # exclusive; equal to from_s if there is no such second
    steady_s: float = 0.0  # length of the steady state, edges included; 0 without a planned end
    achieved_users: float | None = None
    achieved_rps: float | None = None
    of_journeys: bool = False


def planned_users(execution: PlannedExecution, at_s: float) -> float:
    """Returns the planned virtual users at a time; without a hold, they go on until their iterations are done."""
    if execution.script_users is not None:
        return execution.script_users.rate_at(at_s - execution.delay_s)
    if execution.curve:  # all users start at once; the rate follows the curve
        return (execution.concurrency or 0) * float(execution.delay_s <= at_s < execution.steady_to_s)
    return (execution.concurrency or 0) * height(execution, at_s)


def planned_by_second(execution: PlannedExecution, seconds: range) -> list[float] | None:
    """Returns the number of due requests, or journeys, in each of the seconds; None if throughput is not limited."""
    rate = execution.planned_rate()
    return None if rate is None else rate.by_second(seconds, execution.delay_s)


def due_by_second(plan: Plan, seconds: range, *, journeys: bool = False) -> list[float | None]:
    """Returns the due requests, or journeys, of all executions in each second; None if no rate limits them."""
    loads = [load for load in plan.executions if (load.model == "arrivals") == journeys]
    limits = [by for load in loads if (by := planned_by_second(load, seconds)) is not None]
    return [round(math.fsum(by), 3) for by in zip(*limits, strict=True)] if limits else [None] * len(seconds)


def starts_of(timeline: Timeline, *executions: PlannedExecution) -> Slice | None:
    """Returns the starts of the executions' journeys; None if none of them starts journeys at a rate."""
    names = tuple(load.series for load in executions if load.model == "arrivals")
    return timeline.select(JOURNEY_START, names, kind="timing") if names else None


def sends_of(
    timeline: Timeline, execution: PlannedExecution, location: str | None = None, steady: bool | None = None
) -> Slice:
    """Returns what the execution's rate counts: the starts of its journeys, or its requests."""
    if execution.model == "arrivals":
        return timeline.select(JOURNEY_START, (execution.series,), location, steady, "timing")
    return timeline.select("", (execution.series,), location, steady)


def steady_load(plan: Plan, timeline: Timeline, stopped_at_s: float | None = None) -> tuple[SteadyLoad, ...]:
    """Returns the load of each execution in its steady state, up to an early stop."""
    return tuple(_steady(execution, timeline, stopped_at_s) for execution in plan.executions)


def _steady(execution: PlannedExecution, timeline: Timeline, stopped_at_s: float | None) -> SteadyLoad:
    first = math.ceil(execution.steady_from_s) + EDGE_S
    end, steady_s = first, 0.0
    if math.isfinite(execution.steady_to_s):
        steady_to_s = min(execution.steady_to_s, math.inf if stopped_at_s is None else stopped_at_s)
        end, steady_s = math.floor(steady_to_s) - EDGE_S, max(0.0, steady_to_s - execution.steady_from_s)
    load = SteadyLoad(
        execution=execution.name,
        requested_users=None if execution.rate else execution.concurrency,  # with a rate, users are a cap, no load
        requested_rps=execution.throughput_rps,
        from_s=first,
        to_s=max(first, end),
        steady_s=steady_s,
        of_journeys=execution.model == "arrivals",
    )
    if not steady_s:
        return load
    view, rate = sends_of(timeline, execution, steady=True), execution.rate
    if rate is not None:
        from_s = execution.ramp_up_s
        load = replace(load, requested_rps=rate.mean(from_s, from_s + steady_s))
    if load.to_s > first:
        users = sum(view.virtual_users_curve(load.to_s)[first:])
        load = replace(load, achieved_users=users / (load.to_s - first))
    return replace(load, achieved_rps=sent_of(view) / steady_s)


def sent_of(view: Slice) -> int:
    """Returns the number of sent requests: answered, failed, and unfinished at the end."""
    total = view.total
    return total.samples + total.unfinished


def height(execution: PlannedExecution, at_s: float) -> float:
    """Returns the planned part of the full load at a time, 0 … 1."""
    since = at_s - execution.delay_s
    if since < 0 or at_s >= execution.steady_to_s:
        return 0.0
    if since >= execution.ramp_up_s:
        return 1.0
    if execution.steps:
        return (math.floor(since / execution.ramp_up_s * execution.steps) + 1) / execution.steps
    return since / execution.ramp_up_s
