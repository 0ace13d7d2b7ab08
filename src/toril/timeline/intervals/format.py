"""The interval file: a head with a checksum, then one zlib stream of names (JSON) and columns of integers.

docs/reference/run-folder.md describes every byte.
"""

import json
import struct
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from toril.errors import StoreError
from toril.masking import mask
from toril.records import MOST_FILES, why
from toril.records.document import parsed
from toril.stats.histogram import Int64s, highests_of, lowests_of

MAGIC = b"torili"
VERSION = 1
VERSION_OF_TIMINGS = 2  # of files that hold some: a toril that knows only two kinds refuses them by name
HEAD = struct.Struct("<6sHIII")  # magic, version, bytes of the packed body, of the unpacked body, CRC-32
CHECKED = HEAD.size - 4  # the CRC covers the head before it, and the packed body
LENGTH = struct.Struct("<I")
# A worker writes several files before one comes near these, and a made-up file costs its reader less than 200 MB.
MAX_PACKED = 1 << 24  # bytes of a file
MAX_UNPACKED = 1 << 25
MAX_NAMES = 3 << 23  # bytes
MAX_NUMBERS = 1 << 21  # in all tables but the two of the histograms, …
MAX_PAIRS = 1 << 20  # … and in each of these
MAX_SUM = 1 << 53  # of a column, exclusive; a made-up one beyond it could overflow

MAX_DURATION_US = 1 << 40  # 12.7 days; exclusive. Bucket indices below it fit into 15 bits
MAX_LENGTH = 1000  # of a text, in characters
MAX_SECOND = 1 << 21  # 24 days of load; exclusive
BUCKET_BITS = 15

Kind = Literal["request", "transaction", "timing"]  # a timing is a part of a step, and never counted as a request
MAX_ARMS, MAX_BLOCKS = 1 << 2, 1 << 10
KINDS: tuple[Kind, Kind, Kind] = ("request", "transaction", "timing")
TIMING = KINDS.index("timing")

