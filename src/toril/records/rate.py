"""A rate that is changed while a run goes on."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from toril.errors import StoreError
from toril.records.base import Record

if TYPE_CHECKING:
    from toril.store import Store


class Search(BaseModel):
    """How the highest rate is looked for that one execution's target can bear."""

    model_config = ConfigDict(frozen=True)
    from_rps: float
    to_rps: float
    until: tuple[str | dict[str, Any], ...]  # Taurus' criteria: a stage in which one of them comes true is one too many
    step_s: float = 20.0  # of each stage, …
    settle_s: float = 5.0  # … the first of them not judged
    precision: float = 0.05  # of the highest rate that held: how near the lowest that did not has to be


class Rate(Record):
    """From `at` on one execution has another rate, to its end or to the next of these records.

    They are numbered from 1 without a gap and written once: whoever finds a number taken reads that one first.
    """

    SCHEMA: ClassVar[str] = "toril.rate/1"
    number: int
    execution: str  # PlannedExecution.name
    rps: float  # requests per second of all workers together
    at: float  # seconds since the epoch; far enough ahead that every worker sees it in time
    asked_at: float
    cause: Literal["user", "search"]
    by: str = ""  # who asked: user@host, or the owner of the run


def rate_key(run_id: str, number: int) -> str:
    """`runs/<run-id>/rates/<number>.json`."""
    return f"runs/{run_id}/rates/{number:06d}.json"


def next_rates(store: "Store", run_id: str, known: int) -> Iterator[Rate]:
    """Those that follow the first `known`, in order, as far as they are there."""
    while True:
        key = rate_key(run_id, known + 1)
        found = Rate.look_up(store, key)
        if found is None:
            return
        if found.number != known + 1:
            raise StoreError(f"{key} is a copy of number {found.number}")
        yield found
        known += 1


def rates_of(rates: Iterable[Rate], execution: str) -> tuple[Rate, ...]:
    """One execution's, in order."""
    return tuple(rate for rate in rates if rate.execution == execution)
