"""Reads the JSON records of a store."""

from collections.abc import Iterator
from typing import ClassVar, Protocol, Self, TypeVar

from toril.errors import StoreError
from toril.records import Launch, Plan, Rate, Start, Stop, rate_key, run_key
from toril.store import Reader


class Stored(Protocol):
    """The content of a JSON file: a `Record`, or a `StoredObject`."""

    MOST_BYTES: ClassVar[int | None]

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Self: ...


Kind = TypeVar("Kind", bound=Stored)


def find_record(store: Reader, kind: type[Kind], key: str) -> Kind | None:
    """Returns the record stored at `key`, or None; StoreError if it is damaged or of another version."""
    data = store.find(key, kind.MOST_BYTES)
    return None if data is None else kind.from_json(data, key)


def get_record(store: Reader, kind: type[Kind], key: str) -> Kind:
    """Returns the record stored at `key`; StoreError if there is none, or if it is damaged."""
    return kind.from_json(store.get(key), key)


def next_rates(store: Reader, run_id: str, known: int) -> Iterator[Rate]:
    """Yields the run's rate changes after the first `known`, in order; StoreError if one has a wrong number."""
    while True:
        key = rate_key(run_id, known + 1)
        rate = find_record(store, Rate, key)
        if rate is None:
            return
        if rate.number != known + 1:
            raise StoreError(f"{key} is a copy of number {rate.number}", code="misnumbered-rate")
        yield rate
        known += 1


def read_record(store: Reader, run_id: str) -> tuple[Plan, Start | None, Stop | None]:
    """Returns the run's plan, start and stop; StoreError without a plan, or with the plan of another run."""
    plan_key = run_key(run_id, "plan.json")
    plan = find_record(store, Plan, plan_key)
    if plan is None:
        text = f"run {run_id} has no plan: it has not begun, or its files were deleted or have expired"
        raise StoreError(text, code="no-such-run")
    if plan.run_id != run_id:
        text = f"{plan_key} is the plan of run {plan.run_id}; name the run by the path of its folder"
        raise StoreError(text, code="other-run")
    start = find_record(store, Start, run_key(run_id, "start.json"))
    return plan, start, find_record(store, Stop, run_key(run_id, "stop.json"))


def read_launch(store: Reader, run_id: str) -> Launch | None:
    """Returns the attempts and deadline of a run; None before its launch."""
    return find_record(store, Launch, run_key(run_id, "launch.json"))
