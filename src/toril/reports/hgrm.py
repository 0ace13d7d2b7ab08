"""The percentile distribution (`.hgrm`) of all requests, in the layout that HdrHistogram's plotters read.

The values are the report's own, in ms: the highest one of a bucket, but never above the exact maximum; mean and
standard deviation are exact too.
"""

import math
from collections.abc import Iterator

import numpy as np

from toril.reports.bundle import Bundle
from toril.reports.export_tables import measured
from toril.reports.hdr import range_us
from toril.stats.histogram import EXACT_BITS, Histogram, highest_us

MS = 1000
TICKS = 5  # levels between 0 and 50 %, as many between 50 and 75 %, and so on


def stream(bundle: Bundle) -> Iterator[bytes]:
    timeline = measured(bundle)
    total = timeline.select(steady=True if bundle.plan.ramp_up_exclude else None).total
    lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
    for percent, bucket, upto in levels(total.response):
        value_ms = min(highest_us(bucket), total.max_us) / MS
        beyond = f" {1 / (1 - percent / 100):14.2f}" if percent < 100 else ""
        lines.append(f"{value_ms:12.3f} {percent / 100:2.12f} {upto:10d}{beyond}")
    mean, stdev = (total.mean_us / MS, total.stdev_us / MS) if total.samples else (0.0, 0.0)
    doublings = range_us(timeline).bit_length() - EXACT_BITS + 1
    lines += [
        f"#[Mean    = {mean:12.3f}, StdDeviation   = {stdev:12.3f}]",
        f"#[Max     = {total.max_us / MS:12.3f}, Total count    = {total.samples:12d}]",
        f"#[Buckets = {doublings:12d}, SubBuckets     = {1 << EXACT_BITS:12d}]",
        "",
    ]
    yield "\n".join(lines).encode()


def levels(histogram: Histogram) -> Iterator[tuple[float, int, int]]:
    """Percentiles, in steps that halve whenever the distance to 100 % has; each with its bucket and the samples up to
    that bucket's end. The last bucket has one level before 100 %, as HdrHistogram has it.
    """
    percent, total = 0.0, histogram.total
    for bucket, upto in zip(histogram.buckets.tolist(), np.cumsum(histogram.counts).tolist(), strict=True):
        while 100 * upto / total >= percent:
            yield percent, bucket, upto
            percent += 100 / (TICKS << (int(math.log(100 / (100 - percent)) / math.log(2)) + 1))
            if upto == total:
                yield 100.0, bucket, upto
                return
