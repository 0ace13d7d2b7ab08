"""Faults of tasks: late, double and failed starts; killed and frozen tasks; tasks without memory."""

import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cloud.tasks import REGION, Place, place

WAIT = "import time; print('up'); time.sleep(60)"
COUNT = "import time\nfor number in range(1000): print(number); time.sleep(0.02)"
NETWORK = "ResourceInitializationError: Timeout waiting for network interface provisioning to complete."
WITH_A_CHILD = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print("up"); time.sleep({rest})
"""


@pytest.fixture
def here(cloud) -> Place:
    return place(cloud)


def test_an_accepted_task_without_a_network_fails_to_start(cloud, here):
    cloud.fail_next_starts(REGION, NETWORK)
    one = here.define("one", WAIT)
    task = here.wait(here.start(one))
    assert (task["stopCode"], task["stoppedReason"]) == ("TaskFailedToStart", NETWORK)
    assert "exitCode" not in task["containers"][0]
    assert "startedAt" not in task
    here.wait(here.start(one), "RUNNING")


def test_held_tasks_stay_pending_until_they_are_stopped(cloud, here):
    cloud.hold_starts(REGION)
    waiting, stopped = (here.start(here.define("one", WAIT)) for _ in range(2))
    here.wait(waiting, "PENDING")
    cloud.client("ecs", REGION).stop_task(cluster="toril", task=stopped)
    assert here.wait(stopped)["stopCode"] == "UserInitiated"
    assert here.task(waiting)["lastStatus"] == "PENDING"
    cloud.hold_starts(REGION, 0)
    here.wait(waiting, "RUNNING")


def test_one_call_can_start_two_tasks_and_return_one(cloud, here):
    cloud.duplicate_next_tasks(REGION)
    one = here.define("one", WAIT)
    answer = here.run(one, clientToken="token", startedBy="run")
    assert len(answer["tasks"]) == 1
    assert here.run(one, clientToken="token", startedBy="run")["tasks"][0]["taskArn"] == answer["tasks"][0]["taskArn"]
    listed = cloud.client("ecs", REGION).list_tasks(cluster="toril", startedBy="run")["taskArns"]
    assert len(listed) == 2
    for arn in listed:
        here.wait(arn, "RUNNING")
    assert len(here.run(one, startedBy="other")["tasks"]) == 1
    assert len(cloud.client("ecs", REGION).list_tasks(cluster="toril", startedBy="other")["taskArns"]) == 1


@pytest.mark.live
def test_a_frozen_task_does_nothing(cloud, here):
    arn = here.start(here.define("one", COUNT))
    here.wait(arn, "RUNNING")
    here.output("one")
    cloud.freeze(arn)
    time.sleep(0.3)  # for the arrival of earlier output
    before = here.output("one")
    time.sleep(0.5)
    assert here.output("one") == before
    assert here.task(arn)["lastStatus"] == "RUNNING"
    cloud.kill(arn)
    here.wait(arn)


@pytest.mark.parametrize("rest", [0, 60])
def test_child_processes_of_a_container_end_with_it(cloud, here, rest):
    mark = uuid.uuid4().hex
    named = [{"name": "MARK", "value": mark}]
    arn = here.start(here.define("one", WITH_A_CHILD.format(rest=rest), environment=named))
    if rest:
        here.wait(arn, "RUNNING")
        here.output("one")
        assert processes_with(mark) == 2
        cloud.kill(arn)
    here.wait(arn)
    give_up = time.monotonic() + 10
    while processes_with(mark):
        assert time.monotonic() < give_up


def processes_with(mark: str) -> int:
    """Returns the number of processes with the mark in their environment."""
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process has ended
            found += mark.encode() in (folder / "environ").read_bytes()
    return found
