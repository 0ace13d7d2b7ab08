"""The search for the commit that made a figure worse: what duets of the good commit with later ones prove.

The level of a commit is the change of the figure against the good commit, on the scale of `toril.regression.rule`. A
duet measures one level with a normal error. Levels change at steps. The hypotheses are: no step, one step at any
commit, and two steps at any two commits. Sizes of steps are normal, too, with the change of the bad commit as their
standard deviation. So the probability of each hypothesis has a closed form (Bayes' rule; Gelman et al., 2013, chapter
14). As a posterior, it does not depend on the rule by which a search chooses commits and ends.

The next commit is the one whose level is the most uncertain. With one step of known size, this is the commit that
halves the probability, as in a binary search. A measured commit is measured again if its level is still the most
uncertain one.

A step counts as worse if it exceeds the margin. Then the search ends, at a probability of error of at most 5 %:

- found: one commit is the only step for the worse; improvements beside it do not matter
- range: the same, but commits that could not be measured are beside it
- several: no single commit explains the change
- none: the bad commit is not worse
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toril import text
from toril.records.bisect import Bisect, BisectOutcome
from toril.regression.comparison import UNITS
from toril.regression.pairs import on_scale
from toril.stats.quantiles import NORMAL_REACH

Floats = NDArray[np.float64]

MOST_COMMITS = 1_000  # the two steps of a hypothesis are a square of them
PRIOR = (0.05, 0.45, 0.5)  # of no step, one step, two steps
STARTS = 0.005  # standard deviation between two starts of one version; a duet starts each version once
PRIOR_PAIRS = 10  # the weight of the spread of all duets beside a duet's own
EARLIER, LATER = 0.2, 0.5  # of a step: earlier and later ones up to these parts of it do not count


@dataclass(frozen=True, slots=True)
class Level:
    """The result of one duet of the good commit with another one."""

    place: int  # of that commit, from 0 for the first one after the good commit
    change: float  # on the scale of the rule: larger is worse
    spread: float  # standard deviation of one pair
    pairs: int


@dataclass(frozen=True, slots=True)
class Located:
    """What the levels so far say about each commit."""

    outcome: BisectOutcome  # undecided: measure the commit at `following`
    following: int  # the place of the commit with the most uncertain level
    first: int  # the first and the last place of the most probable commits
    last: int
    probability: float  # of the outcome; without one, of these commits
    change: float  # of the step at `last`
    low: float  # 95 % interval
    high: float


def most_duets(commits: int) -> int:
    """Returns the most duets of a search among this number of commits."""
    return 3 * usual_duets(commits)


def usual_duets(commits: int) -> int:
    """Returns the duets that a search usually needs: a binary search, and both ends."""
    return math.ceil(math.log2(commits + 1)) + 3


def scaled(metric: str, change: float) -> float:
    """Returns a change of base to head on the scale of the rule."""
    return on_scale(metric, -change if metric == "throughput" else change)


def shown(metric: str, level: float) -> float:
    """Returns a level as a change of the record."""
    if metric == "failures":
        return round(level, 6)
    return round(math.expm1(-level if metric == "throughput" else level), 6)


def half_change(search: Bisect) -> float:
    """Returns half of the bad commit's change: the margin for other commits, which are near 0 or near the change."""
    bad = [duet for duet in search.duets if duet.commit == search.bad and not duet.skipped]
    pairs = sum(duet.pairs for duet in bad)
    level = math.fsum(duet.pairs * scaled(search.metric, duet.change) for duet in bad) / pairs
    half = max(level, on_scale(search.metric, search.margin)) / 2
    return min(1.0, abs(shown(search.metric, half)))


