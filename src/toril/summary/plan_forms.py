"""The forms of a run's plan and their names.

| name            | the plan                                                                                          |
|-----------------|---------------------------------------------------------------------------------------------------|
| `plan`          | as written in `plan.json`, for launchers and workers                                              |
| `judged_plan`   | for criteria and reports: in a duet the plan of head alone, else `plan`                           |
| `adjusted_plan` | `judged_plan` with the rate changes during the run: for the planned load                          |
| `queued_plan`   | `adjusted_plan` with executions starting at their actual turn: for times                          |
"""

import json
from collections.abc import Iterable, Mapping

from toril.records import HEAD, Plan, PlannedCriterion, PlannedExecution, Rate, Share, rates_of
from toril.summary.completeness import Completeness
from toril.text import exact, plain
from toril.timeline.arms import Arm

DIGITS = 6  # of a second; finer digits are rounding errors


def judged_plan(plan: Plan) -> Plan:
    """Returns the plan of the judged arm as the suite describes it: of head in a duet, else the plan itself."""
    return plan if plan.duet is None else Arm(plan, HEAD).as_run()


def adjusted_plan(plan: Plan, rates: Iterable[Rate], started_at: float | None) -> Plan:
    """Returns the plan with the load curves after all rate changes; the plan itself if there were none.

    `rates` are in the order of their numbers. A rate after the execution's end changes nothing.
    """
    known = tuple(rates)
    if started_at is None or not known:
        return plan
    executions = tuple(_adjusted(load, rates_of(known, load.name), started_at) for load in plan.executions)
    grown = {
        old.name: new.throughput_rps / old.throughput_rps
        for old, new in zip(plan.executions, executions, strict=True)
        if new.throughput_rps and old.throughput_rps
    }
    shares = tuple(_grown(share, grown) for share in plan.shares)
    return plan.model_copy(update={"executions": executions, "shares": shares})


def queued_plan(plan: Plan, completeness: Completeness) -> Plan:
    """Returns the plan with each execution delayed by its wait for its turn."""
    late_s = {execution.name: completeness.queued_s(execution.name) for execution in plan.executions}
    later = (load.model_copy(update={"delay_s": load.delay_s + late_s[load.name]}) for load in plan.executions)
    return plan.model_copy(update={"executions": tuple(later)}) if any(late_s.values()) else plan


def with_scripts_criteria(plan: Plan, completeness: Completeness) -> Plan:
    """Returns the plan with the criteria of its scripts, as workers reported them, after its own."""
    found = {
        json.dumps(rule, sort_keys=True): PlannedCriterion(
            source=rule, where=f"{planned.name}: its script", executions=(planned.name,), language="toril"
        )
        for planned in plan.executions
        for report in completeness.reports(planned.name)
        for rule in report.criteria
    }
    return plan.model_copy(update={"criteria": (*plan.criteria, *found.values())}) if found else plan


def _grown(share: Share, grown: Mapping[str, float]) -> Share:
    """Returns the share with its parts of the changed rates."""
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
    """Returns a sentence on each rate change."""
    return tuple(
        f"{rate.execution}: {exact(rate.rps, rate.unit)} from {rate.at - started_at:,.0f} s on, set by "
        + ("the search for its capacity" if rate.cause == "search" else plain(rate.by, 100) or "`toril adjust`")
        for rate in rates
    )
