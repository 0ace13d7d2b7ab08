"""The protocol of a run, event by event."""

from dataclasses import replace

import pytest

from tests.measured import plan_of
from toril.coordinator.protocol import (
    FINISH_SLACK_S,
    LATE,
    MOST_NAMED,
    Event,
    Kill,
    Relaunch,
    RunState,
    StopAsked,
    TearDown,
    Terminate,
    Tick,
    TornDown,
    WorkerEnded,
    WorkerReady,
    WriteStart,
    WriteStop,
    advance,
    begin,
    resumed,
    started_by_another,
)
from toril.plan import FARGATE_TIMINGS
from toril.records import Exit, Launch, Pace, Start, Stop

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


def test_the_start_is_written_once_when_the_last_worker_is_ready() -> None:
    state, actions = advance(launched("a", "b"), WorkerReady("a"), 1.0)
    assert actions == ()
    state, actions = advance(state, WorkerReady("b"), 2.0)
    assert [type(action) for action in actions] == [WriteStart]
    assert state.start is not None
    assert state.start.at == 2.0 + PACE.start_lead_s
    assert dict(state.start.attempts) == {"a": "attempt-a", "b": "attempt-b"}
    _, again = advance(state, WorkerReady("b"), 3.0)
    assert again == ()


def test_a_worker_that_ends_before_the_start_aborts_the_run_with_its_reason() -> None:
    state, actions = advance(launched("a", "b"), left("a", "failed", "no such scenario"), 1.0)
    assert state.abort_reason is not None
    assert "no such scenario" in state.abort_reason
    assert any(isinstance(action, WriteStop) and action.stop.cause == "abort" for action in actions)
    assert Terminate("b") in actions
    state, _ = advance(state, WorkerReady("b"), 1.5)
    assert state.start is None
    state, _ = advance(state, left("b", "stopped"), 2.0)
    assert state.phase == "ended"


def test_workers_that_are_not_ready_in_time_are_named() -> None:
    state, _ = advance(launched("a", "b"), WorkerReady("a"), 1.0)
    state, actions = advance(state, Tick(), PACE.ready_timeout_s + 1)
    assert state.abort_reason is not None
    assert state.abort_reason.endswith(": b")
    assert Terminate("a") in actions


def test_a_quorum_starts_without_the_late_worker_and_terminates_it() -> None:
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


def test_a_worker_lost_under_load_does_not_end_a_run_with_a_quorum() -> None:
    state, actions = advance(started("a", "b", "c", quorum=0.6), WorkerEnded("a", None, "gone"), 10.0)
    assert state.phase == "running"
    assert actions == ()
    assert state.lost == {"a": "gone"}


def test_only_the_first_stop_counts() -> None:
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


def test_max_duration_stops_the_load() -> None:
    state = started("a", max_s=10.0)
    assert state.start is not None
    _, actions = advance(state, Tick(), state.start.at + 10.5)
    assert any(isinstance(action, WriteStop) and action.stop.cause == "deadline" for action in actions)


def test_a_run_that_continues_after_its_planned_end_is_stopped() -> None:
    state = started("a")
    assert state.start is not None
    _, nothing = advance(state, Tick(), state.start.at + 60 + FINISH_SLACK_S - 1)
    assert nothing == ()
    state, actions = advance(state, Tick(), state.start.at + 60 + FINISH_SLACK_S + 1)
    assert isinstance(actions[0], WriteStop)


def test_the_run_ends_when_every_worker_has_ended() -> None:
    state, _ = advance(started("a", "b"), left("a"), 61.0)
    assert state.phase == "running"
    state, _ = advance(state, left("b"), 61.5)
    assert state.phase == "ended"
    assert not state.lost


def test_an_engine_that_failed_under_load_counts_as_lost() -> None:
    state, _ = advance(started("a", "b", quorum=0.5), left("a", "failed", "locust: out of memory"), 30.0)
    assert state.lost == {"a": "locust: out of memory"}


# A loss before the start


def test_a_quorum_starts_without_a_worker_lost_before_the_start() -> None:
    state = launched("a", "b", "c", quorum=0.6)
    for worker in ("a", "b"):
        state, _ = advance(state, WorkerReady(worker), 1.0)
    state, actions = advance(state, WorkerEnded("c", None, "no capacity"), 2.0)
    assert [type(action) for action in actions] == [WriteStart]
    assert state.start is not None
    assert set(state.start.attempts) == {"a", "b"}
    assert state.lost == {"c": "no capacity"}


def test_a_ready_worker_that_has_ended_does_not_count_for_the_start() -> None:
    state = launched("a", "b", "c", quorum=0.6)
    state, _ = advance(state, WorkerReady("a"), 1.0)
    state, _ = advance(state, WorkerEnded("a", None, "interrupted"), 2.0)
    state, nothing = advance(state, WorkerReady("b"), 3.0)
    assert nothing == ()
    state, _ = advance(state, WorkerReady("c"), 4.0)
    assert state.start is not None
    assert set(state.start.attempts) == {"b", "c"}
    assert state.lost == {"a": "interrupted"}


