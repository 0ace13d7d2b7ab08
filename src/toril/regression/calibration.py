"""The experience from stored duets: the spread of figures, the rate of false alarms, and proposals for plans."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from toril.errors import Note, OptionError
from toril.records import Plan
from toril.records.history import Fingerprint, HistoryRecord
from toril.regression.pairs import DuetFigure, figures, on_scale
from toril.regression.rule import ALPHA
from toril.stats.paired import bounds, detectable, pairs_needed, sample_of
from toril.stats.quantiles import student_quantile
from toril.text import percent, plural
from toril.timeline.arms import duet_of

MOST_DUETS = 60
PROMISED = 0.01  # the most false alarms
ONE_SIDED = 0.05  # the probability of error of `rate_low`, and of the largest bias
FOR_LOOKS = 1.03  # the effect that several interim analyses need, as a multiple of that of a single one
MARGIN_STEP = 0.005
DECIDED = frozenset({"aa-clean", "aa-false-alarm"})
OPEN = frozenset({"unproven"})  # with any other reason, the rule could not decide
Key = tuple[str, str]  # label, metric


@dataclass(frozen=True, slots=True)
class Calibration:
    """What earlier duets with one fingerprint show."""

    duets: int
    aa: int  # duets of base with itself, which the rule could decide
    alarms: int  # those that failed
    rate_low: float  # lower 95 % bound of alarms / aa
    spread: Mapping[Key, float]  # standard deviation of one pair, for blocks of `block_s`
    bias: Mapping[Key, float] = field(default_factory=dict)  # upper 95 % bound of the mean change of base with itself
    block_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """The pairs that find a change of one figure."""

    figure: DuetFigure
    margin: float | None = None  # the smallest reasonable one for the planned pairs; None: the spread is unknown
    pairs: int | None = None  # None: more than the most
    minutes: float | None = None  # of load, with the warm-up


def calibrate(records: Iterable[HistoryRecord], like: Fingerprint) -> Calibration:
    """Returns the experience from the last 60 duets with this fingerprint; `records` come the newest first."""
    kept = ((record, record.duet) for record in records if record.duet is not None and record.fingerprint == like)
    duets = list(islice(kept, MOST_DUETS))
    codes = [frozenset(record.reasons) for record, duet in duets if duet.aa]
    reasons = [code for code in codes if code & DECIDED or code == OPEN]
    alarms = sum("aa-false-alarm" in code for code in reasons)
    block_s = float(duets[0][1].block_s) if duets else 0.0
    spreads, means = defaultdict[Key, list[tuple[float, int]]](list), defaultdict[Key, list[float]](list)
    for _, duet in duets:
        for change in duet.changes if duet.block_s == block_s else ():
            key = change.label, change.metric
            if change.spread is not None and change.pairs > 1:  # several pairs may count as one
                one_pair = float(change.spread) * math.sqrt(max(1.0, duet.pairs / change.pairs))
                spreads[key].append((one_pair, change.pairs - 1))
            if duet.aa and change.change is not None:
                means[key].append(on_scale(change.metric, change.change))
    spread = {key: _pooled(known) for key, known in spreads.items()}
    bias = {key: _largest(values) for key, values in means.items()}
    return Calibration(len(duets), len(reasons), alarms, _at_least(alarms, len(reasons)), spread, bias, block_s)


def expected(calibration: Calibration, plan: Plan) -> float | None:
    """Returns the largest of the figures' smallest detectable changes that earlier duets let expect; None: unknown."""
    duet, compared = duet_of(plan), figures(plan)
    known = [
        detectable(spread, duet.blocks, ALPHA / len(compared))
        for figure in compared
        if figure.metric != "failures" and (spread := _spread_of(calibration, plan, figure)) is not None
    ]
    return round(math.expm1(max(known)), 6) if known else None


def warning(calibration: Calibration, plan: Plan) -> Note | None:
    """Returns a note `aa-rate` if duets of base with itself have failed more often than promised."""
    if calibration.rate_low <= PROMISED:
        return None
    margins = [proposal.margin for proposal in _proposals(calibration, plan, None) if proposal.margin is not None]
    fix = f"Raise the margin to {percent(100 * max(margins))}" if margins else "Raise the margin"
    failed = f"{calibration.alarms} of {calibration.aa} A/A duets of this suite failed"
    return Note("aa-rate", f"{failed}; this gate promises {percent(100 * PROMISED)}. {fix}.")


