"""Plans of an open model for real workers: a rate over time, and each worker's part of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.worker.driver import plan_of, planned
from toril.load.interleave import interleave
from toril.load.shapes import curve_of
from toril.records import Plan


def scheduled(
    scenario: Mapping[str, Any],
    *,
    rate: float = 50.0,
    ramp_up_s: float = 0.0,
    hold_for_s: float = 2.0,
    points: Sequence[tuple[float, float]] = (),
    weights: Sequence[int] = (1,),
    vegeta: Mapping[str, Any] | None = None,
    executor: str = "vegeta",
    **settings: Any,
) -> Plan:
    """Returns a plan with the execution `shop`; `points` replace rate and ramp-up, `weights` are the workers'.

    With `executor="toril"` journeys begin at this rate.
    """
    curve = tuple(points) or curve_of(rate, ramp_up_s, hold_for_s).points
    hold_for_s = curve[-1][0] - ramp_up_s
    model = "requests" if executor == "vegeta" else "arrivals"
    load: dict[str, Any] = {"ramp_up_s": ramp_up_s, "hold_for_s": hold_for_s, "throughput_rps": rate, "curve": curve}
    execution = planned(executor, "shop", model=model, **load)
    common = {"modules": {executor: dict(vegeta or {})}}
    plan = plan_of([execution], {"shop": dict(scenario)}, workers=len(weights), common=common, **settings)
    shares = [
        share.model_copy(
            update={"executions": tuple(one.model_copy(update={"interleave": stripe}) for one in share.executions)}
        )
        for share, stripe in zip(plan.shares, interleave(weights), strict=True)
    ]
    return plan.model_copy(update={"shares": tuple(shares)})
