"""The comparison of a duet, from its plan and its merged measurements alone."""

import statistics
from dataclasses import dataclass

from toril.criteria import criteria_of
from toril.records import BASE, HEAD, ComparedArm, ComparedMetric, Comparison, Duet, Outcome, Plan
from toril.regression.comparison import CONFIDENCE, LEAST_PAIRS, Change, difference, relative_change
from toril.stats.quantiles import rank_of
from toril.timeline import Stats, Timeline
from toril.timeline.intervals import Kind

DIGITS = 6  # of a change: finer is the noise of floats
WORST = ("failed", "inconclusive", "passed")


@dataclass(frozen=True, slots=True)
class Gated:
    """A percentile that head has to hold against base, and the samples that it is of."""

    label: str
    percent: float
    kind: Kind | None = None
    executions: tuple[str, ...] = ()
    location: str | None = None

    @property
    def name(self) -> str:
        return f"p{self.percent:g}"


def gated(plan: Plan) -> tuple[Gated, ...]:
    """The percentiles that are compared: p95 of the labels named for it, else those of the suite's criteria.

    Where neither names one it is p95 of all requests.
    """
    duet = plan.duet
    if duet is not None and duet.labels:
        return tuple(dict.fromkeys(Gated(label, 95.0) for label in duet.labels))
    found = []
    for criterion in criteria_of(plan.criteria):
        if criterion.subject == "p" and criterion.percentile is not None and 0 < criterion.percentile < 100:
            found.append(
                Gated(criterion.label, criterion.percentile, criterion.kind, criterion.executions, criterion.location)
            )
    return tuple(dict.fromkeys(found)) or (Gated("", 95.0),)


def compare(plan: Plan, timeline: Timeline) -> Comparison:
    """Compare the steady samples of both arms; the plan is that of a duet, the timeline has both."""
    duet = plan.duet
    if duet is None:
        raise ValueError(f"{plan.run_id} is no duet")
    metrics = (*(_percentile(timeline, duet, one) for one in gated(plan)), _failures(timeline, duet))
    outcome: Outcome = min((metric.outcome for metric in metrics), key=WORST.index)
    return Comparison(
        outcome=outcome,
        message=_summed_up(metrics, outcome, duet.margin),
        margin=duet.margin,
        confidence=CONFIDENCE,
        blocks=duet.blocks,
        block_s=duet.block_s,
        order=duet.order,
        arms={"base": _arm(timeline, BASE, duet.base), "head": _arm(timeline, HEAD, duet.head)},
        metrics=metrics,
    )


def _arm(timeline: Timeline, arm: int, address: str) -> ComparedArm:
    total = timeline.select(steady=True, arm=arm).total
    return ComparedArm(address=address, samples=total.samples, failures=total.failures)


def _percentile(timeline: Timeline, duet: Duet, one: Gated) -> ComparedMetric:
    pairs: list[tuple[float, float]] = []
    without: list[int] = []
    for block in range(1, duet.blocks + 1):
        arms = [
            timeline.select(one.label, one.executions, one.location, True, one.kind, arm=arm, block=block).total
            for arm in (BASE, HEAD)
        ]
        found = [_known(stats, one.percent) for stats in arms]
        if found[0] and found[1]:
            pairs.append((found[0], found[1]))
        else:
            without.append(min(stats.samples for stats in arms))
    left_out = ""
    if without:
        left_out = (
            f"; {len(without)} of {duet.blocks} blocks are left out, where as few as {min(without)} samples do not "
            f"tell {one.name}: longer blocks would (toril.regression.block)"
        )
    resolution_us = _resolution_us(timeline, one)
    change = relative_change(pairs, resolution_us)
    values = _medians(pairs)
    coarse = ""
    if values is not None and resolution_us > duet.margin * values[0]:
        coarse = f"; times are recorded in steps of {resolution_us / 1000:g} ms, of which the bounds take account"
    return ComparedMetric(
        label=one.label,
        metric=one.name,
        unit="us",
        base=None if values is None else round(values[0]),
        head=None if values is None else round(values[1]),
        **_rounded(change),
        blocks=len(pairs),
        ratios=tuple(round(head / base, DIGITS) for base, head in pairs),
        outcome=change.outcome(duet.margin),
        message=_of_times(one, values, change, duet.margin, len(pairs)) + coarse + left_out,
    )


