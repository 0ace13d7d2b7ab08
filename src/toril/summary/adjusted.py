"""A plan as it was carried out: with the rates that were set while the run went on."""

from collections.abc import Iterable, Mapping

from toril.records import Plan, PlannedExecution, Rate, Share, rates_of
from toril.summary.load import rate_of

DIGITS = 6  # of a second; finer is the noise of floats


def adjusted(plan: Plan, rates: Iterable[Rate], started_at: float | None) -> Plan:
    """The plan whose curves are those that the workers were to keep to in the end; itself when nothing was changed.

    `rates` in the order of their numbers. One that names a moment after the execution's end changes nothing.
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


def _grown(share: Share, grown: Mapping[str, float]) -> Share:
    """Workers keep their parts of the whole, whatever the rate."""
    parts = tuple(
        part.model_copy(update={"throughput_rps": part.throughput_rps * grown.get(part.execution, 1.0)})
        if part.throughput_rps
        else part
        for part in share.executions
    )
    return share.model_copy(update={"executions": parts})


def _adjusted(execution: PlannedExecution, rates: tuple[Rate, ...], started_at: float) -> PlannedExecution:
    begins_at = started_at + execution.delay_s
    curve = rate_of(execution, [(round(rate.at - begins_at, DIGITS), rate.rps) for rate in rates]) if rates else None
    if curve is None:
        return execution
    return execution.model_copy(update={"curve": curve.points, "throughput_rps": curve.peak_rps})


def told_rates(rates: Iterable[Rate], started_at: float) -> tuple[str, ...]:
    """Each change in a sentence."""
    whose = {"user": "by `toril adjust`", "search": "by the search for its capacity"}
    return tuple(
        f"{rate.execution}: {rate.rps:,.10g}/s from {rate.at - started_at:,.0f} s on, set {whose[rate.cause]}"
        for rate in rates
    )