def evaluated(search: Bisect) -> tuple[Bisect, str]:
    """Returns the search with what its duets prove, and the next commit to measure; ended, it has an outcome."""
    places = {commit: place for place, commit in enumerate(search.commits)}
    levels = [
        Level(places[duet.commit], scaled(search.metric, duet.change), duet.spread, duet.pairs)
        for duet in search.duets
        if not duet.skipped
    ]
    skipped = {places[duet.commit] for duet in search.duets if duet.skipped} - {level.place for level in levels}
    found = locate(len(places), levels, skipped, on_scale(search.metric, search.margin), search.error)
    ended = found.outcome != "undecided" or len(levels) >= most_duets(len(places))
    low, high = sorted(shown(search.metric, bound) for bound in (found.low, found.high))
    facts = {
        "outcome": found.outcome if ended else None,
        "candidates": search.commits[found.first : found.last + 1],
        "probability": round(found.probability, 4),
        "change": shown(search.metric, found.change),
        "low": low,
        "high": high,
    }
    return search.model_copy(update=facts), search.commits[found.following]


def in_words(search: Bisect) -> str:
    """Returns the result of an ended search in a few sentences."""
    figure, unit = text.figure(search.metric, search.label), UNITS.get(search.metric, "us")
    chance = f"Probability {text.percent(100 * search.probability)}"
    skipped = sum(bool(duet.skipped) for duet in search.duets)
    counts = text.plural(len(search.duets) - skipped, "duet")
    evidence = f"{chance}, {counts}" + (f", {text.plural(skipped, 'skipped commit')}." if skipped else ".")
    names = " … ".join(dict.fromkeys(commit[:12] for commit in search.candidates[:: len(search.candidates) - 1 or 1]))
    size, low, high = (text.change(bound, unit) for bound in (search.change, search.low, search.high))
    changed = f"changed {figure} by {size} ({low} to {high})"
    match search.outcome:
        case "found":
            return f"Commit {names} {changed}. {evidence}"
        case "range":
            return f"The commits {names} {changed}. Of these, only the last one can be measured. {evidence}"
        case "several":
            return f"No single commit explains the change of {figure}: it has several steps. {evidence}"
        case "none":
            return f"{text.sentence(figure)} is not worse in {search.bad[:12]} than in {search.good[:12]}. {evidence}"
        case _ if search.metric:
            return f"No commit is proven. Most probable: {names}. {evidence} Use more or longer blocks."
        case _:
            return f"No change between {search.good[:12]} and {search.bad[:12]} is proven. Use more or longer blocks."


