"""The comparison of head with base: pairs of blocks, and the change that they prove.

Requests of one block share caches, neighbours and the moment, so thousands of them prove no more than a few. The unit
is therefore the block. Base and head of a block are measured one directly after the other, so common influences cancel
in their ratio. Student's t bounds the mean logarithm of the ratios, on each side with 95 % confidence:

- failed: the change is proven to be worse than the margin
- passed: it is proven not to be
- inconclusive: neither is proven

Failures are compared in the same way, by the difference of their shares.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from toril import text
from toril.criteria import criteria_of
from toril.records import BASE, HEAD, ComparedArm, ComparedMetric, Comparison, Duet, Outcome, Plan
from toril.stats.quantiles import rank_of, student_quantile
from toril.timeline import Stats, Timeline
from toril.timeline.intervals import Kind

CONFIDENCE = 0.95  # of each bound; a change as large as the margin fails one run in twenty
CONFIDENT = f"{text.percent(100 * CONFIDENCE)} confidence"
POWER = 0.8  # the probability to find a change of the smallest detectable size
LEAST_PAIRS = 4  # with fewer, the standard deviation is too uncertain: t(0.95) of two degrees of freedom is 2.9

Pair = tuple[float, float]  # base and head of one block
WORST = ("failed", "inconclusive", "passed")


@dataclass(frozen=True, slots=True)
class Change:
    """A change: its mean, one-sided 95 % bounds, and the smallest detectable change.

    All are relative changes (0.03 is 3 % more); for shares, differences. None: too few pairs of blocks.
    """

    mean: float | None
    low: float | None
    high: float | None
    detectable: float | None

    def outcome(self, margin: float) -> Outcome:
        """Returns `failed` if more than the margin is proven, `passed` if less is, else `inconclusive`."""
        if self.low is None or self.high is None:
            return "inconclusive"
        return "failed" if self.low > margin else "passed" if self.high < margin else "inconclusive"


def relative_change(pairs: Sequence[Pair], resolution: float = 0) -> Change:
    """Returns the change of values above 0, by their ratios head / base.

    Values are recorded in steps of `resolution`. Nearly equal times may lie on both sides of a step in each block, so
    both bounds are widened by a whole step.
    """
    mean, low, high, detectable = _bounded([math.log(head / base) for base, head in pairs])
    if low is not None and high is not None and detectable is not None:
        step = math.fsum(math.log1p(resolution / base) for base, _ in pairs) / len(pairs)
        low, detectable = low - step, detectable + step
        high += math.fsum(math.log1p(resolution / head) for _, head in pairs) / len(pairs)
    return Change(*(None if one is None else math.expm1(one) for one in (mean, low, high, detectable)))


def difference(pairs: Sequence[Pair]) -> Change:
    """Returns the change of shares, which may be 0."""
    return Change(*_bounded([head - base for base, head in pairs]))


def _bounded(values: Sequence[float]) -> tuple[float | None, float | None, float | None, float | None]:
    """Returns mean, lower bound, upper bound and smallest detectable change."""
    count = len(values)
    if not count:
        return None, None, None, None
    mean = math.fsum(values) / count
    if count < LEAST_PAIRS:
        return mean, None, None, None
    error = statistics.stdev(values) / math.sqrt(count)
    reach = student_quantile(CONFIDENCE, count - 1) * error
    return mean, mean - reach, mean + reach, reach + student_quantile(POWER, count - 1) * error


@dataclass(frozen=True, slots=True)
class GatedPercentile:
    """A percentile to compare, and its samples."""

    label: str
    percent: float
    kind: Kind | None = None
    executions: tuple[str, ...] = ()
    location: str | None = None

    @property
    def name(self) -> str:
        return f"p{self.percent:g}"


def gated_percentiles(plan: Plan) -> tuple[GatedPercentile, ...]:
    """Returns the percentiles to compare.

    These are p95 of the labels in the suite's `regression`, else the percentiles of its criteria, else p95 of all
    requests.
    """
    duet = plan.duet
    if duet is not None and duet.labels:
        return tuple(dict.fromkeys(GatedPercentile(label, 95.0) for label in duet.labels))
    found = []
    for criterion in criteria_of(plan.criteria):
        if criterion.subject == "p" and criterion.percentile is not None and 0 < criterion.percentile < 100:
            location, executions = criterion.location, criterion.executions
            one = GatedPercentile(criterion.label, criterion.percentile, criterion.kind, executions, location)
            found.append(one)
    return tuple(dict.fromkeys(found)) or (GatedPercentile("", 95.0),)


def compare(plan: Plan, whole: Timeline, complete: int, first: Comparison | None = None) -> Comparison:
    """Returns the comparison of both arms in the first `complete` pairs, by their samples of the steady state.

    `first` is the comparison before both deployments were exchanged, if this one is the second half.
    """
    duet = plan.duet
    if duet is None:
        raise ValueError(f"{plan.run_id} is not a duet")
    metrics = (*(_percentile(whole, duet, one) for one in gated_percentiles(plan)), _failures(whole, duet))
    outcome: Outcome = min((metric.outcome for metric in metrics), key=WORST.index)
    return Comparison(
        outcome=outcome,
        message=_summed_up(metrics, outcome, duet.margin),
        margin=duet.margin,
        confidence=CONFIDENCE,
        blocks=duet.blocks,
        block_s=duet.block_s,
        order=duet.order,
        arms={"base": _arm(whole, BASE, duet.base), "head": _arm(whole, HEAD, duet.head)},
        metrics=metrics,
    )


def _arm(timeline: Timeline, arm: int, address: str) -> ComparedArm:
    total = timeline.select(steady=True, arm=arm).total
    return ComparedArm(address=address, samples=total.samples, failures=total.failures)


def _percentile(timeline: Timeline, duet: Duet, one: GatedPercentile) -> ComparedMetric:
    pairs: list[Pair] = []
    without: list[int] = []
    for block in range(1, duet.blocks + 1):
        arms = [
            timeline.select(one.label, one.executions, one.location, True, one.kind, arm=arm, block=block).total
            for arm in (BASE, HEAD)
        ]
        base, head = (_known(stats, one.percent) for stats in arms)
        if base and head:
            pairs.append((base, head))
        else:
            without.append(min(stats.samples for stats in arms))
    resolution_us = _resolution_us(timeline, one)
    change, medians = relative_change(pairs, resolution_us), _medians(pairs)
    message = _of_times(one, medians, change, duet.margin, len(pairs))
    if medians is not None and resolution_us > duet.margin * medians[0]:
        message += f"; the bounds include that the engine records times in steps of {resolution_us / 1000:g} ms"
    if without:
        message += (
            f"; {len(without)} of {duet.blocks} blocks have too few samples for {one.name} (the fewest: "
            f"{min(without)}) and are left out; use longer blocks (`toril.regression.block`)"
        )
    base_us, head_us = (None, None) if medians is None else map(round, medians)
    ratios = [head / base for base, head in pairs]
    metric = ComparedMetric(label=one.label, metric=one.name, unit="us", base=base_us, head=head_us, message=message)
    return _decided(metric, change, ratios, duet.margin)


def _decided(metric: ComparedMetric, change: Change, ratios: Sequence[float], margin: float) -> ComparedMetric:
    """Returns the metric with its change and outcome."""
    return replace(
        metric,
        change=_rounded(change.mean),
        low=_rounded(change.low),
        high=_rounded(change.high),
        detectable=_rounded(change.detectable),
        blocks=len(ratios),
        ratios=tuple(map(_rounded, ratios)),
        outcome=change.outcome(margin),
    )


def _resolution_us(timeline: Timeline, one: GatedPercentile) -> int:
    """Returns the coarsest resolution of the samples' executions in µs; 0 if it is one microsecond."""
    executions = {series.execution for _, series in timeline.series(one.label)} & set(
        one.executions or timeline.resolution_us
    )
    found = max((timeline.resolution_us.get(name, 0) for name in executions), default=0)
    return found if found > 1 else 0


