"""Watching tasks: each ended worker has AWS' reason, and whether another attempt may succeed."""

import re

import pytest

from tests.launchers.fake_ecs import THROTTLED, error
from tests.launchers.stage import REGION

FIRST, SECOND = f"{REGION}-1", f"{REGION}-2"
ENI = "Timeout waiting for network interface provisioning to complete."
PULLED = 'CannotPullContainerError: failed to resolve reference "r/toril:1": unexpected status code 503'
NO_IMAGE = "CannotPullContainerError: r/toril@sha256:0a: not found"
NO_RIGHT = "ResourceInitializationError: unable to pull secrets: AccessDeniedException: ecr:GetAuthorizationToken"
SPOT = "Your Spot Task was interrupted."
RETIRED = "ECS is performing maintenance on the underlying infrastructure hosting the task"


def running(one):
    one.start_all()
    while len(one.ecs.tasks) < len(one.plan.shares):
        one.pass_time(1)
    one.run_all()
    one.pass_time(4)
    return one


def stream(task):
    return f"worker/worker/{task['taskArn'].rpartition('/')[2]}"


def test_running_workers_have_no_notes_and_no_log_requests(fleet):
    one = running(fleet(3))
    assert one.fleet.ended() == {}
    assert one.fleet.notes() == ()
    one.pass_time(60)
    assert one.ecs.asked("get_log_events") == []


@pytest.mark.parametrize(
    ("stop_code", "reason", "exit_code", "code", "again"),
    [
        ("TaskFailedToStart", ENI, None, "failed-to-start", True),
        ("TaskFailedToStart", PULLED, None, "failed-to-start", True),
        ("TaskFailedToStart", NO_IMAGE, None, "failed-to-start", False),
        ("TaskFailedToStart", NO_RIGHT, None, "failed-to-start", False),
        ("SpotInterruption", SPOT, 143, "spot-interruption", True),
        ("InfrastructureHealth", RETIRED, None, "machine-retired", True),
        ("UserInitiated", "stopped by Ann", 143, "stopped", False),
        ("EssentialContainerExited", "", 0, "exited", False),
    ],
)
def test_the_exit_reason_quotes_aws(fleet, stop_code, reason, exit_code, code, again):
    one = running(fleet(2))
    one.ecs.ends(FIRST, stop_code, reason, exit_code)
    one.pass_time(4)
    assert one.codes() == {FIRST: (code, again)}
    assert (reason or stop_code) in one.exit().reason


def test_a_failed_pull_suggests_doctor_unless_it_is_temporary(fleet):
    one = running(fleet(2))
    one.ecs.ends(FIRST, "TaskFailedToStart", NO_IMAGE, None)
    one.ecs.ends(SECOND, "TaskFailedToStart", PULLED, None)
    one.pass_time(4)
    assert "toril doctor --on fargate" in one.exit(1).reason
    assert "toril doctor" not in one.exit(2).reason


def test_a_killed_container_suggests_more_memory(fleet):
    one = running(fleet(1))
    one.ecs.ends(FIRST, reason="Essential container in task exited", exit_code=137)
    one.pass_time(4)
    assert all(word in one.exit().reason for word in ("exit code 137", "toril.worker.memory"))


def test_a_container_that_ran_out_of_memory_suggests_more_memory(fleet):
    one = running(fleet(1))
    one.ecs.ends(FIRST, reason="Essential container in task exited", exit_code=137)
    one.ecs.task_of(FIRST)["containers"][0]["reason"] = "OutOfMemoryError: Container killed due to memory usage"
    one.pass_time(4)
    assert one.codes() == {FIRST: ("out-of-memory", False)}
    assert "toril.worker.memory" in one.exit().reason


def test_the_exit_code_of_a_sidecar_is_ignored(fleet):
    one = running(fleet(1))
    one.ecs.ends(FIRST, reason="Essential container in task exited", exit_code=1)
    guard = {"name": "aws-guardduty-agent-x", "exitCode": 137}
    one.ecs.task_of(FIRST)["containers"].insert(0, guard)
    one.pass_time(4)
    assert "exit code 1:" in one.exit().reason


def recorded(seen: list[object], what: object) -> bool:
    """Records `what`, as a condition that is never true."""
    seen.append(what)
    return False


def test_the_exit_of_a_worker_is_reported_together_with_its_last_log_lines(fleet):
    one = running(fleet(1))
    seen: list[object] = []
    one.ecs.logs[stream(one.ecs.task_of(FIRST))] = ["Traceback", "ValueError: no such file"]
    one.ecs.fail("get_log_events", THROTTLED, where=lambda _: recorded(seen, one.fleet.ended()))
    one.ecs.ends(FIRST, reason="Essential container in task exited", exit_code=1)
    one.pass_time(4)
    assert seen == [{}]
    assert one.exit().reason.endswith("Traceback\nValueError: no such file")
    one.pass_time(30)
    assert len(one.ecs.asked("get_log_events")) == 1