def locate(
    commits: int, levels: Sequence[Level], skipped: Collection[int], margin: float, error: float = 0.05
) -> Located:
    """Returns what these levels say about `commits` commits, the last of which is the bad one.

    `skipped` are the places that cannot be measured. `margin` is the largest step that counts as none, on the scale of
    the rule. `error` is the probability of a wrong answer.
    """
    weights, sums = _weighed(commits, levels)
    scale = max(margin, abs(sums[-1] / weights[-1]) if weights[-1] else 0.0)
    above, weighted = (np.cumsum(values[::-1])[::-1] for values in (weights, sums))  # of a commit and all later ones
    places, (rows, columns) = np.arange(commits), np.triu_indices(commits, 1)
    ones, both = above + scale**-2, above[columns]
    size = weighted / ones  # of the only step
    determinant = ones[rows] * ones[columns] - both**2
    first = (ones[columns] * weighted[rows] - both * weighted[columns]) / determinant  # of two steps
    second = (ones[rows] * weighted[columns] - both * weighted[rows]) / determinant
    none, one, two = _probabilities(
        (
            np.zeros(1),
            (weighted * size - np.log(ones * scale**2)) / 2,
            (first * weighted[rows] + second * weighted[columns] - np.log(determinant * scale**4)) / 2,
        )
    )

    def mean_of(of_one: Floats, of_first: Floats, of_both: Floats) -> Floats:
        """Returns the mean of a value of each level: of levels behind one step, the first of two, and both."""
        steps = one * of_one + np.bincount(rows, two * of_first, commits)
        return np.cumsum(steps + np.bincount(columns, two * (of_both - of_first), commits))

    of_both = (ones[rows] + ones[columns] - 2 * both) / determinant
    spreads = 1 / ones, ones[columns] / determinant, ones[rows] / determinant  # variances of the steps
    squares = size**2 + spreads[0], first**2 + spreads[1], (first + second) ** 2 + of_both
    uncertain = mean_of(*squares) - mean_of(size, first, first + second) ** 2
    for place in skipped:  # neighbours often fail, too
        uncertain *= np.abs(places - place) / (np.abs(places - place) + 1)
    by_one, by_first, by_second = (
        _above(step - margin, spread) for step, spread in zip((size, first, second), spreads, strict=True)
    )
    by_earlier = _above(first - np.maximum(margin, EARLIER * second), spreads[1])
    by_later = _above(second - np.maximum(margin, LATER * first), spreads[2])
    measurable = np.array([place for place in places if place not in skipped])
    owners = np.searchsorted(measurable, places)  # skipped commits are inseparable from the next measurable one
    inside = owners[rows] == owners[columns]
    of_first = np.where(inside, _above(first + second - margin, of_both), by_first * (1 - by_later))
    of_second = np.where(inside, 0.0, by_second * (1 - by_earlier))
    worse = one * by_one + np.bincount(rows, two * of_first, commits) + np.bincount(columns, two * of_second, commits)
    nothing = float(none[0] + (one * (1 - by_one)).sum())
    of_owner = np.bincount(owners, worse)
    best = int(of_owner.argmax())
    begin, end = int(measurable[best - 1]) + 1 if best else 0, int(measurable[best])
    chances: dict[BisectOutcome, float] = {
        "found" if begin == end else "range": float(of_owner[best]),
        "several": max(0.0, 1 - nothing - float(worse.sum())),
        "none": nothing,
    }
    outcome: BisectOutcome = max(chances, key=lambda name: chances[name])
    probability = chances[outcome]
    if probability < 1 - error:
        outcome, probability = "undecided", float(of_owner[best])
    here = [place == end for place in (places, rows, columns)]
    chance, step, spread = (
        np.concatenate([values[at] for values, at in zip(group, here, strict=True)])
        for group in ((one, two, two), (size, first, second), spreads)
    )
    change = float(np.average(step, weights=chance))
    reach = NORMAL_REACH * math.sqrt(float(np.average(spread + (step - change) ** 2, weights=chance)))
    return Located(outcome, int(uncertain.argmax()), begin, end, probability, change, change - reach, change + reach)


def _weighed(commits: int, levels: Sequence[Level]) -> tuple[Floats, Floats]:
    """Returns the inverse variance of each commit's level, and the same times the level."""
    freedom = sum(level.pairs - 1 for level in levels)
    pooled = math.fsum((level.pairs - 1) * level.spread**2 for level in levels) / freedom if freedom else 0.0
    weights, sums = np.zeros(commits), np.zeros(commits)
    for level in levels:
        own = level.pairs - 1 + PRIOR_PAIRS
        variance = ((level.pairs - 1) * level.spread**2 + PRIOR_PAIRS * pooled) / own
        weight = 1 / (variance / level.pairs * own / (own - 2) + STARTS**2)  # own / (own - 2): the variance of t
        weights[level.place] += weight
        sums[level.place] += weight * level.change
    return weights, sums


def _above(distance: Floats, variance: Floats) -> Floats:
    """Returns the probability that a normal value is above a limit; `distance` is that of its mean."""
    score = distance / np.sqrt(variance)
    return (1 + np.tanh(math.sqrt(2 / math.pi) * (score + 0.044715 * score**3))) / 2  # within 0.0003


def _probabilities(logs: tuple[Floats, Floats, Floats]) -> Iterator[Floats]:
    """Yields the probabilities of the hypotheses with no step, one step and two steps, from their log-likelihoods."""
    top = max(float(values.max(initial=0.0)) for values in logs)
    likely = [prior / max(1, values.size) * np.exp(values - top) for prior, values in zip(PRIOR, logs, strict=True)]
    whole = sum(float(values.sum()) for values in likely)
    return (values / whole for values in likely)
