"""The scalability of a service: the Universal Scalability Law of a search's stages, or of runs at several rates.

The load of a rate is the mean number of requests in progress (Little's law), for open and closed models alike. So users
in think time do not count.
"""

from collections.abc import Iterable, Mapping, Sequence

from toril.records.summary import Bounded, CapacityStage, Scaling, Summary
from toril.stats import usl

REFUSALS: Mapping[usl.Refused, str] = {  # by code, with the measured value
    "too-few-rates": "{:.0f} different rates; the law needs " + str(usl.LEAST),
    "narrow-range": f"the most requests in progress are {{:.1f}} times the fewest; the law needs {usl.LEAST_RANGE:g}",
    "no-bend": f"the longest mean response time is {{:.2f}} times the shortest; the law needs {usl.LEAST_RISE:g}",
    "poor-fit": f"a rate differs from the law by {{:.0%}}; more than {usl.MOST_ERROR:.0%} is refused",
    "wide-interval": f"the upper bound of the limit is {{:.2f}} times the lower bound; {usl.WIDEST:g} is allowed",
}


def scaling_of_stages(stages: Iterable[CapacityStage]) -> Scaling | None:
    """Returns the law of a search's stages; None if none of them can be used.

    A stage counts if the service answered at its rate, even if it then breached a criterion.
    """
    return scaling_of(
        [
            (stage.in_progress, stage.achieved_rps)
            for stage in stages
            if stage.in_progress and stage.achieved_rps and stage.kind != "recover" and stage.outcome != "void"
        ]
    )


def scaling_of(points: Sequence[tuple[float, float]]) -> Scaling | None:
    """Returns the law of (requests in progress, rate), or why there is none; None without points."""
    if not points:
        return None
    loads, rates = zip(*points, strict=True)
    law = usl.fit(loads, rates)
    if isinstance(law, usl.NoLaw):
        return Scaling(refused=law.code, message=REFUSALS[law.code].format(law.value), rates=len(points))
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


def load_of_run(summary: Summary) -> tuple[float, float] | None:
    """Returns the mean number of requests in progress and the rate of a run's judged window; None if unknown."""
    total = summary.total
    if not total.rps or total.response_us is None or not total.response_us.mean:
        return None
    return total.rps * total.response_us.mean / 1e6, float(total.rps)


def _bounded(estimate: usl.Estimate) -> Bounded:
    value, low, high = (float(f"{number:.4g}") for number in (estimate.value, estimate.low, estimate.high))
    return Bounded(value=value, low=low, high=high)
