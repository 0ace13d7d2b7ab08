"""Collects a worker's measurements and turns them into interval files. Not thread-safe.

Adding samples only checks and keeps them. Each flush groups all of them at once, because CPU time spent here is lost
to the load generator.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from toril.records import digest_of
from toril.secrets.masking import mask_label
from toril.stats.histogram import Int64s, bucket_of, buckets_of, lowest_us, lowests_of
from toril.timeline.intervals.format import (
    BUCKET_BITS,
    HEALTH_SCALE,
    KINDS,
    MAX_DURATION_US,
    MAX_LENGTH,
    MAX_SECOND,
    MAX_UNPACKED,
    UNKNOWN,
    VITALS,
    encode,
)

MAX_MESSAGES = 100
MAX_RCS = 1000
ROW_BYTES = 200  # upper bound of a cell with one sample, with its histogram, outcome and series
ESCAPED = 6  # the most bytes of one character in JSON
BUDGET = MAX_UNPACKED * 3 // 8  # bytes of a file for samples; codes, messages and unfinished requests need the rest

NONE = -1  # the code of texts beyond the limit
OTHER = "other"  # replaces messages and response codes beyond the limit
MOST_READ = 4 * MAX_LENGTH  # characters to read of a text before it is cut, so that credentials are found whole
MOST_OF_LABEL = 64 * MAX_LENGTH  # characters to read of a label; longer ones differ by their digest
MOST_VARIANTS = 10_000  # remembered texts with credentials
DIGEST_BYTES = 8  # the probability of a collision among 262,144 cut labels is 1 in 500 million

# The bits of a cell's key, from the highest: second 21, place (code of execution, arm and block) 18, label 18, kind 4,
# steady, ok
EXECUTION_BITS, ARM_BITS, BLOCK_BITS = 8, 2, 10
PLACE_BITS, LABEL_BITS, KIND_BITS, FLAG_BITS = 18, 18, 4, 2
LABEL_AT = KIND_BITS + FLAG_BITS
PLACE_AT = LABEL_AT + LABEL_BITS
SECOND_AT = PLACE_AT + PLACE_BITS

LOW_12 = (1 << 12) - 1
LOW_20 = (1 << 20) - 1
LOW_32 = (1 << 32) - 1

PARENTHESES = str.maketrans("{}", "()")

TableName = Literal["label", "rc", "message"]
Columns = Mapping[str, Any]


class Recorder:
    """The measurements of one worker since the last flush.

    `cleaned` removes secrets from all texts, `cleaned_message` from messages instead, if given. All are masked.
    """

    def __init__(
        self,
        worker: str,
        location: str,
        cleaned: Callable[[str], str] = str,
        cleaned_message: Callable[[str], str] | None = None,
    ) -> None:
        self.worker, self.location = worker, location
        self.samples = 0  # recorded since the start, including transactions
        self.files = 0
        self.digests = ""  # of all files, in order
        self._executions = Texts("execution", 1 << EXECUTION_BITS, beyond="error")
        self._tables = {
            "label": Texts("label", 1 << LABEL_BITS, [""], beyond="none", cleaned=cleaned),
            "rc": Texts("rc", MAX_RCS, cleaned=cleaned),
            "message": Texts(
                "message", MAX_MESSAGES + 1, [""], cleaned=cleaned_message or cleaned
            ),  # "" does not count
        }
        self._places: dict[tuple[int, int, int], int] = {}  # execution, arm and block → code
        self._resolution: dict[str, int] = {}
        self._batches: list[tuple[Int64s, ...]] = []
        self._users: dict[tuple[int, int], int] = {}
        self._unfinished: Counter[tuple[int, int, int]] = Counter()
        self._waits: Counter[tuple[int, int, int, int]] = Counter()
        self._health: list[tuple[int, ...]] = []
        self._vitals: dict[int, dict[str, int]] = {}  # by second
        self._generator: dict[str, Any] = {}
        self._unreadable = 0

    def code(self, table: TableName, text: str) -> int:
        """Returns the integer for `text` in the columns of `add_many`; it does not change."""
        return self._tables[table][text]

    def text(self, table: TableName, text: str) -> str:
        """Returns `text` as interval files have it; "" for a label beyond the limit."""
        code = self.code(table, text)
        return "" if code == NONE else self._tables[table].texts[code]

    def add_many(self, execution: str, columns: Columns, *, arm: int = 0, block: int = 0) -> None:
        """Records samples, given as columns of equal length. If one is invalid, raises ValueError and records none.

        A sample with a label beyond the limit of 262,143 labels counts as unreadable. The columns:

        - completed_s: float, since the start signal; earlier samples count in second 0
        - response_us: integer, 0 … 2**40 − 1, like the other durations
        - label: texts, or an integer array of codes from `code("label", …)`
        - ok, steady: bool; an array, or one value for all
        - kind: of KINDS, by default "request"; texts, one text, or an integer array of positions
        - rc, message: texts, one text, or an integer array of codes; messages of successful samples are dropped
        - ttfb_us, connect_us: integer, −1 (the default) if unknown
        - bytes: integer, 0 by default
        """
        completed = np.asarray(columns["completed_s"], np.float64)
        size = completed.size
        response = _whole(columns, "response_us", size, 0, None)
        ttfb = _whole(columns, "ttfb_us", size, -1, -1)
        connect = _whole(columns, "connect_us", size, -1, -1)
        received = _whole(columns, "bytes", size, 0, 0)
        ok = np.broadcast_to(np.asarray(columns["ok"], np.bool_), size)
        steady = np.broadcast_to(np.asarray(columns["steady"], np.bool_), size)
        kind = _kinds(columns.get("kind", KINDS[0]), size)
        if size and not (completed.max() < MAX_SECOND and completed.min() > -MAX_SECOND):  # also false for NaN
            raise ValueError("completed_s holds a value that is not a time within a run")
        label, rc, message = (self._codes(name, columns.get(name, ""), size) for name in ("label", "rc", "message"))
        key = np.maximum(np.floor(completed), 0).astype(np.int64)
        key <<= SECOND_AT
        key += self._place(execution, arm, block) << PLACE_AT
        key += label << LABEL_AT
        key += (kind << FLAG_BITS) + (steady.astype(np.int64) << 1) + ok
        outcome = (rc << 16) + np.where(ok, 0, message)
        batch = (key, response, received, ttfb, connect, outcome)
        if size and label.min() == NONE:
            batch = tuple(column[label != NONE] for column in batch)
            self._unreadable += size - batch[0].size
        self._batches.append(batch)
        self.samples += batch[0].size

    def add_one(self, execution: str, *, completed_s: float, arm: int = 0, block: int = 0, **values: Any) -> None:
        """Records one sample, by default a successful and steady one; ValueError like `add_many`."""
        columns = {"ok": True, "steady": True, **values, "completed_s": [completed_s]}
        self.add_many(execution, columns, arm=arm, block=block)

    def virtual_users(self, second: int, execution: str, count: int) -> None:
        """Records the number of active virtual users; the last value of a second counts."""
        self._users[_second(second), self._executions[execution]] = _count(count)

    def unfinished(self, second: int, execution: str, label: str, count: int, waited_us: int = 0) -> None:
        """Records requests in flight at the end of the load, and their waiting time; label "" if unknown."""
        code = max(0, self._tables["label"][label])  # "" has the code 0
        place = _second(second), self._executions[execution], code
        self._unfinished[place] += _count(count)
        self._waits[*place, lowest_us(bucket_of(min(_count(waited_us), MAX_DURATION_US - 1)))] += count

    def health(
        self,
        second: int,
        cpu_fraction_of_limit: float,
        busiest_engine_core_fraction: float,
        memory_bytes: int,
        throttled_s: float,
        *,
        machine: float | None = None,
        waiting: float | None = None,
        throttled: float | None = None,
        sockets: int | None = None,
        sockets_share: float | None = None,
    ) -> None:
        """Records the worker's own health in a second; None: not measured. VITALS explains the figures."""
        fractions = (round(cpu_fraction_of_limit * HEALTH_SCALE), round(busiest_engine_core_fraction * HEALTH_SCALE))
        row = (_second(second), *fractions, int(memory_bytes), round(throttled_s * 1e6))
        self._health.append(tuple(max(0, value) for value in row))
        shares = {"machine": machine, "waiting": waiting, "throttled": throttled, "sockets_share": sockets_share}
        vitals = {name: round(share * HEALTH_SCALE) for name, share in shares.items() if share is not None}
        vitals |= {} if sockets is None else {"sockets": sockets}
        if vitals:
            self._vitals.setdefault(row[0], {}).update(vitals)

    def sends(self, second: int, *, late_us: int | None, late_p90_us: int | None, dropped: int | None) -> None:
        """Records the lateness of sends in a second (maximum, 90th percentile) and unsent requests. None: unknown."""
        known = self._vitals.setdefault(_second(second), {})
        for name, late in (("late_us", late_us), ("late_p90_us", late_p90_us)):
            if late is not None:
                known[name] = max(_count(late), known.get(name, 0))
        if dropped is not None:
            known["dropped"] = _count(dropped) + known.get("dropped", 0)

    def generator(self, **facts: float | bool | None) -> None:
        """Sets the limits of this worker, for all later files. None: no limit, or an unknown one."""
        self._generator = {name: fact for name, fact in facts.items() if fact is not None}

    def resolution(self, execution: str, us: int) -> None:
        """Sets the resolution of the engine's records in µs, for all later files."""
        self._executions[execution]
        self._resolution[execution] = int(us)

    def unreadable(self, count: int = 1) -> None:
        """Counts engine records that are unreadable or hold an impossible sample."""
        self._unreadable += _count(count)

    def flush(self) -> bytes | None:
        """Returns an interval file of the records since the last flush; None if there are none left.

        Call it until it returns None: many records are split into several files, by time.
        """
        recorded = (self._batches, self._users, self._unfinished, self._health, self._vitals)
        if not any(recorded) and not self._unreadable:
            return None
        cells, tables, rest = self._grouped()
        names: dict[str, Any] = {
            "worker": self.worker,
            "location": self.location,
            "number": self.files + 1,
            "resolution_us": dict(self._resolution),
            "unreadable": self._unreadable,
        }
        if self._generator:
            names["generator"] = self._generator
        series, tables["cells"][1] = np.unique(cells & ((1 << SECOND_AT) - 1), return_inverse=True)
        fields = self._fields(series)
        # The last of several files has everything except samples.
        tables["users"] = users = _rows([] if rest else [(*key, n) for key, n in self._users.items()], 3)
        tables["health"] = _rows([] if rest else self._health, 5)
        unfinished = _rows([] if rest else [(*key, n) for key, n in self._unfinished.items()], 4)
        waits = _rows([] if rest else [(*key, n) for key, n in self._waits.items()], 5)
        tables["unfinished"], outcomes = unfinished, tables["outcomes"]
        names["executions"] = _used(self._executions.texts, fields[0], unfinished[1], users[1], waits[1])
        names["labels"] = _used(self._tables["label"].texts, fields[1], unfinished[2], waits[2])
        names["rcs"] = _used(self._tables["rc"].texts, outcomes[1])
        names["messages"] = _used(self._tables["message"].texts, outcomes[2])
        names["series"] = fields.T.tolist()
        if waits.size:
            names["waits"] = waits.tolist()
        if self._vitals and not rest:
            known = self._vitals.values()
            names["vitals"] = [list(self._vitals), *([one.get(name, UNKNOWN) for one in known] for name in VITALS[1:])]
        data = encode(names, tables)
        self.files += 1
        self.digests += digest_of(data)
        self._batches, self._unreadable = rest, 0
        if not rest:
            for kept in (self._health, self._users, self._unfinished, self._waits, self._vitals):
                kept.clear()
        return data

    def _place(self, execution: str, arm: int, block: int) -> int:
        if not (0 <= arm < 1 << ARM_BITS and 0 <= block < 1 << BLOCK_BITS):
            raise ValueError(f"arm {arm}, block {block}: at most {1 << ARM_BITS} arms and {1 << BLOCK_BITS} blocks")
        place = self._executions[execution], arm, block
        code = self._places.setdefault(place, len(self._places))
        if code >= 1 << PLACE_BITS:
            raise ValueError(f"at most {1 << PLACE_BITS:,} combinations of execution, arm and block")
        return code

    def _fields(self, series: Int64s) -> Int64s:
        """Returns a row each of execution, label, kind, steady, ok, arm and block."""
        parts = ((LABEL_AT, LABEL_BITS), (FLAG_BITS, KIND_BITS), (1, 1), (0, 1))
        execution, arm, block = _rows(list(self._places), 3)[:, series >> PLACE_AT]
        label, kind, steady, ok = ((series >> at) & ((1 << bits) - 1) for at, bits in parts)
        return np.stack([execution, label, kind, steady, ok, arm, block])

    def _codes(self, name: TableName, column: Any, size: int) -> Int64s:
        table = self._tables[name]
        if isinstance(column, str):
            return np.full(size, table[column], np.int64)
        if isinstance(column, np.ndarray) and column.dtype.kind in "iu":
            codes = _column(column, name, size)
            if size and not (codes.min() >= 0 and codes.max() < len(table.texts)):
                raise ValueError(f"{name} holds a code that the recorder did not assign")
            return codes
        texts = column.tolist() if isinstance(column, np.ndarray) else column
        return _column(np.fromiter(map(table.__getitem__, texts), np.int64), name, size)

    def _grouped(self) -> tuple[Int64s, dict[str, Int64s], list[tuple[Int64s, ...]]]:
        """Returns the cells and tables of the samples since the last flush, and the samples for the next file."""
        batches = self._batches or [tuple(_rows([], 6))]
        columns = tuple(np.concatenate(column) for column in zip(*batches, strict=True))
        cell_bytes = ROW_BYTES + ESCAPED * self._tables["label"].longest
        cells, tables = grouped(*columns)
        if cells.size * cell_bytes + 8 * sum(tables[name].size for name in ("gaps", "counts", "outcomes")) <= BUDGET:
            return cells, tables, []
        by_time, most = np.argsort(columns[0], kind="stable"), BUDGET // cell_bytes
        rest = [tuple(column[by_time[most:]] for column in columns)] if by_time.size > most else []
        return *grouped(*(column[by_time[:most]] for column in columns)), rest


