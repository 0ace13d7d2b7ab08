"""The run's protocol, event by event."""

from toril.coordinator.protocol import (
    FINISH_SLACK_S,
    Kill,
    RunState,
    StopAsked,
    Terminate,
    Tick,
    WorkerEnded,
    WorkerReady,
    WriteStart,
    WriteStop,
    advance,
)
from toril.records import Exit, Pace, Stop

PACE = Pace()


def launched(*workers: str, quorum: float = 1.0, load_s: float | None = 60.0, max_s: float | None = None) -> RunState:
    return RunState(
        attempts={worker: f"attempt-{worker}" for worker in workers},
        quorum=quorum,
        launched_at=0.0,
        load_s=load_s,
        max_duration_s=max_s,
    )


def left(worker: str, outcome: str = "finished", message: str = "") -> WorkerEnded:
    record = Exit(worker=worker, attempt=f"attempt-{worker}", at=1.0, outcome=outcome, message=message)
    return WorkerEnded(worker, record)


def started(*workers: str, quorum: float = 1.0, max_s: float | None = None) -> RunState:
    state = launched(*workers, quorum=quorum, max_s=max_s)
    for worker in workers:
        state, _ = advance(state, WorkerReady(worker), 1.0)
    return state


def test_the_start_is_given_once_when_the_last_worker_is_ready() -> None:
    state, actions = advance(launched("a", "b"), WorkerReady("a"), 1.0)
    assert actions == ()
    state, actions = advance(state, WorkerReady("b"), 2.0)
    assert [type(action) for action in actions] == [WriteStart]
    assert state.start is not None
    assert state.start.at == 2.0 + PACE.start_lead_s
    assert dict(state.start.attempts) == {"a": "attempt-a", "b": "attempt-b"}
    _, again = advance(state, WorkerReady("b"), 3.0)
    assert again == ()


def test_a_worker_that_ends_before_the_start_aborts_it_at_once_with_its_reason() -> None:
    state, actions = advance(launched("a", "b"), left("a", "failed", "no such scenario"), 1.0)
    assert state.abort_reason is not None
    assert "no such scenario" in state.abort_reason
    assert any(isinstance(action, WriteStop) and action.stop.cause == "abort" for action in actions)
    assert Terminate("b") in actions
    state, _ = advance(state, WorkerReady("b"), 1.5)
    assert state.start is None
    state, _ = advance(state, left("b", "stopped"), 2.0)
    assert state.phase == "ended"


def test_workers_that_are_never_ready_are_named_when_the_deadline_passes() -> None:
    state, _ = advance(launched("a", "b"), WorkerReady("a"), 1.0)
    state, actions = advance(state, Tick(), PACE.ready_timeout_s + 1)
    assert state.abort_reason is not None
    assert state.abort_reason.endswith(": b")
    assert Terminate("a") in actions


def test_a_quorum_starts_without_the_late_worker_and_tells_it_to_go() -> None:
    state = launched("a", "b", "c", quorum=0.6)
    for worker in ("a", "b"):
        state, _ = advance(state, WorkerReady(worker), 1.0)
    state, actions = advance(state, Tick(), PACE.ready_timeout_s + 1)
    assert state.start is not None
    assert set(state.start.attempts) == {"a", "b"}
    assert actions[1:] == (Terminate("c"),)
    assert "c" in state.lost


def test_a_worker_lost_under_load_ends_the_run_when_all_are_needed() -> None:
    state, actions = advance(started("a", "b"), WorkerEnded("a", None, "killed by SIGKILL"), 10.0)
    assert state.lost == {"a": "killed by SIGKILL"}
    assert any(isinstance(action, WriteStop) and action.stop.cause == "lost" for action in actions)
    assert state.abort_reason is None


def test_a_worker_lost_under_load_is_borne_while_the_quorum_holds() -> None:
    state, actions = advance(started("a", "b", "c", quorum=0.6), WorkerEnded("a", None, "gone"), 10.0)
    assert state.phase == "running"
    assert actions == ()
    assert state.lost == {"a": "gone"}


def test_the_first_stop_counts_and_repeats_change_nothing() -> None:
    first, second = (Stop(at=5.0, cause="signal", message=text) for text in ("SIGINT", "SIGTERM"))
    state, actions = advance(started("a"), StopAsked(first), 5.0)
    assert actions == (WriteStop(first), Terminate("a"))
    state, actions = advance(state, StopAsked(second), 5.1)
    assert actions == ()
    assert state.stop == first


def test_a_worker_that_ignores_the_stop_is_killed_once() -> None:
    state, _ = advance(started("a"), StopAsked(Stop(at=5.0, cause="user", message="")), 5.0)
    _, actions = advance(state, Tick(), 5.0 + PACE.kill_after_s - 0.1)
    assert actions == ()
    state, actions = advance(state, Tick(), 5.0 + PACE.kill_after_s + 0.1)
    assert actions == (Kill("a"),)
    _, actions = advance(state, Tick(), 5.0 + PACE.kill_after_s + 1)
    assert actions == ()


def test_max_duration_stops_the_load_whatever_the_plan_says() -> None:
    state = started("a", max_s=10.0)
    assert state.start is not None
    _, actions = advance(state, Tick(), state.start.at + 10.5)
    assert any(isinstance(action, WriteStop) and action.stop.cause == "deadline" for action in actions)


def test_a_run_that_does_not_end_by_itself_is_stuck_and_stopped() -> None:
    state = started("a")
    assert state.start is not None
    _, nothing = advance(state, Tick(), state.start.at + 60 + FINISH_SLACK_S - 1)
    assert nothing == ()
    state, actions = advance(state, Tick(), state.start.at + 60 + FINISH_SLACK_S + 1)
    assert isinstance(actions[0], WriteStop)


def test_the_run_ends_when_every_worker_has() -> None:
    state, _ = advance(started("a", "b"), left("a"), 61.0)
    assert state.phase == "running"
    state, _ = advance(state, left("b"), 61.5)
    assert state.phase == "ended"
    assert not state.lost


def test_an_engine_that_failed_under_load_counts_as_lost() -> None:
    state, _ = advance(started("a", "b", quorum=0.5), left("a", "failed", "locust: out of memory"), 30.0)
    assert state.lost == {"a": "locust: out of memory"}