def provable(calibration: Calibration, plan: Plan) -> Note | None:
    """Returns a note on the margin that the plan proves in nine of ten duets without a change; None: unknown."""
    known = [own for own in _proposals(calibration, plan, None) if own.margin and own.figure.metric != "failures"]
    worst = max(known, key=lambda own: own.margin or 0.0, default=None)
    if worst is None or worst.margin is None:
        return None
    duet, name = duet_of(plan), worst.figure.name
    pairs = f"{plural(duet.blocks, 'pair')} prove a margin of {percent(100 * worst.margin)} of {name}"
    text = f"By {plural(calibration.duets, 'earlier duet')}, {pairs} unless there is a change"
    if worst.margin > worst.figure.margin:
        minutes = math.ceil(duet.blocks * duet.block_s / 30 * (worst.margin / worst.figure.margin) ** 2)
        text += f". The margin is {percent(100 * worst.figure.margin)}: raise it, or add `--time {minutes}m`"
    return Note("provable-margin", text)


def propose(calibration: Calibration, plan: Plan, change: float) -> tuple[Proposal, ...]:
    """Returns a proposal for each figure of the plan, to find a relative change (0.05 is 5 %).

    OptionError `not-detectable` if the change is not above the margin.
    """
    if change <= (margin := duet_of(plan).margin):
        what = f"--plan: A change of {percent(100 * change)} is within the margin of {percent(100 * margin)}"
        raise OptionError(f"{what}. Use a larger change, or a smaller margin.", code="not-detectable")
    return tuple(_proposals(calibration, plan, change))


def _proposals(calibration: Calibration, plan: Plan, change: float | None) -> Iterator[Proposal]:
    duet, compared = duet_of(plan), figures(plan)
    for figure in compared:
        spread = _spread_of(calibration, plan, figure)
        if spread is None:
            yield Proposal(figure)
            continue
        reach = 2 * student_quantile(0.95, duet.blocks - 1) * spread / math.sqrt(duet.blocks)
        reach += calibration.bias.get(figure.key, 0.0)
        reach = reach if figure.metric == "failures" else math.expm1(reach)
        margin = max(1, math.ceil(reach / MARGIN_STEP)) * MARGIN_STEP
        pairs = None
        if change is not None:
            distance = on_scale(figure.metric, change) - figure.limit
            pairs = pairs_needed(distance / FOR_LOOKS, spread, ALPHA / len(compared)) if distance > 0 else None
        minutes = None if pairs is None else (2 * duet.warm_s + 2 * pairs * (duet.turn_s + duet.gap_s)) / 60
        yield Proposal(figure, round(margin, 4), pairs, minutes)


def _spread_of(calibration: Calibration, plan: Plan, figure: DuetFigure) -> float | None:
    """Returns the standard deviation of one pair; None if it is unknown for blocks of this length.

    It is 0 for the failures of a service that never failed.
    """
    if duet_of(plan).block_s != calibration.block_s:
        return None
    return calibration.spread.get(figure.key)


def _pooled(spreads: list[tuple[float, int]]) -> float:
    """Returns the pooled standard deviation, from those of each duet with their degrees of freedom."""
    freedom = sum(degrees for _, degrees in spreads)
    return math.sqrt(math.fsum(degrees * spread**2 for spread, degrees in spreads) / freedom)


def _largest(means: list[float]) -> float:
    """Returns the upper 95 % bound of the mean's absolute value; 0 for fewer than three duets."""
    largest = sample_of(means)
    if largest is None or largest.count < 3:
        return 0.0
    low, high = bounds(largest, ONE_SIDED, ONE_SIDED)
    return max(-low, high)


def _at_least(part: int, whole: int) -> float:
    """Returns the exact lower 95 % bound of a share (Clopper and Pearson, 1934)."""
    low, high = 0.0, part / whole if whole else 0.0
    for _ in range(50 if part else 0):
        middle = (low + high) / 2
        fewer = math.fsum(math.comb(whole, k) * middle**k * (1 - middle) ** (whole - k) for k in range(part))
        low, high = (middle, high) if 1 - fewer < ONE_SIDED else (low, middle)
    return low
