"""Taking over: a later owner finds the tasks of an earlier one, and starts none twice."""

from tests.launchers.fake_ecs import NO_CAPACITY, THROTTLED, error
from tests.launchers.stage import REGION
from toril.records import TaskSize

FIRST, SECOND = f"{REGION}-1", f"{REGION}-2"


def started_before(fleet, workers=3, **changes):
    one = fleet(workers, **changes)
    one.start_all()
    one.pass_time(2)
    return one.ecs


def test_a_second_launch_starts_only_missing_tasks(fleet):
    ecs = started_before(fleet, 2)
    one = fleet(3, ecs=ecs)
    one.start_all()
    one.pass_time(2)
    assert len(ecs.tasks) == 3
    assert {task.arn for task in one.fleet.tasks().values()} == set(ecs.tasks)


def test_a_second_launch_finds_tasks_that_started_after_refusals(fleet):
    before = fleet(2, task=TaskSize(spot=True))
    before.ecs.fail("run_task", NO_CAPACITY, times=5)
    before.start_all()
    before.pass_time(30)
    one = fleet(2, ecs=before.ecs, task=TaskSize(spot=True))
    one.start_all()
    one.pass_time(2)
    assert len(before.ecs.tasks) == 2
    assert one.fleet.tasks() == before.fleet.tasks()


def test_a_second_launch_starts_no_unlisted_task_twice(fleet):
    ecs = started_before(fleet)
    ecs.unlisted |= set(ecs.tasks)
    one = fleet(3, ecs=ecs)
    one.start_all()
    one.pass_time(2)
    assert len(ecs.tasks) == 3


def test_a_second_launch_finds_an_ended_attempt_and_its_replacement(fleet):
    before = fleet(1)
    before.start_all()
    before.pass_time()
    before.ecs.ends(FIRST, "TaskFailedToStart", "Timeout waiting for network interface provisioning to complete.")
    before.pass_time(4)
    before.fleet.again(FIRST, "second")
    before.pass_time(2)
    one = fleet(1, ecs=before.ecs)
    one.start_all()
    one.pass_time(4)
    assert one.fleet.ended()[FIRST].again
    one.fleet.again(FIRST, "second")
    one.pass_time(4)
    assert len(before.ecs.tasks) == 2
    assert one.fleet.tasks() == before.fleet.tasks()


def test_a_new_owner_watches_and_stops_existing_tasks(fleet):
    ecs = started_before(fleet)
    one = fleet(3, ecs=ecs)
    one.find_all()
    one.pass_time(1)
    assert len(ecs.tasks) == len(one.fleet.tasks()) == 3
    ecs.ends(FIRST, reason="Essential container in task exited", exit_code=1)
    one.fleet.stop(SECOND)
    one.pass_time(5)
    assert set(one.fleet.ended()) == {FIRST, SECOND}
    assert len(ecs.running()) == 1


def test_a_new_owner_starts_no_task_and_reports_missing_ones(fleet):
    one = fleet(1)
    one.find_all()
    one.pass_time(5)
    assert one.ecs.tasks == {}
    assert one.codes() == {FIRST: ("no-task", True)}


def test_throttling_during_a_take_over_loses_no_worker(fleet):
    ecs = started_before(fleet)
    ecs.fail("list_tasks", THROTTLED, times=8)
    one = fleet(3, ecs=ecs)
    one.find_all()
    one.pass_time(3)
    assert one.fleet.ended() == {}
    assert one.fleet.notes()[0].message.startswith(f"{REGION}: ecs:ListTasks: ")
    one.pass_time(200)
    assert len(one.fleet.tasks()) == 3
    assert len(ecs.running()) == 3


def test_without_the_right_to_list_tasks_none_starts(fleet):
    one = fleet(1)
    one.ecs.fail("list_tasks", error("AccessDeniedException", "not authorized to perform: ecs:ListTasks"))
    one.start_all()
    one.pass_time(5)
    assert one.codes() == {FIRST: ("access-denied", False)}
    assert "ecs:ListTasks" in one.exit().reason
    assert one.ecs.tasks == {}


def test_a_new_owner_finds_hundreds_of_tasks(fleet):
    ecs = started_before(fleet, 250)
    while len(ecs.tasks) < 250:
        one = fleet(250, ecs=ecs)
        one.start_all()
        one.pass_time(30)
    other = fleet(250, ecs=ecs)
    other.find_all()
    other.pass_time(1)
    assert len(other.fleet.tasks()) == 250
