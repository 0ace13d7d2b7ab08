"""The forms of a run's plan, each with one name.

| name            | the plan                                                                                          |
|-----------------|---------------------------------------------------------------------------------------------------|
| `plan`          | as written in `plan.json`: launchers and workers obey it                                          |
| `judged_plan`   | whose criteria are judged, and which reports show: of a duet that of head alone, else `plan`      |
| `adjusted_plan` | `judged_plan` with the rates that were set while the load went on: load is judged by it           |
| `queued_plan`   | `adjusted_plan` with executions beginning when their turn came: times are counted by it           |
"""

from collections.abc import Iterable, Mapping

from toril.records import HEAD, Plan, PlannedExecution, Rate, Share, rates_of
from toril.summary.completeness import Completeness
from toril.timeline.arms import Arm

DIGITS = 6  # of a second; finer is the noise of floats


def judged_plan(plan: Plan) -> Plan:
    """The plan of the arm that is judged, in the suite's own terms: of a duet head's, else the plan itself."""
    return plan if plan.duet is None else Arm(plan, HEAD).as_run()


def adjusted_plan(plan: Plan, rates: Iterable[Rate], started_at: float | None) -> Plan:
    """The plan with the curves that workers had to keep to in the end; itself when nothing was changed.

    `rates` are in the order of their numbers. A rate from after the execution's end changes nothing.
    """
    known = tuple(rates)
    if started_at is None or not known:
        return plan
    executions = tuple(_adjusted(one, rates_of(known, one.name), started_at) for one in plan.executions)
    grown = {
        old.name: new.throughput_rps / old.throughput_rps
        for old, new in zip(plan.executions, executions, strict=True)
        if new.throughput_rps and old.throughput_rps
    }
    shares = tuple(_grown(share, grown) for share in plan.shares)
    return plan.model_copy(update={"executions": executions, "shares": shares})


def queued_plan(plan: Plan, completeness: Completeness) -> Plan:
    """The plan whose executions begin as late as they waited for their turn."""
    late_s = {one.name: completeness.queued_s(one.name) for one in plan.executions}
    later = (one.model_copy(update={"delay_s": one.delay_s + late_s[one.name]}) for one in plan.executions)
    return plan.model_copy(update={"executions": tuple(later)}) if any(late_s.values()) else plan


def _grown(share: Share, grown: Mapping[str, float]) -> Share:
    """The share with the same parts of the changed rates."""
    parts = tuple(
        part.model_copy(update={"throughput_rps": part.throughput_rps * grown.get(part.execution, 1.0)})
        if part.throughput_rps
        else part
        for part in share.executions
    )
    return share.model_copy(update={"executions": parts})


def _adjusted(execution: PlannedExecution, rates: tuple[Rate, ...], started_at: float) -> PlannedExecution:
    begins_at = started_at + execution.delay_s
    changes = [(round(rate.at - begins_at, DIGITS), rate.rps) for rate in rates]
    curve = execution.planned_rate(changes) if rates else None
    if curve is None:
        return execution
    return execution.model_copy(update={"curve": curve.points, "throughput_rps": curve.peak_rps})


def describe_rates(rates: Iterable[Rate], started_at: float) -> tuple[str, ...]:
    """A sentence on each change."""
    whose = {"user": "by `toril adjust`", "search": "by the search for its capacity"}
    return tuple(
        f"{rate.execution}: {rate.rps:,.10g}/s from {rate.at - started_at:,.0f} s on, set {whose[rate.cause]}"
        for rate in rates
    )
