"""launch.json: a run's attempts and deadline are written once."""

import pytest

from tests.measured import execution, plan_of
from toril.coordinator.driver import REPLACEMENTS, issue, lasts_s
from toril.coordinator.protocol import FINISH_SLACK_S, UNBOUNDED_S
from toril.plan import FARGATE_TIMINGS
from toril.records import Launch, Plan
from toril.store import FolderStore

AROUND_S = (
    FARGATE_TIMINGS.ready_timeout_s
    + FARGATE_TIMINGS.start_lead_s
    + FINISH_SLACK_S
    + FARGATE_TIMINGS.kill_after_s
    + FARGATE_TIMINGS.give_up_s
)


def fleet(workers: int = 2, **changes: object) -> Plan:
    plan = plan_of(workers=workers, executions=(execution(**changes.pop("execution", {})),))  # type: ignore[arg-type]
    return plan.model_copy(update={"on": "fargate", "pace": FARGATE_TIMINGS, "graceful_stop_s": 30.0} | changes)


@pytest.mark.parametrize(
    ("changes", "longest_s", "load_s"),
    [
        ({}, None, 10 + 30),
        ({"execution": {"ramp_up_s": 60.0, "delay_s": 5.0}}, None, 75 + 30),
        ({"max_duration_s": 7.0}, None, 7),
        ({"max_duration_s": 700.0}, None, 10 + 30),
        ({}, 20.0, 20),
        ({"execution": {"hold_for_s": 0.0, "iterations": 5}}, None, UNBOUNDED_S),
        ({"execution": {"hold_for_s": 0.0, "iterations": 5}}, 3600.0, 3600),
    ],
)
def test_the_deadline_leaves_time_for_the_start_the_load_and_a_slow_end(changes, longest_s, load_s):
    assert lasts_s(fleet(**changes), longest_s) == AROUND_S + load_s


def test_sequential_executions_need_the_sum_of_their_durations():
    plan = plan_of(executions=(execution("one"), execution("two")))
    common = {"modules": {"local": {"sequential": True}}}
    plan = plan.model_copy(update={"pace": FARGATE_TIMINGS, "graceful_stop_s": 0.0, "common": common})
    assert lasts_s(plan) == AROUND_S + 20


def test_every_worker_gets_unique_attempts_and_spares_on_fargate(tmp_path):
    launch = issue(FolderStore(tmp_path), fleet(3), 1000.0)
    assert set(launch.attempts) == {"local-1", "local-2", "local-3"}
    every = [attempt for attempts in launch.attempts.values() for attempt in attempts]
    assert len(every) == len(set(every)) == 3 * (1 + REPLACEMENTS)
    local = issue(FolderStore(tmp_path / "local"), plan_of(workers=2), 1000.0)
    assert [len(attempts) for attempts in local.attempts.values()] == [1, 1]


def test_attempts_are_issued_once(tmp_path):
    store, plan = FolderStore(tmp_path), fleet()
    first = issue(store, plan, 1000.0)
    assert issue(store, plan, 5000.0, 60.0) == first
    assert first.deadline == 1000.0 + lasts_s(plan)


def test_two_concurrent_issuers_get_the_same_attempts(tmp_path):
    store, plan = FolderStore(tmp_path), fleet()
    others: list[Launch] = []

    def nonce() -> str:
        if not others:
            others.append(issue(store, plan, 1.0))  # between the other's read and write
        return "mine"

    assert issue(store, plan, 1000.0, nonce=nonce) == others[0]


def test_only_issued_attempts_count(tmp_path):
    launch = issue(FolderStore(tmp_path), fleet(), 1000.0)
    first, second = launch.attempts["local-1"][0], launch.attempts["local-2"][0]
    assert launch.issued("local-1", first)
    assert not launch.issued("local-1", second)
    assert not launch.issued("local-9", first)
