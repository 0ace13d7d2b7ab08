"""The launcher of several regions, the run's sweep, and refusals before anything starts."""

import json
import time

import pytest

from tests.launchers.fake_ecs import NO_CAPACITY, Clock, FakeEcs, error, timeout
from tests.launchers.stage import DEADLINE, HOME, REGION, deployment, kind, launch_of, plan
from tests.refusals import refused
from toril.aws.schedules import schedule_name
from toril.errors import InfrastructureError
from toril.launchers.fargate import FargateLauncher
from toril.launchers.fargate.tasks import kind_for
from toril.records import PlannedExecution, TaskSize

OTHER = "us-east-1"
FORBIDDEN = error("AccessDeniedException", "not authorized to perform: scheduler:CreateSchedule")


class Regions:
    """A launcher over fakes of several regions."""

    def __init__(self, *names, home=None, **changes):
        self.clock = Clock()
        self.ecs = {name: FakeEcs(name, self.clock) for name in names}
        places = {name: deployment(name, **changes) for name in names}
        at_home = None if home is None else places[home].model_copy(update={"home": HOME})
        self.launcher = FargateLauncher(places, lambda _, region: self.ecs[region], self.clock, home=at_home)

    def until(self, holds, within_s=10):
        """Waits in real time, because the fleets have real threads."""
        give_up = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < give_up
            time.sleep(0.02)

    def tasks(self):
        return [task for one in self.ecs.values() for task in one.tasks.values()]

    def running(self):
        return [task for one in self.ecs.values() for task in one.running()]


@pytest.fixture
def regions():
    made = []

    def make(*names, **settings):
        made.append(Regions(*names, **settings))
        return made[-1]

    yield make
    for one in made:
        for ecs in one.ecs.values():
            ecs.heal()
        one.launcher.close()


def test_a_region_without_capacity_does_not_delay_others(regions):
    one, planned = regions(REGION, OTHER), plan(2, (REGION, OTHER))
    one.ecs[OTHER].fail("run_task", NO_CAPACITY, times=float("inf"))
    one.launcher.launch(planned, launch_of(planned))
    one.until(lambda: len(one.ecs[REGION].tasks) == 2 and len(one.ecs[OTHER].asked("run_task")) == 2)
    one.until(lambda: any(NO_CAPACITY in note.message for note in one.launcher.notes()))
    assert one.ecs[OTHER].tasks == {}
    one.ecs[OTHER].heal()

    def all_started_a_minute_later():  # a refusal that is still on its way waits from the present minute
        one.clock.at += 60
        return set(one.launcher.tasks()) == {share.worker for share in planned.shares}

    one.until(all_started_a_minute_later)
    assert {task.region for task in one.launcher.tasks().values()} == {REGION, OTHER}
    assert one.launcher.close() == ()
    assert one.running() == []


def slow(_: object) -> bool:
    time.sleep(0.3)
    return False


def test_launch_returns_before_anything_has_started(regions):
    one, planned = regions(REGION), plan(1)
    one.ecs[REGION].fail("list_tasks", timeout(), where=slow)  # the condition is never true
    one.launcher.launch(planned, launch_of(planned))
    assert one.tasks() == []
    one.until(lambda: len(one.tasks()) == 1)


def test_a_worker_is_terminated_and_killed_in_its_region(regions):
    one, planned = regions(REGION, OTHER), plan(1, (REGION, OTHER))
    one.launcher.launch(planned, launch_of(planned))
    one.until(lambda: len(one.tasks()) == 2)
    one.launcher.terminate(f"{OTHER}-1")
    one.launcher.kill(f"{OTHER}-1")
    one.until(lambda: not one.ecs[OTHER].running())
    one.clock.at += 5
    one.until(lambda: set(one.launcher.ended()) == {f"{OTHER}-1"})
    assert len(one.ecs[REGION].running()) == 1


def test_a_location_without_a_stack_is_refused_before_anything_starts(regions):
    one, planned = regions(REGION, home=REGION), plan(1, (REGION, "ap-south-1"))
    with refused("not-deployed", "ap-south-1", REGION, error=InfrastructureError):
        one.launcher.launch(planned, launch_of(planned))
    assert one.ecs[REGION].calls == []


def test_spot_is_refused_if_the_cluster_has_none(regions):
    one, planned = regions(REGION, capacity_providers=("FARGATE",)), plan(1, task=TaskSize(spot=True))
    with refused("no-spot", REGION, error=InfrastructureError):
        one.launcher.launch(planned, launch_of(planned))


@pytest.mark.parametrize(
    ("executors", "flavours", "chosen"),
    [
        (["locust"], ["slim", "full", "browser"], "slim"),
        (["locust"], ["full"], "full"),
        (["locust", "jmeter"], ["slim", "full", "browser"], "full"),
        (["selenium"], ["slim", "full", "browser"], "browser"),
    ],
)
def test_the_smallest_suitable_worker_is_chosen(executors, flavours, chosen):
    executions = tuple(
        PlannedExecution(name=one, index=number, executor=one, scenario="s") for number, one in enumerate(executors)
    )
    workers = (*(kind(one) for one in flavours), kind("slim", "x86-64"))
    assert kind_for(plan(executions=executions), deployment(workers=workers)).flavour == chosen


