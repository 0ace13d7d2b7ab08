"""The values that scripts measure, in the script's own unit, from samples that hold them times VALUE_SCALE."""

from toril.stats.histogram import highest_us, lowest_us
from toril.stats.quantiles import rank_of
from toril.timeline.intervals import VALUE_SCALE
from toril.timeline.samples import Stats


def sum_of_values(stats: Stats) -> float:
    """Returns the exact sum."""
    return stats.sum_us / VALUE_SCALE


def mean_value(stats: Stats) -> float:
    """Returns the exact mean; ValueError without values."""
    return stats.mean_us / VALUE_SCALE


def percentile_value(stats: Stats, percent: float) -> float:
    """Returns the nearest-rank percentile of at least one value, with three significant digits."""
    bucket = stats.response.bucket_at_rank(rank_of(percent, stats.samples))
    return plainest(bucket, stats.min_us, stats.max_us) / VALUE_SCALE


def plainest(bucket: int, least: int, most: int) -> int:
    """Returns the number with the fewest digits in a bucket of a histogram, and within these bounds.

    A bucket cannot tell its numbers apart. So the result is exact for values of at most three digits, such as small
    counts.

    >>> from toril.stats.histogram import bucket_of
    >>> plainest(bucket_of(12_000), 0, 10**9), plainest(bucket_of(12_000), 12_001, 12_001)
    (12000, 12001)
    """
    low, high = max(lowest_us(bucket), least), min(highest_us(bucket), most)
    step = 1
    while high > 0 and high - high % (10 * step) >= low:
        step *= 10
    return high - high % step
