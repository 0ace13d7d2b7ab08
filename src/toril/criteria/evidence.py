"""How many samples it takes before a criterion means anything."""

import math
from functools import cache

from toril.criteria.criterion import Criterion
from toril.stats.quantiles import quantile_ranks

OF_A_MEAN = 30  # from where on the central limit theorem may be trusted
SURE_OF_NONE = 3  # none among 3 / p samples: with 95 % confidence there is less than p of it


def samples_needed(criterion: Criterion) -> int:
    """The fewest samples that can show that it holds, or does not, with 95 % confidence."""
    if criterion.percentile is not None:
        return _of_percentile(criterion.percentile) if 0 < criterion.percentile < 100 else 1
    if criterion.percent:
        rarer = min(criterion.threshold, 100 - criterion.threshold) or 100 / OF_A_MEAN
        return math.ceil(SURE_OF_NONE * 100 / rarer)
    return OF_A_MEAN if criterion.unit == "us" else 1


@cache
def _of_percentile(percentile: float) -> int:
    """Until its interval by order statistics is bounded on both sides."""
    low, high = 1, 2
    while None in quantile_ranks(percentile, high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if None in quantile_ranks(percentile, middle):
            low = middle
        else:
            high = middle
    return high
