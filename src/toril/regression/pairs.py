"""The figures that a duet compares, and their values in each pair of blocks."""

import math
import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toril import text
from toril.criteria import criteria_of
from toril.records import BASE, HEAD, Duet, Plan
from toril.stats.histogram import Histogram, Int64s, highests_of
from toril.stats.quantiles import rank_of
from toril.summary.generators import SHARE_OF_TIME, limits_of, most_over_s, over_limits
from toril.timeline import Stats, Timeline
from toril.timeline.arms import duet_of
from toril.timeline.intervals import Kind

Weighed = list[tuple[Stats, float]]  # samples with the weight of each

SAMPLES_BEYOND = 2  # on average, on each side of a block's percentile: 40 samples for p95
MOST_JOINED = 8  # neighbouring pairs that count as one
LEAST_JOINED = 5  # pairs that must remain
TOO_BUSY = 0.5  # share of a turn's readings over a limit, from which the pair is void
LEAST_OF_LABEL = 5  # samples in each arm of a pair: with fewer, a weight is too uncertain
MOST_VOID = 0.5  # share of the pairs; with more, the whole run is saturated


@dataclass(frozen=True, slots=True)
class DuetFigure:
    """A figure to compare, and its samples."""

    label: str  # "": all requests
    metric: str  # p95, p99.9, failures, throughput
    percent: float | None  # of a percentile
    margin: float  # relative; for failures, a difference of shares
    kind: Kind | None = None
    executions: tuple[str, ...] = ()  # empty: all
    location: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.label, self.metric

    @property
    def name(self) -> str:
        return text.figure(self.metric, self.label)

    @property
    def limit(self) -> float:
        """The margin on the scale of the rule."""
        return on_scale(self.metric, self.margin)


def on_scale(metric: str, worse: float) -> float:
    """Returns a relative worsening as the logarithm of a ratio; of failures, the difference as it is."""
    if metric == "failures":
        return worse
    return -math.log1p(-min(worse, 0.999)) if metric == "throughput" else math.log1p(worse)


@dataclass(frozen=True, slots=True)
class Pair:
    """The values of a figure in both turns of one block; None: too few samples.

    Times are in µs, failures are shares (0 … 1), and throughput is per second.
    """

    block: int  # from 1; of joined pairs, the first
    base: float | None
    head: float | None
    samples: int  # of the arm with fewer
    void: str = ""  # the reason why it is not compared
    last: int = 0  # block of joined pairs

    @property
    def is_known(self) -> bool:
        return not self.void and self.base is not None and self.head is not None


def figures(plan: Plan) -> tuple[DuetFigure, ...]:
    """Returns the figures that the plan's duet compares, without duplicates. ValueError if it is not a duet.

    These are the metrics of the suite's `regression` for each of its labels. Without metrics: p95 of the labels, else
    the percentiles of criteria, else p95 of all requests; and the failures of all requests.
    """
    duet = duet_of(plan)
    of_failures = duet.margin if duet.failures_margin is None else duet.failures_margin
    if duet.metrics:
        percents = {name: float(name[1:]) if name[1:2].isdigit() else None for name in duet.metrics}
        margins = {name: of_failures if name == "failures" else duet.margin for name in duet.metrics}
        labels = dict.fromkeys(duet.labels or ("",))
        return tuple(DuetFigure(label, name, percents[name], margins[name]) for label in labels for name in percents)
    figures = [DuetFigure(label, "p95", 95.0, duet.margin) for label in duet.labels]
    if not figures:
        figures = [
            DuetFigure(
                one.label, f"p{one.percentile:g}", one.percentile, duet.margin, one.kind, one.executions, one.location
            )
            for one in criteria_of(plan.criteria)
            if one.subject == "p" and one.percentile is not None and 0 < one.percentile < 100
        ]
    figures = figures or [DuetFigure("", "p95", 95.0, duet.margin)]
    return tuple(dict.fromkeys((*figures, DuetFigure("", "failures", None, of_failures))))


