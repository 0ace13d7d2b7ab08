"""The comparison of head with base: pairs of blocks, and the change that they prove.

Requests of one block share caches, neighbours and the moment, so thousands of them prove no more than a few. The unit
is therefore the block. Base and head of a block are measured one directly after the other, so common influences cancel
in their ratio. `toril.regression.rule` decides; this module turns its decision into the record of the verdict.
"""

import math
import statistics
from collections.abc import Mapping
from dataclasses import replace

from toril.records import BASE, HEAD, ComparedArm, ComparedMetric, ComparedPair, Comparison, Duet, Outcome, Plan
from toril.regression.pairs import MOST_VOID, DuetFigure, on_scale
from toril.regression.rule import ALPHA, Decided, DecidedFigure, decide, hosts_apart, judged, outcome_of
from toril.regression.words import in_words
from toril.stats.paired import Mean, detectable, halves
from toril.timeline import Timeline
from toril.timeline.arms import duet_of

SURVIVES: Mapping[Outcome, str] = {  # by the outcome after an exchange; of a figure that failed before it
    "failed": " The regression survives the exchange of the hosts.",
    "passed": " The regression of the first half does not survive the exchange of the hosts.",
    "inconclusive": " The regression of the first half is not proven after the exchange of the hosts.",
}
UNITS = {"failures": "share", "throughput": "/s"}  # else µs


def compare(plan: Plan, whole: Timeline, complete: int, first: Comparison | None = None) -> Comparison:
    """Returns the comparison of both arms in the first `complete` pairs, by their samples of the steady state.

    `first` is the comparison before both deployments were exchanged, if this one is the second half.
    """
    duet = duet_of(plan)
    found = decide(plan, whole, complete)
    if found.outcome == "inconclusive" and found.voided > MOST_VOID * found.pairs:  # then the verdict excuses a failure
        found = replace(decide(plan, whole, complete, {}), voided=found.voided)
    before = {} if first is None else {(metric.label, metric.metric): metric for metric in first.metrics}
    if first is not None:
        found = _exchanged(found, duet, before)
    level = ALPHA / len(found.figures)
    return Comparison(
        outcome=found.outcome,
        message=found.in_brief(duet.blocks),
        margin=duet.margin,
        confidence=1 - ALPHA,
        blocks=found.pairs,
        block_s=duet.block_s,
        order=duet.order,
        arms={"base": _arm(whole, BASE, duet.base), "head": _arm(whole, HEAD, duet.head)},
        metrics=tuple(_metric(figure, duet, level, before.get(figure.figure.key)) for figure in found.figures),
        most=duet.blocks,
        look=found.pairs if found.look else None,
        decided=found.outcome != "inconclusive" and found.pairs < duet.blocks,
        seed=duet.seed,
        aa=duet.aa,
        voided=found.voided,
        first_half=duet.first_half,
    )


def _arm(timeline: Timeline, arm: int, address: str) -> ComparedArm:
    total = timeline.select(steady=True, arm=arm).total
    return ComparedArm(address=address, samples=total.samples, failures=total.failures)


def _exchanged(decided: Decided, duet: Duet, before: Mapping[tuple[str, str], ComparedMetric]) -> Decided:
    """Returns the decision on the effects of the version alone. Both halves have one interim analysis, at their end."""
    figures = []
    for figure in decided.figures:
        first = _sample_of(figure.figure, before.get(figure.figure.key))
        version, host = (None, None) if first is None or figure.sample is None else halves(first, figure.sample)
        figures.append(replace(figure, sample=version, host=host, outcome="inconclusive", low=None, high=None))
    if not decided.look:
        return replace(decided, figures=tuple(figures))
    at_end = judged(figures, (duet.blocks,), 1, answered=decided.answered)
    return replace(decided, figures=at_end, outcome=outcome_of(at_end))


