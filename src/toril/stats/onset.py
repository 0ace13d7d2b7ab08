"""The time at which a series changes its level, beside known influences, with an interval and a permutation test.

Least squares fit a step or a pulse whose edges may lie within a period, and the influences. Neighbouring values are
correlated: the fit is of their innovations (Prais and Winsten, 1954). The test permutes the residuals in blocks, and
fits again (ter Braak, 1992).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEAST_PERIODS, LEAST_INSIDE, LEAST_OUTSIDE = 6, 1, 3
LEAST_SPREAD = 0.01  # of an influence; a smaller one is constant
LEAST_HERE = 0.25  # part of the fitted height that the values around the edge show
LEVERAGE = 0.9  # of a period that influences fit alone, such as a ramp-up; it proves nothing
STRONGEST, ROUNDS = 0.95, 3  # of the correlation of neighbours, which each round estimates again
MOST_PERIODS = 400  # around the searched time
FINENESS = 5  # places of an edge in a period, if values are means or sums
DEVIANCE = 3.84  # chi-squared, 95 %
BATCH, MOST_TRIES, ENOUGH = 500, 20_000, 20  # permutations; `ENOUGH` as good as the series end the test (Besag, 1991)
LEAST_OWN = 0.1  # part of a shape's variation that influences do not have
SHOWN = 10  # values before and after the change


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Values of periods of equal length; periods may be missing. `additive`: values are means or sums over them."""

    starts_s: Floats
    values: Floats
    period_s: float
    additive: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """A change of level from `at_s` on, in [`low_s`, `high_s`] with 95 %; `end_s` infinite: for good."""

    at_s: float
    low_s: float
    high_s: float
    end_s: float
    before: float
    after: float
    effect: float | None  # in deviations of the residuals; None: there are none
    p: float


def change_near(
    course: Course, influences: Sequence[Floats], near_s: tuple[float, float], ends_s: Sequence[float], seed: int,
    tries: int = MOST_TRIES, *, ranked: bool = False, rounds: int = ROUNDS, is_up: bool = False,
    lasting: int = LEAST_INSIDE,
) -> Change | None:  # fmt: skip
    """Returns the largest change of the series if it begins within `near_s`; None without one, or with few values.

    `influences` have a value for each period. `ends_s`: when the change may end; infinite: not before the series does.
    `tries`: permutations. `ranked`: fits the ranks of the values, for values without a scale, such as waits. `rounds`:
    estimates of the correlation of neighbours; with one, the values are fitted as they are. `is_up`: a change that ends
    is a rise. `lasting`: periods on both sides of the change.
    """
    period_s, starts_s = course.period_s, course.starts_s
    chosen = np.abs(starts_s + period_s / 2 - sum(near_s) / 2) <= MOST_PERIODS / 2 * period_s
    if chosen.sum() < LEAST_PERIODS:
        return None
    columns = _columns([influence[chosen] for influence in influences], int(chosen.sum()))
    proving = (_basis(columns) ** 2).sum(axis=1) < LEVERAGE
    columns, starts_s, values = columns[proving], starts_s[chosen][proving], course.values[chosen][proving]
    if values.size < LEAST_PERIODS or float(np.ptp(values)) <= 1e-9 * float(np.abs(values).max()):
        return None
    scaled = values.argsort(kind="stable").argsort(kind="stable").astype(np.float64) if ranked else values
    places, shapes = _shapes(starts_s, course, near_s, ends_s, lasting)
    own, inner = _without(_basis(columns), shapes), shapes - shapes.mean(axis=0)
    distinct = (own**2).sum(axis=0) > LEAST_OWN * (inner**2).sum(axis=0)  # the influences do not explain it
    if not distinct.any():
        return None
    places, shapes, correlation = places[distinct], shapes[:, distinct], 0.0
    for _ in range(rounds):
        basis = _basis(_innovations(columns, correlation))
        own = _without(basis, _innovations(shapes, correlation))
        lengths = np.maximum(1e-12, np.sqrt((own**2).sum(axis=0)))
        rest, units = _without(basis, _innovations(scaled, correlation)), own / lengths
        along, total = units.T @ rest, float(rest @ rest)
        along[is_up & np.isfinite(places[:, 1]) & (along < 0)] = 0
        best = int(np.argmax(along**2))
        trend = _without(basis, _innovations(starts_s[:, None] - starts_s.mean(), correlation))[:, 0]
        model = _basis(np.column_stack([columns, shapes[:, best]]))
        correlation = _correlation(_without(model, scaled), model.shape[1])
    if float(trend @ rest) ** 2 >= along[best] ** 2 * float(trend @ trend):
        return None  # a steady course has no beginning
    at_s, end_s = map(float, places[best])
    early = np.flatnonzero(starts_s + period_s <= at_s + 1e-6)[-SHOWN:]
    late = np.flatnonzero((starts_s >= at_s - 1e-6) & (starts_s + period_s <= end_s + 1e-6))[:SHOWN]
    if not (near_s[0] <= at_s <= near_s[1] and early.size and late.size and total > 0 and along[best]):
        return None
    step, height = float(scaled[late].mean() - scaled[early].mean()), float(along[best] / lengths[best])
    if step / height <= (LEAST_HERE if math.isfinite(end_s) else 0):
        return None  # another edge of the shape explains the series, or the influences moved it the other way
    squares, freedom = np.maximum(0.0, total - along**2), max(1, values.size - basis.shape[1] - 2)
    searched = (places[:, 0] >= near_s[0]) & (places[:, 0] <= near_s[1])
    errors, least = rest - units[:, best] * along[best], float(squares.min())
    p = _by_chance(units[:, searched], basis, errors, 1 - least / total, seed, tries)
    good = squares <= least * math.exp(DEVIANCE / freedom) + 1e-12 * total
    low_s, high_s = _around(at_s, places[:, 0], places[good, 0], period_s / (FINENESS if course.additive else 1))
    deviation = math.sqrt(least / freedom)
    effect = abs(step) / deviation if deviation > 1e-6 * abs(step) else None
    return Change(at_s, low_s, high_s, end_s, float(values[early].mean()), float(values[late].mean()), effect, p)


