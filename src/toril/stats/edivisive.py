"""Places at which the level of a series changes.

Matteson and James (2014), A nonparametric approach for multiple change point analysis; Fleming et al. (2023), Hunter:
Student's test of each place. The level is divided by the number of candidate places, so no random numbers are needed.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toril.stats.quantiles import student_below

Floats = NDArray[np.float64]
LEAST = 10  # values in a part of the series that may be split
BEFORE, AFTER = 5, 3  # values on both sides of a place, at least
ROUNDING = 1e-12  # relative; a smaller difference of two means is none


@dataclass(frozen=True, slots=True)
class Split:
    """One place at which the level of a series changes."""

    place: int  # index of the first value after the change
    q: float  # the energy statistic
    p: float  # of Student's test, multiplied by the number of candidate places
    before: float  # mean of the values since the previous place
    after: float  # mean of the values up to the next place
    error: float  # standard deviation of `after - before`
    freedom: int  # degrees of freedom of the error


def splits(values: Sequence[float], level: float = 0.01) -> tuple[Split, ...]:
    """Returns the significant places in their order."""
    series = np.asarray(values, dtype=np.float64)
    found = sorted(_places(series, 0, len(series), level))
    ends = [0, *(place for place, _, _ in found), len(series)]
    return tuple(
        Split(place, q, p, *_difference(series[ends[number] : place], series[place : ends[number + 2]]))
        for number, (place, q, p) in enumerate(found)
    )


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
    mean, other, error, freedom = _difference(part[:place], part[place:until])
    change = abs(other - mean)
    if change <= ROUNDING * float(np.abs(part).max()):
        return
    p = 2 * student_below(-change / error, freedom) * (count - BEFORE - AFTER + 1) if error else 0.0
    if p <= level:
        yield first + place, float(q[place, until]), p
        yield from _places(series, first, first + place, level)
        yield from _places(series, first + place, end, level)


def _difference(first: Floats, second: Floats) -> tuple[float, float, float, int]:
    """Returns both means, the standard deviation of their difference by Student's pooled variance, and its freedom."""
    means, freedom = (float(first.mean()), float(second.mean())), len(first) + len(second) - 2
    squares = float(((first - means[0]) ** 2).sum() + ((second - means[1]) ** 2).sum())
    return *means, math.sqrt(squares / freedom * (1 / len(first) + 1 / len(second))), freedom
