"""The range in which one more value lies: Hahn and Meeker (1991), Statistical intervals."""

import math
import statistics
from collections.abc import Sequence

from toril.stats.quantiles import student_quantile


def prediction(values: Sequence[float], level: float) -> tuple[float, float, float]:
    """Returns the mean of the values, and the lower and the upper bound of one more value of the same process.

    Each bound is one-sided and wrong with the probability `level`. ValueError for fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"{len(values)} values predict nothing")
    mean = math.fsum(values) / len(values)
    reach = student_quantile(1 - level, len(values) - 1) * error_of(statistics.stdev(values), len(values))
    return mean, mean - reach, mean + reach


def error_of(spread: float, count: int) -> float:
    """Returns the standard deviation of one more value from the mean of `count` values."""
    return spread * math.sqrt(1 + 1 / count)