def discoveries(p: Sequence[float], rate: float) -> float:
    """Returns the largest p-value that is a discovery at a false discovery rate (Benjamini and Hochberg); −1: none is.

    >>> discoveries([0.001, 0.2, 0.03, 0.9], 0.05), discoveries([0.2], 0.05)
    (0.001, -1.0)
    """
    ordered = np.sort(np.asarray(p, np.float64))
    kept = ordered[ordered <= rate * (np.arange(ordered.size) + 1) / max(1, ordered.size)]
    return float(kept.max(initial=-1.0))


def _columns(influences: Sequence[Floats], size: int) -> Floats:
    """Returns a constant and the influences, of one scale."""
    columns = [np.ones(size)]
    for influence in influences:
        centred = influence - influence.mean()
        spread = float(np.abs(centred).max())
        columns += [centred / spread] if spread > LEAST_SPREAD * float(np.abs(influence).max()) else []
    return np.column_stack(columns)


def _basis(columns: Floats) -> Floats:
    """Returns orthonormal columns that span the columns."""
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, singular > 1e-6 * singular[0]], np.float64)


def _without(basis: Floats, columns: Floats) -> Floats:
    return columns - basis @ (basis.T @ columns)


def _innovations(columns: Floats, correlation: float) -> Floats:
    """Returns what each value adds to the part of its predecessor that lasts."""
    first = math.sqrt(1 - correlation**2) * columns[:1]
    return np.concatenate([first, columns[1:] - correlation * columns[:-1]])


def _shapes(
    starts_s: Floats, course: Course, near_s: tuple[float, float], ends_s: Sequence[float], lasting: int
) -> tuple[Floats, Floats]:
    """Returns pairs of a beginning and an end, and for each pair a column: the part of each period between both.

    Near the searched time, changes of means and sums may begin within a period. Both sides have enough periods.
    """
    period_s, edges = course.period_s, starts_s
    if course.additive:
        edges = np.unique(np.concatenate([edges, np.arange(near_s[0], near_s[1] + 1e-9, period_s / FINENESS)]))
    pairs = np.array([(edge, end) for end in ends_s for edge in edges if edge + period_s <= end]).reshape(-1, 2)
    first = np.maximum(starts_s[:, None], pairs[None, :, 0])
    shapes = np.clip((np.minimum(starts_s[:, None] + period_s, pairs[None, :, 1]) - first) / period_s, 0, 1)
    full, none = (shapes > 1 - 1e-6).sum(axis=0), (shapes < 1e-6).sum(axis=0)
    enough = (np.minimum(full, none) >= lasting) & (np.maximum(full, none) >= LEAST_OUTSIDE)
    return pairs[enough], shapes[:, enough]


def _correlation(errors: Floats, fitted: int) -> float:
    """Returns the correlation of neighbours, at least 0. Fitted columns lower it (Kendall, 1954), and chance may."""
    squares, size = float(errors @ errors), errors.size
    raw = float(errors[1:] @ errors[:-1]) / squares if squares > 1e-18 * size else 0.0
    return min(STRONGEST, max(0.0, (size * raw + fitted) / max(1, size - 3 - fitted) + 1 / math.sqrt(size)))


def _by_chance(shapes: Floats, basis: Floats, errors: Floats, explained: float, seed: int, tries: int) -> float:
    """Returns the share of permuted residuals in which a shape explains as much of the variation."""
    random, size, better, tried = np.random.default_rng(seed), errors.size, 0, 0
    if explained > 1 - 1e-9:  # without noise, all permutations are alike
        return 1 / (tries + 1)
    correlation = _correlation(errors, basis.shape[1] + 1)
    length = max(1, math.ceil((math.sqrt(6) * correlation / (1 - correlation**2)) ** (2 / 3) * size ** (1 / 3)))
    while tried < tries and better < ENOUGH:
        order = random.random((BATCH, math.ceil(size / length))).argsort(axis=1)
        index = (order[:, :, None] * length + np.arange(length)).reshape(BATCH, -1)[:, :size]
        noise = _without(basis, errors[(index + random.integers(size, size=(BATCH, 1))) % size].T)
        better += int((((shapes.T @ noise) ** 2).max(axis=0) >= explained * (noise**2).sum(axis=0)).sum())
        tried += BATCH
    return (better + 1) / (tried + 1)


def _around(at_s: float, edges: Floats, good: Floats, reach_s: float) -> tuple[float, float]:
    """Returns the times around the best one that fit nearly as well (profile likelihood)."""
    bad = np.setdiff1d(edges, good)
    first_s, last_s = bad[bad < at_s].max(initial=-math.inf), bad[bad > at_s].min(initial=math.inf)
    inside = good[(good > first_s) & (good < last_s)]
    return float(inside.min()) - reach_s, float(inside.max()) + reach_s