CELL_COLUMNS = (  # "above": measured from the lowest value of the sample's bucket, which the histogram has anyway
    "second",
    "series",
    "buckets",  # how many of the histogram's rows are this cell's
    "samples",
    "bytes",
    "above_us",  # sum of response times = sum of count × lowest, plus this
    "above_sq_high",  # sum of squares = sum of count × lowest², plus this × 2**32
    "above_sq_low",  # … plus this
    "min_above_us",  # in the cell's first bucket
    "max_above_us",  # in its last
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
VITALS = (  # of the worker and its engines in a second; UNKNOWN where it was not measured. New ones go to the end
    "second",
    "machine",  # the CPU that all programs took, in 1/10,000 of what this worker may use
    "waiting",  # in 1/10,000: see toril.timeline.HealthSeries
    "throttled",  # in 1/10,000 of the time
    "sockets",
    "sockets_share",  # in 1/10,000 of the limit that is nearest
    "late_us",  # of the send that was latest
    "late_p90_us",  # nine in ten sends were no later
    "dropped",  # sends that a throughput asked for and that were never made
)
UNKNOWN = -1
WAITS = ("second", "execution", "label", "waited_us", "count")  # of `unfinished`, by how long each had waited

Integers = NDArray[np.integer[Any]]


class Series(NamedTuple):
    """What the cells of one series share. Arm and block are 0 unless two targets are measured interleaved."""

    execution: str
    label: str
    kind: Kind
    steady: bool
    ok: bool
    arm: int = 0
    block: int = 0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Interval:
    """The content of one interval file: all that one worker recorded between two flushes.

    Tables are int64 arrays with a row for each column of TABLES; `buckets` and `counts` are the cells' histograms one
    after another, as narrow as they fit, since many intervals may wait to be merged.
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
    generator: Mapping[str, Any]  # what limits the worker: memory_limit_bytes, cores, single_threaded
    resolution_us: Mapping[str, int]  # by execution
    unreadable: int  # records that could not be read, since the last flush

    @property
    def samples(self) -> int:
        """All samples, transactions among them."""
        return int(self.cells[3].sum())

    @property
    def last_second(self) -> int | None:
        """The latest second in the file."""
        tables = (self.cells, self.unfinished, self.users, self.health, self.vitals, self.waits)
        lasts = [int(table[0].max()) for table in tables if table.shape[1]]
        return max(lasts, default=None)


def encode(names: Mapping[str, Any], tables: Mapping[str, Int64s]) -> bytes:
    """The file with these names (everything of an Interval that is text) and tables (everything that is numbers)."""
    layout, columns = [], []
    for name in TABLES:
        width, data = _pack(tables[name])
        layout.append((tables[name].shape[1], width))
        columns.append(data)
    text = json.dumps({**names, "tables": layout}, ensure_ascii=False, separators=(",", ":"))
    header = text.encode("utf-8", "surrogatepass")
    body, unpacked = _deflate([LENGTH.pack(len(header)) + header, *columns])
    timed = any(row[2] == TIMING for row in names["series"])
    head = HEAD.pack(MAGIC, VERSION_OF_TIMINGS if timed else VERSION, len(body), unpacked, 0)[:CHECKED]
    return head + LENGTH.pack(zlib.crc32(body, zlib.crc32(head))) + body


def decode(data: bytes, where: str) -> Interval:
    """The interval in `data`; StoreError, naming `where`, unless it is there completely."""
    try:
        if len(data) > MAX_PACKED:
            raise ValueError(f"more than {MAX_PACKED:,} bytes")
        if len(data) < HEAD.size or not data.startswith(MAGIC):
            raise ValueError(f"{len(data)} bytes that do not begin as an interval file does")
        _, version, packed, unpacked, checksum = HEAD.unpack_from(data)
        if len(data) != HEAD.size + packed:
            raise ValueError(f"{len(data)} bytes long instead of {HEAD.size + packed}")
        body = memoryview(data)[HEAD.size :]
        if zlib.crc32(body, zlib.crc32(data[:CHECKED])) != checksum:
            raise ValueError("its checksum does not fit its content")
        if version not in (VERSION, VERSION_OF_TIMINGS):
            expected = f"{VERSION} or {VERSION_OF_TIMINGS}"
            raise StoreError(
                f"{where}: version {version} of the interval format, expected {expected}", code="other-version"
            )
        return _read(body, unpacked)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError, struct.error, zlib.error) as error:
        raise StoreError(f"{where} is damaged: {why(error)}", code="damaged-file") from error


def _read(body: memoryview, unpacked: int) -> Interval:
    if unpacked > MAX_UNPACKED:
        raise ValueError(f"it says that it unpacks to {unpacked} bytes")
    raw = zlib.decompressobj().decompress(body, unpacked + 1)
    if len(raw) != unpacked:
        raise ValueError(f"unpacks to another length than {unpacked} bytes")
    (length,) = LENGTH.unpack_from(raw)
    position = LENGTH.size + length
    if length > MAX_NAMES:
        raise ValueError(f"its names have {length:,} bytes")
    header = parsed(raw[LENGTH.size : position])
    sizes = [
        columns * _number(rows) for (rows, _), columns in zip(header["tables"], map(len, TABLES.values()), strict=True)
    ]
    pairs = sizes[1:3]
    if sum(sizes) - sum(pairs) > MAX_NUMBERS or max(pairs) > MAX_PAIRS:
        raise ValueError("its tables are too large")
    found = {}
    for (name, columns), (rows, width) in zip(TABLES.items(), header["tables"], strict=True):
        found[name] = _unpack(raw, position, len(columns), rows, width)
        position += len(columns) * rows * width
    gaps, counts = found.pop("gaps")[0].astype(np.uint16), found.pop("counts")[0]
    tables = {name: table.astype(np.int64) for name, table in found.items()}
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
        cells=tables["cells"],
        buckets=np.cumsum(gaps, dtype=np.uint16),
        counts=counts,
        outcomes=tables["outcomes"],
        unfinished=tables["unfinished"],
        users=tables["users"],
        health=tables["health"],
        vitals=_named(header.get("vitals", []), VITALS),
        waits=_named(header.get("waits", []), WAITS),
        generator=_numbers(header.get("generator", {})),
        resolution_us=_numbers(header["resolution_us"], MAX_DURATION_US),
        unreadable=_number(header["unreadable"]),
    )
    _check(interval, position == len(raw))
    return interval


@lru_cache(maxsize=256)  # most files of a run have the same
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
    """The columns that are known here: a file may have fewer (an earlier toril), or more (a later one)."""
    found = np.array(columns) if columns else np.empty((0, 0), np.int64)
    if found.ndim != 2 or found.dtype != np.int64:
        raise ValueError("it has columns that are not of whole numbers")
    missing = np.full((max(0, len(known) - len(found)), found.shape[1]), UNKNOWN)
    return np.concatenate((found[: len(known)], missing))


def _number(found: Any, limit: int = MAX_SUM) -> int:
    """A whole number from 0 to below the limit; ValueError for anything else."""
    if not isinstance(found, int) or not 0 <= found < limit:
        raise ValueError(f"it has a value that is no whole number below {limit:,}")
    return found


def _numbers(found: Any, limit: int = MAX_SUM) -> dict[str, Any]:
    """Texts with a number each, whole or not, true or false."""
    if not isinstance(found, dict) or not all(isinstance(x, int | float) and 0 <= x < limit for x in found.values()):
        raise ValueError(f"it has a named value that is no number below {limit:,}")
    return dict(zip(_texts(list(found)), found.values(), strict=True))


def _texts(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(text, str) and len(text) <= MAX_LENGTH for text in found):
        raise ValueError(f"it has names that are no texts of at most {MAX_LENGTH:,} characters")
    return tuple(found)


def _check(interval: Interval, whole: bool) -> None:
    """Every code has its name, and the parts add up: a file that a faulty writer made is refused as a whole."""
    cells, counts, outcomes = interval.cells, interval.counts[np.newaxis], interval.outcomes
    tables = (cells, counts, outcomes, interval.unfinished, interval.users, interval.health, interval.waits)
    for table in (*tables, interval.vitals[:1], interval.vitals - UNKNOWN):
        if table.size and (table.min() < 0 or table.astype(np.float64).sum(axis=1).max() >= MAX_SUM):
            raise ValueError("it holds a number that is too large")
    executions, labels = len(interval.executions), len(interval.labels)
    codes = (
        (cells[1], len(interval.series)),
        (cells[0], MAX_SECOND),
        (outcomes[0], cells.shape[1]),
        (outcomes[1], len(interval.rcs)),
        (outcomes[2], len(interval.messages)),
        (interval.unfinished[0], MAX_SECOND),
        (interval.unfinished[1], executions),
        (interval.unfinished[2], labels),
        (interval.users[0], MAX_SECOND),
        (interval.users[1], executions),
        (interval.users[2], 1 << 31),
        (interval.health[0], MAX_SECOND),
        (interval.vitals[0], MAX_SECOND),
        (interval.waits[0], MAX_SECOND),
        (interval.waits[1], executions),
        (interval.waits[2], labels),
        (interval.waits[3], MAX_DURATION_US),
        (interval.buckets, 1 << BUCKET_BITS),
    )
    if any(column.size and column.max() >= limit for column, limit in codes):
        raise ValueError("it uses a number that it does not explain")
    waits_fit = not interval.waits.size or _by_place(interval.waits) == _by_place(interval.unfinished)
    if not (whole and waits_fit and _adds_up(interval)):
        raise ValueError("its parts do not add up")


def _by_place(table: Int64s) -> Counter[tuple[int, ...]]:
    """Second, execution and label → requests, of `unfinished` or `waits`."""
    found: Counter[tuple[int, ...]] = Counter()
    for *place, count in table[[0, 1, 2, -1]].T.tolist():
        found[tuple(place)] += count
    return +found


def _adds_up(interval: Interval) -> bool:
    """Whether each cell's histogram, outcomes and sums are about the same samples."""
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
    found = (
        np.add.reduceat(counts, starts) == samples,
        np.bincount(outcomes[0], outcomes[3], cells.shape[1]) == samples,
        cells[5] <= above,
        cells[8] <= room[starts],
        cells[9] <= room[starts + sizes - 1],
        cells[11] <= samples,
        cells[13] <= samples,
    )
    return bool(np.all(found))


def _deflate(parts: list[bytes]) -> tuple[bytes, int]:
    """One zlib stream in which every part has its own Huffman codes, and the length of the parts together."""
    packer = zlib.compressobj(9, memLevel=9)
    packed = [packer.compress(part) + packer.flush(zlib.Z_BLOCK) for part in parts]
    return b"".join((*packed, packer.flush())), sum(map(len, parts))


def _pack(table: Int64s) -> tuple[int, bytes]:
    """Columns as planes of bytes (all lowest bytes, then the next …), as few as hold the largest value."""
    columns, rows = table.shape
    if table.size and table.min() < 0:
        raise ValueError("an interval file holds no negative numbers")
    largest = int(table.max()) if table.size else 0
    width = next(w for w in (1, 2, 4, 8) if largest < 1 << 8 * w)
    octets = table.astype(f"<u{width}").view(np.uint8).reshape(columns, rows, width)
    return width, octets.transpose(0, 2, 1).tobytes()


def _unpack(raw: bytes, position: int, columns: int, rows: int, width: int) -> Integers:
    if width not in (1, 2, 4, 8) or rows < 0:
        raise ValueError(f"a column {width} bytes wide")
    octets = np.frombuffer(raw, np.uint8, columns * rows * width, position)
    if width > 1:
        octets = np.ascontiguousarray(octets.reshape(columns, width, rows).transpose(0, 2, 1)).reshape(-1)
    return cast(Integers, octets.view(f"<u{width}").reshape(columns, rows))
