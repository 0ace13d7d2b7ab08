"""The interval file: a header with a checksum, then one zlib stream of names (JSON) and columns of integers.

docs/reference/run-folder.md describes each byte.
"""

import json
import struct
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
from numpy.typing import NDArray

from toril.errors import StoreError
from toril.records import MOST_FILES, why
from toril.records.document import parsed
from toril.secrets.masking import mask
from toril.stats.histogram import Int64s, highests_of, lowests_of

MAGIC = b"torili"
VERSION = 1
VERSION_OF_TIMINGS = 2  # of files with timings: older versions, which know two kinds only, reject them
VERSION_OF_VALUES = 3  # of files with kinds after timings, for the same reason
HEAD = struct.Struct("<6sHIII")  # magic, version, bytes of the packed body, of the unpacked body, CRC-32
CHECKED = HEAD.size - 4  # the CRC covers the head before it, and the packed body
LENGTH = struct.Struct("<I")
# A worker splits its data into several files long before these limits; a forged file costs its reader < 200 MB.
MAX_PACKED = 1 << 24  # bytes of a file
MAX_UNPACKED = 1 << 25
MAX_NAMES = 3 << 23  # bytes
MAX_NUMBERS = 1 << 21  # in all tables except the two of the histograms, …
MAX_PAIRS = 1 << 20  # … and in each of these two
MAX_SUM = 1 << 53  # of a column, exclusive; a larger one in a forged file could overflow

MAX_DURATION_US = 1 << 40  # 12.7 days; exclusive. Bucket indices below it fit into 15 bits
MAX_LENGTH = 1000  # of a text, in characters
MAX_SECOND = 1 << 21  # 24 days of load; exclusive
BUCKET_BITS = 15

Kind = Literal["request", "transaction", "timing", "check", "trend", "counter", "gauge", "rate", "tagged"]
KINDS: tuple[Kind, ...] = get_args(Kind)  # in files: their positions. Only requests count in totals of requests
TIMED: tuple[Kind, ...] = KINDS[:3]  # a timing is a part of a step
VALUES: tuple[Kind, ...] = KINDS[3:8]  # what scripts measure: values at a time, without a duration
TAGGED: Kind = "tagged"  # a second sample of a request with a tag, labelled as `tagged_label` says
VALUE_SCALE = 1000  # a value is stored as response_us = round(value × VALUE_SCALE)
MAX_ARMS, MAX_BLOCKS = 1 << 2, 1 << 10

CELL_COLUMNS = (  # "above": relative to the lowest value of the sample's bucket
    "second",
    "series",
    "buckets",  # the number of the histogram's rows for this cell
    "samples",
    "bytes",
    "above_us",  # sum of response times = sum of count × lowest + above_us
    "above_sq_high",  # sum of squares = sum of count × lowest² + above_sq_high × 2**32 …
    "above_sq_low",  # … + above_sq_low
    "min_above_us",  # in the cell's first bucket
    "max_above_us",  # in its last bucket
    "ttfb_sum_us",
    "ttfb_count",
    "connect_sum_us",
    "connect_count",
)
TABLES = {
    "cells": CELL_COLUMNS,
    "gaps": ("gap",),  # bucket − the bucket before it in the file, modulo 2**16
    "counts": ("count",),
    "outcomes": ("cell", "rc", "message", "count"),
    "unfinished": ("second", "execution", "label", "count"),
    "users": ("second", "execution", "count"),
    "health": ("second", "cpu", "busiest", "memory_bytes", "throttled_us"),  # cpu, busiest: 1/10,000 of the limit
}
HEALTH_SCALE = 10_000
VITALS = (  # of the worker and its engines per second; UNKNOWN: not measured. Append new ones at the end
    "second",
    "machine",  # CPU use of all programs, in 1/10,000 of the CPU that this worker may use
    "waiting",  # in 1/10,000: see toril.timeline.HealthSeries
    "throttled",  # in 1/10,000 of the time
    "sockets",
    "sockets_share",  # in 1/10,000 of the nearest limit
    "late_us",  # of the latest send
    "late_p90_us",  # the 90th percentile of the sends' lateness
    "dropped",  # due requests that were not sent
)
UNKNOWN = -1
WAITS = ("second", "execution", "label", "waited_us", "count")  # unfinished requests by their waiting time

Integers = NDArray[np.integer[Any]]


