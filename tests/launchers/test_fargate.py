"""The launcher against the embedded cloud: its requests, AWS' answers and errors, and tasks that are processes."""

import time
from typing import Any

import pytest

from tests.cloud.tasks import GROUP, REGION, place, role
from tests.launchers.stage import HOME, deployment, kind, launch_of, plan
from toril.aws.schedules import cancel_sweep, plan_sweep
from toril.clock import SystemClock
from toril.launchers.fargate import FargateLauncher
from toril.records import TaskSize

pytestmark = pytest.mark.live

SMALL = TaskSize(cpu=256, memory_mib=512)
FIRST, SECOND = f"{REGION}-1", f"{REGION}-2"
UP = "import os, time; print(os.environ['TORIL_RUN'], os.environ['TORIL_WORKER'], os.environ['TORIL_ATTEMPT']); "
WAITS = UP + "time.sleep(60)"


@pytest.fixture
def cloud(open_cloud):
    open_cloud.reset()
    return open_cloud


class Here:
    """A cluster, and launchers that end with their test."""

    def __init__(self, cloud):
        self.cloud, self.place = cloud, place(cloud)
        self.launchers = []

    def clients(self, service, region):
        return self.cloud.client(service, region)

    def deployed(self, script=WAITS):
        definition = self.place.define("worker", script, name="worker")
        worker = kind().model_copy(update={"task_definition": definition})
        subnets = tuple(self.place.network["awsvpcConfiguration"]["subnets"])
        network = deployment().network.model_copy(update={"subnets": subnets, "security_groups": ()})
        return deployment(cluster="toril", workers=(worker,), network=network, log_group=GROUP)

    def launcher(self, script=WAITS, **settings):
        found = FargateLauncher({REGION: self.deployed(script)}, self.clients, SystemClock(), **settings)
        self.launchers.append(found)
        return found

    def launched(self, workers=2, script=WAITS, **changes):
        found, planned = self.launcher(script), plan(workers, **{"task": SMALL, **changes})
        found.launch(planned, launch_of(planned, time.time() + 600))
        return found

    def running(self):
        ecs = self.cloud.client("ecs", REGION)
        return ecs.list_tasks(cluster="toril", desiredStatus="RUNNING")["taskArns"]

    def until(self, holds, within_s=30):
        give_up = time.monotonic() + within_s
        while not (found := holds()):
            assert time.monotonic() < give_up
            time.sleep(0.1)
        return found

    def until_up(self, launcher, workers=2):
        return self.until(lambda: sum(one.started_at is not None for one in launcher.tasks().values()) == workers)


@pytest.fixture
def here(cloud):
    made = Here(cloud)
    yield made
    for one in made.launchers:
        one.close()


SWEEPERS: Any = {"Service": ["scheduler.amazonaws.com", "ecs-tasks.amazonaws.com"]}


def test_tasks_get_their_worker_and_close_stops_all(here):
    launcher = here.launched()
    here.until_up(launcher)
    lines = here.until(lambda: found if len(found := here.place.output("worker")) == 2 else None)
    assert set(lines) == {f"run {FIRST} first", f"run {SECOND} first"}
    assert {one.capacity for one in launcher.tasks().values()} == {"FARGATE"}
    described = here.place.task(launcher.tasks()[FIRST].arn)
    assert (described["cpu"], described["memory"]) == ("256", "512")
    assert launcher.close() == ()
    assert here.running() == []


def test_throttling_lost_answers_and_duplicate_tasks_leave_no_task_after_close(here):
    here.cloud.fail_next("ecs", "RunTask", times=4)
    here.cloud.lose_answers("ecs", "RunTask", "ServerException", times=2)
    here.cloud.duplicate_next_tasks(REGION)
    here.cloud.fail_next("ecs", "ListTasks", times=1)
    launcher = here.launched(4)
    here.until_up(launcher, 4)
    assert len(here.running()) >= 5  # including duplicate tasks
    here.cloud.fail_next("ecs", "StopTask", times=3)
    assert launcher.close() == ()
    assert here.running() == []


def test_planning_and_cancelling_a_sweep_are_idempotent(here):
    scheduler = here.cloud.client("scheduler", REGION)
    scheduler.create_schedule_group(Name=HOME.schedule_group)
    sweeper = role(here.cloud, "sweeper", [], SWEEPERS)
    home = HOME.model_copy(update={"sweeper_role": sweeper})
    there = here.deployed().model_copy(update={"home": home})
    for _ in range(2):
        plan_sweep(there, here.clients, "run", time.time() + 600)
    (made,) = scheduler.list_schedules(GroupName=HOME.schedule_group)["Schedules"]
    assert made["Name"] == "sweep-run"
    for _ in range(2):
        assert cancel_sweep(there, here.clients, "run") == ()
    assert scheduler.list_schedules(GroupName=HOME.schedule_group)["Schedules"] == []
