"""The run's protocol as a pure state machine: `advance(state, event, now)` returns the next state and the actions.

launching ──all ready──▶ running ──all ended──▶ teardown ──▶ ended
    │                       │ stop, deadline, quorum lost   ▲
    └─ a worker ends early ─┴──▶ stopping ──all ended, or given up

Without `toril.teardown`, the run ends instead.

It reads no clock, store or process. The driver passes events in and executes the actions, so the simulation can play
events in any order.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from toril.records import Exit, Launch, Pace, Plan, Start, Stop

UNBOUNDED_S = 8 * 3600.0  # the longest load of a suite limited only by iterations, without max-duration
FINISH_SLACK_S = 30.0  # after planned load and graceful stop, before a run counts as stuck
LATE = "was not ready when a quorum of workers started"
MOST_NAMED = 10  # workers in a message

Phase = Literal["launching", "running", "stopping", "teardown", "ended"]


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """The driver has read ready.json of a launched attempt."""

    worker: str


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """A worker has ended, with or without an exit.json. `reason`: the launcher's.

    `again`: its attempt failed to start for a temporary reason. `interrupted`: a signal from outside the run ended it.
    """

    worker: str
    exit: Exit | None
    reason: str = ""
    again: bool = False
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class StopAsked:
    """A signal, `toril stop`, a stop criterion or a search requests the end of the load."""

    stop: Stop


@dataclass(frozen=True, slots=True)
class TornDown:
    """Teardown has ended or failed, or is not needed."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = WorkerReady | WorkerEnded | StopAsked | TornDown | Tick


@dataclass(frozen=True, slots=True)
class WriteStart:
    start: Start


@dataclass(frozen=True, slots=True)
class WriteStop:
    stop: Stop


@dataclass(frozen=True, slots=True)
class Relaunch:
    """Start this attempt to replace an ended one."""

    worker: str
    attempt: str


@dataclass(frozen=True, slots=True)
class TearDown:
    """Start the attempt that runs teardown, unless that is done or not needed."""

    worker: str
    attempt: str


