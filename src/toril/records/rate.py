"""A rate that is changed while a run goes on."""

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from toril.records.base import Record


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


def rates_of(rates: Iterable[Rate], execution: str) -> tuple[Rate, ...]:
    """One execution's, in order."""
    return tuple(rate for rate in rates if rate.execution == execution)
