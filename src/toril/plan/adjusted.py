"""A plan as it was carried out: with the rates that were set while the run went on."""

from collections.abc import Iterable

from toril.curve import Curve
from toril.records import Plan, PlannedExecution, Rate, rates_of

DIGITS = 6  # of a second; finer is the noise of floats


def adjusted(plan: Plan, rates: Iterable[Rate], started_at: float | None) -> Plan:
    """The plan whose curves are those that the workers were to keep to in the end; itself when nothing was changed.

    `rates` in the order of their numbers. One that names a moment after the execution's end changes nothing.
    """
    known = tuple(rates)
    if started_at is None or not known:
        return plan
    executions = tuple(_adjusted(one, rates_of(known, one.name), started_at) for one in plan.executions)
    return plan.model_copy(update={"executions": executions})


def _adjusted(execution: PlannedExecution, rates: tuple[Rate, ...], started_at: float) -> PlannedExecution:
    curve = curve_of(execution)
    if curve is None or not rates:
        return execution
    for rate in rates:
        curve = curve.changed(round(rate.at - started_at - execution.delay_s, DIGITS), rate.rps)
    return execution.model_copy(update={"curve": curve.points})


def curve_of(execution: PlannedExecution) -> Curve | None:
    """The rate over time that was planned; None for an execution that has no rate."""
    if execution.curve:
        return Curve(execution.curve)
    rps, length_s = execution.throughput_rps, execution.ramp_up_s + execution.hold_for_s
    if rps is None or not length_s:
        return None
    if not execution.ramp_up_s:
        return Curve(((0.0, rps), (length_s, rps)))
    return Curve(((0.0, 0.0), (execution.ramp_up_s, rps), *(((length_s, rps),) if execution.hold_for_s else ())))


def told_rates(rates: Iterable[Rate], started_at: float) -> tuple[str, ...]:
    """Each change in a sentence."""
    whose = {"user": "by `toril adjust`", "search": "by the search for its capacity"}
    return tuple(
        f"{rate.execution}: {rate.rps:,.10g}/s from {rate.at - started_at:,.0f} s on, set {whose[rate.cause]}"
        for rate in rates
    )
