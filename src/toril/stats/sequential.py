"""Levels of Student's t in a test with several interim analyses, while its values arrive, and of several hypotheses.

Lan and DeMets (1983), Discrete sequential boundaries for clinical trials; Kim and DeMets (1987), the power family of
spending functions; Armitage, McPherson and Rowe (1969), the recursion over interim analyses; Jennison and Turnbull
(1991), Exact calculations for sequential t tests. Several hypotheses: Holm (1979); with interim analyses, Ye et al.
(2013).

Levels for normal values with a known variance would be exceeded: with 5 to 40 values, 5 % would be up to 5.6 %. So the
recursion is that of Student's t. For n values without an effect, t = tan ψ · √(n − 1), where ψ is the angle between the
values and the plane of those whose sum is 0. With k more values,

    sin ψ' = (√n · sin ψ · cos θ + √k · sin φ · sin θ) / √(n + k),

where φ is the angle of the new values alone, and tan θ the ratio of both vectors' lengths. Neither depends on the past,
so ψ is a Markov chain.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from toril.stats.quantiles import student_below

Floats = NDArray[np.float64]

FIRST = 5  # values: with fewer, the standard deviation is too uncertain
GROWTH = math.sqrt(2)  # of the values between interim analyses; more of these would end a test hardly earlier
FEW, CAUTIOUS, POWER = 20, 8, 2  # below 20 values, early analyses cost power, so they may spend hardly anything
CELLS = 1_000  # of the angle ψ
NODES = (12, 64)  # of the integrations over θ and φ
FARTHEST = 7.0  # standard deviations of θ and φ
SIGNS = np.array([-1.0, 1.0])  # sin φ of one value


def looks_of(most: int) -> tuple[int, ...]:
    """Returns the numbers of values at the interim analyses of a test with at most `most` values.

    >>> looks_of(40), looks_of(10), looks_of(4)
    ((5, 7, 10, 14, 20, 28, 40), (5, 7, 10), (4,))
    """
    growing = (round(FIRST * GROWTH**step) for step in range(most))
    return (*(look for look in growing if look < most), most)


@lru_cache(maxsize=256)
def levels(alpha: float, looks: tuple[int, ...]) -> tuple[float, ...]:
    """Returns the nominal one-sided level of each interim analysis, such that all together have the level `alpha`.

    `looks` are the numbers of values at the interim analyses, ascending from 2. ValueError otherwise. Up to a share of
    the values, the levels spend alpha times its square; with fewer than 20 values, its 8th power. Results are cached.
    """
    if not looks:
        raise ValueError("a test without looks has no levels")
    power = POWER if looks[-1] >= FEW else CAUTIOUS
    return spending(tuple(alpha * (look / looks[-1]) ** power for look in looks), looks)


def spending(probabilities: Sequence[float], looks: Sequence[int]) -> tuple[float, ...]:
    """Returns the nominal one-sided levels that spend these probabilities up to each interim analysis."""
    if any(look <= before for before, look in zip((1, *looks), looks, strict=False)):
        raise ValueError(f"the looks {looks} are not ascending numbers of values from 2")
    width = math.pi / CELLS
    angles = (np.arange(CELLS, dtype=np.float64) + 0.5) * width - math.pi / 2
    mass: Floats = np.power(np.cos(angles), looks[0] - 2)
    mass /= mass.sum()
    spent, count, before = [], looks[0], 0.0
    for look, probability in zip(looks, probabilities, strict=True):
        mass = _after_more(count, look - count, angles, mass, width) if look > count else mass
        above = np.cumsum(mass[::-1])  # of the cells from the top
        cells = int(np.searchsorted(above, probability - before))
        part = (probability - before - (above[cells - 1] if cells else 0.0)) / mass[CELLS - 1 - cells]
        mass[CELLS - cells :] = 0
        mass[CELLS - 1 - cells] *= 1 - part
        boundary = math.pi / 2 - (cells + part) * width
        spent.append(1 - student_below(math.tan(boundary) * math.sqrt(look - 1), look - 1))
        count, before = look, probability
    return tuple(spent)


def holm(p: Sequence[float], level_of: Callable[[int], float]) -> tuple[tuple[bool, float], ...]:
    """Returns for each hypothesis whether it is rejected, and its level, in the order of their p-values.

    `level_of` returns the nominal level for a number of hypotheses that are left; for one interim analysis, alpha
    divided by it.
    """
    levels, rejects, level = {}, True, 0.0
    for done, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if rejects:
            level = level_of(len(p) - done)
            rejects = p[place] <= level
        levels[place] = rejects, level
    return tuple(levels[place] for place in range(len(p)))


def _after_more(count: int, more: int, angles: Floats, mass: Floats, width: float) -> Floats:
    """Returns the mass of each cell after `more` values in addition to `count`."""
    middle, reach = math.atan2(math.sqrt(more), math.sqrt(count)), FARTHEST / math.sqrt(count + more)
    turns, weights = _nodes(NODES[0], max(0.0, middle - reach), min(math.pi / 2, middle + reach))
    weights *= np.sin(turns) ** (more - 1) * np.cos(turns) ** (count - 1)
    own, own_weights = _nodes(NODES[1], *(sign * min(math.pi / 2, FARTHEST / math.sqrt(more)) for sign in (-1, 1)))
    own, own_weights = (np.sin(own), own_weights * np.cos(own) ** (more - 2)) if more > 1 else (SIGNS, np.ones(2))
    shares = np.outer(weights, own_weights).ravel()
    added = math.sqrt(more) * np.outer(np.sin(turns), own).ravel()
    kept = math.sqrt(count) * np.outer(np.sin(angles), np.repeat(np.cos(turns), own.size))
    places = (np.arcsin(np.clip((kept + added) / math.sqrt(count + more), -1, 1)) + math.pi / 2) / width - 0.5
    low = np.clip(places.astype(np.int64), 0, CELLS - 2)
    above = np.clip(places - low, 0, 1)
    moved = np.outer(mass, shares / shares.sum())
    counts = np.bincount(low.ravel(), (moved * (1 - above)).ravel(), CELLS)
    return np.asarray(counts + np.bincount(low.ravel() + 1, (moved * above).ravel(), CELLS))


def _nodes(count: int, low: float, high: float) -> tuple[Floats, Floats]:
    """Returns the nodes and weights of Gauss and Legendre's integration."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return low + (high - low) * (nodes + 1) / 2, weights
