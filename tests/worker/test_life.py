"""The worker's state machine, without processes or time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.records import Start, Stop
from toril.worker.life import (
    SIGNAL_STOP_S,
    STALE_AFTER_S,
    Action,
    ClockTick,
    Done,
    EndLoad,
    Failed,
    KillAll,
    Limits,
    OpenGates,
    Parked,
    ReportReady,
    Signalled,
    StartSeen,
    State,
    StopSeen,
    step,
)

LIMITS = Limits(worker="local-1", attempt="a", graceful_stop_s=30.0, planned_s=60.0)
START = StartSeen(Start(at=100.0, attempts={"local-1": "a"}))


def played(*moments, limits=LIMITS):
    """Returns the last state and all actions after these (now, event)."""
    state, actions = State(), list[Action]()
    for now, event in moments:
        state, new = step(state, event, now, limits)
        actions += new
    return state, actions


RUNNING = ((90.0, Parked()), (95.0, START))


def stop(cause):
    return StopSeen(Stop(at=110.0, cause=cause, message="enough"))


def test_a_parked_worker_reports_ready_and_opens_its_gates_once():
    state, actions = played(*RUNNING, (95.1, START), (95.2, START))
    assert state.phase == "running"
    assert actions == [ReportReady(), OpenGates(100.0)]


def test_a_start_before_everything_is_parked_waits_for_it():
    state, actions = played((89.0, START), *RUNNING)
    assert state.phase == "running"
    assert actions == [ReportReady(), OpenGates(100.0)]


def test_engines_that_end_by_themselves_finish_the_worker():
    state, _ = played(*RUNNING, (161.0, Done()))
    assert (state.phase, state.outcome) == ("ended", "finished")


@pytest.mark.parametrize("attempts", [{}, {"local-1": "another"}, {"local-2": "a"}])
@pytest.mark.parametrize("before", [(), ((90.0, Parked()),)])
def test_a_start_of_other_attempts_is_stale(before, attempts):
    state, actions = played(*before, (95.0, StartSeen(Start(at=100.0, attempts=attempts))))
    assert (state.phase, state.outcome) == ("ended", "stale")
    assert OpenGates(100.0) not in actions


def test_an_old_start_is_stale():
    state, actions = played((90.0, Parked()), (100.0 + STALE_AFTER_S + 1, START))
    assert (state.phase, state.outcome) == ("ended", "stale")
    assert OpenGates(100.0) not in actions


def test_a_failure_in_preparation_ends_the_worker_with_the_reason():
    state, actions = played((90.0, Failed("no such script")))
    assert (state.phase, state.outcome, state.message) == ("ended", "failed", "no such script")
    assert actions == [KillAll()]


@pytest.mark.parametrize("event", [Signalled("SIGTERM"), stop("user"), stop("abort")])
def test_a_worker_that_ends_before_the_start_ends_at_once(event):
    state, actions = played((90.0, Parked()), (91.0, event))
    assert (state.phase, state.outcome) == ("ended", "stopped")
    assert actions[-1] == KillAll()


def test_a_signal_leaves_requests_in_flight_four_seconds_at_most():
    state, actions = played(*RUNNING, (110.0, Signalled("SIGTERM")))
    assert state.phase == "draining"
    assert actions[-1] == EndLoad(SIGNAL_STOP_S)
    state, actions = step(state, ClockTick(), 115.0, LIMITS)
    assert actions == (KillAll(),)
    state, _ = step(state, Done(), 115.0, LIMITS)
    assert (state.phase, state.outcome) == ("ended", "stopped")


@pytest.mark.parametrize(
    ("cause", "within_s"), [("user", 30.0), ("criterion", 30.0), ("signal", SIGNAL_STOP_S), ("lost", SIGNAL_STOP_S)]
)
def test_a_stop_allows_the_graceful_stop_unless_it_is_urgent(cause, within_s):
    _, actions = played(*RUNNING, (110.0, stop(cause)))
    assert actions[-1] == EndLoad(within_s)


def test_repeated_signals_change_nothing():
    state, actions = played(*RUNNING, *((110.0 + n / 10, Signalled("SIGINT")) for n in range(9)))
    assert actions.count(EndLoad(SIGNAL_STOP_S)) == 1
    assert (state.phase, state.signals, state.signalled_at) == ("draining", 9, 110.0)
    assert state.kill_at == pytest.approx(110.0 + SIGNAL_STOP_S, abs=0.5)


def test_a_signal_shortens_a_graceful_stop():
    state, actions = played(*RUNNING, (110.0, stop("user")), (111.0, Signalled("SIGTERM")))
    assert actions[-2:] == [EndLoad(30.0), EndLoad(SIGNAL_STOP_S)]
    assert state.kill_at < 116.0


def test_an_engine_that_dies_under_load_ends_the_others_and_fails_the_worker():
    state, actions = played(*RUNNING, (110.0, Failed("exit code 3")), (111.0, Done()))
    assert (state.phase, state.outcome, state.message) == ("ended", "failed", "exit code 3")
    assert EndLoad(SIGNAL_STOP_S) in actions


def test_max_duration_is_a_hard_stop():
    limits = Limits(worker="local-1", attempt="a", graceful_stop_s=30.0, max_duration_s=5.0)
    state, actions = played(*RUNNING, (105.1, ClockTick()), limits=limits)
    assert actions[-1] == EndLoad(SIGNAL_STOP_S)
    assert "max-duration" in state.message


def test_an_engine_that_overruns_its_plan_and_its_grace_is_killed():
    state, actions = played(*RUNNING, (100.0 + 60.0 + 30.0 + 3.0, ClockTick()))
    assert actions[-1] == KillAll()
    assert "killed" in state.message


EVENTS = st.sampled_from(
    (
        *(Parked(), START, StartSeen(Start(at=100.0, attempts={})), Failed("why"), Done(), ClockTick()),
        *(stop("user"), stop("signal"), Signalled("SIGTERM")),
    )
)


@given(st.lists(st.tuples(st.floats(0, 100), EVENTS), max_size=12))
def test_gates_open_at_most_once_and_never_without_ready_before(moments):
    now, timed = 80.0, []
    for pause, event in moments:
        now += pause
        timed.append((now, event))
    state, actions = played(*timed)
    opened = [n for n, action in enumerate(actions) if isinstance(action, OpenGates)]
    assert len(opened) <= 1
    assert all(ReportReady() in actions[:n] for n in opened)
    if state.phase == "ended":
        assert actions[-1] == KillAll()  # nothing is ever left running