class Series(NamedTuple):
    """The common properties of a series of cells. Arm and block are 0 except in a duet."""

    execution: str
    label: str
    kind: Kind
    steady: bool
    ok: bool
    arm: int = 0
    block: int = 0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Interval:
    """The content of one interval file: the records of one worker between two flushes.

    Tables are int64 arrays with a row for each column of TABLES. `buckets` and `counts` are the cells' concatenated
    histograms, in the smallest integer types, because many intervals may wait to be merged.
    """

    worker: str
    location: str
    number: int  # of the worker's file, from 1
    series: tuple[Series, ...]
    executions: tuple[str, ...]
    labels: tuple[str, ...]
    rcs: tuple[str, ...]
    messages: tuple[str, ...]
    cells: Int64s
    buckets: Integers
    counts: Integers
    outcomes: Int64s
    unfinished: Int64s
    users: Int64s
    health: Int64s
    vitals: Int64s  # a row for each of VITALS
    waits: Int64s  # a row for each of WAITS
    generator: Mapping[str, Any]  # the worker's limits: memory_limit_bytes, cores, single_threaded
    resolution_us: Mapping[str, int]  # by execution
    unreadable: int  # unreadable records since the last flush

    @property
    def samples(self) -> int:
        """The number of samples, including transactions."""
        return int(self.cells[3].sum())

    @property
    def by_second(self) -> tuple[Int64s, ...]:
        """The tables that begin with a second."""
        return self.cells, self.unfinished, self.users, self.health, self.vitals, self.waits

    @property
    def last_second(self) -> int | None:
        """The last second in the file; None if it has none."""
        lasts = [int(table[0].max()) for table in self.by_second if table.shape[1]]
        return max(lasts, default=None)


def encode(names: Mapping[str, Any], tables: Mapping[str, Int64s]) -> bytes:
    """Returns an interval file with the names (the texts of an Interval) and the tables (its numbers)."""
    layout, columns = [], []
    for name in TABLES:
        width, data = _pack(tables[name])
        layout.append((tables[name].shape[1], width))
        columns.append(data)
    text = json.dumps({**names, "tables": layout}, ensure_ascii=False, separators=(",", ":"))
    header = text.encode("utf-8", "surrogatepass")
    body, unpacked = _deflate([LENGTH.pack(len(header)) + header, *columns])
    kind = max((row[2] for row in names["series"]), default=0)
    version = VERSION_OF_VALUES if kind >= len(TIMED) else VERSION_OF_TIMINGS if KINDS[kind] == "timing" else VERSION
    head = HEAD.pack(MAGIC, version, len(body), unpacked, 0)[:CHECKED]
    return head + LENGTH.pack(zlib.crc32(body, zlib.crc32(head))) + body


def decode(data: bytes, where: str) -> Interval:
    """Returns the interval in `data`; StoreError, which names `where`, if it is incomplete or invalid."""
    try:
        if len(data) > MAX_PACKED:
            raise ValueError(f"it has more than {MAX_PACKED:,} bytes")
        if len(data) < HEAD.size or not data.startswith(MAGIC):
            raise ValueError(f"its {len(data)} bytes do not start with the header of an interval file")
        _, version, packed, unpacked, checksum = HEAD.unpack_from(data)
        if len(data) != HEAD.size + packed:
            raise ValueError(f"it has {len(data)} bytes instead of {HEAD.size + packed}")
        body = memoryview(data)[HEAD.size :]
        if zlib.crc32(body, zlib.crc32(data[:CHECKED])) != checksum:
            raise ValueError("its checksum does not match its content")
        if not VERSION <= version <= VERSION_OF_VALUES:
            expected = f"this toril reads {VERSION} to {VERSION_OF_VALUES}; use the toril that wrote it"
            raise StoreError(f"{where} has interval format {version}, but {expected}", code="other-version")
        return _read(body, unpacked)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError, struct.error, zlib.error) as error:
        raise StoreError(f"{where} is damaged: {why(error)}", code="damaged-file") from error


