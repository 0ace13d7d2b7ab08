"""The mean of values: its bounds, the smallest detectable change, the pairs that find a change, and one more value.

Student (1908), The probable error of a mean; Welch (1947), The generalization of Student's problem; Hahn and Meeker
(1991), Statistical intervals.
"""

import bisect
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from toril.stats.quantiles import student_below, student_quantile

LEAST = 4  # values: with fewer, their standard deviation is too uncertain to prove anything


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of some values, and what its error is."""

    mean: float
    spread: float  # standard deviation of one value
    count: int
    error: float  # standard deviation of the mean
    freedom: float  # degrees of freedom of the error


def sample_of(values: Sequence[float]) -> Mean | None:
    """Returns the sample of the values; None if there are fewer than two."""
    count = len(values)
    if count < 2:
        return None
    spread = statistics.stdev(values)
    return Mean(math.fsum(values) / count, spread, count, spread / math.sqrt(count), count - 1)


def bounds(sample: Mean, low_level: float, high_level: float) -> tuple[float, float]:
    """Returns one-sided bounds of the true mean. Each is wrong with the probability of its level (0 … 1)."""
    below, above = (student_quantile(1 - level, sample.freedom) for level in (low_level, high_level))
    return sample.mean - below * sample.error, sample.mean + above * sample.error


def p_above(sample: Mean, limit: float) -> float:
    """Returns the probability of such a mean, or a larger one, if the true mean is the limit."""
    distance = sample.mean - limit
    return student_below(-distance / sample.error, sample.freedom) if sample.error else float(distance <= 0)


def prediction(values: Sequence[float], level: float) -> tuple[float, float, float]:
    """Returns the mean of the values, and the lower and the upper bound of one more value of the same process.

    Each bound is one-sided and wrong with the probability `level`. ValueError for fewer than two values.
    """
    mean, count = statistics.fmean(values), len(values)
    reach = student_quantile(1 - level, count - 1) * error_of_one_more(statistics.stdev(values), count)
    return mean, mean - reach, mean + reach


def error_of_one_more(spread: float, count: int) -> float:
    """Returns the standard deviation of one more value from the mean of `count` values."""
    return spread * math.sqrt(1 + 1 / count)


def detectable(spread: float, count: int, level: float = 0.05, power: float = 0.8) -> float:
    """Returns the distance from a limit at which a true mean is proven with this power, in the unit of `spread`."""
    return (student_quantile(1 - level, count - 1) + student_quantile(power, count - 1)) * spread / math.sqrt(count)


def pairs_needed(effect: float, spread: float, level: float = 0.05, power: float = 0.9, most: int = 400) -> int | None:
    """Returns the fewest pairs that prove a mean at this distance from the limit; None: more than `most`.

    `effect` and `spread` have the same unit, and `effect` is above 0.
    """
    counts = range(LEAST, most + 1)  # the distance falls as the count grows
    place = bisect.bisect_left(counts, -effect, key=lambda count: -detectable(spread, count, level, power))
    return counts[place] if place < len(counts) else None


def halves(first: Mean, second: Mean) -> tuple[Mean, Mean]:
    """Returns the effect of the version, and that of the host.

    `first` and `second` are the changes before and after both deployments were exchanged. The effects are the mean of
    both changes, and half of their difference; the degrees of freedom are Welch's.
    """
    squares = [sample.error**2 / 4 for sample in (first, second)]
    variance = math.fsum(squares)
    weights = math.fsum(square**2 / sample.freedom for square, sample in zip(squares, (first, second), strict=True))
    freedom = variance**2 / weights if weights else first.freedom + second.freedom
    count, error = first.count + second.count, math.sqrt(variance)
    spread = error * math.sqrt(count)
    version, host = (first.mean + second.mean) / 2, (first.mean - second.mean) / 2
    return Mean(version, spread, count, error, freedom), Mean(host, spread, count, error, freedom)
