"""A worker's life as a pure value: (state, event, now) → (state, actions).

preparing ──parked──▶ ready ──start──▶ running ──stop, signal, limit──▶ draining ──▶ ended
    └── failure, stop, signal, stale start: ended ─────────┘└── all engines ended by themselves: ended
"""

from dataclasses import dataclass, replace
from typing import Literal

from toril.records import Rate, Start, Stop

Phase = Literal["preparing", "ready", "running", "draining", "ended"]
Outcome = Literal["finished", "stopped", "failed", "stale", "superseded"]

SIGNAL_STOP_S = 4.0  # for requests in flight after a signal: the worker must end within 5 s
STALE_AFTER_S = 30.0  # an older start belongs to another run, or this machine slept
KILL_AFTER_S = 0.4  # for an engine to write its last records and end
OVERRUN_S = 2.0  # … at a planned end, which is not urgent
OVERDUE = "the run's deadline has passed"
URGENT = ("signal", "abort", "lost")  # causes of a stop that allow as little time as a signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of an attempt, known before its start."""

    worker: str
    attempt: str
    graceful_stop_s: float
    planned_s: float | None = None  # from the start to the last engine's planned end; None: iterations bound it
    max_duration_s: float | None = None
    deadline: float | None = None  # seconds since the epoch; the run must end by then

    @property
    def signal_stop_s(self) -> float:
        """The time that a signal allows requests in flight."""
        return min(self.graceful_stop_s, SIGNAL_STOP_S)


@dataclass(frozen=True, slots=True)
class Parked:
    """All engines are prepared; those that can park wait at their gates."""


@dataclass(frozen=True, slots=True)
class StartSeen:
    """start.json exists."""

    start: Start


@dataclass(frozen=True, slots=True)
class StopSeen:
    """stop.json exists."""

    stop: Stop


@dataclass(frozen=True, slots=True)
class RateSet:
    """The run has a new rate."""

    rate: Rate


@dataclass(frozen=True, slots=True)
class Signalled:
    """SIGTERM or SIGINT, or the parent process has ended."""

    why: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another process with the same attempt is ready: a task was started twice."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An engine could not be prepared, or ended before its load."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    """Every engine's process has ended."""


@dataclass(frozen=True, slots=True)
class ClockTick:
    """Time has passed."""


Event = Parked | StartSeen | StopSeen | RateSet | Signalled | Superseded | Failed | Done | ClockTick


@dataclass(frozen=True, slots=True)
class ReportReady:
    """Write ready.json."""


@dataclass(frozen=True, slots=True)
class OpenGates:
    """Announce the run's start to the engines."""

    at: float


@dataclass(frozen=True, slots=True)
class ChangeRate:
    """Announce the rate to the engine of its execution."""

    rate: Rate


@dataclass(frozen=True, slots=True)
class EndLoad:
    """Let the engines end: no new requests; those in flight may finish within this time."""

    within_s: float


@dataclass(frozen=True, slots=True)
class KillAll:
    """Kill the engines' process groups."""


Action = ReportReady | OpenGates | ChangeRate | EndLoad | KillAll


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A worker's state; at `kill_at` it kills its engines."""

    phase: Phase = "preparing"
    start_at: float | None = None
    kill_at: float | None = None
    outcome: Outcome = "finished"
    message: str = ""
    signals: int = 0
    signalled_at: float | None = None


def step(state: State, event: Event, now: float, limits: Limits) -> tuple[State, tuple[Action, ...]]:
    """Returns the state after one event, and the actions that it requires."""
    if isinstance(event, Signalled):
        first = now if state.signalled_at is None else state.signalled_at
        state = replace(state, signals=state.signals + 1, signalled_at=first)
    match state.phase:
        case "preparing" | "ready":
            return _before_the_start(state, event, now, limits)
        case "running":
            return _under_load(state, event, now, limits)
        case "draining":
            return _draining(state, event, now, limits)
    return state, ()