def _read(body: memoryview, unpacked: int) -> Interval:
    if unpacked > MAX_UNPACKED:
        raise ValueError(f"its unpacked length of {unpacked:,} bytes is above the limit of {MAX_UNPACKED:,}")
    raw = zlib.decompressobj().decompress(body, unpacked + 1)
    if len(raw) != unpacked:
        raise ValueError(f"its unpacked length is not the stated {unpacked} bytes")
    (length,) = LENGTH.unpack_from(raw)
    position = LENGTH.size + length
    if length > MAX_NAMES:
        raise ValueError(f"its names have {length:,} bytes, the limit is {MAX_NAMES:,}")
    header = parsed(raw[LENGTH.size : position])
    sizes = [
        columns * _number(rows) for (rows, _), columns in zip(header["tables"], map(len, TABLES.values()), strict=True)
    ]
    pairs = sizes[1:3]
    if sum(sizes) - sum(pairs) > MAX_NUMBERS or max(pairs) > MAX_PAIRS:
        raise ValueError("its tables are too large")
    parts = {}
    for (name, columns), (rows, width) in zip(TABLES.items(), header["tables"], strict=True):
        parts[name] = _unpack(raw, position, len(columns), rows, width)
        position += len(columns) * rows * width
    gaps, counts = parts.pop("gaps")[0].astype(np.uint16), parts.pop("counts")[0]
    tables = {name: table.astype(np.int64) for name, table in parts.items()}
    executions, labels = _texts(header["executions"]), tuple(map(mask, _texts(header["labels"])))
    series = _series(executions, labels, tuple(map(tuple, header["series"])))
    worker, location = _texts([header["worker"], header["location"]])
    interval = Interval(
        worker=worker,
        location=location,
        number=_number(header["number"], MOST_FILES + 1),
        series=series,
        executions=executions,
        labels=labels,
        rcs=tuple(map(mask, _texts(header["rcs"]))),
        messages=tuple(map(mask, _texts(header["messages"]))),
        buckets=np.cumsum(gaps, dtype=np.uint16),
        counts=counts,
        vitals=_named(header.get("vitals", []), VITALS),
        waits=_named(header.get("waits", []), WAITS),
        generator=_numbers(header.get("generator", {})),
        resolution_us=_numbers(header["resolution_us"], MAX_DURATION_US),
        unreadable=_number(header["unreadable"]),
        **tables,
    )
    _check(interval, position == len(raw))
    return interval


@lru_cache(maxsize=256)  # most files of a run have equal series
def _series(
    executions: tuple[str, ...], labels: tuple[str, ...], rows: tuple[tuple[int, ...], ...]
) -> tuple[Series, ...]:
    limits = (len(executions), len(labels), len(KINDS), 2, 2, MAX_ARMS, MAX_BLOCKS)
    for row in rows:
        for code, limit in zip(row, limits, strict=True):
            _number(code, limit)
    return tuple(
        Series(executions[e], labels[n], KINDS[kind], bool(steady), bool(ok), arm, block)
        for e, n, kind, steady, ok, arm, block in rows
    )


def _named(columns: list[list[int]], known: tuple[str, ...]) -> Int64s:
    """Returns the known columns; files of other toril versions may have fewer or more."""
    table = np.array(columns) if columns else np.empty((0, 0), np.int64)
    if table.ndim != 2 or table.dtype != np.int64:
        raise ValueError("it has columns with values other than whole numbers")
    missing = np.full((max(0, len(known) - len(table)), table.shape[1]), UNKNOWN)
    return np.concatenate((table[: len(known)], missing))


def _number(number: Any, limit: int = MAX_SUM) -> int:
    """Returns a whole number from 0 to below the limit; ValueError for any other value."""
    if not isinstance(number, int) or not 0 <= number < limit:
        raise ValueError(f"it has a value that is not a whole number below {limit:,}")
    return number


def _numbers(sums: Any, limit: int = MAX_SUM) -> dict[str, Any]:
    """Returns a dictionary of texts to numbers or booleans; ValueError for any other value."""
    if not isinstance(sums, dict) or not all(isinstance(x, int | float) and 0 <= x < limit for x in sums.values()):
        raise ValueError(f"it has a named value that is not a number below {limit:,}")
    return dict(zip(_texts(list(sums)), sums.values(), strict=True))


def _texts(texts: Any) -> tuple[str, ...]:
    if not isinstance(texts, list) or not all(isinstance(text, str) and len(text) <= MAX_LENGTH for text in texts):
        raise ValueError(f"it has names that are not texts of at most {MAX_LENGTH:,} characters")
    return tuple(texts)