def acceptable(columns: Columns) -> NDArray[np.bool_]:
    """Returns which rows have numbers that `add_many` accepts; the caller counts the others as unreadable."""
    completed = np.asarray(columns["completed_s"], np.float64)
    good = np.asarray((completed > -MAX_SECOND) & (completed < MAX_SECOND), np.bool_)
    for name, lowest in (("response_us", 0), ("ttfb_us", -1), ("connect_us", -1), ("bytes", 0)):
        if name in columns:
            values = np.asarray(columns[name])
            good &= (values >= lowest) & ((values < MAX_DURATION_US) if name != "bytes" else True)
    return good


def _used(texts: list[str], *columns: Int64s) -> list[str]:
    """Returns the texts that the columns use; replaces the columns' codes by positions in that list."""
    codes, positions = np.unique(np.concatenate(columns), return_inverse=True)
    ends = np.cumsum([column.size for column in columns])
    for column, own in zip(columns, np.split(positions, ends[:-1]), strict=True):
        column[:] = own
    return [texts[code] for code in codes]


def _rows(rows: list[tuple[int, ...]], columns: int) -> Int64s:
    return np.array(rows, np.int64).reshape(len(rows), columns).T.copy()


def _whole(columns: Columns, name: str, size: int, lowest: int, default: int | None) -> Int64s:
    """Returns a column of whole numbers within their limits."""
    column = columns[name] if default is None else columns.get(name, default)
    values = _column(np.asarray(column), name, size)
    if size and (values.min() < lowest or (name != "bytes" and values.max() >= MAX_DURATION_US)):
        raise ValueError(f"{name} holds {values.min()} … {values.max()}; allowed are {lowest} … {MAX_DURATION_US - 1}")
    return values


