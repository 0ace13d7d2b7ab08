"""Stopping workers: a stopped worker ends, and after `close` no task runs or starts."""

from tests.launchers.fake_ecs import NO_CAPACITY, THROTTLED, Clock, FakeEcs, error, timeout
from tests.launchers.stage import REGION, deployment, one_fleet
from toril.launchers.fargate import stop_everywhere

FIRST, SECOND = f"{REGION}-1", f"{REGION}-2"
FORBIDDEN = error("AccessDeniedException", "not authorized to perform: ecs:StopTask")


def test_stopping_a_worker_stops_its_task(fleet):
    one = fleet(2)
    one.start_all()
    one.pass_time()
    one.fleet.stop(FIRST)
    one.fleet.stop(FIRST)
    one.pass_time(5)
    assert one.codes() == {FIRST: ("stopped", False)}
    assert len(one.ecs.asked("stop_task")) == 1


def test_a_worker_stopped_while_it_waits_for_capacity_never_starts(fleet):
    one = fleet(1)
    one.ecs.fail("run_task", NO_CAPACITY)
    one.start_all()
    one.pass_time()
    one.fleet.stop(FIRST)
    one.pass_time(60)
    assert one.ecs.tasks == {}
    assert one.codes() == {FIRST: ("stopped-before-start", False)}
    assert NO_CAPACITY in one.exit().reason


def test_a_task_that_starts_during_the_stop_is_stopped(fleet):
    one = fleet(1)
    one.ecs.fail("run_task", THROTTLED, where=lambda _: bool(one.fleet.stop(FIRST)))  # the condition is never true
    one.start_all()
    one.pass_time(5)
    assert len(one.ecs.tasks) == 1
    assert one.ecs.running() == []
    assert FIRST in one.fleet.ended()


def test_a_worker_whose_start_is_refused_during_the_stop_has_ended(fleet):
    def stop(_):
        one.fleet.stop(FIRST)
        return True

    one = fleet(1)
    one.ecs.fail("run_task", NO_CAPACITY, where=stop)
    one.start_all()
    one.pass_time(5)
    assert FIRST in one.fleet.ended()
    assert one.ecs.tasks == {}


def test_a_task_whose_run_task_answer_was_lost_is_found_and_stopped(fleet):
    one = fleet(1)
    one.ecs.fail("run_task", timeout(), done=True)
    one.start_all()
    one.pass_time()
    one.fleet.stop(FIRST)
    one.pass_time(5)
    assert len(one.ecs.tasks) == 1
    assert one.ecs.running() == []
    assert one.codes() == {FIRST: ("stopped", False)}


def test_throttled_stops_are_repeated_with_backoff(fleet):
    one = fleet(1)
    one.start_all()
    one.pass_time()
    one.ecs.fail("stop_task", THROTTLED, times=5)
    one.fleet.stop(FIRST)
    one.pass_time(60, step_s=0.2)
    assert len(one.ecs.asked("stop_task")) == 6
    assert one.ecs.running() == []


def test_a_forbidden_stop_is_reported_and_not_repeated(fleet):
    one = fleet(1)
    one.start_all()
    one.pass_time()
    one.ecs.fail("stop_task", FORBIDDEN, times=float("inf"))
    one.fleet.stop(FIRST)
    one.fleet.step()
    assert [note.code for note in one.fleet.notes()] == ["access-denied"]
    one.pass_time(60)
    assert len(one.ecs.asked("stop_task")) == 1
    (left,) = one.fleet.close()
    assert left.startswith(f"{REGION}: {next(iter(one.ecs.tasks))} ")


def test_close_stops_duplicate_tasks(fleet):
    one = fleet(3)
    one.ecs.twins = 2
    one.start_all()
    one.pass_time()
    assert len(one.ecs.running()) == 5
    assert one.fleet.close() == ()
    assert one.ecs.running() == []


def test_close_stops_tasks_that_ecs_does_not_list_yet(fleet):
    one = fleet(2)
    one.start_all()
    one.pass_time()
    one.ecs.unlisted |= set(one.ecs.tasks)
    assert one.fleet.close() == ()
    assert one.ecs.running() == []


def test_close_finds_a_task_whose_run_task_answer_was_lost(fleet):
    one = fleet(1)
    one.ecs.fail("run_task", timeout(), done=True)
    one.start_all()
    one.pass_time()
    one.ecs.unlisted |= set(one.ecs.tasks)
    one.ecs.fail("list_tasks", THROTTLED, where=lambda _: one.clock.at > 1002 and bool(one.ecs.unlisted.clear()))
    assert one.fleet.close() == ()
    assert one.ecs.running() == []
    assert one.clock.at < 1030


def test_close_retries_throttled_calls_for_a_limited_time(fleet):
    one = fleet(3)
    one.start_all()
    one.pass_time()
    one.ecs.fail("list_tasks", THROTTLED, times=2)
    one.ecs.fail("stop_task", THROTTLED, times=3)
    assert one.fleet.close() == ()
    assert one.ecs.running() == []

    other = fleet(1)
    other.start_all()
    other.pass_time()
    other.ecs.fail("stop_task", THROTTLED, times=float("inf"))
    (left,) = other.fleet.close()
    assert all(one in left for one in (next(iter(other.ecs.tasks)), "ecs:StopTask", "Rate exceeded"))
    assert other.clock.at < 1030


def test_close_leaves_tasks_of_other_runs(fleet):
    other = fleet(1, run_id="other")
    other.start_all()
    other.pass_time()
    one = fleet(1, ecs=other.ecs)
    one.start_all()
    one.pass_time()
    one.fleet.close()
    assert [task["startedBy"] for task in one.ecs.running()] == ["other"]


def test_after_close_the_thread_starts_nothing(fleet):
    one = fleet(50, begin=True)
    one.start_all()
    assert one.fleet.close() == ()
    before = len(one.ecs.tasks)
    assert one.ecs.running() == []
    assert not one.fleet._thread.is_alive()
    assert len(one.ecs.tasks) == before


def test_release_leaves_the_tasks_running(fleet):
    ecs = FakeEcs(REGION, Clock())
    one = one_fleet(1, ecs=ecs, begin=True)
    one.start_all()
    one.fleet.release()
    one.fleet._thread.join(10)
    assert not one.fleet._thread.is_alive()
    assert one.fleet.ended() == {}
    assert ecs.asked("stop_task") == []


def test_a_sweep_stops_tasks_in_all_regions_and_names_unreachable_ones():
    clock = Clock()
    regions = {name: FakeEcs(name, clock) for name in (REGION, "us-east-1", "ap-south-1")}
    for ecs in regions.values():
        one = one_fleet(2, ecs=ecs)
        one.start_all()
        one.pass_time()
    regions["us-east-1"].fail("list_tasks", timeout(), times=float("inf"))
    places = {name: deployment(name) for name in regions}
    swept = stop_everywhere(places, "run", lambda _, region: regions[region], "swept", clock)
    assert set(swept.tasks) == {arn for name in (REGION, "ap-south-1") for arn in regions[name].tasks}
    (problem,) = swept.problems
    assert problem.startswith("us-east-1: ")
    assert "ecs:ListTasks" in problem
    assert [len(ecs.running()) for ecs in regions.values()] == [0, 2, 0]
    regions["us-east-1"].heal()
    again = stop_everywhere(places, "run", lambda _, region: regions[region], "swept", clock)
    assert (len(again.tasks), again.problems) == (2, ())