def test_an_unreadable_log_is_named_in_the_reason(fleet):
    one = running(fleet(1))
    one.ecs.fail("get_log_events", error("AccessDeniedException", "not authorized to perform: logs:GetLogEvents"))
    one.ecs.ends(FIRST, reason="Essential container in task exited", exit_code=1)
    one.pass_time(4)
    assert "exit code 1" in one.exit().reason
    assert "logs:GetLogEvents" in one.exit().reason


def test_a_task_unknown_to_ecs_counts_as_ended_after_a_minute(fleet):
    one = fleet(1)
    one.start_all()
    one.pass_time()
    one.ecs.undescribed |= set(one.ecs.tasks)
    one.pass_time(50)
    assert one.fleet.ended() == {}
    one.ecs.undescribed.clear()
    one.run_all()
    one.pass_time(600)
    one.ecs.undescribed |= set(one.ecs.tasks)  # once more, after ten minutes of load
    one.pass_time(10)
    assert one.fleet.ended() == {}
    one.pass_time(60)
    assert one.codes() == {FIRST: ("task-unknown", False)}


def test_describe_tasks_gets_a_hundred_tasks_per_call(fleet):
    one = running(fleet(250))
    one.pass_time(20)
    before = len(one.ecs.asked("describe_tasks"))
    one.pass_time(30)
    assert len(one.ecs.asked("describe_tasks")) - before <= 3 * 30 / 3
    assert one.fleet.notes() == ()


def test_failing_aws_calls_are_noted_and_lose_no_worker(fleet):
    one = running(fleet(2))
    one.ecs.fail("describe_tasks", THROTTLED, times=float("inf"))
    one.pass_time(300)
    assert one.fleet.ended() == {}
    (note,) = one.fleet.notes()
    assert note.code == "busy"
    assert note.message.startswith(f"{REGION}: ecs:DescribeTasks: ")
    one.ecs.heal()
    one.pass_time(5)
    assert one.fleet.notes() == ()


def test_the_note_on_waiting_workers_has_each_stage_and_its_duration(fleet):
    one = fleet(4)
    one.start_all()
    one.pass_time(4)
    one.ecs.moves(FIRST, "RUNNING")
    one.ecs.moves(f"{REGION}-2", "PENDING")
    one.ecs.moves(f"{REGION}-3", "PENDING")
    one.pass_time(3)
    one.clock.at += 20
    (note,) = one.fleet.notes()
    assert note.code == "workers-wait"
    assert [int(one) for one in re.findall(r"\b\d+\b", note.message.removeprefix(REGION))] == [1, 4, 2, 20, 1, 25]
    assert "image" in note.message
    assert "network interface" in note.message


def test_times_of_a_task_are_recorded(fleet):
    one = running(fleet(1))
    ran = one.fleet.tasks()[FIRST]
    assert (ran.region, ran.capacity, ran.started_at, ran.stopped_at) == (REGION, "FARGATE", 1001.0, None)


def test_another_attempt_replaces_the_ended_one(fleet):
    one = fleet(1)
    one.start_all()
    one.pass_time()
    one.ecs.ends(FIRST, "TaskFailedToStart", ENI)
    one.pass_time(4)
    assert one.fleet.ended()[FIRST].again
    one.fleet.again(FIRST, "second")
    assert one.fleet.ended() == {}
    one.pass_time(1)
    assert len(one.ecs.running()) == 1
    assert len({asked["clientToken"] for asked in one.ecs.asked("run_task")}) == 2


@pytest.mark.parametrize("exit_code", [0, 4, 137])
def test_of_two_tasks_of_an_attempt_the_running_one_counts(fleet, exit_code):
    one = fleet(1)
    one.ecs.twins = 1
    one.start_all()
    one.pass_time()
    quiet, named = one.ecs.tasks.values()
    for task in (quiet, named):
        task["lastStatus"] = "RUNNING"
    one.pass_time(4)
    one.ecs.end(named, "EssentialContainerExited", "Essential container in task exited", exit_code)
    one.pass_time(4)
    assert one.fleet.ended() == {}
    assert one.fleet.tasks()[FIRST].arn == quiet["taskArn"]
    one.ecs.end(quiet, "EssentialContainerExited", "Essential container in task exited", 4)
    one.pass_time(4)
    assert "exit code 4" in one.exit().reason


def test_an_error_in_the_fleets_thread_is_raised_by_ended(fleet):
    one = fleet(1, begin=True)
    one.ecs.fail("run_task", KeyError("a mistake of ours"))
    one.start_all()
    one.fleet._thread.join(10)
    with pytest.raises(KeyError, match="a mistake of ours"):
        one.fleet.ended()
