"""The buckets of OpenTelemetry's exponential histograms, from toril's own.

A bucket of scale s ends at 2^(i / 2^s) seconds. A time counts in the bucket of the highest value of toril's bucket, so
a percentile read at a bucket's end is never too low. It is at most RELATIVE_ERROR too high.
"""

import math

import numpy as np

from toril.stats.histogram import EXACT_BITS, Int64s, highests_of

SCALE = 7  # buckets of 0.54 %; Prometheus keeps scales up to 8
RELATIVE_ERROR = 2 ** (2**-SCALE) * (1 + 2 ** (1 - EXACT_BITS)) - 1
LONGEST_BITS = 40  # 2^40 µs: no time is longer
LOWEST = math.floor(math.log2(1e-6) * 2**SCALE)  # the bucket of 1 µs
WIDTH = LONGEST_BITS * 2**SCALE + 1


def exponential(buckets: Int64s) -> Int64s:
    """Returns the index, from LOWEST on, of the exponential bucket of each of toril's buckets except 0.

    >>> exponential(np.array([1])) - LOWEST
    array([0])
    """
    ends = np.log2(highests_of(buckets) / 1e6) * 2**SCALE
    return np.asarray(np.ceil(ends) - 1, np.int64)