def test_below_the_quorum_the_run_is_aborted_with_the_last_lost_worker() -> None:
    state = launched("a", "b", "c", quorum=0.6)
    state, actions = advance(state, WorkerEnded("a", None, "first"), 1.0)
    assert actions == ()
    state, actions = advance(state, WorkerEnded("b", None, "second"), 2.0)
    assert state.abort_reason == "worker b: second"
    assert [type(action) for action in actions] == [WriteStop, Terminate]
    assert state.lost == {"a": "first", "b": "second"}


def with_spares(*spares: str, quorum: float = 1.0) -> RunState:
    return RunState(
        attempts={"a": "a1", "b": "b1"},
        spares={"a": spares, "b": ()},
        quorum=quorum,
        launched_at=0.0,
        load_s=60.0,
        max_duration_s=None,
    )


def test_a_worker_that_failed_to_start_is_relaunched_once_per_spare_attempt() -> None:
    state, actions = advance(with_spares("a2"), WorkerEnded("a", None, "no capacity", again=True), 1.0)
    assert actions == (Relaunch("a", "a2"),)
    assert state.attempts["a"] == "a2"
    assert not state.lost
    state, actions = advance(state, WorkerEnded("a", None, "no capacity", again=True), 2.0)
    assert state.abort_reason == "worker a: no capacity"


def test_the_start_names_the_replacement() -> None:
    state, _ = advance(with_spares("a2"), WorkerReady("a"), 1.0)
    state, _ = advance(state, WorkerEnded("a", None, "interrupted", again=True), 2.0)
    state, nothing = advance(state, WorkerReady("b"), 3.0)
    assert nothing == ()
    state, _ = advance(state, WorkerReady("a"), 4.0)
    assert state.start is not None
    assert dict(state.start.attempts) == {"a": "a2", "b": "b1"}


def test_a_worker_with_an_exit_json_is_not_relaunched() -> None:
    record = Exit(worker="a", attempt="a1", at=1.0, outcome="failed", message="no such script")
    _, actions = advance(with_spares("a2"), WorkerEnded("a", record, again=True), 1.0)
    assert not [action for action in actions if isinstance(action, Relaunch)]


def test_a_worker_that_a_signal_ended_before_the_start_is_relaunched() -> None:
    """As by Fargate Spot, or with its agent; it had the time to write an exit.json."""
    record = Exit(worker="a", attempt="a1", at=1.0, outcome="stopped", signals=1)
    _, actions = advance(with_spares("a2"), WorkerEnded("a", record, again=True, interrupted=True), 1.0)
    assert actions == (Relaunch("a", "a2"),)


def test_no_worker_is_relaunched_after_the_ready_timeout_or_the_start() -> None:
    gone = WorkerEnded("a", None, "no capacity", again=True)
    _, actions = advance(with_spares("a2"), gone, PACE.ready_timeout_s + 1)
    assert not [action for action in actions if isinstance(action, Relaunch)]
    state = with_spares("a2")
    for worker in ("a", "b"):
        state, _ = advance(state, WorkerReady(worker), 1.0)
    _, actions = advance(state, gone, 2.0)
    assert not [action for action in actions if isinstance(action, Relaunch)]


def test_of_many_unready_workers_some_are_named_and_all_are_counted() -> None:
    state, _ = advance(launched(*(f"w-{n:03d}" for n in range(100))), Tick(), PACE.ready_timeout_s + 1)
    assert state.abort_reason is not None
    assert state.abort_reason.endswith(f"w-009 and {100 - MOST_NAMED} more")


# The end


def test_a_worker_that_survives_the_kill_is_lost_and_the_run_ends() -> None:
    state, _ = advance(started("a", "b"), StopAsked(Stop(at=5.0, cause="user", message="")), 5.0)
    state, _ = advance(state, left("b", "stopped"), 6.0)
    state, killed = advance(state, Tick(), 5.0 + PACE.kill_after_s + 0.1)
    assert killed == (Kill("a"),)
    state, _ = advance(state, Tick(), 5.0 + PACE.kill_after_s + PACE.give_up_s - 0.1)
    assert state.phase == "stopping"
    state, nothing = advance(state, Tick(), 5.0 + PACE.kill_after_s + PACE.give_up_s + 0.1)
    assert (state.phase, nothing) == ("ended", ())
    assert "18 s" in state.lost["a"]
    assert "b" not in state.lost


@pytest.mark.parametrize("ready", [(), ("a", "b")])
def test_the_run_is_stopped_early_enough_before_its_deadline(ready: tuple[str, ...]) -> None:
    pace = FARGATE_TIMINGS.model_copy(update={"ready_timeout_s": 1e9})
    state = RunState(
        attempts={"a": "a1", "b": "b1"},
        quorum=1.0,
        launched_at=0.0,
        deadline=10_000.0,
        load_s=None,
        max_duration_s=None,
        pace=pace,
    )
    for worker in ready:
        state, _ = advance(state, WorkerReady(worker), 1.0)
    last = 10_000.0 - pace.kill_after_s - pace.give_up_s
    _, nothing = advance(state, Tick(), last)
    assert nothing == ()
    state, actions = advance(state, Tick(), last + 0.1)
    assert isinstance(actions[0], WriteStop)
    assert actions[0].stop.cause == "deadline"
    assert (state.abort_reason is None) == bool(ready)


