"""Confidence intervals of quantiles, shares and means, and the quantiles of Student's t.

Intervals of quantiles come from order statistics, so they hold for any distribution.
"""

import math
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from toril.stats import CONFIDENCE
from toril.stats.histogram import Histogram, highest_us, lowest_us

NORMAL_REACH = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)  # 1.96 standard deviations
EXACT_VARIANCE = 100_000  # above it, the binomial is normal to within one rank, which is added to the interval


# Student's t is implemented here because SciPy adds 35 MB to each installation (docs/decisions/0012). The tests
# compare the results with SciPy's.
NODES = 64  # of Gauss and Legendre's integration
FARTHEST = 10.0  # standard deviations from which nothing is left of an integral
HALVINGS = 60  # of an angle; then no double is left between the ends


@lru_cache(maxsize=4096)
def rank_of(percent: float, samples: int) -> int:
    """Returns the nearest rank (from 1) of a percentile (0 … 100), computed exactly: as floats, 99.9 × 1,000 is not."""
    if not 0 <= percent <= 100:
        raise ValueError(f"percentile {percent} is not within 0 … 100")
    return max(1, math.ceil(Fraction(repr(float(percent))) * samples / 100))


@lru_cache(maxsize=4096)
def quantile_ranks(percent: float, samples: int, confidence: float = CONFIDENCE) -> tuple[int | None, int | None]:
    """Returns ranks l and u (from 1): the true quantile lies between the l-th and the u-th smallest sample.

    The number of samples below the quantile is binomial, so P(below the l-th) and P(above the u-th) are exact: each is
    at most half of 1 − `confidence`. None: even the smallest (largest) sample may be above (below) the quantile.
    """
    share = percent / 100
    if samples < 1 or not 0 < share < 1:
        return None, None
    beyond = (1 - confidence) / 2
    if samples * share * (1 - share) > EXACT_VARIANCE:
        middle = samples * share
        reach = NormalDist().inv_cdf(1 - beyond) * math.sqrt(middle * (1 - share))
        return math.floor(middle - reach) - 1, math.ceil(middle + reach) + 2
    first, tail = _binomial(samples, share)
    below = np.cumsum(tail)  # below[i] = P(B <= first + i)
    above = np.cumsum(tail[::-1])[::-1]  # above[i] = P(B >= first + i)
    lower = first + int(np.searchsorted(below, beyond, side="right"))  # the first B with P(B <= …) > beyond
    upper = first + int(above.size - np.searchsorted(above[::-1], beyond, side="right"))
    return (lower if lower >= 1 else None, upper if upper <= samples else None)


def quantile_interval(
    histogram: Histogram, percent: float, confidence: float = CONFIDENCE, *, resolution_us: int = 1
) -> tuple[int | None, int | None]:
    """Returns the interval of a percentile (0 … 100) in µs; a bound is None if there are too few samples for it.

    The bounds are the outer edges of their buckets. An engine whose record is coarser cuts off the rest of each time,
    so a recorded 7 ms may be 7.999 ms.
    """
    lower, upper = quantile_ranks(percent, histogram.total, confidence)
    return (
        None if lower is None else lowest_us(histogram.bucket_at_rank(lower)),
        None if upper is None else highest_us(histogram.bucket_at_rank(upper)) + max(0, resolution_us - 1),
    )


def share_interval(part: int, whole: int, deviations: float = NORMAL_REACH) -> tuple[float, float]:
    """Returns Wilson's score interval of a share (0 … 1), valid for few samples too, and for shares 0 and 1.

    `deviations`: its reach in standard deviations; by default 95 %.
    """
    if whole < 1:
        return 0.0, 1.0
    share, spread = part / whole, deviations**2 / whole
    middle = (share + spread / 2) / (1 + spread)
    reach = deviations / (1 + spread) * math.sqrt(share * (1 - share) / whole + spread / (4 * whole))
    return (0.0 if part == 0 else max(0.0, middle - reach)), (1.0 if part == whole else min(1.0, middle + reach))


def mean_interval(mean: float, stdev: float, samples: int) -> tuple[float, float]:
    """Returns the 95 % interval of a mean by the central limit theorem, which needs enough samples."""
    reach = NORMAL_REACH * stdev / math.sqrt(samples)
    return mean - reach, mean + reach


def _binomial(samples: int, share: float) -> tuple[int, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Returns `first` and P(B = first), P(B = first + 1) … for each B with a non-negligible probability."""
    middle = min(samples, round(samples * share))
    reach = math.ceil(10 * math.sqrt(samples * share * (1 - share))) + 60
    first, last = max(0, middle - reach), min(samples, middle + reach)
    odds = math.log(share) - math.log1p(-share)
    steps = np.arange(first, last, dtype=np.float64)  # from each B to the next
    logarithms = np.concatenate([[0.0], np.cumsum(np.log((samples - steps) / (steps + 1)) + odds)])
    weights = np.exp(logarithms - logarithms.max())
    return first, weights / weights.sum()


@lru_cache(maxsize=4096)
def student_quantile(probability: float, freedom: float) -> float:
    """Returns the value below which a Student t variable lies with this probability.

    >>> round(student_quantile(0.95, 9), 4)
    1.8331
    """
    if not 0 < probability < 1 or freedom < 1:
        raise ValueError(f"Student's t with {freedom} degrees of freedom has no quantile {probability}")
    if probability < 0.5:
        return -student_quantile(1 - probability, freedom)
    low, high = 0.0, math.pi / 2  # the angle of `student_below`
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = student_below(math.sqrt(freedom) * math.tan(middle), freedom) < probability
        low, high = (middle, high) if below else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def student_below(value: float, freedom: float) -> float:
    """Returns the probability that a Student t variable lies below the value.

    The angle whose tangent is t / √freedom has the density cos^(freedom − 1), up to a constant.
    """
    angle = math.atan2(abs(value), math.sqrt(freedom))
    half = (min(math.pi / 2, angle + FARTHEST / math.sqrt(freedom)) - angle) / 2
    nodes, weights = _nodes()
    heights = np.cos(angle + half * (1 + nodes)) ** (freedom - 1)
    constant = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    beyond = half * constant * float(weights @ heights)
    return beyond if value < 0 else 1 - beyond


@lru_cache(maxsize=1)
def _nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns nodes and weights of the integration, on first use: only few commands need Student's t."""
    return np.polynomial.legendre.leggauss(NODES)
