"""How sure a figure is: intervals of quantiles from order statistics, which assume nothing of the distribution; of
shares and means.
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
