"""Places at which the level of a series changes.

Matteson and James (2014), A nonparametric approach for multiple change point analysis; Fleming et al. (2023), Hunter:
Student's test of each place. The level is divided by the number of candidate places, so no random numbers are needed.

Neighbouring values may be correlated, such as runs on one host. Then their means vary more, as by Bartlett (1946).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from toril.stats.quantiles import student_below

Floats = NDArray[np.float64]
LEAST = 10  # values in a part of the series that may be split
BEFORE, AFTER = 5, 3  # values on both sides of a place, at least
ROUNDING = 1e-12  # relative; a smaller difference of two means is none
STRONGEST = 0.95  # correlation of neighbours; with more, means of a few values have no finite error


@dataclass(frozen=True, slots=True)
class Split:
    """One place at which the level of a series changes."""

    place: int  # index of the first value after the change
    q: float  # the energy statistic
    p: float  # of Student's test, multiplied by the number of candidate places
    before: float  # mean of the values since the previous place
    after: float  # mean of the values up to the next place
    error: float  # standard deviation of `after - before`
    freedom: float  # degrees of freedom of the error


def splits(values: Sequence[float], level: float = 0.01, *, correlated: bool = False) -> tuple[Split, ...]:
    """Returns the significant places in their order.

    `correlated`: only those that are still significant with the correlation of neighbouring values.
    """
    return _splits(tuple(values), level, correlated)


@lru_cache(maxsize=512)  # a console shows the same series again; one has about 10 kB
def _splits(values: tuple[float, ...], level: float, correlated: bool) -> tuple[Split, ...]:
    series = np.asarray(values, dtype=np.float64)
    differences = {place: (q, p) for place, q, p in _places(series, 0, len(series), level)}
    places, correlation = _lasting(series, sorted(differences), level) if correlated else (sorted(differences), 0.0)
    parts = np.split(series, places)
    return tuple(
        Split(place, *differences[place], *_difference(parts[number], parts[number + 1], correlation))
        for number, place in enumerate(places)
    )


def _lasting(series: Floats, places: list[int], level: float) -> tuple[list[int], float]:
    """Returns the places that the correlation of neighbours does not explain, and this correlation.

    Each place is tested between its neighbours. The least significant one is dropped, and the others are tested again:
    places that split a slow drift hide its correlation.
    """
    while True:
        parts = np.split(series, places)
        correlation = _correlation(parts)
        p = [_significance(first, second, correlation) for first, second in pairwise(parts)]
        if not correlation or max(p, default=0.0) <= level:
            return places, correlation
        places = [place for number, place in enumerate(places) if number != p.index(max(p))]


def _correlation(parts: Sequence[Floats]) -> float:
    """Returns the correlation of neighbouring values, each part around its own mean; at least 0.

    The mean of few values follows them, which lowers the correlation by (1 + 3 r) / n for n values (Kendall, 1954).
    """
    rests = [part - part.mean() for part in parts if part.size]
    squares, count = math.fsum(float(rest @ rest) for rest in rests), sum(map(len, parts))
    if squares <= (ROUNDING * max((float(np.abs(part).max()) for part in parts if part.size), default=0.0)) ** 2:
        return 0.0
    raw = math.fsum(float(rest[1:] @ rest[:-1]) for rest in rests) / squares
    return min(STRONGEST, max(0.0, (count * raw + len(parts)) / max(1, count - 3 * len(parts))))


def energies(values: Floats) -> Floats:
    """Returns the energy statistic of each place (row) in the values before each end (column); elsewhere −∞.

    For m values X before the place and n values Y behind it: mn / (m + n) · (2 E|X − Y| − E|X − X′| − E|Y − Y′|). With
    all ends, a place that was found stays one after the level has returned.
    """
    count = len(values)
    sums = np.zeros((count + 1, count + 1))  # of the distances between the first values and the first values
    sums[1:, 1:] = np.abs(values[:, None] - values[None, :]).cumsum(axis=0).cumsum(axis=1)
    own, places = np.diag(sums), np.arange(count + 1)
    left, right = own[:, None] / 2, (own[:, None] - 2 * sums + own[None, :]) / 2
    m, n = np.maximum(1, places[:, None]), np.maximum(1, places[None, :] - places[:, None])
    apart = left / np.maximum(1, m * (m - 1) / 2) + right / np.maximum(1, n * (n - 1) / 2)
    q = 2 * (sums - own[:, None]) / (m + n) - m * n / (m + n) * apart
    return np.where((places[:, None] > 0) & (places[None, :] > places[:, None]), q, -np.inf)


def _places(series: Floats, first: int, end: int, level: float) -> Iterator[tuple[int, float, float]]:
    """Yields the significant places of one part of the series, each with its statistic and its p-value."""
    part, count = series[first:end], end - first
    if count < LEAST:
        return
    q = energies(part)
    places = np.arange(count + 1)
    enough = places[None, :] - places[:, None] >= AFTER
    enough[:BEFORE] = False
    enough[1:-1] &= (q[1:-1] >= q[:-2]) & (q[1:-1] >= q[2:])  # otherwise the true place has too few values on a side
    place, until = map(int, np.unravel_index(np.where(enough, q, -np.inf).argmax(), q.shape))
    if not enough[place, until]:
        return
    before, after = part[:place], part[place:until]
    if abs(after.mean() - before.mean()) <= ROUNDING * float(np.abs(part).max()):
        return
    p = _significance(before, after, 0.0, count)
    if p <= level:
        yield first + place, float(q[place, until]), p
        yield from _places(series, first, first + place, level)
        yield from _places(series, first + place, end, level)


def _significance(before: Floats, after: Floats, correlation: float, among: int | None = None) -> float:
    """Returns the p-value of the change, multiplied by the number of candidate places among this many values."""
    mean, other, error, freedom = _difference(before, after, correlation)
    candidates = max(1, (len(before) + len(after) if among is None else among) - BEFORE - AFTER + 1)
    return 2 * student_below(-abs(other - mean) / error, freedom) * candidates if error else 0.0


def _difference(first: Floats, second: Floats, correlation: float) -> tuple[float, float, float, float]:
    """Returns both means, the standard deviation of their difference by Student's pooled variance, and its freedom."""
    count, means = len(first) + len(second), (float(first.mean()), float(second.mean()))
    squares = float(((first - means[0]) ** 2).sum() + ((second - means[1]) ** 2).sum())
    factors = [_factor(len(part), correlation) for part in (first, second)]
    freedom = max(1.0, count * (1 - correlation**2) / (1 + correlation**2) - 2)
    variance = squares / (count - sum(factors))
    return *means, math.sqrt(variance * (factors[0] / len(first) + factors[1] / len(second))), freedom


def _factor(count: int, correlation: float) -> float:
    """Returns how much larger the variance of a mean is than that of as many independent values."""
    lags = np.arange(1, count)
    return 1 + 2 * float(((1 - lags / count) * correlation**lags).sum())
