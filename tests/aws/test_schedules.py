"""The console's schedules in EventBridge Scheduler: those it makes, and those of stacks, which it only lists."""

import json
import re
from datetime import UTC, datetime

import pytest
from botocore.session import Session
from botocore.validate import validate_parameters

from tests.cloud.tasks import REGION, role
from tests.launchers.stage import HOME, deployment
from tests.refusals import refused
from toril.aws.coordinators import coordinator_task, schedule_token, started_by
from toril.aws.schedules import (
    create_schedule,
    delete_schedule,
    plan_sweep,
    suite_schedules,
    sweep_task,
    update_schedule,
)
from toril.errors import InfrastructureError, OptionError
from toril.records.schedule import SuiteSchedule

SCHEDULER = {"Service": "scheduler.amazonaws.com"}
END = datetime(2190, 1, 1, tzinfo=UTC).timestamp()
NIGHTLY = SuiteSchedule(
    name="nightly",
    suite="shop",
    when="cron(17 2 ? * MON-FRI *)",
    timezone="Europe/Madrid",
    expires_at=END,
    workers=4,
    locations={"eu-west-1": "2", "us-east-1": "1"},
    overrides=("execution.0.hold-for=10m",),
    environment={"URL": "https://shop.example.com/?a=b c"},
    max_cost_usd=2.5,
)


class Here:
    """A home region of the embedded cloud, with the groups of the stack and of the console."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.scheduler = cloud.client("scheduler", REGION)
        allowed = role(cloud, "scheduler", [], SCHEDULER)
        own = HOME.model_copy(update={"scheduler_role": allowed, "sweeper_role": allowed, "console_group": "console"})
        self.home = deployment(REGION, home=own)
        for group in (own.schedule_group, own.console_group):
            self.scheduler.create_schedule_group(Name=group)

    def clients(self, service, region):
        return self.cloud.client(service, region)


@pytest.fixture
def here(open_cloud):
    open_cloud.reset()
    return Here(open_cloud)


@pytest.mark.live
def test_a_schedule_is_listed_as_it_was_made_until_it_is_deleted(here):
    create_schedule(here.home, here.clients, NIGHTLY)
    with refused("schedule-exists", "nightly", error=OptionError):
        create_schedule(here.home, here.clients, NIGHTLY)
    ((found,), _) = suite_schedules(here.home, here.clients)
    assert found.began_at is not None
    assert found.model_copy(update={"began_at": None}) == NIGHTLY
    update_schedule(here.home, here.clients, found.model_copy(update={"paused": True, "when": "rate(2 hours)"}))
    (changed,), others = suite_schedules(here.home, here.clients)
    assert (changed.paused, changed.when, changed.workers, changed.expires_at) == (True, "rate(2 hours)", 4, END)
    assert others == []
    delete_schedule(here.home, here.clients, "nightly")
    assert suite_schedules(here.home, here.clients) == ([], [])
    with refused("no-such-schedule", "nightly", error=OptionError):
        delete_schedule(here.home, here.clients, "nightly")
    with refused("no-such-schedule", "nightly", error=OptionError):
        update_schedule(here.home, here.clients, NIGHTLY)


@pytest.mark.live
def test_schedules_of_stacks_are_listed_and_cannot_be_changed(here):
    create_schedule(here.home, here.clients, NIGHTLY)
    made = here.scheduler.get_schedule(GroupName="console", Name="nightly")
    same = {name: made[name] for name in ("ScheduleExpression", "FlexibleTimeWindow")}
    command = ["run", "s3://results/suites/shop", "--on", "fargate", "--store", "s3://results"]
    stack = json.dumps({"Overrides": {"ContainerOverrides": [{"Command": command, "Name": "coordinator"}]}})
    for name, text in (("weekly", stack), ("by-hand", "{}")):
        target = {**made["Target"], "Input": text}
        here.scheduler.create_schedule(Name=name, GroupName=HOME.schedule_group, Target=target, **same)
    plan_sweep(here.home, here.clients, "some-run", END)
    found, others = suite_schedules(here.home, here.clients)
    assert [(one.name, one.source, one.suite) for one in found] == [
        ("nightly", "console", "shop"),
        ("weekly", "stack", "shop"),
    ]
    assert others == ["by-hand"]
    with refused("no-such-schedule", "weekly"):
        delete_schedule(here.home, here.clients, "weekly")


def test_the_task_of_a_schedule_is_a_request_of_ecs():
    home = deployment(home=HOME)
    request = coordinator_task(
        home, NIGHTLY.command(home.store), token="t" * 64, by="schedule/nightly", tags={"a": "b"}
    )
    validate_parameters(request, Session().get_service_model("ecs").shape_for("RunTaskRequest"))
    assert request["taskDefinition"] == HOME.coordinator
    assert request["propagateTags"] == "TASK_DEFINITION"  # the budget counts the stack's tag


@pytest.mark.parametrize("run_id", ["20261124T150405Z-shop-17312345678.1", "a/b_c-d", "nightly.2 of Zoë", "x" * 500])
def test_each_text_becomes_a_valid_and_unique_started_by(run_id):
    for mark in (started_by(run_id), sweep_task(deployment(home=HOME), run_id)["StartedBy"]):
        assert 0 < len(mark) <= 128
        assert all(one.isascii() and (one.isalnum() or one in "-/_") for one in mark)
    assert started_by(run_id) != started_by(run_id + ".")


@pytest.mark.parametrize("name", ["nightly", "sweep-" + "x" * 58])
def test_a_schedules_token_is_valid_and_only_its_own(name):
    token = schedule_token("toril", name)
    for text in (token, token.replace("<aws.scheduler.scheduled-time>", "2026-12-01T02:17:00.000Z")):
        assert re.fullmatch("[!-~]{1,64}", text)
    assert len({token, schedule_token("toril", name + "2"), schedule_token("console", name)}) == 3


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn"])
def test_the_target_of_a_schedule_is_in_the_partition_of_its_role(partition):
    own = HOME.model_copy(update={"sweeper_role": HOME.sweeper_role.replace("aws", partition, 1)})
    asked = {}

    class Scheduler:
        def create_schedule(self, **request):
            asked.update(request)

    plan_sweep(deployment(home=own), lambda service, region: Scheduler(), "run", END)
    assert asked["Target"]["Arn"] == f"arn:{partition}:scheduler:::aws-sdk:ecs:runTask"


def test_a_stack_without_a_console_has_no_schedules_of_its_own():
    def clients(service, region):
        return None

    with refused("no-console-group", error=InfrastructureError):
        create_schedule(deployment(home=HOME), clients, NIGHTLY)
    with refused("no-home", error=InfrastructureError):
        create_schedule(deployment(), clients, NIGHTLY)
