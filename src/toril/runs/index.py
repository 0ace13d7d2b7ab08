"""The index of a store: the rows of all judged runs, for lists and searches.

A month's rows are loose (`<key>.json`) or packed (`packed-<hash>.jsonl.gz`). A packed file is written before the files
that it replaces are removed, so readers take the union: of each run the row with the highest revision. A deleted run
has a mark (`<stem>.deleted`), which hides rows that a concurrent packing wrote again.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from toril.errors import StoreError
from toril.records.history import HISTORY, INDEX, IndexRow, started_of
from toril.runs.history import name_of
from toril.store import Reader, Store

LOOSE_S = 86400.0  # rows of the last day stay loose
MOST_CACHED = 50_000  # files
TRIES = 5  # of reading files that are packed or deleted at the same time
LOOSE, ZIPPED, MARK = ".json", ".jsonl.gz", ".deleted"  # the ends of keys

_cache: dict[str, tuple[IndexRow, ...]] = {}  # by address; a file never changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which runs to return. Empty fields match every run."""

    suite: str = ""
    text: str = ""  # part of the id, the suite's name or a tag's value
    tags: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""  # its beginning
    outcome: str = ""  # or another state of `ListedRun`
    kind: str = ""
    location: str = ""
    from_s: float | None = None  # of the start, in seconds since the epoch
    to_s: float | None = None  # exclusive

    def matches(self, row: IndexRow, state: str) -> bool:
        wanted = self.text.casefold()
        return (
            self.suite in ("", row.suite)
            and self.outcome in ("", state)
            and self.kind in ("", row.kind)
            and (not self.location or self.location in row.locations)
            and row.tags.get("commit", "").startswith(self.commit)
            and all(row.tags.get(name) == value for name, value in self.tags.items())
            and (self.from_s is None or row.started_at >= self.from_s)
            and (self.to_s is None or row.started_at < self.to_s)
            and (not wanted or wanted in "\n".join((row.run_id, row.suite, *row.tags.values())).casefold())
        )


@dataclass(frozen=True, slots=True)
class IndexPage:
    """Some rows, newest first. `cursor`: where the next page continues; "" after the last row."""

    rows: tuple[IndexRow, ...]
    cursor: str = ""


def search(store: Reader, query: Query, *, cursor: str = "", limit: int = 50) -> IndexPage:
    """Returns the newest rows that match, after `cursor`. New runs do not move later pages."""
    return page_of(_rows(store), query, cursor=cursor, limit=limit)


def page_of(rows: Iterable[IndexRow], query: Query, *, cursor: str = "", limit: int = 50) -> IndexPage:
    """Returns the first rows that match, after `cursor`. `rows`: newest first."""
    matching = (row for row in rows if row.stem > cursor and query.matches(row, row.outcome))
    rows_found = tuple(islice(matching, limit + 1))
    return IndexPage(rows_found[:limit], rows_found[limit - 1].stem if len(rows_found) > limit else "")


def all_rows(store: Reader) -> list[IndexRow]:
    """Returns the rows of all judged runs, newest first; StoreError if a file is damaged."""
    return list(_rows(store))


def readable_rows(store: Store) -> tuple[list[IndexRow], list[str]]:
    """Returns the rows of all judged runs, newest first, and a sentence about each damaged file."""
    problems: list[str] = []
    return list(_rows(store, problems)), problems


def compared(rows: Iterable[IndexRow]) -> Iterator[IndexRow]:
    """Yields the runs that tell how a suite does: those of the main branch, without smoke runs and duets."""
    return (row for row in rows if row.kind == "run" and not row.branch)


def drawn(rows: Iterable[IndexRow], most: int = 30) -> list[IndexRow]:
    """Returns the last runs in the suite's trend, all of the newest one's stage, oldest first.

    `rows`: of one suite, newest first.
    """
    counted = [row for row in compared(rows) if not row.left_out]
    return [row for row in counted if row.stage == counted[0].stage][:most][::-1]


def by_suite(rows: Iterable[IndexRow]) -> dict[str, list[IndexRow]]:
    """Returns the rows of each suite in their order."""
    suites: dict[str, list[IndexRow]] = {}
    for row in rows:
        suites.setdefault(row.suite, []).append(row)
    return suites


def _rows(store: Reader, problems: list[str] | None = None) -> Iterator[IndexRow]:
    return (row for month in _months(store, problems) for row in _newest_rows(month.every_row(), month.marks))


def pack(store: Store, now: float, at_least: int = 30) -> int:
    """Packs each month's loose rows, except those of the last day, into one file. Returns their number.

    Does nothing if there are fewer than `at_least`. Also removes rows of deleted runs that an interrupted deletion or
    a concurrent packing left.
    """
    if sum(key.endswith(LOOSE) and _is_old(key, now) for key in store.keys(INDEX)) < at_least:
        return 0
    packed = 0
    for month in _months(store):
        marked = month.marked()
        due = [key for key in month.loose if _is_old(key, now) or name_of(key)[0] in marked]
        if due or marked or len(month.packed) > 1:
            _repack(store, month, due)
            packed += len(due)
    return packed


