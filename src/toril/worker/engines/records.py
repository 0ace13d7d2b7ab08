"""Samples one by one, for engines whose records are read row by row in Python."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from toril.worker.engines import Batch

READ_AT_ONCE = 20_000
EARLIEST_S = 1e9  # the year 2001: what is earlier is in other units, such as seconds read as milliseconds
LATEST_S = 1e11  # the year 5138: what is later is in other units
LONGEST_US = 366 * 86_400 * 1_000_000


class Record(NamedTuple):
    """One sample, with its times as fine as its source has them."""

    started_s: float  # seconds since the epoch
    response_us: int
    label: str
    ok: bool
    rc: str = ""
    message: str = ""
    ttfb_us: int = -1
    connect_us: int = -1
    bytes: int = 0
    kind: str = "request"
    idle_us: int = 0  # between start and completion, and no part of the response time


class Reader(Protocol):
    """Reads a growing file of records."""

    @property
    def resolution_us(self) -> int: ...

    @property
    def users(self) -> int | None:
        """By the newest record; None where records do not tell."""
        ...

    @property
    def unreadable(self) -> int:
        """Rows that could not be read."""
        ...

    def read(self, final: bool) -> Iterator[Sequence[Record]]:
        """What was added since the last call, whole records only; `final`: to the very end."""
        ...


class ValidatedReader:
    """A reader's records without those that cannot be: they are unreadable, whatever the tool meant by them."""

    def __init__(self, reader: Reader) -> None:
        self._reader, self._unbelievable = reader, 0
        self.resolution_us = reader.resolution_us

    @property
    def users(self) -> int | None:
        return self._reader.users

    @property
    def unreadable(self) -> int:
        return self._reader.unreadable + self._unbelievable

    def read(self, final: bool) -> Iterator[Sequence[Record]]:
        for records in self._reader.read(final):
            found = [one for one in records if _can_be(one)]
            self._unbelievable += len(records) - len(found)
            yield found


def _can_be(record: Record) -> bool:
    """Whether its numbers are those of a request; a time in other units than the format's is centuries away."""
    return (
        math.isfinite(record.started_s)
        and EARLIEST_S <= record.started_s < LATEST_S
        and 0 <= record.response_us + record.idle_us <= LONGEST_US
        and 0 <= record.response_us <= LONGEST_US
        and max(record.ttfb_us, record.connect_us) <= LONGEST_US
        and 0 <= record.bytes < 1 << 62
    )


def batch_of(records: Sequence[Record], moved_s: float = 0.0) -> Batch:
    """The records as a batch, so much later than they say."""
    started, response, label, ok, rc, message, ttfb, connect, size, kind, idle = zip(*records, strict=True)
    started_s, response_us = np.array(started, np.float64) + moved_s, np.array(response, np.int64)
    return Batch(
        started_s=started_s,
        completed_s=started_s + (response_us + np.array(idle, np.int64)) / 1e6,
        label=label,
        kind=kind,
        ok=np.array(ok, np.bool_),
        rc=rc,
        message=message,
        response_us=response_us,
        ttfb_us=np.array(ttfb, np.int64),
        connect_us=np.array(connect, np.int64),
        bytes=np.array(size, np.int64),
    )