@pytest.mark.parametrize(
    ("workers", "executor", "code", "names"),
    [
        ((kind("slim", "x86-64"),), "locust", "no-such-architecture", ["arm64", "x86-64", "toril.worker.arch"]),
        ((kind("slim"),), "jmeter", "no-such-flavour", ["slim", "jmeter", "full", "`flavours`"]),
        ((kind("slim", digest=None),), "locust", "no-image", ["slim", "pulumi up"]),
    ],
)
def test_a_region_without_a_suitable_worker_is_refused_with_the_fix(workers, executor, code, names):
    with refused(code, REGION, *names, error=InfrastructureError):
        kind_for(plan(executor=executor), deployment(workers=workers))


def test_a_plan_with_a_browser_and_a_jvm_is_refused():
    executions = tuple(
        PlannedExecution(name=one, index=number, executor=one, scenario="s")
        for number, one in enumerate(("jmeter", "playwright"))
    )
    with refused("browser-and-jvm", "jmeter, playwright", error=InfrastructureError):
        kind_for(plan(executions=executions), deployment(workers=(kind("full"), kind("browser"))))


def test_a_sweep_is_planned_for_the_deadline_before_anything_starts(regions):
    one, planned = regions(REGION, home=REGION), plan(1)
    one.launcher.launch(planned, launch_of(planned))
    one.until(lambda: len(one.tasks()) == 1)
    names = [name for name, _ in one.ecs[REGION].calls]
    assert names.index("create_schedule") < names.index("list_tasks") < names.index("run_task")
    made = one.ecs[REGION].schedules["sweep-run"]
    assert (made["ScheduleExpression"], made["ActionAfterCompletion"]) == ("at(1970-01-01T01:23:20)", "DELETE")
    assert made["Target"]["RoleArn"] == HOME.sweeper_role
    task = json.loads(made["Target"]["Input"])
    assert task["Overrides"]["TaskRoleArn"] == HOME.sweeper_role
    (container,) = task["Overrides"]["ContainerOverrides"]
    assert container["Command"] == ["stop", "run", "--all-tasks", "--store", "s3://results"]
    assert one.launcher.close() == ()
    assert set(one.ecs[REGION].schedules) == {"sweep-run"}  # it stays until there is a verdict
    assert one.launcher.cancel_sweep() == ()
    assert one.ecs[REGION].schedules == {}


def test_no_task_starts_if_the_sweep_cannot_be_planned(regions):
    one, planned = regions(REGION, home=REGION), plan(1)
    one.ecs[REGION].fail("create_schedule", FORBIDDEN)
    with refused("access-denied", "the sweep of run", "scheduler:CreateSchedule", error=InfrastructureError):
        one.launcher.launch(planned, launch_of(planned))
    one.launcher.close()
    assert one.tasks() == []


def test_the_sweep_of_an_earlier_owner_is_kept(regions):
    one, planned = regions(REGION, home=REGION), plan(1)
    one.ecs[REGION].schedules["sweep-run"] = {"by": "an earlier owner"}
    one.launcher.launch(planned, launch_of(planned))
    assert one.ecs[REGION].schedules["sweep-run"] == {"by": "an earlier owner"}


def test_a_sweep_stays_planned_while_tasks_may_still_run(regions):
    one, planned = regions(REGION, home=REGION), plan(1)
    one.launcher.launch(planned, launch_of(planned))
    one.until(lambda: len(one.tasks()) == 1)
    one.ecs[REGION].fail("stop_task", error("AccessDeniedException", "no"), times=float("inf"))
    assert len(one.launcher.close()) == 1
    assert one.launcher.cancel_sweep() == ()
    assert "sweep-run" in one.ecs[REGION].schedules


def test_a_sweeper_neither_plans_nor_cancels_a_sweep(regions):
    one, planned = regions(REGION, home=REGION), plan(1)
    one.clock.at = DEADLINE + 30
    one.launcher.attach(planned, launch_of(planned), {f"{REGION}-1": "first"})
    one.until(lambda: one.launcher.ended())
    assert one.launcher.close() == ()
    assert one.launcher.cancel_sweep() == ()
    assert {name for name, _ in one.ecs[REGION].calls} == {"list_tasks"}


def test_a_new_owner_plans_a_sweep_before_it_starts_tasks(regions):
    one, planned = regions(REGION, home=REGION), plan(1)
    one.launcher.attach(planned, launch_of(planned), {f"{REGION}-1": "first"})
    one.until(lambda: one.launcher.ended())
    assert one.launcher.ended()[f"{REGION}-1"].again
    assert one.ecs[REGION].schedules == {}
    one.launcher.relaunch(f"{REGION}-1", "second")
    one.until(lambda: len(one.tasks()) == 1)
    assert set(one.ecs[REGION].schedules) == {"sweep-run"}


def test_a_new_owner_cancels_the_sweep_at_the_end(regions):
    one, planned = regions(REGION, home=REGION), plan(1)
    one.ecs[REGION].schedules["sweep-run"] = {"by": "an earlier owner"}
    one.launcher.attach(planned, launch_of(planned), {f"{REGION}-1": "first"})
    assert one.launcher.close() == ()
    assert set(one.ecs[REGION].schedules) == {"sweep-run"}  # it stays until there is a verdict
    assert one.launcher.cancel_sweep() == ()
    assert one.ecs[REGION].schedules == {}


def test_schedule_names_are_valid_and_unique():
    assert schedule_name("20261124T150405Z-shop-0a1b") == "sweep-20261124T150405Z-shop-0a1b"
    long = schedule_name("x" * 100)
    assert len(long) <= 64
    assert long.startswith("sweep-")
    assert long != schedule_name("x" * 101)


def test_the_longest_load_is_the_limit_of_the_region(regions):
    assert regions(REGION).launcher.longest_s == 3600
