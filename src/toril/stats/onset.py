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
LEAST_HERE = 0.5  # part of the fitted height that the values around the edge show
LEVERAGE = 0.9  # of a period that influences fit alone, such as a ramp-up; it proves nothing
STRONGEST, ROUNDS = 0.95, 3  # of the correlation of neighbours, which each round estimates again
MOST_PERIODS = 400  # around the searched time
FINENESS = 5  # places of an edge in a period, if values are means or sums
DEVIANCE = 3.84  # chi-squared, 95 %
BATCH, MOST_TRIES, ENOUGH = 500, 10_000, 20  # permutations; `ENOUGH` as good as the series end the test (Besag, 1991)
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
    """A change of level from `at_s` on; `end_s` infinite: for good. `effect`: in deviations of the residuals."""

    at_s: float
    low_s: float
    high_s: float
    end_s: float
    before: float
    after: float
    effect: float | None  # None: no residuals
    p: float


def change_near(
    course: Course,
    influences: Sequence[Floats],
    near_s: tuple[float, float],
    ends_s: Sequence[float],
    *,
    seed: int,
    tries: int = MOST_TRIES,
    ranked: bool = False,
) -> Change | None:
    """Returns the largest change of the series if it begins within `near_s`; None without one, or with few values.

    `influences` have a value for each period. `ends_s`: when the change may end; infinite: not before the series does.
    `tries`: permutations. `ranked`: fits the ranks of the values, for values without a scale, such as waits.
    """
    middle_s, period_s = (near_s[0] + near_s[1]) / 2, course.period_s
    chosen = np.abs(course.starts_s - middle_s) <= MOST_PERIODS / 2 * period_s
    starts_s, values = course.starts_s[chosen], course.values[chosen]
    if _is_constant(values):
        return None
    edges = _edges(starts_s, period_s, near_s) if course.additive else starts_s
    places, shapes = _shapes(starts_s, period_s, edges, ends_s)
    fitted = values.argsort(kind="stable").argsort(kind="stable").astype(np.float64) if ranked else values
    fit = _fitted(fitted, [influence[chosen] for influence in influences], places, shapes)
    if fit is None or not near_s[0] <= fit.place[0] <= near_s[1]:
        return None
    at_s, end_s = map(float, fit.place)
    early = np.flatnonzero(fit.proving & (starts_s + period_s <= at_s + 1e-6))[-SHOWN:]
    late = np.flatnonzero(fit.proving & (starts_s >= at_s - 1e-6) & (starts_s + period_s <= end_s + 1e-6))[:SHOWN]
    if not early.size or not late.size:
        return None
    step = float(fitted[late].mean() - fitted[early].mean())
    if step / fit.height < LEAST_HERE:
        return None  # another edge of the shape explains the series, or the influences moved it the other way
    searched = (fit.places[:, 0] >= near_s[0]) & (fit.places[:, 0] <= near_s[1])
    p = _by_chance(fit, searched, seed, tries)
    reach_s = period_s / FINENESS if course.additive else period_s
    low_s, high_s = _interval(fit)
    before, after = float(values[early].mean()), float(values[late].mean())
    return Change(at_s, low_s - reach_s, high_s + reach_s, end_s, before, after, _effect(fit, step), p)


