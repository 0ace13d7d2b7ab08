"""How sure a figure is: intervals of quantiles from order statistics, which assume nothing of the distribution; of
shares and means; and the quantiles of Student's t.
"""

import math
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from toril.stats import CONFIDENCE
from toril.stats.histogram import Histogram, highest_us, lowest_us

NORMAL_REACH = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)  # 1.96 standard deviations
EXACT_VARIANCE = 100_000  # beyond it the binomial is normal to within a rank, by which the interval is then widened


# Of Student's t: SciPy has it, and 35 MB for every installation (docs/decisions/0012); the tests compare with SciPy's.
TINY = 1e-300  # what stands for 0 in a denominator
NO_CHANGE = 1e-15  # a factor so near to 1
MOST_TERMS = 10_000
HALVINGS = 200  # of an interval, until no double is left between its ends


@lru_cache(maxsize=4096)
def rank_of(percent: float, samples: int) -> int:
    """The nearest rank, from 1, of a percentile (0 … 100); exact, which 99.9 × 1,000 as floats is not."""
    if not 0 <= percent <= 100:
        raise ValueError(f"percentile {percent} is not within 0 … 100")
    return max(1, math.ceil(Fraction(repr(float(percent))) * samples / 100))


@lru_cache(maxsize=4096)
def quantile_ranks(percent: float, samples: int, confidence: float = CONFIDENCE) -> tuple[int | None, int | None]:
    """Ranks l, u (from 1) so that the true quantile lies between the l-th and the u-th smallest sample.

    How many samples lie below the quantile is binomial, so P(below the l-th) and P(above the u-th) are exact, each at
    most half of what `confidence` leaves. None: even the smallest (largest) sample may be above (below) the quantile.
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
    lower = first + int(np.searchsorted(below, beyond, side="right"))  # the first B that is not rare enough
    upper = first + int(above.size - np.searchsorted(above[::-1], beyond, side="right"))
    return (lower if lower >= 1 else None, upper if upper <= samples else None)


def quantile_interval(
    histogram: Histogram, percent: float, confidence: float = CONFIDENCE
) -> tuple[int | None, int | None]:
    """The interval of a percentile (0 … 100) in µs; None on a side where there are too few samples to bound it.

    The bounds are the outer edges of their buckets, so that the resolution is part of the interval.
    """
    lower, upper = quantile_ranks(percent, histogram.total, confidence)
    return (
        None if lower is None else lowest_us(histogram.bucket_at_rank(lower)),
        None if upper is None else highest_us(histogram.bucket_at_rank(upper)),
    )


def share_interval(part: int, whole: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share (0 … 1): sound for few samples, and for none or all of them."""
    if whole < 1:
        return 0.0, 1.0
    share, spread = part / whole, NORMAL_REACH**2 / whole
    middle = (share + spread / 2) / (1 + spread)
    reach = NORMAL_REACH / (1 + spread) * math.sqrt(share * (1 - share) / whole + spread / (4 * whole))
    return (0.0 if part == 0 else max(0.0, middle - reach)), (1.0 if part == whole else min(1.0, middle + reach))


def mean_interval(mean: float, stdev: float, samples: int) -> tuple[float, float]:
    """The 95 % interval of a mean by the central limit theorem, for samples enough that it applies."""
    reach = NORMAL_REACH * stdev / math.sqrt(samples)
    return mean - reach, mean + reach


def _binomial(samples: int, share: float) -> tuple[int, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """P(B = first), P(B = first + 1) … for every B that is not all but impossible."""
    middle = min(samples, round(samples * share))
    reach = math.ceil(10 * math.sqrt(samples * share * (1 - share))) + 60
    first, last = max(0, middle - reach), min(samples, middle + reach)
    odds = math.log(share) - math.log1p(-share)
    steps = np.arange(first, last, dtype=np.float64)  # from each B to the next
    logarithms = np.concatenate([[0.0], np.cumsum(np.log((samples - steps) / (steps + 1)) + odds)])
    weights = np.exp(logarithms - logarithms.max())
    return first, weights / weights.sum()


@lru_cache(maxsize=4096)
def student_quantile(probability: float, freedom: int) -> float:
    """The value below which a Student t variable lies with this probability.

    >>> round(student_quantile(0.95, 9), 4)
    1.8331
    """
    if not 0 < probability < 1 or freedom < 1:
        raise ValueError(f"no quantile {probability} of Student's t with {freedom} degrees of freedom")
    if probability < 0.5:
        return -student_quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while student_below(high, freedom) < probability:
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if student_below(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def student_below(value: float, freedom: int) -> float:
    """How probable it is that a Student t variable lies below the value."""
    beyond = _incomplete_beta(freedom / (freedom + value * value), freedom / 2, 0.5) / 2
    return beyond if value < 0 else 1 - beyond


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """I_x(a, b): its continued fraction (DLMF 8.17.22) by Lentz's method, on the side where that converges fast."""
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    gammas = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(gammas + a * math.log(x) + b * math.log1p(-x)) / a
    value, c, d = 1.0, math.inf, 1.0
    for term in range(1, MOST_TERMS):
        m = term // 2
        if term % 2:
            part = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            part = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + part * d or TINY)
        c = 1 + part / c or TINY
        value *= c * d
        if abs(c * d - 1) < NO_CHANGE:
            break
    return front * value
