"""The scalability of a service: the Universal Scalability Law of a search's stages, or of runs at several rates.

The load of a rate is the mean number of requests in progress (Little's law), for open and closed models alike. So users
in think time do not count.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from toril.records.summary import Bounded, CapacityStage, Scaling, Summary
from toril.stats import usl

REFUSALS: Mapping[usl.Refused, str] = {  # by code, with the measured value
    "too-few-rates": "{:.0f} different rates; the law needs " + str(usl.LEAST),
    "narrow-range": f"the most requests in progress are {{:.1f}} times the fewest; the law needs {usl.LEAST_RANGE:g}",
    "no-bend": f"the longest mean response time is {{:.2f}} times the shortest; the law needs {usl.LEAST_RISE:g}",
    "poor-fit": f"a rate differs from the law by {{:.0%}}; more than {usl.MOST_ERROR:.0%} is refused",
    "wide-interval": f"the upper bound of the limit is {{:.2f}} times the lower bound; {usl.WIDEST:g} is allowed",
    "fell-behind": "responses fell behind or failed at {:.2f} times the lowest rate that the law expects as the limit",
}

FAILED = 0.05  # of the requests, at most
Point = tuple[float, float, float]  # requests in progress, rate, measured seconds


def scaling_of_stages(stages: Iterable[CapacityStage]) -> Scaling | None:
    """Returns the law of a search's stages; None if none of them can be used.

    A stage counts if the service answered at its rate, even if it then breached a criterion.
    """
    judged = [stage for stage in stages if stage.kind != "recover" and stage.outcome != "void"]
    points = [
        (stage.in_progress, stage.achieved_rps, float(stage.to_s - stage.from_s))
        for stage in judged
        if stage.in_progress and stage.achieved_rps
    ]
    behind = [stage.rps for stage in judged if stage.in_progress is None and stage.outcome == "breached"]
    return scaling_of(points, min(behind, default=math.inf))


def scaling_of(points: Sequence[Point], too_high: float = math.inf) -> Scaling | None:
    """Returns the law of measured points, or why there is none; None without points.

    `too_high` is the lowest rate at which the service did not answer all requests.
    """
    if not points:
        return None
    loads, rates, seconds = zip(*points, strict=True)
    law = usl.fit(loads, rates, seconds, too_high)
    if isinstance(law, usl.NoLaw):
        message = REFUSALS[law.code].format(law.value) if math.isfinite(law.value) else "the limit has no upper bound"
        return Scaling(refused=law.code, message=message, rates=len(points))
    return Scaling(
        rates=len(points),
        most_in_progress=round(max(loads), 3),
        gamma=_bounded(law.gamma),
        alpha=_bounded(law.alpha),
        beta=_bounded(law.beta),
        bend_rps=law.bend,
        limit_rps=_bounded(law.limit),
        doubled_rps=None if law.doubled is None else _bounded(law.doubled),
    )


def point_of_run(summary: Summary) -> Point | None:
    """Returns the mean requests in progress, the rate and the length of a run's judged window.

    None if they are unknown, or if more than 5 % of the requests failed.
    """
    total, window = summary.total, summary.window
    if not total.rps or total.response_us is None or not total.response_us.mean or window is None:
        return None
    if total.failures > FAILED * total.samples:
        return None
    return total.rps * total.response_us.mean / 1e6, float(total.rps), float(window.to_s - window.from_s)


def _bounded(estimate: usl.Estimate) -> Bounded:
    value, low, high = (float(f"{number:.4g}") for number in (estimate.value, estimate.low, estimate.high))
    return Bounded(value=value, low=low, high=high)