@dataclass(frozen=True, slots=True)
class Terminate:
    """Stop a worker gracefully (SIGTERM, StopTask)."""

    worker: str


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill a worker that does not stop."""

    worker: str


Action = WriteStart | WriteStop | Relaunch | TearDown | Terminate | Kill


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """The state of one run."""

    attempts: Mapping[str, str]  # worker → its latest launched attempt
    spares: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # worker → further issued attempts
    quorum: float
    launched_at: float
    deadline: float = math.inf  # seconds since the epoch
    load_s: float | None  # planned seconds of load and graceful stop; None if only iterations limit the run
    max_duration_s: float | None
    pace: Pace = field(default_factory=Pace)
    phase: Phase = "launching"
    ready: frozenset[str] = frozenset()
    ended: Mapping[str, Exit | None] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)  # worker → reason
    start: Start | None = None
    stop: Stop | None = None
    stopping_since: float | None = None  # by this coordinator's clock; None if the stop came from the store
    killed: bool = False
    step_worker: str = ""  # runs setup and teardown
    setup: bool = False  # whether the run cannot start without `step_worker`
    teardown: str = ""  # the attempt that runs teardown; empty: there is none
    teardown_s: float = 0.0  # for its start, its script and its end
    teardown_since: float | None = None
    abort_reason: str | None = None  # set when the load never began

    @property
    def alive(self) -> frozenset[str]:
        return frozenset(self.attempts) - frozenset(self.ended)

    @property
    def needed(self) -> int:
        """The number of workers that the quorum needs."""
        return max(1, math.ceil(round(self.quorum * len(self.attempts), 9)))


def load_ends_s(plan: Plan, longest_s: float | None = None) -> float:
    """Returns the seconds from the start signal until all load has ended, even after failures."""
    bounds = [plan.max_duration_s, None if plan.bounded_s is None else plan.bounded_s + plan.graceful_stop_s, longest_s]
    load_s = min((bound for bound in bounds if bound is not None), default=UNBOUNDED_S)
    return load_s + FINISH_SLACK_S + plan.pace.kill_after_s + plan.pace.give_up_s + teardown_s(plan)


def teardown_s(plan: Plan) -> float:
    """Returns the longest time from the end of the load to the end of teardown, in seconds; 0 without one."""
    if plan.teardown is None:
        return 0.0
    return plan.pace.ready_timeout_s + plan.teardown.limit_s + FINISH_SLACK_S


def begin(plan: Plan, launch: Launch, now: float, latest: Mapping[str, str] | None = None) -> RunState:
    """Returns the state right after the launch. `latest`: the latest attempts of an earlier coordinator."""
    attempts = {worker: issued[0] for worker, issued in launch.attempts.items()} | dict(latest or {})
    return RunState(
        attempts=attempts,
        spares={worker: issued[issued.index(attempts[worker]) + 1 :] for worker, issued in launch.attempts.items()},
        quorum=plan.quorum,
        launched_at=now,
        deadline=launch.deadline,
        load_s=None if plan.bounded_s is None else plan.bounded_s + plan.graceful_stop_s,
        max_duration_s=plan.max_duration_s,
        pace=plan.pace,
        step_worker=plan.step_worker,
        setup=plan.setup is not None,
        teardown=launch.teardown,
        teardown_s=teardown_s(plan),
    )


def resumed(state: RunState, start: Start | None, stop: Stop | None) -> RunState:
    """Returns the state of a running run, from its records."""
    if start is not None:
        lost = {worker: LATE for worker in state.attempts if worker not in start.attempts}
        state = replace(started_by_another(state, start), phase="running", ready=frozenset(start.attempts), lost=lost)
    return state if stop is None else _with_abort_reason(replace(state, phase="stopping", stop=stop), stop)


def advance(state: RunState, event: Event, now: float) -> tuple[RunState, tuple[Action, ...]]:
    """Returns the state after `event`, and the actions for the driver; no actions in phase `ended`."""
    if state.phase == "teardown":
        over = isinstance(event, TornDown) or now - (state.teardown_since or now) > state.teardown_s
        return (replace(state, phase="ended") if over else state), ()
    state, actions = (state, ()) if state.phase == "ended" else _advance(state, event, now)
    if state.alive or state.phase == "ended":
        return state, actions
    if not state.teardown:
        return replace(state, phase="ended"), actions
    tear_down = TearDown(state.step_worker, state.teardown)
    return replace(state, phase="teardown", teardown_since=now), (*actions, tear_down)


def _advance(state: RunState, event: Event, now: float) -> tuple[RunState, tuple[Action, ...]]:
    match event:
        case WorkerReady(worker):
            return _start_when_ready(replace(state, ready=state.ready | {worker}), now)
        case WorkerEnded():
            return _ended(state, event, now)
        case StopAsked(stop):
            return _stop(state, stop, now)
        case Tick():
            return _tick(state, now)
        case TornDown():
            return state, ()


def started_by_another(state: RunState, start: Start) -> RunState:
    """Returns the state with the start that another coordinator wrote first."""
    return replace(state, start=start, attempts={**state.attempts, **start.attempts})


def _start_when_ready(state: RunState, now: float) -> tuple[RunState, tuple[Action, ...]]:
    unready = frozenset(state.attempts) - state.ready - frozenset(state.lost)
    if state.phase != "launching" or unready or len(_waiting_workers(state)) < state.needed:
        return state, ()
    return _start(state, now)


def _waiting_workers(state: RunState) -> frozenset[str]:
    """Returns the workers that are ready and have not ended."""
    return (state.ready & frozenset(state.attempts)) - frozenset(state.ended)


def _start(state: RunState, now: float) -> tuple[RunState, tuple[Action, ...]]:
    waiting = _waiting_workers(state)
    attempts = {worker: attempt for worker, attempt in state.attempts.items() if worker in waiting}
    start = Start(at=now + state.pace.start_lead_s, attempts=attempts)
    late = tuple(Terminate(worker) for worker in state.attempts if worker in state.alive - waiting)
    lost = {**{action.worker: LATE for action in late}, **state.lost}
    return replace(state, phase="running", start=start, lost=lost), (WriteStart(start), *late)


def _ended(state: RunState, event: WorkerEnded, now: float) -> tuple[RunState, tuple[Action, ...]]:
    worker = event.worker
    if worker not in state.attempts or worker in state.ended:
        return state, ()
    spares = state.spares.get(worker, ())
    in_time = now - state.launched_at <= state.pace.ready_timeout_s
    by_itself = event.exit is not None and not event.interrupted
    if state.phase == "launching" and not by_itself and event.again and spares and in_time:
        state = replace(
            state,
            attempts={**state.attempts, worker: spares[0]},
            spares={**state.spares, worker: spares[1:]},
            ready=state.ready - {worker},
        )
        return state, (Relaunch(worker, spares[0]),)
    reported = event.reason if event.interrupted or event.exit is None else event.exit.failure
    lost_why = reported or ("ended without an exit.json" if event.exit is None else None)
    state = replace(state, ended={**state.ended, worker: event.exit})
    if state.phase == "launching":
        lost_why = lost_why or "ended before it was ready"
    if lost_why and worker not in state.lost:
        state = replace(state, lost={**state.lost, worker: lost_why})
    actions: tuple[Action, ...] = ()
    if state.phase == "launching":
        unprepared = state.setup and worker == state.step_worker
        if len(state.attempts) - len(state.lost) >= state.needed and not unprepared:
            state, actions = _start_when_ready(state, now)
        else:
            stop = Stop(at=now, cause="abort", message=f"worker {worker} ended before the start: {lost_why}")
            state, actions = _stop(replace(state, abort_reason=f"worker {worker}: {lost_why}"), stop, now)
    elif state.phase == "running" and lost_why and len(state.attempts) - len(state.lost) < state.needed:
        stop = Stop(at=now, cause="lost", message=f"worker {worker} was lost: {lost_why}")
        state, actions = _stop(state, stop, now)
    return state, actions


def _stop(state: RunState, stop: Stop, now: float) -> tuple[RunState, tuple[Action, ...]]:
    """Stops the run; only the first stop counts."""
    if state.stop is not None:
        return state, ()
    state = _with_abort_reason(state, stop)
    state = replace(state, phase="stopping", stop=stop, stopping_since=now)
    return state, (WriteStop(stop), *(Terminate(worker) for worker in sorted(state.alive)))


def _with_abort_reason(state: RunState, stop: Stop) -> RunState:
    """Sets a stop before the start as the reason why the run could not start, unless a user requested the stop."""
    if state.start is None and state.abort_reason is None and stop.cause in ("deadline", "abort"):
        return replace(state, abort_reason=stop.message)
    return state


def _tick(state: RunState, now: float) -> tuple[RunState, tuple[Action, ...]]:
    pace = state.pace
    if state.phase == "launching" and now - state.launched_at > pace.ready_timeout_s:
        if len(_waiting_workers(state)) >= state.needed:
            return _start(state, now)
        missing = frozenset(state.attempts) - state.ready
        message = f"not ready after {pace.ready_timeout_s:.0f} s: {_named(missing)}"
        return _stop(state, Stop(at=now, cause="deadline", message=message), now)
    if state.phase == "running" and state.start is not None:
        overdue = _overdue(state, now - state.start.at)
        if overdue:
            return _stop(state, Stop(at=now, cause="deadline", message=overdue), now)
    ends_within_s = pace.kill_after_s + pace.give_up_s + state.teardown_s
    if state.phase in ("launching", "running") and now > state.deadline - ends_within_s:
        return _stop(state, Stop(at=now, cause="deadline", message="the run's deadline has passed"), now)
    if state.phase == "stopping" and state.stop:
        return _end_stopping(state, now)
    return state, ()


def _end_stopping(state: RunState, now: float) -> tuple[RunState, tuple[Action, ...]]:
    """Kills workers that do not stop in time, and gives up those that are still running some time later."""
    if state.stopping_since is None:
        return replace(state, stopping_since=now), tuple(Terminate(worker) for worker in sorted(state.alive))
    waited_s = now - state.stopping_since
    if not state.killed and waited_s > state.pace.kill_after_s:
        return replace(state, killed=True), tuple(Kill(worker) for worker in sorted(state.alive))
    if state.killed and waited_s > state.pace.kill_after_s + state.pace.give_up_s:
        limit_s = state.pace.kill_after_s + state.pace.give_up_s
        stuck = {worker: f"was still running {limit_s:.0f} s after the stop" for worker in state.alive}
        ended = {**state.ended, **dict.fromkeys(stuck)}
        return replace(state, ended=ended, lost={**stuck, **state.lost}), ()
    return state, ()


def _overdue(state: RunState, load_s: float) -> str | None:
    if state.max_duration_s is not None and load_s > state.max_duration_s:
        return f"max-duration of {state.max_duration_s:g} s reached"
    if state.load_s is not None and load_s > state.load_s + FINISH_SLACK_S:
        return f"still running {FINISH_SLACK_S:.0f} s after the planned end: {_named(state.alive)}"
    return None


def _named(workers: Iterable[str]) -> str:
    first, rest = sorted(workers)[:MOST_NAMED], len(frozenset(workers)) - MOST_NAMED
    return ", ".join(first) + (f" and {rest} more" if rest > 0 else "")