def pairs_of(
    plan: Plan, whole: Timeline, figure: DuetFigure, complete: int, voids: Mapping[int, str], together: int = 1
) -> tuple[Pair, ...]:
    """Returns the first `complete` pairs of a figure, in order of time, with void ones.

    `whole` has the measurements of both arms. `voids` are the void blocks, as from `void_pairs`. `together`
    neighbouring pairs without void ones count as one; those that are too few for one are left out.
    """
    duet = duet_of(plan)
    several = duet.common_mix and not figure.label and figure.percent is not None and figure.kind is None
    labels = whole.labels() if several else ()
    valid = [block for block in range(1, complete + 1) if block not in voids]
    groups = [valid[at : at + together] for at in range(0, len(valid) - together + 1, together)]
    groups += [[block] for block in voids if block <= complete]
    pairs = []
    for blocks in sorted(groups):
        arms = [[_stats(whole, figure, figure.label, arm, block) for block in blocks] for arm in (BASE, HEAD)]
        samples = min(sum(stats.samples for stats in arm) for arm in arms)
        mixes = (
            _weighed(whole, figure, labels, blocks)
            if len(labels) > 1
            else [[(one, 1.0) for one in arm] for arm in arms]
        )
        of_base, of_head = (
            _value(figure, arm, mix, len(blocks) * duet.block_s, samples) for arm, mix in zip(arms, mixes, strict=True)
        )
        pairs.append(Pair(blocks[0], of_base, of_head, samples, voids.get(blocks[0], ""), blocks[-1]))
    return tuple(pairs)


def _stats(whole: Timeline, figure: DuetFigure, label: str, arm: int, block: int) -> Stats:
    kind = figure.kind or ("request" if label != figure.label else None)  # the labels of all requests
    return whole.select(label, figure.executions, figure.location, True, kind, arm=arm, block=block).total


def _weighed(whole: Timeline, figure: DuetFigure, labels: Iterable[str], blocks: Sequence[int]) -> list[Weighed]:
    """Returns the samples of both arms with the weights of their labels."""
    parts = [
        [[_stats(whole, figure, label, arm, block) for block in blocks] for label in labels] for arm in (BASE, HEAD)
    ]
    weights = weights_of(np.array([[sum(stats.samples for stats in part) for part in arm] for arm in parts]))
    return [
        [(stats, weight) for part, weight in zip(arm, own, strict=True) for stats in part if stats.samples]
        for arm, own in zip(parts, weights.tolist(), strict=True)
    ]


def weights_of(counts: Int64s) -> NDArray[np.float64]:
    """Returns the weights of one sample that give each label the same share of both arms.

    Arms are rows and labels columns. The percentile of all requests would otherwise depend on the requests that a turn
    happens to send. Labels with few samples keep their share.
    """
    of_label, of_arm = counts.sum(0) / np.maximum(counts, 1), counts.sum() / np.maximum(counts.sum(1, keepdims=True), 1)
    return np.asarray(np.where(counts.min(0) >= LEAST_OF_LABEL, of_label, of_arm) / 2)


def _value(figure: DuetFigure, blocks: Sequence[Stats], mix: Weighed, time_s: float, fewest: int) -> float | None:
    """Returns the value of one arm; `fewest` is the number of samples of the arm that has fewer.

    A percentile is at the nearest rank of that arm, and at the same place among the samples of the other one. The
    nearest ranks of p95 among 39 and 41 samples differ by 2 % of the samples, which may be 11 % of the time. The
    samples of a percentile have the weights of `mix`.
    """
    samples = sum(stats.samples for stats in blocks)
    if figure.metric == "failures":
        return sum(stats.failures for stats in blocks) / samples if samples else None
    if figure.percent is None:
        return samples / time_s if samples else None
    if fewest < 2 or not 1 < (rank := rank_of(figure.percent, fewest)) < fewest:
        return None  # the largest or smallest sample; more are not required, since a head that hangs has few
    most_us = max(stats.max_us for stats in blocks)
    return time_at([(stats.response, weight) for stats, weight in mix], rank / (fewest + 1), most_us)


