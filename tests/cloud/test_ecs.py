"""Tasks on Fargate: invalid requests, and how tasks run, stop and end."""

import time

import pytest

from tests.cloud.refused import refused
from tests.cloud.tasks import REGION, Place, place

SPOT = [{"capacityProvider": "FARGATE", "base": 1, "weight": 1}, {"capacityProvider": "FARGATE_SPOT", "weight": 3}]
WAIT = "import time; print('up'); time.sleep(60)"
GRACEFUL = """
import signal, sys, time
def end(*_): time.sleep(0.3); sys.exit(7)
signal.signal(signal.SIGTERM, end); print('up'); time.sleep(60)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(60)"


@pytest.fixture
def here(cloud) -> Place:
    return place(cloud)


@pytest.fixture
def ecs(cloud):
    return cloud.client("ecs", REGION)


@pytest.mark.live
def test_a_stopped_task_has_its_stop_timeout_and_keeps_its_exit_code(here, ecs):
    for script, timeout, code in ((GRACEFUL, 10, 7), (DEAF, 2, 137)):
        arn = here.start(here.define(f"stop{code}", script, stopTimeout=timeout))
        here.wait(arn, "RUNNING")
        assert here.output(f"stop{code}") == ["up"]
        began = time.monotonic()
        answer = ecs.stop_task(cluster="toril", task=arn, reason="enough")["task"]
        assert time.monotonic() - began < 1
        assert answer["desiredStatus"] == "STOPPED"
        task = here.wait(arn)
        assert task["containers"][0]["exitCode"] == code
        assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "enough")


@pytest.mark.parametrize(("cpu", "memory"), [("300", "512"), ("256", "4096"), ("8192", "17408"), ("one", "512")])
def test_other_sizes_are_an_error(ecs, cpu, memory):
    with refused("ClientException"):
        ecs.register_task_definition(**definition(cpu=cpu, memory=memory))


def definition(**more):
    fargate = {"networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512"}
    return {"family": "f", "containerDefinitions": [{"name": "main", "image": "i"}], **fargate, **more}


@pytest.mark.parametrize(
    "more",
    [
        {"networkMode": "bridge"},
        {"containerDefinitions": [{"name": "main", "image": "i", "privileged": True}]},
        {"containerDefinitions": [{"name": "main", "image": "i", "stopTimeout": 121}]},
        {"containerDefinitions": [{"name": "main", "image": "1.dkr.ecr.eu-west-1.amazonaws.com/a:1"}]},
        {"ephemeralStorage": {"sizeInGiB": 20}},
    ],
)
def test_definitions_that_fargate_does_not_support_are_an_error(ecs, more):
    with refused("ClientException"):
        ecs.register_task_definition(**definition(**more))


def test_run_task_with_missing_resources_is_an_error(here):
    one = here.define("one", WAIT)
    with refused("ClusterNotFoundException"):
        here.run(one, cluster="other")
    with refused("ClientException"):
        here.run("other")
    with refused("InvalidParameterException", "Network Configuration"):
        here.run(one, networkConfiguration=None)
    with refused("InvalidParameterException", "subnet-0"):
        here.run(one, networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-0"]}})
    with refused("InvalidParameterException", "Count"):
        here.run(one, count=11)
    with refused("InvalidParameterException", "other"):
        here.run(one, overrides={"containerOverrides": [{"name": "other"}]})
    with refused("InvalidParameterException", "Container Instances"):
        here.run(one, launchType=None)


def test_a_client_token_starts_its_tasks_once(here):
    one = here.define("one", WAIT)
    first = here.run(one, clientToken="token")
    again = here.run(one, clientToken="token")
    assert [task["taskArn"] for task in again["tasks"]] == [task["taskArn"] for task in first["tasks"]]
    with refused("ConflictException"):
        here.run(one, clientToken="token", count=2)


def test_tasks_are_placed_by_base_and_weight_of_the_strategy(here, ecs):
    one = here.define("one", WAIT)
    ecs.put_cluster_capacity_providers(
        cluster="toril", capacityProviders=["FARGATE", "FARGATE_SPOT"], defaultCapacityProviderStrategy=SPOT
    )
    for strategy in (SPOT, None):
        tasks = here.run(one, count=9, launchType=None, capacityProviderStrategy=strategy)["tasks"]
        assert sorted(task["capacityProviderName"] for task in tasks) == ["FARGATE"] * 3 + ["FARGATE_SPOT"] * 6
    with refused("InvalidParameterException"):
        ecs.put_cluster_capacity_providers(
            cluster="toril", capacityProviders=["OTHER"], defaultCapacityProviderStrategy=[]
        )