def _column(values: NDArray[Any], name: str, size: int) -> Int64s:
    if values.dtype.kind not in "iu" or (values.ndim and values.size != size):
        raise ValueError(f"{name} is {values.size} × {values.dtype}, expected {size} whole numbers")
    return np.broadcast_to(values, size).astype(np.int64)


def _kinds(column: Any, size: int) -> Int64s:
    if isinstance(column, str):
        return np.full(size, KINDS.index(column), np.int64)  # ValueError for other texts
    if not (isinstance(column, np.ndarray) and column.dtype.kind in "iu"):
        column = np.array([KINDS.index(kind) for kind in column], np.int64)
    kinds = _column(column, "kind", size)
    if size and not (kinds.min() >= 0 and kinds.max() < len(KINDS)):
        raise ValueError(f"kind holds a code that is not 0 … {len(KINDS) - 1}: a position in {KINDS}")
    return kinds


def _second(second: int) -> int:
    if not -MAX_SECOND < second < MAX_SECOND:
        raise ValueError(f"second {second} is outside a run; its absolute value must be below {MAX_SECOND:,}")
    return max(0, int(second))


def _count(count: int) -> int:
    if count < 0:
        raise ValueError(f"{count}: a count cannot be negative")
    return int(count)


def grouped(
    keys: Int64s, response: Int64s, received: Int64s, ttfb: Int64s, connect: Int64s, outcome: Int64s
) -> tuple[Int64s, dict[str, Int64s]]:
    """Returns the keys of the cells, and the tables of an interval file with the recorder's codes."""
    cells, cell_of = np.unique(keys, return_inverse=True)

    def total(values: Int64s) -> Int64s:
        sums = np.zeros(cells.size, np.int64)
        np.add.at(sums, cell_of, values)
        return sums

    bucket = buckets_of(response)
    lowest = lowests_of(bucket)
    above = response - lowest
    high, low = _product(above, response + lowest)
    entries, counts = np.unique((cell_of << BUCKET_BITS) + bucket, return_counts=True)
    buckets = entries & ((1 << BUCKET_BITS) - 1)
    outcomes, times = np.unique((cell_of << 32) + outcome, return_counts=True)
    sizes = np.bincount(entries >> BUCKET_BITS, minlength=cells.size)
    ends = np.cumsum(sizes)
    smallest = np.full(cells.size, MAX_DURATION_US, np.int64)
    np.minimum.at(smallest, cell_of, response)
    largest = np.zeros(cells.size, np.int64)
    np.maximum.at(largest, cell_of, response)
    high, low = total(high), total(low)
    table = (
        cells >> SECOND_AT,
        np.zeros(cells.size, np.int64),
        sizes,
        np.bincount(cell_of, minlength=cells.size),
        total(received),
        total(above),
        high + (low >> 32),
        low & LOW_32,
        smallest - lowests_of(buckets[ends - sizes]),
        largest - lowests_of(buckets[ends - 1]),
        total(np.maximum(ttfb, 0)),
        total((ttfb >= 0).astype(np.int64)),
        total(np.maximum(connect, 0)),
        total((connect >= 0).astype(np.int64)),
    )
    return cells, {
        "cells": np.stack(table),
        "gaps": np.diff(buckets, prepend=0)[np.newaxis] & 0xFFFF,
        "counts": counts[np.newaxis].astype(np.int64),
        "outcomes": np.stack((outcomes >> 32, (outcomes >> 16) & 0xFFFF, outcomes & 0xFFFF, times)),
    }