def time_at(parts: Sequence[tuple[Histogram, float]], share: float, most_us: int) -> float | None:
    """Returns the time in µs below which a share of the weights lies; None below the engine's resolution.

    With equal weights, the rank-th of n samples is at the share rank / (n + 1). Between samples, logarithms grow
    evenly.
    """
    buckets, places = np.unique(np.concatenate([own.buckets for own, _ in parts]), return_inverse=True)
    counts = np.bincount(places, np.concatenate([own.counts for own, _ in parts]))
    weights = np.bincount(places, np.concatenate([weight * own.counts for own, weight in parts]))
    ends, half = np.cumsum(weights), weights / counts / 2  # a sample is in the middle of its weight
    known = np.column_stack([ends - weights + half, ends - half]).ravel()
    times_us: NDArray[np.float64] = np.repeat(np.minimum(highests_of(buckets), most_us), 2).astype(np.float64)
    place = share * (ends[-1] + 1) - 0.5
    if not times_us[max(0, int(np.searchsorted(known, place + 1e-9)) - 1)]:
        return None
    return math.exp(float(np.interp(place, known, np.log(np.maximum(times_us, 1)))))


def joined(pairs: Iterable[Pair], figure: DuetFigure, duet: Duet) -> int:
    """Returns how many neighbouring pairs count as one (1, 2, 4 or 8), so that they have enough samples.

    It depends on the counts of samples before the first interim analysis only, and never on values. `pairs` are single
    ones.
    """
    first_look = duet.looks[0] if duet.looks else duet.blocks
    counts = [pair.samples for pair in pairs if pair.block <= first_look and not pair.void]
    size = 1
    if figure.percent is None or not counts:
        return size
    needed = SAMPLES_BEYOND * 100 / min(figure.percent, 100 - figure.percent)
    while size < MOST_JOINED and size * statistics.median(counts) < needed:
        if duet.blocks // (2 * size) < LEAST_JOINED:
            break
        size *= 2
    return size


def void_pairs(plan: Plan, whole: Timeline, complete: int) -> dict[int, str]:
    """Returns the void blocks among the first `complete`, with their reasons.

    A pair is void if, in either turn, half of a worker's readings exceed a limit, or a worker has no reading.
    """
    voids: dict[int, str] = {}
    for worker, blocks, readings, over in _by_turn(plan, whole):
        for chosen, what in ((readings == 0, "has no health reading"), (over >= TOO_BUSY * readings, "was saturated")):
            for block in blocks[chosen & (blocks <= complete)].tolist():
                voids.setdefault(block, f"worker {worker} {what}")
    return dict(sorted(voids.items()))


def saturated_without(plan: Plan, whole: Timeline, voids: Collection[int]) -> bool:
    """Whether a worker was saturated in the pairs that are not void, by the rules for a whole run."""
    for _, blocks, readings, over in _by_turn(plan, whole):
        kept = ~np.isin(blocks, list(voids))
        seconds, known = int(over[kept].sum()), int(readings[kept].sum())
        if seconds >= most_over_s(known) and seconds > SHARE_OF_TIME * known:
            return True
    return False


def _by_turn(plan: Plan, whole: Timeline) -> Iterator[tuple[str, Int64s, Int64s, Int64s]]:
    """Yields each worker, and for each turn its block, the readings of its steady load, and those over a limit."""
    duet = duet_of(plan)
    turns = [turn for turn in duet.turns() if turn.block]
    blocks = np.array([turn.block for turn in turns])
    ends = np.array([math.floor(turn.starts_s) + duet.turn_s for turn in turns])
    firsts = ends - math.ceil(duet.block_s)
    ends -= int(not duet.switched and duet.block_s > 1)  # engines of the restarted form end in the last second
    total = whole.select(steady=True).total
    median_us = total.percentile(50) if total.samples else None
    for worker, limits in limits_of(plan, whole.health_workers(), median_us).items():
        series = whole.health_series(worker)
        until = np.concatenate([[0], np.cumsum(over_limits(series, limits))])
        low, high = np.searchsorted(series.second, firsts), np.searchsorted(series.second, ends)
        yield worker, blocks, high - low, until[high] - until[low]
