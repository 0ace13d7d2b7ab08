"""The index of a store: the rows of all judged runs, for lists and searches.

A month's rows are loose (`<key>.json`) or packed (`packed-<hash>.jsonl.gz`). A packed file is written before the files
that it replaces are removed, so readers take the union: of each run the row with the highest revision. A deleted run
has a mark (`<stem>.deleted`), which hides rows that a concurrent packing wrote again.
"""

import gzip
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from toril.errors import StoreError
from toril.records.history import HISTORY, INDEX, MOST_BYTES_OF_ROW, IndexRow, started_of
from toril.runs.history import name_of
from toril.store import Store

LOOSE_S = 3 * 86400.0  # rows of the last days stay loose
MOST_CACHED = 1_000  # files
TRIES = 5  # of reading files that are packed or deleted at the same time
PACKED, MARK = "packed-", ".deleted"

_cache: dict[str, tuple[IndexRow, ...]] = {}  # by address; a file never changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which runs to return. Empty fields match every run."""

    suite: str = ""
    text: str = ""  # part of the id, the suite's name or a tag's value
    tags: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""  # its beginning
    outcome: str = ""
    kind: str = ""
    location: str = ""
    from_s: float | None = None  # of the start, in seconds since the epoch
    to_s: float | None = None  # exclusive

    def matches(self, row: IndexRow) -> bool:
        wanted = self.text.casefold()
        return (
            self.suite in ("", row.suite)
            and self.outcome in ("", row.outcome)
            and self.kind in ("", row.kind)
            and (not self.location or self.location in row.locations)
            and row.tags.get("commit", "").startswith(self.commit)
            and all(row.tags.get(name) == value for name, value in self.tags.items())
            and (self.from_s is None or row.started_at >= self.from_s)
            and (self.to_s is None or row.started_at < self.to_s)
            and (not wanted or any(wanted in one.casefold() for one in (row.run_id, row.suite, *row.tags.values())))
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, newest first. `cursor`: where the next page continues; "" after the last row."""

    rows: tuple[IndexRow, ...]
    cursor: str = ""


def search(store: Store, query: Query, *, cursor: str = "", limit: int = 50) -> Page:
    """Returns the newest rows that match, after `cursor`. New runs do not move later pages."""
    found = [row for row in all_rows(store) if row.stem > cursor and query.matches(row)]
    rows = tuple(found[:limit])
    return Page(rows, rows[-1].stem if len(found) > limit else "")


def all_rows(store: Store) -> list[IndexRow]:
    """Returns the rows of all judged runs, newest first."""
    return [row for month in _months(store) for row in month.rows()]


def pack(store: Store, now: float) -> int:
    """Packs each month's loose rows, except those of the last days, into one file. Returns their number.

    Also removes the rows of deleted runs, where a deletion or another packing did not end.
    """
    packed = 0
    for month in _months(store):
        loose = [key for key in month.loose if started_of(name_of(key)[0]) < now - LOOSE_S]
        if loose or len(month.packed) > 1 or month.hidden():
            _repack(store, month, loose)
            packed += len(loose)
    return packed


def forget(store: Store, run_id: str) -> list[IndexRow]:
    """Removes the rows of a deleted run. The caller removes its other files first."""
    ...


@dataclass(frozen=True, slots=True)
class _Month:
    """The files of one month, by key."""

    name: str
    files: Mapping[str, tuple[IndexRow, ...]]
    marks: frozenset[str]  # stems of deleted runs

    @property
    def loose(self) -> list[str]:
        return [key for key in self.files if not _is_packed(key)]
