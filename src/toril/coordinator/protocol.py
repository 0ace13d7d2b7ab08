"""The run's protocol as a pure state machine: `advance(state, event, now)` gives the next state and what to do.

launching ──all ready──▶ running ──all ended──▶ ended
    │                       │ stop, deadline, quorum lost
    └─ a worker ends early ─┴──▶ stopping ──all ended──▶ ended

It reads no clock, touches no store and no process: the driver hands events in and carries actions out, so that the
simulation can play any order of them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from toril.records import Exit, Plan, Start, Stop

START_LEAD_S = 0.4  # from start.json written to the signal: long enough for every worker's poll to see it
READY_TIMEOUT_S = 180.0  # a cold JVM on a busy two-core machine is ready within 30 s
FINISH_SLACK_S = 30.0  # beyond planned load and graceful stop, before a run counts as stuck
KILL_AFTER_S = 8.0  # after a stop; a worker ends within 5 s of one

Phase = Literal["launching", "running", "stopping", "ended"]


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """ready.json of a launched attempt was seen."""

    worker: str


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """A worker is gone: with its exit.json, or without (`reason` says what the launcher knows)."""

    worker: str
    exit: Exit | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants the load to end: a signal, `toril stop`, a stop criterion."""

    stop: Stop


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = WorkerReady | WorkerEnded | StopAsked | Tick


@dataclass(frozen=True, slots=True)
class WriteStart:
    start: Start


@dataclass(frozen=True, slots=True)
class WriteStop:
    stop: Stop