def trend_within(course: Course, span_s: tuple[float, float], *, seed: int) -> Change | None:
    """Returns the steady rise or fall within the span, with the means of its first and its last quarter."""
    chosen = (course.starts_s >= span_s[0]) & (course.starts_s + course.period_s <= span_s[1])
    values = course.values[chosen]
    line = np.arange(values.size, dtype=np.float64)[:, None]
    fit = None if _is_constant(values) else _fitted(values, [], np.array([span_s]), line)
    if fit is None:
        return None
    quarter = max(2, values.size // 4)
    before, after = float(values[:quarter].mean()), float(values[-quarter:].mean())
    p = _by_chance(fit, np.array([True]), seed, MOST_TRIES)
    return Change(span_s[0], *span_s, math.inf, before, after, _effect(fit, after - before), p)


def _interval(fit: "_Fit") -> tuple[float, float]:
    """Returns the times around the best one that fit nearly as well (profile likelihood)."""
    good = fit.squares <= fit.squares.min() * math.exp(DEVIANCE / fit.freedom) + 1e-12 * fit.total
    edges, as_good = np.unique(fit.places[:, 0]), np.unique(fit.places[good, 0])
    place, kept = int(np.searchsorted(edges, fit.place[0])), np.isin(edges, as_good)
    bad = np.flatnonzero(~kept)
    first, last = bad[bad < place].max(initial=-1) + 1, bad[bad > place].min(initial=edges.size) - 1
    return float(edges[first]), float(edges[last])


def _effect(fit: "_Fit", step: float) -> float | None:
    deviation = math.sqrt(max(0.0, float(fit.squares.min())) / fit.freedom)
    return abs(step) / deviation if deviation > 1e-6 * abs(step) else None


def _is_constant(values: Floats) -> bool:
    return values.size < LEAST_PERIODS or float(np.ptp(values)) <= 1e-9 * float(np.abs(values).max())


def discoveries(p: Sequence[float], rate: float) -> list[bool]:
    """Returns which tests are positive at a false discovery rate (Benjamini and Hochberg, 1995).

    >>> discoveries([0.001, 0.2, 0.03, 0.9], 0.05)
    [True, False, False, False]
    """
    ordered = np.sort(np.asarray(p, np.float64))
    kept = np.flatnonzero(ordered <= rate * (np.arange(ordered.size) + 1) / max(1, ordered.size))
    limit = ordered[kept[-1]] if kept.size else -1.0
    return [one <= limit for one in p]


# ── The fit ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """The best of several shapes beside the influences, in innovations. Columns of `shapes` have length 1."""

    places: Floats
    shapes: Floats
    basis: Floats  # of the influences
    errors: Floats
    squares: Floats  # left by each shape
    total: float  # left by the influences alone
    place: Floats  # of the best shape
    height: float  # of the step
    proving: NDArray[np.bool_]  # the periods that count
    freedom: int


def _fitted(values: Floats, influences: Sequence[Floats], places: Floats, shapes: Floats) -> _Fit | None:
    """Returns the fit; the correlation of neighbours is that of the residuals beside the best shape."""
    columns, correlation, fit = _columns(influences, values.size), 0.0, None
    proving = (_basis(columns) ** 2).sum(axis=1) < LEVERAGE
    values, columns, shapes = values[proving], columns[proving], shapes[proving]
    usable = _lasting(shapes)
    places, shapes = places[usable], shapes[:, usable]
    if values.size < LEAST_PERIODS or not usable.any():
        return None
    for _ in range(ROUNDS):
        basis = _basis(_innovations(columns, correlation))
        own, inner = _without(basis, _innovations(shapes, correlation)), shapes - shapes.mean(axis=0)
        lengths = (own**2).sum(axis=0)
        kept = _without(_basis(columns), shapes)
        distinct = (kept**2).sum(axis=0) > LEAST_OWN * (inner**2).sum(axis=0)  # the influences do not explain it
        if not distinct.any():
            return None
        units = own[:, distinct] / np.sqrt(lengths[distinct])
        rest = _without(basis, _innovations(values, correlation))
        along, total = units.T @ rest, float(rest @ rest)
        best = int(np.argmax(along**2))
        fit = _Fit(
            places=places[distinct],
            shapes=units,
            basis=basis,
            errors=rest - units[:, best] * along[best],
            squares=np.maximum(0.0, total - along**2),
            total=total,
            place=places[distinct][best],
            height=float(along[best] / math.sqrt(lengths[distinct][best])),
            proving=proving,
            freedom=max(1, values.size - basis.shape[1] - 2),
        )
        model = _basis(np.column_stack([columns, shapes[:, distinct][:, best]]))
        correlation = _correlation(_without(model, values), model.shape[1])
    return fit


def _columns(influences: Sequence[Floats], size: int) -> Floats:
    """Returns a constant and the influences, of one scale."""
    columns = [np.ones(size)]
    for influence in influences:
        centred = influence - influence.mean()
        spread = float(np.abs(centred).max(initial=0.0))
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


def _edges(starts_s: Floats, period_s: float, near_s: tuple[float, float]) -> Floats:
    """Returns possible times of a change: fine ones near the searched time, else the starts of periods."""
    fine = np.arange(near_s[0], near_s[1] + 1e-9, period_s / FINENESS)
    return np.unique(np.concatenate([starts_s, fine]))


def _shapes(starts_s: Floats, period_s: float, edges: Floats, ends_s: Sequence[float]) -> tuple[Floats, Floats]:
    """Returns pairs of edge and end, and for each pair a column: the part of each period between both."""
    pairs = np.array([(edge, end) for end in ends_s for edge in edges if edge + period_s <= end]).reshape(-1, 2)
    first = np.maximum(starts_s[:, None], pairs[None, :, 0])
    last = np.minimum(starts_s[:, None] + period_s, pairs[None, :, 1])
    return pairs, np.clip((last - first) / period_s, 0, 1)


def _lasting(shapes: Floats) -> NDArray[np.bool_]:
    """Returns which shapes have enough periods on both sides of the change."""
    full, none = (shapes > 1 - 1e-6).sum(axis=0), (shapes < 1e-6).sum(axis=0)
    is_step = shapes.max(axis=0) <= 1
    lasting: NDArray[np.bool_] = ~is_step | (
        (np.minimum(full, none) >= LEAST_INSIDE) & (np.maximum(full, none) >= LEAST_OUTSIDE)
    )
    return lasting


def _correlation(errors: Floats, fitted: int) -> float:
    """Returns the correlation of neighbours, at least 0. Fitted columns lower it (Kendall, 1954), and chance may."""
    squares, size = float(errors @ errors), errors.size
    raw = float(errors[1:] @ errors[:-1]) / squares if squares > 1e-18 * size else 0.0
    return min(STRONGEST, max(0.0, (size * raw + fitted) / max(1, size - 3 - fitted) + 1 / math.sqrt(size)))


def _by_chance(fit: _Fit, searched: NDArray[np.bool_], seed: int, tries: int) -> float:
    """Returns the share of permuted residuals in which a searched shape explains as much of the variation."""
    random, size, shapes = np.random.default_rng(seed), fit.errors.size, fit.shapes[:, searched]
    explained = 1 - float(fit.squares.min()) / fit.total
    if explained > 1 - 1e-9:  # without noise, all permutations are alike
        return 1 / (tries + 1)
    length = max(1, round(size ** (1 / 3) / 2))
    blocks, better, tried = math.ceil(size / length), 0, 0
    while tried < tries and better < ENOUGH:
        order = random.random((BATCH, blocks)).argsort(axis=1)
        index = (order[:, :, None] * length + np.arange(length)).reshape(BATCH, -1)[:, :size]
        noise = _without(fit.basis, fit.errors[(index + random.integers(size, size=(BATCH, 1))) % size].T)
        squares = (noise**2).sum(axis=0)
        most = ((shapes.T @ noise) ** 2).max(axis=0)
        better += int((most >= explained * squares).sum())
        tried += BATCH
    return (better + 1) / (tried + 1)
