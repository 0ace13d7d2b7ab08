"""Readers of the growing files in which engines and other tools record samples and test cases.

| reader | file |
|---|---|
| `RowFile` | rows of fixed size and their names, from engines' own processes: read as arrays |
| `CsvTail` | CSV: read in columns |
| `RecordReader` | any other: read as one `Sampled` a sample |
| `CaseLines` | test cases, one JSON object a line |
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toril.engines import Batch, EngineContext, FoundCase, InFlight
from toril.engines.disk import free_space
from toril.engines.keeping import Keeper
from toril.timeline.intervals import VALUES

CHUNK_BYTES = 1 << 20
EARLIEST_S = 1e9  # the year 2001: an earlier time is in other units, such as seconds read as milliseconds
LATEST_S = 1e11  # the year 5138: a later time is in other units
LONGEST_US = 366 * 86_400 * 1_000_000

csv.field_size_limit(1 << 30)  # a failed assertion may quote a whole response


class RowFile:
    """Reads the files `rows` and `names` of `folder`, and frees the disk space of the rows that it has read.

    Lines of names are `["label", text, kind]` (default `request`), `["outcome", rc, message, ok]`,
    `["unfinished", label, requests, waited_s, arm]` (defaults 1, unknown and 0; the wait may be null), `["fact", name,
    value]` (of `LoadFacts`; the last one counts) and `["end", reason]`. The writer adds a row's names before the row.
    """

    def __init__(self, folder: Path, row: "np.dtype[Any]", rows_at_once: int) -> None:
        self._folder, self._row, self._rows_at_once = folder, row, rows_at_once
        self._rows: BinaryIO | None = None
        self._names: BinaryIO | None = None
        self._labels: list[tuple[str, str]] = []
        self._outcomes: list[tuple[str, str, bool]] = []
        self._tables: dict[str, NDArray[Any]] | None = None
        self.unfinished: list[InFlight] = []
        self.facts: dict[str, Any] = {}
        self.ended: str | None = None  # the reason, after the end
        self.unreadable = 0  # rows that a kill cut off

    def read(self, final: bool) -> Iterator[Any]:
        """Returns arrays of the rows since the last call, of at most `rows_at_once`; none before the process begins."""
        if self._rows is None or self._names is None:
            if not (self._folder / "rows").exists():
                return
            self._rows = (self._folder / "rows").open("r+b")
            self._names = (self._folder / "names").open("rb")
        while True:
            data = self._rows.read(self._row.itemsize * self._rows_at_once)
            rest = len(data) % self._row.itemsize
            if rest:  # incomplete: being written, or cut off by a kill
                self._rows.seek(-rest, 1)
                data = data[:-rest]
                self.unreadable += final
            self._read_names(self._names)  # after the rows
            if not data:
                return
            yield np.frombuffer(data, self._row)
            free_space(self._rows, self._rows.tell())

    def named(self, samples: Any) -> dict[str, NDArray[Any]]:
        """Returns columns from the numbers in rows: those of a batch, and whether the response time is a duration."""
        if self._tables is None:
            labels, kinds = zip(*self._labels, strict=True)
            rcs, messages, oks = zip(*self._outcomes, strict=True)
            tables = {"label": labels, "kind": kinds, "rc": rcs, "message": messages}
            self._tables = {name: np.array(table, object) for name, table in tables.items()}
            self._tables["ok"] = np.array(oks, np.bool_)
            self._tables["lasts"] = np.array([kind not in VALUES for kind in kinds], np.bool_)
        return {
            name: table[samples["label" if name in ("label", "kind", "lasts") else "outcome"]]
            for name, table in self._tables.items()
        }

    def close(self) -> None:
        for file in (self._names, self._rows):
            if file is not None:
                file.close()

    def _read_names(self, names: BinaryIO) -> None:
        while line := names.readline():
            if not line.endswith(b"\n"):
                names.seek(-len(line), 1)
                return
            self._read_name(*json.loads(line))

    def _read_name(self, what: str, name: str, *more: Any) -> None:
        if what == "label":
            self._labels.append((name, more[0] if more else "request"))
        elif what == "outcome":
            self._outcomes.append((name, more[0], more[1]))
        elif what == "unfinished":
            known = dict(zip(("count", "waited_s", "arm"), more, strict=False))
            self.unfinished.append(InFlight(label=name, **known))
        elif what == "fact":
            self.facts[name] = more[0]
        elif what == "end":
            self.ended = name
        self._tables = None


class GrowingFile:
    """A file to which another process appends; it may not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unreadable = 0  # records, an incomplete last one included
        self._position = 0
        self._rest = b""  # the incomplete record at the end

    def chunks(self) -> Iterator[bytes]:
        """Returns the bytes since the last call."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            file.seek(self._position)
            while chunk := file.read(CHUNK_BYTES):
                self._position += len(chunk)
                yield chunk


class Lines(GrowingFile):
    """A growing file of lines."""

    def read(self, final: bool = False) -> Iterator[list[str]]:
        """Returns whole lines since the last call; `final`: count an incomplete line as unreadable."""
        for chunk in self.chunks():
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            yield [line.decode(errors="replace") for line in lines]
        self.unreadable += final and bool(self._rest.strip())


class CsvTail(GrowingFile):
    """The columns `wanted` of a CSV file whose first row names them; a column that the file lacks is empty."""

    def __init__(self, path: Path, wanted: Sequence[str], *, delimiter: str = ",") -> None:
        super().__init__(path)
        self._wanted = wanted
        self._delimiter = delimiter
        self._header: list[str] = []

    def read(self, final: bool) -> Iterator[list[tuple[str, ...]]]:
        """Returns the rows since the last call in chunks, a tuple for each wanted column; `final`: to the end."""
        for chunk in self.chunks():
            self._rest += chunk
            end = whole_rows(self._rest)
            if end:
                text = self._rest[:end].decode(errors="replace")
                self._rest = self._rest[end:]
                if columns := self._columns(text):
                    yield columns
        self.unreadable += final and bool(self._rest.strip())

    def _columns(self, text: str) -> list[tuple[str, ...]]:
        if not self._header:
            first, _, text = text.removeprefix("\ufeff").partition("\n")
            self._header = next(csv.reader([first], delimiter=self._delimiter))
        width = len(self._header)
        count = text.count("\n")
        # Without quotes, four times as fast.
        fields = [] if '"' in text else text.replace("\n", f"\n{self._delimiter}").split(self._delimiter)
        last = [field[:-1] for field in fields[width - 1 :: width] if field.endswith("\n")]
        if len(last) == count and len(fields) == count * width + 1 and "\r" not in text:
            columns = [tuple(fields[position:-1:width]) for position in range(width - 1)] + [tuple(last)]
        else:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter))
            whole = [row for row in rows if len(row) == width]
            self.unreadable += len(rows) - len(whole)
            count = len(whole)
            columns = list(zip(*whole, strict=True))
        if not count:
            return []
        named = dict(zip(self._header[::-1], columns[::-1], strict=True))  # of equal names the first one counts
        return [named.get(name) or ("",) * count for name in self._wanted]


def whole_rows(data: bytes) -> int:
    """Returns the length of the complete rows of `data` in bytes; line breaks within quotes do not end a row."""
    end = data.rfind(b"\n") + 1
    quotes = data.count(b'"', 0, end)
    while end and quotes % 2:
        before = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(b'"', before, end)
        end = before
    return end


class Sampled(NamedTuple):
    """One sample, with times at the resolution of its source."""

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
    idle_us: int = 0  # time between start and completion that is not response time
    method: str = ""
    url: str = ""


class RecordReader:
    """Reads the valid records of a growing file; the others count as unreadable."""

    resolution_us = 1000
    users: int | None = None  # active users by the newest record; None if records have none

    def __init__(self, file: GrowingFile) -> None:
        self._file = file

    @property
    def unreadable(self) -> int:
        return self._file.unreadable

    def read(self, final: bool) -> Iterator[Sequence[Sampled]]:
        """Returns the valid records since the last call; `final`: to the end of the file."""
        for records in self._records(final):
            valid = [record for record in records if _is_valid(record)]
            self._file.unreadable += len(records) - len(valid)
            if valid:
                yield valid

    def _records(self, final: bool) -> Iterator[Sequence[Sampled]]:
        raise NotImplementedError

    def _readable(self, parse: Callable[[Any], Sampled | None], raw: Iterable[Any]) -> Iterator[Sampled]:
        """Yields the records that `parse` returns; what it cannot read counts as unreadable."""
        for item in raw:
            try:
                if record := parse(item):
                    yield record
            except (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError, csv.Error):
                self._file.unreadable += 1


class LineReader(RecordReader):
    """One record per line; `parse` returns None for other lines, and raises for unreadable ones."""

    def __init__(self, path: Path, parse: Callable[[str], Sampled | None], resolution_us: int = 1) -> None:
        self._lines = Lines(path)
        super().__init__(self._lines)
        self._parse = parse
        self.resolution_us = resolution_us

    def _records(self, final: bool) -> Iterator[Sequence[Sampled]]:
        for lines in self._lines.read(final):
            yield list(self._readable(self._parse, (line.rstrip("\r") for line in lines)))


def _is_valid(record: Sampled) -> bool:
    """Returns whether the numbers are possible; a time in wrong units is centuries away."""
    return (
        math.isfinite(record.started_s)
        and EARLIEST_S <= record.started_s < LATEST_S
        and 0 <= record.response_us + record.idle_us <= LONGEST_US
        and 0 <= record.response_us <= LONGEST_US
        and max(record.ttfb_us, record.connect_us) <= LONGEST_US
        and 0 <= record.bytes < 1 << 62
    )


def batch_of(records: Sequence[Sampled], moved_s: float = 0.0) -> Batch:
    """Returns the records as a batch, moved to a later time by `moved_s`."""
    started, response, label, ok, rc, message, ttfb, connect, size, kind, idle, _, _ = zip(*records, strict=True)
    started_s, response_us = np.array(started, np.float64) + moved_s, np.array(response, np.int64)
    lasts = np.array([one not in VALUES for one in kind], np.bool_)
    return Batch(
        started_s=started_s,
        completed_s=started_s + np.where(lasts, response_us + np.array(idle, np.int64), 0) / 1e6,
        label=np.array(label, object),
        kind=np.array(kind, object),
        ok=np.array(ok, np.bool_),
        rc=np.array(rc, object),
        message=np.array(message, object),
        response_us=response_us,
        ttfb_us=np.array(ttfb, np.int64),
        connect_us=np.array(connect, np.int64),
        bytes=np.array(size, np.int64),
    )


def keeper_of(context: EngineContext) -> Keeper:
    """Returns the keeper of an engine whose records the worker keeps itself."""
    return Keeper(context.folder, context.keeping.model_dump() if context.keeping else None)


def keep(
    records: Sequence[Sampled], keeper: Keeper, note: str, details_of: Callable[[Sampled], dict[str, Any]]
) -> Sequence[Sampled]:
    """Keeps requests as far as their records describe them; `note` says what they lack. Returns the records.

    `details_of`: returns further fields of a request from the engine's debug log of a try.
    """
    if keeper.on:
        for row in records:
            if row.kind == "request" and (why := keeper.wants(row.label, row.rc, row.message, row.ok, row.response_us)):
                details = details_of(row) if keeper.everything else {}
                keeper.keep(why, row.label, partial(_exchange, row, why, note, details))
        keeper.flush()
    return records


def _exchange(record: Sampled, why: str, note: str, details: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a line of `keeping.py`."""
    same = ("label", "ok", "rc", "started_s", "response_us", "method", "url")
    return {
        **{name: getattr(record, name) for name in same},
        "why": why,
        "error": record.message,
        "ttfb_us": record.ttfb_us if record.ttfb_us >= 0 else None,
        "connect_us": record.connect_us if record.connect_us > 0 else None,
        "connection": "new" if record.connect_us > 0 else "",
        "status": int(record.rc) if re.fullmatch(r"[1-5]\d\d", record.rc) else None,
        "notes": [] if details else [note],
        **details,
    }


class CaseLines(Lines):
    """A growing file of test cases with the fields of `FoundCase`."""

    def cases(self) -> Iterator[FoundCase]:
        """Returns the test cases since the last call."""
        for lines in self.read():
            for line in lines:
                try:
                    yield FoundCase(**json.loads(line))
                except (ValueError, TypeError):
                    self.unreadable += 1