def _before_the_start(state: State, event: Event, now: float, limits: Limits) -> tuple[State, tuple[Action, ...]]:
    match event:
        case Parked() if state.phase == "preparing":
            return replace(state, phase="ready"), (ReportReady(),)
        case StartSeen(start):
            if start.attempts.get(limits.worker) != limits.attempt:
                return _ended(state, "stale", "start.json does not list this attempt")
            if now > start.at + STALE_AFTER_S:
                return _ended(state, "stale", f"the run started {now - start.at:.0f} s ago by this machine's clock")
            if state.phase == "ready":
                return replace(state, phase="running", start_at=start.at), (OpenGates(start.at),)
        case Superseded():
            return _ended(state, "superseded", "another task runs this attempt")
        case ClockTick() if limits.deadline is not None and now > limits.deadline:
            return _ended(state, "stale", OVERDUE)
        case StopSeen(stop):
            return _ended(state, "stopped", f"stopped before the start: {stop.message}")
        case Signalled(why):
            return _ended(state, "stopped", f"{why} before the start")
        case Failed(reason):
            return _ended(state, "failed", reason)
        case Done():
            return _ended(state, "failed", "the engine ended before the start")
    return state, ()


def _under_load(state: State, event: Event, now: float, limits: Limits) -> tuple[State, tuple[Action, ...]]:
    assert state.start_at is not None  # noqa: S101 - what "running" means
    match event:
        case StopSeen(stop):
            within_s = limits.signal_stop_s if stop.cause in URGENT else limits.graceful_stop_s
            return _drain(state, now, within_s, stop.message)
        case Signalled(why):
            return _drain(state, now, limits.signal_stop_s, why)
        case Failed(reason):
            drained, actions = _drain(state, now, limits.signal_stop_s, reason)
            return replace(drained, outcome="failed"), actions
        case Done():
            return _ended(state, "finished", "")
        case RateSet(rate):
            return state, (ChangeRate(rate),)
        case ClockTick():
            elapsed_s = now - state.start_at
            if limits.deadline is not None and now > limits.deadline - SIGNAL_STOP_S - KILL_AFTER_S:
                return _drain(state, now, limits.signal_stop_s, OVERDUE)
            if limits.max_duration_s is not None and elapsed_s > limits.max_duration_s:
                return _drain(state, now, limits.signal_stop_s, f"max-duration of {limits.max_duration_s:g} s is over")
            if limits.planned_s is not None and elapsed_s > limits.planned_s + limits.graceful_stop_s + OVERRUN_S:
                message = "an engine did not end in time and was killed"
                return replace(state, phase="draining", kill_at=now, message=message), (KillAll(),)
    return state, ()


def _draining(state: State, event: Event, now: float, limits: Limits) -> tuple[State, tuple[Action, ...]]:
    assert state.kill_at is not None  # noqa: S101 - what "draining" means
    match event:
        case Done():
            return replace(state, phase="ended"), (KillAll(),)
        case Signalled() | StopSeen(Stop(cause="signal" | "abort" | "lost")):
            kill_at = now + limits.signal_stop_s + KILL_AFTER_S
            if kill_at < state.kill_at:
                return replace(state, kill_at=kill_at), (EndLoad(limits.signal_stop_s),)
        case ClockTick() if now > state.kill_at:
            return state, (KillAll(),)
    return state, ()


def _drain(state: State, now: float, within_s: float, message: str) -> tuple[State, tuple[Action, ...]]:
    kill_at = now + within_s + KILL_AFTER_S
    drained = replace(state, phase="draining", kill_at=kill_at, outcome="stopped", message=message)
    return drained, (EndLoad(within_s),)


def _ended(state: State, outcome: Outcome, message: str) -> tuple[State, tuple[Action, ...]]:
    return replace(state, phase="ended", outcome=outcome, message=message), (KillAll(),)
