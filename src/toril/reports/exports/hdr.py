"""Exports HdrHistogram's formats: the log of interval histograms by second and label, and the distribution.

docs/decisions/0007-own-histogram-encoder.md gives the reasons for an own encoder.
"""

import base64
import heapq
import math
import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from urllib.parse import quote

import numpy as np

from toril.records.summary import TRANSACTION
from toril.reports.bundle import Bundle
from toril.reports.exports.rows import RowBatch, row_batches
from toril.reports.exports.tables import measured, started_ms
from toril.secrets.masking import mask
from toril.stats.histogram import EXACT_BITS, Histogram, Int64s, highest_us
from toril.timeline import Timeline
from toril.timeline.intervals import MAX_DURATION_US, TIMED, Series

HOUR_US = 3_600_000_000  # range of a histogram without longer values; readers allocate the whole range
HEAD = struct.Struct(">IIIIQQd")  # cookie, bytes of counts, index offset, digits, lowest and highest value, conversion
PLAIN, COMPRESSED = 0x1C849313, 0x1C849314  # the cookies of V2
OUTER = struct.Struct(">II")  # cookie, number of bytes that follow
MS = 1000  # µs
TICKS = 5  # levels between 0 and 50 %, as many between 50 and 75 %, and so on


def log(bundle: Bundle) -> Iterator[bytes]:
    """Yields the log in pieces: for each second all requests without tag, then each label with a tag."""
    timeline = measured(bundle)
    shared = timeline.labels_of_both_kinds()

    def total(_: str, series: Series) -> tuple[str, str] | None:
        return ("", "") if series.kind == "request" and _judged(bundle, series) else None

    def label(_: str, series: Series) -> tuple[str, str] | None:
        if not series.label or not _judged(bundle, series):
            return None
        twice = series.kind == "transaction" and series.label in shared
        return tag(series.label + TRANSACTION * twice), series.kind

    yield _head(bundle)
    lines = (_lines(row_batches(timeline, key_of), range_us(timeline)) for key_of in (total, label))
    for _, line in heapq.merge(*lines, key=itemgetter(0)):
        yield line


def range_us(timeline: Timeline) -> int:
    """Returns the highest value of the histograms: equal for most runs, so that readers can add them."""
    longest = max(timeline.select(kind=kind).total.max_us for kind in TIMED)
    return HOUR_US if longest <= HOUR_US else MAX_DURATION_US - 1


def tag(label: str) -> str:
    """Returns the label as a tag, with commas, white space and control characters percent-encoded."""
    return "".join(
        one if one.isprintable() and one not in " ,%" else quote(one, "", errors="surrogatepass") for one in mask(label)
    )


def encoded(batch: RowBatch[tuple[str, str]], highest: int) -> Iterator[bytes]:
    """Yields the histogram of each row in HdrHistogram's V2 encoding, compressed and in base64."""
    counts, ends = _counts(batch)
    start = 0
    for end in ends.tolist():
        head = HEAD.pack(PLAIN, end - start, 0, 3, 1, highest, 1.0)
        packed = zlib.compress(head + counts[start:end])
        yield base64.b64encode(OUTER.pack(COMPRESSED, len(packed)) + packed)
        start = end


def _counts(batch: RowBatch[tuple[str, str]]) -> tuple[bytes, Int64s]:
    """Returns the counts of all rows as ZigZag LEB128, row by row, and the end of each row.

    The counts of a row start with bucket 0 and end with its last bucket. A negative number encodes several zeros.
    """
    first = np.ones(batch.row.size, np.bool_)
    first[1:] = batch.row[1:] != batch.row[:-1]
    before = np.where(first, -1, np.roll(batch.bucket, 1))
    zeros = batch.bucket - before - 1
    numbers = np.stack([np.where(zeros > 1, 2 * zeros - 1, 0), 2 * batch.count], axis=1)  # ZigZag: −n is 2n − 1
    written = np.stack([zeros > 0, np.ones(zeros.size, np.bool_)], axis=1)
    values, row = numbers[written], np.repeat(batch.row, written.sum(axis=1))
    groups = np.maximum(1, -(-np.frexp(values.astype(np.float64))[1] // 7))  # of 7 bits
    ends = np.cumsum(groups)
    out = np.zeros(int(ends[-1]), np.uint8)
    for group in range(int(groups.max())):
        has = groups > group
        more = (groups[has] > group + 1).astype(np.int64) << 7
        out[(ends - groups)[has] + group] = ((values[has] >> (7 * group)) & 0x7F) | more
    return out.tobytes(), ends[np.searchsorted(row, np.arange(len(batch)), side="right") - 1]


def _lines(batches: Iterator[RowBatch[tuple[str, str]]], highest: int) -> Iterator[tuple[int, bytes]]:
    """Yields second and line of each row."""
    for batch in batches:
        columns = (batch.key.tolist(), batch.second.tolist(), batch.max_us.tolist(), encoded(batch, highest))
        for key, second, max_us, histogram in zip(*columns, strict=True):
            name = batch.keys[key][0]
            start = f"Tag={name}," if name else ""
            yield second, f"{start}{second:.3f},1.000,{max_us / MS:.3f},".encode() + histogram + b"\n"


def _head(bundle: Bundle) -> bytes:
    start = started_ms(bundle)
    day = f"{datetime.fromtimestamp(start / 1000, UTC):%a %b %d %H:%M:%S UTC %Y}"
    samples = "judged samples (of the steady state)" if bundle.plan.ramp_up_exclude else "all samples"
    return "\n".join(
        (
            f"#[Logged by toril {bundle.plan.toril_version}: {samples} of run {tag(bundle.plan.run_id)}]",
            "#[Values are response times in microseconds; Interval_Max is in milliseconds]",
            "#[Histogram log format version 1.3]",
            f"#[StartTime: {start / 1000:.3f} (seconds since epoch), {day}]",
            '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
            "",
        )
    ).encode()


def _judged(bundle: Bundle, series: Series) -> bool:
    return series.steady or not bundle.plan.ramp_up_exclude


def distribution(bundle: Bundle) -> Iterator[bytes]:
    """Yields the percentile distribution of all requests (`.hgrm`), in the layout of HdrHistogram's plotters.

    Values, in ms, equal those of the report: the highest of a bucket, at most the exact maximum. Mean and standard
    deviation are exact.
    """
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
    """Yields percentiles, each with its bucket and the number of samples up to the end of that bucket.

    The steps halve when the distance to 100 % halves. As in HdrHistogram, the last bucket has one level before 100 %.
    """
    percent, total = 0.0, histogram.total
    for bucket, upto in zip(histogram.buckets.tolist(), np.cumsum(histogram.counts).tolist(), strict=True):
        while 100 * upto / total >= percent:
            yield percent, bucket, upto
            percent += 100 / (TICKS << (int(math.log(100 / (100 - percent)) / math.log(2)) + 1))
            if upto == total:
                yield 100.0, bucket, upto
                return