# Several coordinators


def test_the_start_of_another_coordinator_counts() -> None:
    state = started_by_another(started("a", "b"), Start(at=99.0, attempts={"a": "a9"}))
    assert state.start is not None
    assert state.start.at == 99.0
    assert dict(state.attempts) == {"a": "a9", "b": "attempt-b"}


def test_a_new_coordinator_before_the_start_waits_for_the_workers() -> None:
    state = resumed(launched("a", "b"), None, None)
    assert state.phase == "launching"
    for worker in ("a", "b"):
        state, actions = advance(state, WorkerReady(worker), 5.0)
    assert [type(action) for action in actions] == [WriteStart]


def test_a_new_coordinator_under_load_starts_no_worker() -> None:
    start = Start(at=5.0, attempts={"a": "a2", "b": "b1"})
    state = resumed(launched("a", "b", "c", quorum=0.6), start, None)
    assert state.phase == "running"
    assert state.lost == {"c": LATE}
    assert dict(state.attempts) == {"a": "a2", "b": "b1", "c": "attempt-c"}
    for worker in ("a", "b", "c"):
        state, actions = advance(state, WorkerEnded(worker, None, "gone"), 6.0)
        assert not [action for action in actions if isinstance(action, WriteStart | Relaunch)]
    assert state.phase == "ended"


def test_a_new_coordinator_after_a_stop_terminates_all_workers_again() -> None:
    stop = Stop(at=1.0, cause="user", message="enough")
    state = resumed(launched("a", "b"), Start(at=0.5, attempts={"a": "x", "b": "y"}), stop)
    assert (state.phase, state.stop, state.abort_reason) == ("stopping", stop, None)
    state, actions = advance(state, Tick(), 500.0)
    assert actions == (Terminate("a"), Terminate("b"))
    _, actions = advance(state, Tick(), 500.0 + PACE.kill_after_s - 0.1)
    assert actions == ()
    _, actions = advance(state, Tick(), 500.0 + PACE.kill_after_s + 0.1)
    assert actions == (Kill("a"), Kill("b"))


def test_a_new_coordinator_after_an_abort_keeps_its_reason() -> None:
    state = resumed(launched("a"), None, Stop(at=1.0, cause="abort", message="worker a: no such script"))
    assert state.abort_reason == "worker a: no such script"


def test_used_spare_attempts_are_not_used_again() -> None:
    launch = Launch(at=0.0, deadline=1.0, attempts={"a": ("a1", "a2", "a3"), "b": ("b1",)})
    state = begin(plan_of(), launch, 0.0, {"a": "a2", "b": "b1"})
    assert dict(state.attempts) == {"a": "a2", "b": "b1"}
    assert dict(state.spares) == {"a": ("a3",), "b": ()}


# Setup and teardown


def with_steps(*workers: str, quorum: float = 1.0) -> RunState:
    return replace(launched(*workers, quorum=quorum), step_worker="a", setup=True, teardown="t", teardown_s=100.0)


def test_a_run_does_not_start_without_the_worker_of_its_setup() -> None:
    state = with_steps("a", "b", "c", quorum=0.3)
    state, actions = advance(state, left("a", "failed", "setup: no shop"), 1.0)
    assert state.abort_reason == "worker a: setup: no shop"
    assert [type(action) for action in actions] == [WriteStop, Terminate, Terminate]
    assert advance(with_steps("a", "b", quorum=0.3), left("b", "failed"), 1.0)[0].stop is None


@pytest.mark.parametrize("last", [left("b"), WorkerEnded("b", None, "killed")])
def test_teardown_begins_once_when_the_last_worker_has_ended(last: WorkerEnded) -> None:
    state = with_steps("a", "b")
    for event in (WorkerReady("a"), WorkerReady("b"), left("a")):
        state, _ = advance(state, event, 1.0)
    state, actions = advance(state, last, 2.0)
    assert (state.phase, actions[-1]) == ("teardown", TearDown("a", "t"))
    later: tuple[Event, ...] = (Tick(), last, StopAsked(Stop(at=3.0, cause="signal", message="SIGINT")))
    for again in later:
        state, actions = advance(state, again, 3.0)
        assert (state.phase, actions) == ("teardown", ())
    assert advance(state, TornDown(), 4.0)[0].phase == "ended"


def test_a_teardown_without_an_end_does_not_hold_the_run() -> None:
    state, _ = advance(with_steps("a"), left("a", "failed"), 1.0)
    assert advance(state, Tick(), 100.0)[0].phase == "teardown"
    assert advance(state, Tick(), 102.0)[0].phase == "ended"
