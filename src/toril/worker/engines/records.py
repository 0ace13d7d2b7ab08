"""Samples one by one, for engines whose records are read row by row in Python."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from toril.worker.engines import Batch

READ_AT_ONCE = 20_000


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

    resolution_us: ClassVar[int]
    users: int | None  # by the newest record; None where records do not tell

    @property
    def unreadable(self) -> int:
        """Rows that could not be read."""
        ...

    def read(self, final: bool) -> Iterator[Sequence[Record]]:
        """What was added since the last call, whole records only; `final`: to the very end."""
        ...


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
