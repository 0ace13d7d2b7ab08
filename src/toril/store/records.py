"""Reads the JSON records of a store."""

from collections.abc import Iterator
from typing import TypeVar

from toril.errors import StoreError
from toril.records import Rate, rate_key
from toril.records.base import Record
from toril.store import Store

Kind = TypeVar("Kind", bound=Record)


def find_record(store: Store, kind: type[Kind], key: str) -> Kind | None:
    """Returns the record stored at `key`, or None; StoreError if it is damaged or of another version."""
    data = store.find(key, kind.MOST_BYTES)
    return None if data is None else kind.from_json(data, key)


def get_record(store: Store, kind: type[Kind], key: str) -> Kind:
    """Returns the record stored at `key`; StoreError if there is none, or if it is damaged."""
    return kind.from_json(store.get(key), key)


def next_rates(store: Store, run_id: str, known: int) -> Iterator[Rate]:
    """Yields the run's rate changes after the first `known`, in order; StoreError if one has another's number."""
    while True:
        key = rate_key(run_id, known + 1)
        found = find_record(store, Rate, key)
        if found is None:
            return
        if found.number != known + 1:
            raise StoreError(f"{key} is a copy of number {found.number}", code="misnumbered-rate")
        yield found
        known += 1