@dataclass(frozen=True, slots=True)
class Terminate:
    """Ask a worker to end (SIGTERM, StopTask)."""

    worker: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End a worker that does not end by itself."""

    worker: str


Action = WriteStart | WriteStop | Terminate | Kill


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """All that the protocol remembers."""

    attempts: Mapping[str, str]  # worker → the attempt that was launched
    quorum: float
    launched_at: float
    load_s: float | None  # planned seconds of load and graceful stop; None when only iterations bound the run
    max_duration_s: float | None
    phase: Phase = "launching"
    ready: frozenset[str] = frozenset()
    ended: Mapping[str, Exit | None] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)  # worker → why
    start: Start | None = None
    stop: Stop | None = None
    killed: bool = False
    abort_reason: str | None = None  # set when the load never began

    @property
    def alive(self) -> frozenset[str]:
        return frozenset(self.attempts) - frozenset(self.ended)

    @property
    def needed(self) -> int:
        """How many workers must be ready, and must stay."""
        return max(1, math.ceil(round(self.quorum * len(self.attempts), 9)))


def begin(plan: Plan, attempts: Mapping[str, str], now: float) -> RunState:
    """The state right after the launcher was told to start every share of the plan."""
    load_s = plan.duration_s + plan.graceful_stop_s if plan.duration_s else None
    return RunState(
        attempts=dict(attempts),
        quorum=plan.quorum,
        launched_at=now,
        load_s=load_s,
        max_duration_s=plan.max_duration_s,
    )


def resumed(state: RunState, start: Start, exits: Mapping[str, Exit]) -> RunState:
    """The state of a run that is under way, as its records tell it to somebody who only watches."""
    phase: Phase = "stopping" if len(exits) == len(state.attempts) else "running"
    return replace(state, phase=phase, start=start, ready=frozenset(start.attempts), ended=dict(exits))


def advance(state: RunState, event: Event, now: float) -> tuple[RunState, tuple[Action, ...]]:
    """The state after `event`, and what the driver must do now. After `ended` nothing happens any more."""
    if state.phase == "ended":
        return state, ()
    match event:
        case WorkerReady(worker):
            state = replace(state, ready=state.ready | {worker})
            return _start_when_ready(state, now)
        case WorkerEnded(worker, exit_record, reason):
            return _ended(state, worker, exit_record, reason, now)
        case StopAsked(stop):
            return _stop(state, stop)
        case Tick():
            return _tick(state, now)


def _start_when_ready(state: RunState, now: float) -> tuple[RunState, tuple[Action, ...]]:
    if state.phase != "launching" or not state.ready >= frozenset(state.attempts):
        return state, ()
    return _shoot(state, state.ready, now)


def _shoot(state: RunState, workers: frozenset[str], now: float) -> tuple[RunState, tuple[Action, ...]]:
    attempts = {worker: attempt for worker, attempt in state.attempts.items() if worker in workers}
    start = Start(at=now + START_LEAD_S, attempts=attempts)
    late = tuple(Terminate(worker) for worker in state.attempts if worker not in workers)
    lost = {**state.lost, **{action.worker: "was not ready when a quorum of workers started" for action in late}}
    return replace(state, phase="running", start=start, lost=lost), (WriteStart(start), *late)


def _ended(
    state: RunState, worker: str, exit_record: Exit | None, reason: str, now: float
) -> tuple[RunState, tuple[Action, ...]]:
    if worker not in state.attempts or worker in state.ended:
        return state, ()
    lost_why = (reason or "ended without a word") if exit_record is None else exit_record.failure
    state = replace(state, ended={**state.ended, worker: exit_record})
    if lost_why and worker not in state.lost:
        state = replace(state, lost={**state.lost, worker: lost_why})
    actions: tuple[Action, ...] = ()
    if state.phase == "launching":
        why = lost_why or "ended before it was ready"
        state = replace(state, abort_reason=state.abort_reason or f"worker {worker}: {why}")
        stop = Stop(at=now, cause="abort", message=f"worker {worker} ended before the start: {why}")
        state, actions = _stop(state, stop)
    elif state.phase == "running" and lost_why and len(state.attempts) - len(state.lost) < state.needed:
        stop = Stop(at=now, cause="lost", message=f"worker {worker} was lost: {lost_why}")
        state, actions = _stop(state, stop)
    if not state.alive:
        state = replace(state, phase="ended")
    return state, actions


def _stop(state: RunState, stop: Stop) -> tuple[RunState, tuple[Action, ...]]:
    """The first stop counts; what asks again changes nothing."""
    if state.stop is not None:
        return state, ()
    abort = state.abort_reason
    if state.phase == "launching" and abort is None and stop.cause == "deadline":
        abort = stop.message
    state = replace(state, phase="stopping" if state.alive else "ended", stop=stop, abort_reason=abort)
    return state, (WriteStop(stop), *(Terminate(worker) for worker in sorted(state.alive)))


def _tick(state: RunState, now: float) -> tuple[RunState, tuple[Action, ...]]:
    if state.phase == "launching" and now - state.launched_at > READY_TIMEOUT_S:
        if len(state.ready) >= state.needed:
            return _shoot(state, state.ready, now)
        missing = ", ".join(sorted(frozenset(state.attempts) - state.ready))
        return _stop(
            state,
            Stop(at=now, cause="deadline", message=f"not ready after {READY_TIMEOUT_S:.0f} s: {missing}"),
        )
    if state.phase == "running" and state.start is not None:
        overdue = _overdue(state, now - state.start.at)
        if overdue:
            return _stop(state, Stop(at=now, cause="deadline", message=overdue))
    if state.phase == "stopping" and state.stop and not state.killed and now - state.stop.at > KILL_AFTER_S:
        return replace(state, killed=True), tuple(Kill(worker) for worker in sorted(state.alive))
    return state, ()


def _overdue(state: RunState, load_s: float) -> str | None:
    if state.max_duration_s is not None and load_s > state.max_duration_s:
        return f"max-duration of {state.max_duration_s:g} s reached"
    if state.load_s is not None and load_s > state.load_s + FINISH_SLACK_S:
        workers = ", ".join(sorted(state.alive))
        return f"still running {FINISH_SLACK_S:.0f} s after the planned end: {workers}"
    return None