def forget(store: Store, run_id: str) -> None:
    """Removes a run's history records, then its rows. A crash leaves a row to repeat the call with, or nothing."""
    for month in _months(store):
        rows = [row for row in month.every_row() if row.run_id == run_id]
        stems = {row.stem for row in rows}
        for prefix in {f"{HISTORY}{row.suite}/{row.stem}." for row in rows}:
            store.delete_many(key for key in store.keys(prefix) if name_of(key)[0] in stems)
        for stem in stems:
            store.put(f"{INDEX}{month.name}/{stem}{MARK}", b"")
        if stems:
            loose = [key for key in month.loose if name_of(key)[0] in stems]
            _repack(store, replace(month, marks=month.marks | stems), loose)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Month:
    """The rows of one month."""

    name: str
    files: Mapping[str, tuple[IndexRow, ...]]  # by key
    marks: frozenset[str]  # stems of deleted runs

    @property
    def packed(self) -> list[str]:
        return [key for key in self.files if key.endswith(ZIPPED)]

    @property
    def loose(self) -> list[str]:
        return [key for key in self.files if key.endswith(LOOSE)]

    def every_row(self) -> Iterator[IndexRow]:
        return (row for rows in self.files.values() for row in rows)

    def marked(self) -> set[str]:
        """Returns the stems of deleted runs that still have rows."""
        return {row.stem for row in self.every_row() if row.stem in self.marks} if self.marks else set()


def _newest_rows(rows: Iterable[IndexRow], marks: frozenset[str]) -> list[IndexRow]:
    """Returns each run's row with the highest revision, newest first."""
    newest: dict[str, IndexRow] = {}
    for row in rows:
        stem = row.stem
        if stem not in marks and (stem not in newest or newest[stem].revision < row.revision):
            newest[stem] = row
    return [newest[stem] for stem in sorted(newest)]


def _repack(store: Store, month: _Month, loose: Sequence[str]) -> None:
    """Writes the month's packed rows and these loose ones into one file, then removes the files that had them."""
    old = [*month.packed, *loose]
    rows = _newest_rows((row for key in old for row in month.files[key]), month.marks)
    lines = b"".join(row.to_json() for row in rows)
    new = f"{INDEX}{month.name}/packed-{hashlib.sha256(lines).hexdigest()[:16]}{ZIPPED}"
    if rows and new not in old:
        store.put_once(new, gzip.compress(lines, mtime=0))
    store.delete_many(key for key in old if key != new)


def _months(store: Reader, problems: list[str] | None = None) -> Iterator[_Month]:
    """Reads the index, newest months first, and ever more of them at once: most lists need the newest only."""
    keys: dict[str, list[str]] = {}
    for key in store.keys(INDEX):
        keys.setdefault(key.split("/")[1], []).append(key)
    names, count = sorted(keys, reverse=True), 1
    while names:
        now, names, count = names[:count], names[count:], 4 * count
        files = _read(store, [key for name in now for key in keys[name]], problems)
        for name in now:
            missing = [key for key in keys[name] if _has_rows(key) and key not in files]
            yield _month(name, keys[name], files) if not missing else _listed_again(store, name, problems)


def _listed_again(store: Reader, name: str, problems: list[str] | None) -> _Month:
    """Reads a month of which files were packed or deleted after they were listed."""
    for _ in range(TRIES):
        keys = list(store.keys(f"{INDEX}{name}/"))
        files = _read(store, keys, problems)
        if all(key in files for key in keys if _has_rows(key)):
            return _month(name, keys, files)
    raise StoreError(f"{store.address(INDEX + name)} changes too often to be read; try again", code="busy-index")


def _read(store: Reader, keys: Sequence[str], problems: list[str] | None) -> dict[str, tuple[IndexRow, ...]]:
    """Returns the rows of those files that exist; none of a damaged file if there are `problems`."""
    known = {key: rows for key in keys if (rows := _cache.get(store.address(key))) is not None}
    files = store.find_many(key for key in keys if _has_rows(key) and key not in known)
    new, damaged = dict[str, tuple[IndexRow, ...]](), dict[str, tuple[IndexRow, ...]]()
    for key, data in files.items():
        try:
            new[key] = _rows_in(data, store.address(key))
        except StoreError as error:
            if problems is None:
                raise
            problems.append(str(error))
            damaged[key] = ()
    if len(_cache) > MOST_CACHED:
        _cache.clear()
    _cache.update((store.address(key), rows) for key, rows in new.items())
    return known | new | damaged


def _has_rows(key: str) -> bool:
    return key.endswith((LOOSE, ZIPPED))


def _month(name: str, keys: Sequence[str], files: Mapping[str, tuple[IndexRow, ...]]) -> _Month:
    marks = frozenset(key.rpartition("/")[2].removesuffix(MARK) for key in keys if key.endswith(MARK))
    return _Month(name=name, files={key: files[key] for key in keys if key in files}, marks=marks)


def _rows_in(data: bytes, key: str) -> tuple[IndexRow, ...]:
    try:
        lines = gzip.decompress(data) if key.endswith(ZIPPED) else data
    except (OSError, EOFError, zlib.error) as error:
        raise StoreError(
            f"{key} is damaged: {error}; delete it, and toril makes it again from the runs' files", code="damaged-file"
        ) from error
    return tuple(IndexRow.from_json(line, key) for line in lines.split(b"\n") if line)


def _is_old(key: str, now: float) -> bool:
    return started_of(name_of(key)[0]) < now - LOOSE_S
