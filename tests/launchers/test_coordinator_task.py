"""Requested runs on Fargate: one coordinator for each request, with nothing but the request's id."""

import pytest
from botocore.session import Session
from botocore.validate import validate_parameters

from tests.launchers.fake_ecs import Clock, FakeEcs, timeout
from tests.launchers.stage import HOME, REGION, deployment
from tests.refusals import refused
from toril.errors import InfrastructureError
from toril.launchers.fargate.coordinator_task import FargateStarter, home_region
from toril.records.console import RunRequest

REQUEST = RunRequest(
    run_id="20270101T000000Z-shop-0a1b",
    suite="shop",
    version=3,
    on="fargate",
    at=1.0,
    by="anna",
    environment={"X": "$(reboot)"},
)


class Ecs(FakeEcs):
    """Coordinators have no worker's variables."""

    def _start(self, request):
        arn = f"arn:{len(self.tasks)}"
        self.tasks[arn] = {"taskArn": arn, "desiredStatus": "RUNNING", "startedBy": request["startedBy"]}
        return arn


@pytest.fixture
def ecs():
    return Ecs(REGION, Clock())


def starter(ecs, **changes):
    return FargateStarter(lambda: (deployment(home=HOME, **changes), lambda service, region: ecs))


def test_a_request_starts_one_coordinator_with_its_id_alone(ecs):
    for _ in range(2):
        starter(ecs).start(REQUEST)
    assert len(ecs.tasks) == 1
    first, second = ecs.asked("run_task")
    assert first == second
    validate_parameters(first, Session().get_service_model("ecs").shape_for("RunTaskRequest"))
    assert first["taskDefinition"] == HOME.coordinator
    assert first["overrides"] == {
        "containerOverrides": [
            {
                "command": ["run", "--request", REQUEST.run_id, "--store", "s3://results", "--quiet"],
                "name": "coordinator",
            }
        ]
    }
    assert first["startedBy"] != REQUEST.run_id  # or a stop of the run's tasks would stop it


def test_a_run_without_owner_gets_one_coordinator_that_takes_it_over(ecs):
    for second in (0, 10):
        starter(ecs).take_over(REQUEST.run_id, 1_200.0 + second)
    assert len(ecs.tasks) == 1
    (command,) = {tuple(one["overrides"]["containerOverrides"][0]["command"]) for one in ecs.asked("run_task")}
    assert command == ("watch", REQUEST.run_id, "--take-over", "--store", "s3://results", "--quiet")
    starter(ecs).take_over(REQUEST.run_id, 1_800.0)
    assert len(ecs.tasks) == 2


def test_a_repeated_start_after_an_update_of_the_stack_starts_nothing_more(ecs):
    starter(ecs).start(REQUEST)
    starter(ecs, platform_version="1.5.0").start(REQUEST)
    assert len(ecs.tasks) == 1


def test_a_refused_start_names_aws_reason(ecs):
    ecs.fail("run_task", "Capacity is unavailable at this time")
    with refused("no-coordinator", "Capacity is unavailable", error=InfrastructureError):
        starter(ecs).start(REQUEST)
    ecs.fail("run_task", timeout())
    with pytest.raises(InfrastructureError):
        starter(ecs).start(REQUEST)
    starter(ecs).start(REQUEST)
    assert len(ecs.tasks) == 1


def test_a_coordinator_that_ended_names_aws_reason(ecs):
    one = starter(ecs)
    one.start(REQUEST)
    assert one.why_ended(REQUEST) is None
    (task,) = ecs.tasks.values()
    ecs.end(task, "TaskFailedToStart", "CannotPullContainerError: no such image")
    assert "no such image" in one.why_ended(REQUEST)


def test_without_a_home_region_nothing_starts():
    with refused("no-home", error=InfrastructureError):
        home_region({REGION: deployment()})
    assert home_region({REGION: deployment(home=HOME)}).region == REGION