def _known(stats: Stats, percent: float) -> int | None:
    """Returns the percentile; None if it is the largest or smallest sample, or is below the engine's resolution.

    More samples are not required: the blocks show its variance, and a head that hangs has few samples.
    """
    if stats.samples < 2 or not 1 < rank_of(percent, stats.samples) < stats.samples:
        return None
    return stats.percentile(percent) or None


def _failures(timeline: Timeline, duet: Duet) -> ComparedMetric:
    """Returns the comparison of the failures of all requests; a margin of 3 % means 3 percentage points here."""
    pairs: list[Pair] = []
    for block in range(1, duet.blocks + 1):
        base, head = (timeline.select(steady=True, arm=arm, block=block).total for arm in (BASE, HEAD))
        if base.samples and head.samples:
            pairs.append((base.failures / base.samples, head.failures / head.samples))
    change, medians = difference(pairs), _medians(pairs)
    if change.low is None or change.high is None:
        message = f"too few pairs of blocks to compare failures: {len(pairs)} have requests, {LEAST_PAIRS} are required"
    else:
        share = [sum(pair[arm] for pair in pairs) / len(pairs) for arm in (0, 1)]
        low, high = (text.difference(100 * bound, "%") for bound in (change.low, change.high))
        known = {
            "failed": f"at least {low}, with {CONFIDENT}",
            "passed": f"at most {high}, with {CONFIDENT}",
            "inconclusive": f"between {low} and {high}",
        }[change.outcome(duet.margin)]
        before, after = (text.percent(100 * part) for part in share)
        margin = text.percent(100 * duet.margin).replace("%", "points")
        message = f"failures: {before} → {after} ({known}); the margin is {margin}"
    shares = (None, None) if medians is None else tuple(map(_rounded, medians))
    differences = [head - base for base, head in pairs]
    metric = ComparedMetric(label="", metric="failures", unit="share", base=shares[0], head=shares[1], message=message)
    return _decided(metric, change, differences, duet.margin)