def _sample_of(figure: DuetFigure, metric: ComparedMetric | None) -> Mean | None:
    """Returns the sample of a stored figure."""
    if metric is None or metric.change is None or metric.spread is None or not metric.blocks or metric.blocks < 2:
        return None
    mean = on_scale(figure.metric, -metric.change if figure.metric == "throughput" else metric.change)
    return Mean(mean, metric.spread, metric.blocks, metric.spread / math.sqrt(metric.blocks), metric.blocks - 1)


def _metric(own: DecidedFigure, duet: Duet, level: float, first: ComparedMetric | None) -> ComparedMetric:
    """Returns the record of a figure.

    `level` is that of the first figure to fail, by Holm. `first` is the record of the first half.
    """
    figure, sample = own.figure, own.sample
    of_failures = figure.metric == "failures"
    values = [(pair.base or 0.0, pair.head or 0.0) for pair in own.used]
    middle = statistics.fmean if of_failures else statistics.median
    low, high = (None if bound is None else _shown(figure, bound) for bound in (own.low, own.high))
    if figure.metric == "throughput":
        low, high = high, low
    metric = ComparedMetric(
        label=figure.label,
        metric=figure.metric,
        unit=UNITS.get(figure.metric, "us"),
        base=_value(middle(base for base, _ in values)) if values else None,
        head=_value(middle(head for _, head in values)) if values else None,
        change=None if sample is None else _shown(figure, sample.mean),
        low=low,
        high=high,
        detectable=_detectable(own, duet, level),
        blocks=len(own.used),
        ratios=tuple(round(head - base if of_failures else head / base, 6) for base, head in values),
        outcome=own.outcome,
        spread=None if sample is None else round(sample.spread, 6),
        level=round(own.level, 8),
        joined=own.joined,
        margin=figure.margin,
        pairs=tuple(
            ComparedPair(block=pair.block, base=_value(pair.base), head=_value(pair.head), void=bool(pair.void))
            for pair in own.pairs
        ),
        host=None if own.host is None else _shown(figure, own.host.mean),
        survives=None if own.host is None or first is None else first.outcome == own.outcome,
    )
    survives = SURVIVES[own.outcome] if own.host is not None and first is not None and first.outcome == "failed" else ""
    return replace(metric, message=f"{in_words(metric)}{survives}{_remarks(own)}")


def _detectable(measured: DecidedFigure, duet: Duet, level: float) -> float | None:
    """Returns the distance from the margin at which all planned pairs find a change in four duets of five."""
    if measured.low is None or measured.sample is None:
        return None
    voids = sum(bool(pair.void) for pair in measured.pairs)
    most = max(measured.sample.count, (duet.blocks - voids) // measured.joined)
    apart = hosts_apart(measured.figure, two_hosts=duet.two_hosts)
    spread = math.hypot(measured.sample.spread, apart * math.sqrt(most))
    change = detectable(spread, most, level) + measured.steps[0]
    if measured.figure.metric == "failures":
        change = max(change, -math.log(ALPHA) / sum(pair.samples for pair in measured.used) * len(measured.used) / most)
    return round(change if measured.figure.metric == "failures" else math.expm1(change), 6)


def _shown(figure: DuetFigure, change: float) -> float:
    """Returns a change of the rule as a relative change from base to head; of failures, as a difference of shares."""
    if figure.metric == "failures":
        return round(change, 6)
    return round(math.expm1(-change if figure.metric == "throughput" else change), 6)


def _value(value: float | None) -> float | None:
    return None if value is None else round(value) if value >= 1000 else round(value, 6)


def _remarks(one: DecidedFigure) -> str:
    """Returns sentences on the record's resolution and on pairs with too few samples."""
    remarks = ""
    if one.used and one.step_us > one.figure.margin * statistics.median(pair.base or 0 for pair in one.used):
        remarks += f" The bounds include that the engine records times in steps of {one.step_us / 1000:g} ms."
    short = [pair for pair in one.pairs if not pair.void and not pair.is_known]
    if short:
        fewest = min(pair.samples for pair in short)
        remarks += (
            f" {len(short)} of {len(one.pairs)} pairs have too few samples for {one.figure.metric} "
            f"(the fewest: {fewest}) and are left out. Use longer slices (`toril.regression.block`)."
        )
    return remarks
