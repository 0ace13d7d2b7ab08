"""Schedules: validation, and the tasks that they start."""

import json
import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.cloud.refused import refused
from tests.cloud.tasks import REGION, TASKS, place, role
from toril.aws.coordinators import schedule_token

TARGET = "arn:aws:scheduler:::aws-sdk:ecs:runTask"
SCHEDULER = {"Service": "scheduler.amazonaws.com"}
OFF = {"Mode": "OFF"}
SOON = "rate(1 day)"
WHO = """
import json, os, urllib.request
asked = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
asked.add_header("Authorization", os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
print(json.load(urllib.request.urlopen(asked))["RoleArn"])
"""


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


def test_each_group_has_schedules_of_its_own_which_can_be_paused(cloud, scheduler):
    begin, end = datetime(2030, 1, 1, tzinfo=ZoneInfo("UTC")), datetime(2031, 1, 1, tzinfo=ZoneInfo("UTC"))
    for group in ("settings", "console"):
        scheduler.create_schedule_group(Name=group)
        create(scheduler, GroupName=group, StartDate=begin, EndDate=end)
    create(scheduler, at(1), "paused", GroupName="console", State="DISABLED")
    found = scheduler.get_schedule(Name="one", GroupName="console")
    assert (found["StartDate"], found["EndDate"]) == (begin, end)
    listed = scheduler.list_schedules(GroupName="console")["Schedules"]
    assert sorted((one["GroupName"], one["Name"], one["State"]) for one in listed) == [
        ("console", "one", "ENABLED"),
        ("console", "paused", "DISABLED"),
    ]
    assert len(scheduler.list_schedules()["Schedules"]) == 3
    page = scheduler.list_schedules(GroupName="console", MaxResults=1)
    more = scheduler.list_schedules(GroupName="console", MaxResults=1, NextToken=page["NextToken"])
    assert {one["Name"] for one in (*page["Schedules"], *more["Schedules"])} == {"one", "paused"}
    time.sleep(1.5)
    assert cloud.invocations(REGION) == []
    changed = {"ScheduleExpression": at(1), "FlexibleTimeWindow": OFF, "Target": target(), "State": "ENABLED"}
    scheduler.update_schedule(Name="paused", GroupName="console", **changed)
    assert [one["schedule"] for one in invoked(cloud)] == ["paused"]
    scheduler.delete_schedule_group(Name="console")
    assert [one["GroupName"] for one in scheduler.list_schedules()["Schedules"]] == ["settings"]


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


def test_a_time_zone_must_be_from_iana(scheduler):
    with refused("ValidationException", "Mars/Base"):
        create(scheduler, ScheduleExpressionTimezone="Mars/Base")


def test_the_universal_target_accepts_only_json_for_run_task(scheduler):
    with refused("ValidationException", "JSON"):
        create(scheduler, Target=target("run"))
    with refused("ValidationException", "stopTask"):
        create(scheduler, Target={**target(), "Arn": "arn:aws:scheduler:::aws-sdk:ecs:stopTask"})


def test_the_universal_target_is_in_the_partition_of_its_region(cloud):
    government = cloud.client("scheduler", "us-gov-west-1")
    with refused("ValidationException", "partition"):
        create(government)
    create(government, Target={**target(), "Arn": TARGET.replace("aws", "aws-us-gov", 1)})


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
def test_a_one_time_schedule_starts_its_task_and_deletes_itself(cloud, scheduler):
    here = place(cloud)
    definition = here.define("worker", "import os; print(os.environ['SUITE'])")
    override = {"Name": "main", "Environment": [{"Name": "SUITE", "Value": "nightly"}]}
    asked = json.dumps(request(here, definition, Overrides={"ContainerOverrides": [override]}))
    zone = {"ScheduleExpressionTimezone": "Asia/Kolkata", "ActionAfterCompletion": "DELETE"}
    create(scheduler, at(1, "Asia/Kolkata"), Target=target(asked), **zone)
    (invocation,) = invoked(cloud)
    here.wait(invocation["tasks"][0])
    assert here.output("worker") == ["nightly"]
    with refused("ResourceNotFoundException"):
        scheduler.get_schedule(Name="one")
    assert len(cloud.invocations(REGION)) == 1


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


@pytest.mark.live
def test_a_schedule_with_another_task_role_passes_and_uses_only_that_role(strict):
    here = place(strict)
    other = role(strict, "other", [], TASKS)
    run = {"Effect": "Allow", "Action": "ecs:RunTask", "Resource": "*"}
    passing = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": [other, here.execution_role]}
    schedules = role(strict, "schedules", [run, passing], SCHEDULER)
    asked = {**request(here, here.define("worker", WHO)), "Overrides": {"TaskRoleArn": other}}
    create(strict.client("scheduler", REGION), at(0), Target={**target(json.dumps(asked)), "RoleArn": schedules})
    (invocation,) = invoked(strict)
    assert invocation["tasks"]
    assert here.output("worker") == [other]


@pytest.mark.live
def test_the_templated_target_of_a_cluster_starts_tasks(cloud, scheduler):
    here = place(cloud)
    network = here.network["awsvpcConfiguration"]
    vpc = {"awsvpcConfiguration": {"Subnets": network["subnets"], "AssignPublicIp": "ENABLED"}}
    ecs = {"TaskDefinitionArn": here.define("worker", "print(1)"), "LaunchType": "FARGATE", "TaskCount": 2}
    cluster = {
        "Arn": f"arn:aws:ecs:{REGION}:123456789012:cluster/toril",
        "RoleArn": "arn:aws:iam::123456789012:role/schedule",
        "EcsParameters": {**ecs, "NetworkConfiguration": vpc},
    }
    create(scheduler, at(0), Target=cluster)
    (invocation,) = invoked(cloud)
    assert len(invocation["tasks"]) == 2