def _medians(pairs: Sequence[Pair]) -> Pair | None:
    if not pairs:
        return None
    return statistics.median(base for base, _ in pairs), statistics.median(head for _, head in pairs)


def _of_times(one: GatedPercentile, values: Pair | None, change: Change, margin: float, pairs: int) -> str:
    name = f"{one.name} of {one.label or 'all requests'}"
    if values is None or change.mean is None:
        return f"too few samples to compare {name}: no pair of blocks has it in both arms"
    figures = f"{name}: {text.time(values[0])} → {text.time(values[1])}, {_percent(change.mean)}"
    if change.low is None or change.high is None or change.detectable is None:
        return f"{figures}; a comparison requires {LEAST_PAIRS} pairs of blocks, but there are {pairs}"
    allowed = f"the margin is {text.percent(100 * margin)}"
    match change.outcome(margin):
        case "failed":
            return f"{figures} (at least {_percent(change.low)}, with {CONFIDENT}); {allowed}"
        case "passed":
            return f"{figures} (at most {_percent(change.high)}, with {CONFIDENT}); {allowed}"
        case _:
            return (
                f"{figures} (between {_percent(change.low)} and {_percent(change.high)}); {allowed}, "
                f"and {pairs} pairs of blocks can detect a change of {_percent(change.detectable, signed=False)}"
            )


def _percent(share: float, *, signed: bool = True) -> str:
    shown = text.signed_percent(100 * share)
    return shown if signed else shown.replace("+", "")


def _summed_up(metrics: tuple[ComparedMetric, ...], outcome: Outcome, margin: float) -> str:
    deciding = [metric for metric in metrics if metric.outcome == outcome]
    names = ", ".join(_named(metric) for metric in deciding)
    match outcome:
        case "failed":
            return f"head is worse than base by more than {text.percent(100 * margin)}: {names}"
        case "passed":
            return f"head is not worse than base by {text.percent(100 * margin)} or more: {names}"
        case _:
            return f"the comparison of {names} proves nothing: use more or longer blocks"


def _named(metric: ComparedMetric) -> str:
    return metric.metric if metric.unit == "share" else f"{metric.metric} of {metric.label or 'all requests'}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