def _resolution_us(timeline: Timeline, one: Gated) -> int:
    """The coarsest of the executions that the samples are of; 0 where it is the microsecond in which all is counted."""
    executions = {series.execution for _, series in timeline.series(one.label)} & set(
        one.executions or timeline.resolution_us
    )
    found = max((timeline.resolution_us.get(name, 0) for name in executions), default=0)
    return found if found > 1 else 0


def _known(stats: Stats, percent: float) -> int | None:
    """The percentile; None where it would be the largest or smallest sample, or is below what the engine can tell.

    No more is asked for: how much it varies is what the blocks tell, and a head that hangs has few samples.
    """
    if stats.samples < 2 or not 1 < rank_of(percent, stats.samples) < stats.samples:
        return None
    return stats.percentile(percent) or None


def _failures(timeline: Timeline, duet: Duet) -> ComparedMetric:
    """Of all requests. Shares of failures are compared in points: a margin of 3 % is one of 3 points."""
    pairs = []
    for block in range(1, duet.blocks + 1):
        base, head = (timeline.select(steady=True, arm=arm, block=block).total for arm in (BASE, HEAD))
        if base.samples and head.samples:
            pairs.append((base.failures / base.samples, head.failures / head.samples))
    change, values = difference(pairs), _medians(pairs)
    outcome = change.outcome(duet.margin)
    if values is None or change.low is None or change.high is None:
        message = f"failures were not compared: {len(pairs)} of the {LEAST_PAIRS} needed pairs of blocks have requests"
    else:
        share = [sum(pair[arm] for pair in pairs) / len(pairs) for arm in (0, 1)]
        known = {
            "failed": f"at least {change.low:+.2%} points are proven",
            "passed": f"at most {change.high:+.2%} points",
            "inconclusive": f"between {change.low:+.2%} and {change.high:+.2%} points",
        }[outcome].replace("% points", " points")
        message = f"failures: {share[0]:.2%} → {share[1]:.2%}, {known}; the margin is {duet.margin * 100:g} points"
    return ComparedMetric(
        label="",
        metric="failures",
        unit="share",
        base=None if values is None else round(values[0], DIGITS),
        head=None if values is None else round(values[1], DIGITS),
        **_rounded(change),
        blocks=len(pairs),
        ratios=tuple(round(head - base, DIGITS) for base, head in pairs),
        outcome=outcome,
        message=message,
    )


def _rounded(change: Change) -> dict[str, float | None]:
    """The fields of a metric that hold a change."""
    values = {"change": change.mean, "low": change.low, "high": change.high, "detectable": change.detectable}
    return {name: None if value is None else round(value, DIGITS) for name, value in values.items()}


def _medians(pairs: list[tuple[float, float]]) -> tuple[float, float] | None:
    if not pairs:
        return None
    return statistics.median(base for base, _ in pairs), statistics.median(head for _, head in pairs)


def _of_times(one: Gated, values: tuple[float, float] | None, change: Change, margin: float, pairs: int) -> str:
    name = f"{one.name} of {one.label or 'all requests'}"
    if values is None or change.mean is None:
        return f"{name} was not compared: no pair of blocks has it in both arms"
    told = f"{name}: {values[0] / 1000:,.1f} ms → {values[1] / 1000:,.1f} ms, {change.mean:+.1%}"
    if change.low is None or change.high is None or change.detectable is None:
        return f"{told}; {pairs} of the {LEAST_PAIRS} pairs of blocks that any proof needs"
    allowed = f"the margin is {margin * 100:g}%"
    match change.outcome(margin):
        case "failed":
            return f"{told}; at least {change.low:+.1%} is proven, and {allowed}"
        case "passed":
            return f"{told}; at most {change.high:+.1%}, and {allowed}"
        case _:
            return (
                f"{told}, between {change.low:+.1%} and {change.high:+.1%}; {allowed}, "
                f"and {pairs} pairs of blocks could find {change.detectable:.1%}"
            )


def _summed_up(metrics: tuple[ComparedMetric, ...], outcome: Outcome, margin: float) -> str:
    deciding = [metric for metric in metrics if metric.outcome == outcome]
    names = ", ".join(_named(metric) for metric in deciding)
    match outcome:
        case "failed":
            return f"head is worse than base by more than {margin * 100:g}%: {names}"
        case "passed":
            return f"head is not worse than base by {margin * 100:g}% or more: {names}"
        case _:
            return f"nothing is proven of {names}: more blocks, or longer ones, would tell"


def _named(metric: ComparedMetric) -> str:
    return metric.metric if metric.unit == "share" else f"{metric.metric} of {metric.label or 'all requests'}"