def _product(above: Int64s, sum_of_both: Int64s) -> tuple[Int64s, Int64s]:
    """Returns x² − lowest² = (x − lowest)(x + lowest) in two halves, because it may need more than 64 bits."""
    upper, lower = above * (sum_of_both >> 20), above * (sum_of_both & LOW_20)
    low = ((upper & LOW_12) << 20) + lower
    return (upper >> 12) + (low >> 32), low & LOW_32


class Texts(dict[str, int]):
    """Texts and their codes; beyond the limit, new texts get the code of OTHER, or none.

    `cleaned` removes secrets first, so texts that differ only in their credentials count as one.
    """

    def __init__(
        self,
        what: str,
        limit: int,
        texts: Iterable[str] = (),
        *,
        beyond: Literal["other", "none", "error"] = "other",
        cleaned: Callable[[str], str] = str,
    ) -> None:
        super().__init__()
        self.what, self.limit, self.beyond, self._cleaned = what, limit, beyond, cleaned
        self.texts: list[str] = []
        self.longest = 0
        for text in texts:
            self[text]

    def __missing__(self, text: str) -> int:
        if not isinstance(text, str):
            raise ValueError(f"{self.what} {text!r} is not a text")
        clean = mask_label(self._cleaned(_cut(text, MOST_OF_LABEL) if self.what == "label" else text[:MOST_READ]))
        if len(clean) > MAX_LENGTH:
            clean = label_of(clean) if self.what == "label" else clean[: MAX_LENGTH - 1] + "…"
        code = self.get(clean)
        if code is None:
            code = self._new(clean)
        if clean != text and len(text) <= MAX_LENGTH and len(self) < len(self.texts) + MOST_VARIANTS:
            self[text] = code  # cut texts are not remembered
        return code

    def _new(self, text: str) -> int:
        if len(self.texts) >= self.limit:
            if self.beyond == "error":
                raise ValueError(f"{self.what} {text!r} exceeds the limit of {self.limit} different ones")
            if self.beyond == "none":
                return NONE
            if text != OTHER:
                return self[OTHER]
        code = self[text] = len(self.texts)
        self.texts.append(text)
        self.longest = max(self.longest, len(text))
        return code


def label_of(text: str) -> str:
    """Returns a label as in interval files: without credentials, and cut if it is long.

    A cut label ends in a digest of the whole label, so that different labels stay different.
    """
    return _cut(mask_label(_cut(text, MOST_OF_LABEL)), MAX_LENGTH)


def tagged_label(label: str, tag: str, value: str) -> str:
    """Returns the label of a request's second sample, which has a tag: `checkout{tenant=big}`.

    Braces in the value become parentheses.
    """
    end = f"{{{tag}={value.translate(PARENTHESES)}}}"
    return _cut(mask_label(_cut(label, MOST_OF_LABEL)), MAX_LENGTH - len(end)) + end


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()
    return f"{text[: most - len(digest) - 1]}…{digest}"
