"""Schedules: validation, and the tasks that they start."""

import json
import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.cloud.refused import refused
from tests.cloud.tasks import REGION, place, role
from toril.aws.coordinators import schedule_token

TARGET = "arn:aws:scheduler:::aws-sdk:ecs:runTask"
SCHEDULER = {"Service": "scheduler.amazonaws.com"}
OFF = {"Mode": "OFF"}
SOON = "rate(1 day)"


@pytest.fixture
def scheduler(cloud):
    return cloud.client("scheduler", REGION)


def target(asked="{}", **more):
    return {"Arn": TARGET, "RoleArn": "arn:aws:iam::123456789012:role/schedule", "Input": asked, **more}


def create(scheduler, expression=SOON, name="one", **more):
    more = {"FlexibleTimeWindow": OFF, "Target": target(), **more}
    return scheduler.create_schedule(Name=name, ScheduleExpression=expression, **more)


def at(seconds, zone="UTC"):
    return (datetime.now(ZoneInfo(zone)) + timedelta(seconds=seconds)).strftime("at(%Y-%m-%dT%H:%M:%S)")


def invoked(cloud, within_s=10):
    give_up = time.monotonic() + within_s
    while time.monotonic() < give_up:
        found = cloud.invocations(REGION)
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError("no schedule fired")


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 3 * * *)",
        "cron(0 3 * * * *)",
        "cron(0 25 * * ? *)",
        "rate(1 days)",
        "rate(2 day)",
        "rate(0 days)",
        "rate(1 week)",
        "at(2026-13-01T00:00:00)",
        "at(2026-12-01)",
        "every day",
    ],
)
def test_invalid_expressions_are_an_error(scheduler, expression):
    with refused("ValidationException"):
        create(scheduler, expression)


def test_the_universal_target_accepts_only_json_for_run_task(scheduler):
    with refused("ValidationException", "JSON"):
        create(scheduler, Target=target("run"))
    with refused("ValidationException", "stopTask"):
        create(scheduler, Target={**target(), "Arn": "arn:aws:scheduler:::aws-sdk:ecs:stopTask"})


def request(here, definition, **more):
    network = here.network["awsvpcConfiguration"]
    vpc = {"AwsvpcConfiguration": {"Subnets": network["subnets"], "AssignPublicIp": network["assignPublicIp"]}}
    return {
        "Cluster": "toril",
        "TaskDefinition": definition,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": vpc,
        "StartedBy": "schedule",
        **more,
    }


@pytest.mark.live
@pytest.mark.parametrize(
    ("token", "tasks"), [(schedule_token("default", "one"), 1), ("<aws.scheduler.execution-id>", 2)]
)
def test_a_repeated_delivery_has_the_same_scheduled_time_and_another_execution_id(cloud, scheduler, token, tasks):
    here = place(cloud)
    create(
        scheduler, at(0), Target=target(json.dumps(request(here, here.define("one", "print(1)"), ClientToken=token)))
    )
    (invocation,) = invoked(cloud)
    assert len(invocation["tasks"]) == tasks


@pytest.mark.live
def test_a_request_in_the_wrong_case_goes_to_the_dead_letter_queue(cloud, scheduler):
    here = place(cloud)
    queue = cloud.client("sqs", REGION).create_queue(QueueName="dead")["QueueUrl"]
    dead = {"DeadLetterConfig": {"Arn": f"arn:aws:sqs:{REGION}:123456789012:dead"}}
    asked = {"cluster": "toril", "taskDefinition": here.define("worker", "print(1)")}
    create(scheduler, at(0), Target=target(json.dumps(asked), **dead))
    (invocation,) = invoked(cloud)
    assert "Unknown parameter Input.cluster" in invocation["error"]
    (letter,) = cloud.client("sqs", REGION).receive_message(
        QueueUrl=queue, WaitTimeSeconds=5, MessageAttributeNames=["All"]
    )["Messages"]
    assert json.loads(letter["Body"]) == asked
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "ValidationException"


@pytest.mark.live
def test_a_schedules_role_needs_rights_to_run_the_task_and_pass_its_roles(strict):
    here = place(strict)
    scheduler = strict.client("scheduler", REGION)
    asked = json.dumps(request(here, here.define("worker", "print(1)")))
    run = {"Effect": "Allow", "Action": "ecs:RunTask", "Resource": "*"}
    passing = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": [here.task_role, here.execution_role]}
    half, whole = role(strict, "half", [run], SCHEDULER), role(strict, "whole", [run, passing], SCHEDULER)
    create(scheduler, at(0), "half", Target={**target(asked), "RoleArn": half})
    assert "iam:PassRole" in invoked(strict)[0]["error"]
    create(scheduler, at(0), "whole", Target={**target(asked), "RoleArn": whole})
    give_up = time.monotonic() + 10
    while len(strict.invocations(REGION)) < 2 and time.monotonic() < give_up:
        time.sleep(0.05)
    assert strict.invocations(REGION)[1]["tasks"]
