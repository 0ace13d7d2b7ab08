"""Properties of the protocol, for any order of events."""

from hypothesis import given
from hypothesis import strategies as st

from toril.coordinator.protocol import (
    Event,
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
from toril.records import Exit, Stop

WORKERS = ("a", "b", "c")


def exits(worker: str) -> st.SearchStrategy[Exit | None]:
    outcomes = st.sampled_from(["finished", "stopped", "failed", "stale"])
    return st.none() | outcomes.map(lambda o: Exit(worker=worker, attempt="x", at=0.0, outcome=o))


events: st.SearchStrategy[Event] = st.sampled_from(WORKERS).flatmap(
    lambda worker: st.one_of(
        st.just(WorkerReady(worker)),
        exits(worker).map(lambda record: WorkerEnded(worker, record, "gone")),
        st.sampled_from(["user", "signal", "criterion"]).map(lambda c: StopAsked(Stop(at=0.0, cause=c, message=""))),
        st.just(Tick()),
    )
)
histories = st.lists(st.tuples(events, st.floats(0, 60)), max_size=40)
quorums = st.sampled_from([1.0, 0.6, 0.3])


def fresh(quorum: float) -> RunState:
    return RunState(
        attempts=dict.fromkeys(WORKERS, "x"), quorum=quorum, launched_at=0.0, load_s=30.0, max_duration_s=None
    )


@given(histories, quorums)
def test_start_and_stop_are_written_once_and_no_start_follows_a_stop(
    history: list[tuple[Event, float]], quorum: float
) -> None:
    state, now, written = fresh(quorum), 0.0, []
    for event, wait in history:
        now += wait
        state, actions = advance(state, event, now)
        written += [type(action) for action in actions if isinstance(action, WriteStart | WriteStop)]
    assert written in ([], [WriteStart], [WriteStop], [WriteStart, WriteStop])


@given(histories, quorums)
def test_only_live_workers_are_terminated_or_killed(history: list[tuple[Event, float]], quorum: float) -> None:
    state, now = fresh(quorum), 0.0
    for event, wait in history:
        now += wait
        state, actions = advance(state, event, now)
        addressed = {action.worker for action in actions if isinstance(action, Terminate | Kill)}
        assert addressed <= state.alive


@given(histories, quorums)
def test_a_run_ends_when_every_worker_has_ended(history: list[tuple[Event, float]], quorum: float) -> None:
    state, now = fresh(quorum), 0.0
    for event, wait in history:
        now += wait
        state, _ = advance(state, event, now)
    for worker in WORKERS:
        state, _ = advance(state, WorkerEnded(worker, None, "gone"), now)
    assert state.phase == "ended"
    assert (state.start is None) <= (state.abort_reason is not None or state.stop is not None)


@given(histories, quorums)
def test_a_run_without_events_is_stopped(history: list[tuple[Event, float]], quorum: float) -> None:
    state, now = fresh(quorum), 0.0
    for event, wait in history:
        now += wait
        state, _ = advance(state, event, now)
    for _ in range(3):
        now += 1000.0
        state, _ = advance(state, Tick(), now)
    assert state.stop is not None or state.phase == "ended"