def _check(interval: Interval, whole: bool) -> None:
    """Raises ValueError unless each code has a name and all parts add up; a faulty file is rejected as a whole."""
    cells, counts, outcomes = interval.cells, interval.counts[np.newaxis], interval.outcomes
    tables = (cells, counts, outcomes, interval.unfinished, interval.users, interval.health, interval.waits)
    for table in (*tables, interval.vitals[:1], interval.vitals - UNKNOWN):
        if table.size and (table.min() < 0 or table.astype(np.float64).sum(axis=1).max() >= MAX_SUM):
            raise ValueError("it has a number that is too large")
    executions, labels = len(interval.executions), len(interval.labels)
    codes = (
        *((table[0], MAX_SECOND) for table in interval.by_second),
        (cells[1], len(interval.series)),
        (outcomes[0], cells.shape[1]),
        (outcomes[1], len(interval.rcs)),
        (outcomes[2], len(interval.messages)),
        (interval.unfinished[1], executions),
        (interval.unfinished[2], labels),
        (interval.users[1], executions),
        (interval.users[2], 1 << 31),
        (interval.waits[1], executions),
        (interval.waits[2], labels),
        (interval.waits[3], MAX_DURATION_US),
        (interval.buckets, 1 << BUCKET_BITS),
    )
    if any(column.size and column.max() >= limit for column, limit in codes):
        raise ValueError("it has a code without a name")
    waits_fit = not interval.waits.size or _by_place(interval.waits) == _by_place(interval.unfinished)
    if not (whole and waits_fit and _adds_up(interval)):
        raise ValueError("its parts do not add up")


def _by_place(table: Int64s) -> Counter[tuple[int, ...]]:
    """Returns (second, execution, label) → requests, of `unfinished` or `waits`."""
    counts: Counter[tuple[int, ...]] = Counter()
    for *place, count in table[[0, 1, 2, -1]].T.tolist():
        counts[tuple(place)] += count
    return +counts


def _adds_up(interval: Interval) -> bool:
    """Whether the histogram, outcomes and sums of each cell have the same number of samples."""
    cells, counts, outcomes = interval.cells, interval.counts.astype(np.int64), interval.outcomes
    sizes, samples = cells[2], cells[3]
    if not sizes.sum() == interval.buckets.size == counts.size:
        return False
    if not cells.shape[1]:
        return not outcomes.size
    if min(sizes.min(), counts.min(), outcomes[3].min(initial=1)) < 1:
        return False
    starts, buckets = np.cumsum(sizes) - sizes, interval.buckets.astype(np.int64)
    room = highests_of(buckets) - lowests_of(buckets)  # above the lowest value of each bucket
    above = np.add.reduceat(counts * room.astype(np.float64), starts)
    holds = (
        np.add.reduceat(counts, starts) == samples,
        np.bincount(outcomes[0], outcomes[3], cells.shape[1]) == samples,
        cells[5] <= above,
        cells[8] <= room[starts],
        cells[9] <= room[starts + sizes - 1],
        cells[11] <= samples,
        cells[13] <= samples,
    )
    return bool(np.all(holds))


def _deflate(parts: list[bytes]) -> tuple[bytes, int]:
    """Returns one zlib stream in which each part has its own Huffman codes, and the unpacked length."""
    packer = zlib.compressobj(9, memLevel=9)
    packed = [packer.compress(part) + packer.flush(zlib.Z_BLOCK) for part in parts]
    return b"".join((*packed, packer.flush())), sum(map(len, parts))


def _pack(table: Int64s) -> tuple[int, bytes]:
    """Returns the width in bytes, and the columns as planes of bytes (all lowest bytes first, then the next …)."""
    columns, rows = table.shape
    if table.size and table.min() < 0:
        raise ValueError("an interval file cannot hold negative numbers")
    largest = int(table.max()) if table.size else 0
    width = next(w for w in (1, 2, 4, 8) if largest < 1 << 8 * w)
    octets = table.astype(f"<u{width}").view(np.uint8).reshape(columns, rows, width)
    return width, octets.transpose(0, 2, 1).tobytes()


def _unpack(raw: bytes, position: int, columns: int, rows: int, width: int) -> Integers:
    if width not in (1, 2, 4, 8) or rows < 0:
        raise ValueError(f"it has a column {width} bytes wide")
    octets = np.frombuffer(raw, np.uint8, columns * rows * width, position)
    if width > 1:
        octets = np.ascontiguousarray(octets.reshape(columns, width, rows).transpose(0, 2, 1)).reshape(-1)
    return cast(Integers, octets.view(f"<u{width}").reshape(columns, rows))
