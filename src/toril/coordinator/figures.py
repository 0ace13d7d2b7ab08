"""What one glance at a running test shows: made by the coordinator, drawn by the reports."""

from dataclasses import dataclass
from typing import Literal, Protocol

Phase = Literal["preparing", "running", "draining", "waiting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationFigures:
    """The same glance at one location's part. Percentiles are None while nothing has been measured."""

    location: str
    virtual_users: int = 0
    rps: float = 0.0
    p50_us: int | None = None
    p95_us: int | None = None
    p99_us: int | None = None
    samples: int = 0
    failures: int = 0
    workers_ready: int = 0
    workers_planned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFigures:
    """The run so far. Rates and percentiles are those of the last few seconds, counts those since the start signal."""

    run_id: str = ""
    phase: Phase = "preparing"
    elapsed_s: float = 0.0  # since the start signal
    planned_s: float = 0.0  # 0 when only iterations bound the load
    virtual_users: int = 0
    planned_users: int = 0
    rps: float = 0.0
    p50_us: int | None = None
    p95_us: int | None = None
    p99_us: int | None = None
    samples: int = 0
    failures: int = 0
    lag_s: float = 0.0  # from the newest sample to now
    workers_ready: int = 0
    workers_planned: int = 0
    locations: tuple[LocationFigures, ...] = ()
    turn: str = ""  # of a duet: which arm is loaded
    criteria: tuple[tuple[str, str], ...] = ()  # outcome so far, and why in a sentence; those that are breached first
    waiting: str = ""  # in phase "waiting", after the load: for what
    notes: tuple[str, ...] = ()  # what a person should know now: a lost worker, a stop


class View(Protocol):
    """Where progress is shown."""

    def show(self, figures: LiveFigures) -> None: ...
