"""The HdrHistogram log: an interval histogram for each second and label, for the tools of that family.

docs/decisions/0007-own-histogram-encoder.md says why the encoding is our own.
"""

import base64
import heapq
import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from urllib.parse import quote

import numpy as np

from toril.masking import mask
from toril.reports.bundle import Bundle
from toril.reports.cells import Cells, cells
from toril.reports.export_tables import measured, started_ms
from toril.stats.histogram import Int64s
from toril.summary.build import SHARED
from toril.timeline import Timeline
from toril.timeline.intervals import KINDS, MAX_DURATION_US, Series

HOUR_US = 3_600_000_000  # the range of a histogram unless something took longer; a reader allocates all of it
HEAD = struct.Struct(">IIIIQQd")  # cookie, bytes of counts, index offset, digits, lowest and highest value, conversion
PLAIN, COMPRESSED = 0x1C849313, 0x1C849314  # the cookies of V2
OUTER = struct.Struct(">II")  # cookie, bytes of what follows
MS = 1000  # what the column of maxima is divided by


def stream(bundle: Bundle) -> Iterator[bytes]:
    """The log, piece by piece: in each second all requests, untagged, and then the labels under their names."""
    timeline = measured(bundle)
    shared = timeline.labels_of_both_kinds()

    def total(_: str, series: Series) -> tuple[str, str] | None:
        return ("", "") if series.kind == "request" and _judged(bundle, series) else None

    def label(_: str, series: Series) -> tuple[str, str] | None:
        if not series.label or not _judged(bundle, series):
            return None
        twice = series.kind == "transaction" and series.label in shared
        return tag(series.label + SHARED * twice), series.kind

    yield _head(bundle)
    lines = (_lines(cells(timeline, key_of), range_us(timeline)) for key_of in (total, label))
    for _, line in heapq.merge(*lines, key=itemgetter(0)):
        yield line


def range_us(timeline: Timeline) -> int:
    """The highest value that the histograms have room for: the same for most runs, so that they can be added up."""
    longest = max(timeline.select(kind=kind).total.max_us for kind in KINDS)
    return HOUR_US if longest <= HOUR_US else MAX_DURATION_US - 1


def tag(label: str) -> str:
    """The label as a tag, which holds no comma, white space or control character: those are percent-encoded."""
    return "".join(
        one if one.isprintable() and one not in " ,%" else quote(one, "", errors="surrogatepass") for one in mask(label)
    )


def encoded(batch: Cells[tuple[str, str]], highest: int) -> Iterator[bytes]:
    """Each cell's histogram, in HdrHistogram's V2 encoding, compressed and in base64."""
    counts, ends = _counts(batch)
    start = 0
    for end in ends.tolist():
        head = HEAD.pack(PLAIN, end - start, 0, 3, 1, highest, 1.0)
        packed = zlib.compress(head + counts[start:end])
        yield base64.b64encode(OUTER.pack(COMPRESSED, len(packed)) + packed)
        start = end


def _counts(batch: Cells[tuple[str, str]]) -> tuple[bytes, Int64s]:
    """The counts of all cells as ZigZag LEB128, one cell after another, and where each ends.

    An array of counts is written from index 0, which is our bucket 0, to its last one; of several zeros in a row only
    the negative number is.
    """
    first = np.ones(batch.cell.size, np.bool_)
    first[1:] = batch.cell[1:] != batch.cell[:-1]
    before = np.where(first, -1, np.roll(batch.bucket, 1))
    zeros = batch.bucket - before - 1
    numbers = np.stack([np.where(zeros > 1, 2 * zeros - 1, 0), 2 * batch.count], axis=1)  # ZigZag: −n is 2n − 1
    written = np.stack([zeros > 0, np.ones(zeros.size, np.bool_)], axis=1)
    values, cell = numbers[written], np.repeat(batch.cell, written.sum(axis=1))
    groups = np.maximum(1, -(-np.frexp(values.astype(np.float64))[1] // 7))  # of 7 bits
    ends = np.cumsum(groups)
    out = np.zeros(int(ends[-1]), np.uint8)
    for group in range(int(groups.max())):
        has = groups > group
        more = (groups[has] > group + 1).astype(np.int64) << 7
        out[(ends - groups)[has] + group] = ((values[has] >> (7 * group)) & 0x7F) | more
    return out.tobytes(), ends[np.searchsorted(cell, np.arange(len(batch)), side="right") - 1]


def _lines(batches: Iterator[Cells[tuple[str, str]]], highest: int) -> Iterator[tuple[int, bytes]]:
    """Second and line of each cell."""
    for batch in batches:
        columns = (batch.key.tolist(), batch.second.tolist(), batch.max_us.tolist(), encoded(batch, highest))
        for key, second, max_us, histogram in zip(*columns, strict=True):
            name = batch.keys[key][0]
            start = f"Tag={name}," if name else ""
            yield second, f"{start}{second:.3f},1.000,{max_us / MS:.3f},".encode() + histogram + b"\n"


def _head(bundle: Bundle) -> bytes:
    start = started_ms(bundle)
    day = f"{datetime.fromtimestamp(start / 1000, UTC):%a %b %d %H:%M:%S UTC %Y}"
    samples = "judged samples (of the steady load)" if bundle.plan.ramp_up_exclude else "all samples"
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
