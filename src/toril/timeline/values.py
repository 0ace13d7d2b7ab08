"""The values that scripts measure, in the script's own unit, from samples that hold them times VALUE_SCALE."""

from toril.stats.histogram import highest_us, lowest_us
from toril.stats.quantiles import rank_of
from toril.timeline.intervals import VALUE_SCALE
from toril.timeline.samples import Stats


def lowest_value(stats: Stats) -> float:
    """Returns the exact minimum; 0 without values."""
    return stats.min_us / VALUE_SCALE


def highest_value(stats: Stats) -> float:
    """Returns the exact maximum; 0 without values."""
    return stats.max_us / VALUE_SCALE


def sum_of_values(stats: Stats) -> float:
    """Returns the exact sum."""
    return stats.sum_us / VALUE_SCALE


def mean_value(stats: Stats) -> float:
    """Returns the exact mean; ValueError without values."""
    return stats.mean_us / VALUE_SCALE


def percentile_value(stats: Stats, percent: float) -> float:
    """Returns the nearest-rank percentile of at least one value, with three significant digits.

    It is the number with the fewest digits among those that a bucket of the histogram cannot tell apart. So it is exact
    for values of at most three digits, such as small counts.
    """
    bucket = stats.response.bucket_at_rank(rank_of(percent, stats.samples))
    low, high = max(lowest_us(bucket), stats.min_us), min(highest_us(bucket), stats.max_us)
    step = 1
    while high > 0 and high - high % (10 * step) >= low:
        step *= 10
    return (high - high % step) / VALUE_SCALE
