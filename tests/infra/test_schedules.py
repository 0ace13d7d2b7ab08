"""Schedules of suites: valid expressions, and the request that starts a coordinator."""

import json
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import validate_parameters

from infra.rules import reasons
from infra.settings import RegionSettings, SettingError, parse
from infra.workers.coordinators import Launch, container, containers, run_task, schedule_input
from toril.aws.coordinators import schedule_token
from toril.records.deployment import Deployment

LAUNCH = Launch(
    cluster="arn:aws:ecs:us-east-1:123456789012:cluster/toril",
    task_definition="arn:aws:ecs:us-east-1:123456789012:task-definition/toril_coordinator-x86-64:7",
    subnets=("subnet-0b", "subnet-0a"),
    security_groups=("sg-01",),
    public_addresses=True,
)
STORE = "s3://toril-123456789012-us-east-1"
TAGS = {"toril:environment": "main"}
RUN_TASK = Session().get_service_model("ecs").shape_for("RunTaskRequest")


def settings(**changes):
    schedule = {"name": "nightly", "suite": "shop", "cron": "cron(17 2 * * ? *)", **changes}
    found = parse("us-east-1", {"home": "true", "schedules": json.dumps([schedule])}).settings
    assert isinstance(found, RegionSettings)
    return found.schedules[0]


@pytest.mark.parametrize(
    "expression",
    [
        "cron(17 2 * * ? *)",
        "cron(0/15 8-17 ? * MON-FRI *)",
        "cron(0 9 L * ? 2027-2030)",
        "cron(0 9 15W * ? *)",
        "cron(0 9 ? JAN,JUN 2#1 *)",
        "cron(0 9 ? * 6L *)",
        "rate(1 hour)",
        "rate(12 hours)",
        "at(2027-01-31T02:00:00)",
    ],
)
def test_an_expression_of_the_scheduler_is_valid(expression):
    assert settings(cron=expression).cron == expression


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("17 2 * * *", r"cron\("),
        ("cron(17 2 * * *)", "5 fields"),
        ("cron(17 2 * * * *)", r"\? for exactly one of day of month and day of week"),
        ("cron(17 2 ? * ? *)", r"\? for exactly one of day of month and day of week"),
        ("cron(60 2 * * ? *)", r"minutes: .* from 0 to 59.* `60`"),
        ("cron(0 24 * * ? *)", "hours"),
        ("cron(0 2 0 * ? *)", "day of month"),
        ("cron(0 2 * FOO ? *)", "month"),
        ("cron(0 2 ? * 8 *)", "day of week"),
        ("cron(0 2 * * ? 1969)", "year"),
        ("cron(0 17-8 * * ? *)", "hours"),
        ("cron(*/0 2 * * ? *)", "minutes"),
        ("rate(1 hours)", r"rate\(1 hour\)"),
        ("rate(2 hour)", r"rate\(2 hours\)"),
        ("rate(0 hours)", "rate"),
        ("rate(5 seconds)", r"rate\("),
        ("at(2027-02-30T02:00:00)", "does not exist"),
        ("at(tomorrow)", r"at\("),
    ],
)
def test_an_expression_that_the_scheduler_would_reject_is_an_error(expression, message):
    with pytest.raises(SettingError, match=message):
        settings(cron=expression)


@pytest.mark.parametrize("zone", ["Europe/Madrit", "../etc/passwd", "/etc/localtime", "europe"])
def test_an_unknown_time_zone_is_an_error(zone):
    with pytest.raises(SettingError, match="IANA time zone"):
        settings(timezone=zone)


def test_a_schedule_cannot_have_a_sweeps_name():
    with pytest.raises(SettingError, match="sweep-"):
        settings(name="sweep-1")


def test_a_flavour_cannot_have_the_coordinators_name():
    with pytest.raises(SettingError, match="coordinator"):
        parse("us-east-1", {"flavours": '{"coordinator": {}}'})


def request():
    return json.loads(schedule_input(LAUNCH, suite="shop", group="toril", schedule="nightly", store=STORE, tags=TAGS))


def lowered(value, shape):
    """Returns the request with the model's own names. Raises KeyError for a key that is not a capitalised name."""
    if shape.type_name == "structure":
        names = {name[0].upper() + name[1:]: name for name in shape.members}
        return {names[key]: lowered(one, shape.members[names[key]]) for key, one in value.items()}
    if shape.type_name == "list":
        return [lowered(one, shape.member) for one in value]
    return value


def test_the_schedulers_input_is_a_run_task_request_in_pascal_case():
    found = lowered(request(), RUN_TASK)
    validate_parameters(found, RUN_TASK)
    assert found["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["subnet-0a", "subnet-0b"]
    assert found["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "ENABLED"


def test_a_schedule_runs_the_same_command_as_a_user():
    (override,) = request()["Overrides"]["ContainerOverrides"]
    assert override == {
        "Name": "coordinator",
        "Command": ["run", f"{STORE}/suites/shop", "--on", "fargate", "--store", STORE],
        "Environment": [{"Name": "TORIL_SCHEDULE", "Value": "nightly"}],
    }


def test_a_scheduled_time_starts_one_task_however_often_it_is_delivered():
    assert request()["ClientToken"] == schedule_token("toril", "nightly")


def test_a_task_has_cost_tags_and_the_name_of_its_schedule():
    found = request()
    assert {one["Key"]: one["Value"] for one in found["Tags"]} == {
        "toril:environment": "main",
        "toril:schedule": "nightly",
        "toril:suite": "shop",
    }
    assert found["StartedBy"] == "schedule/nightly"


def test_the_order_of_subnets_and_tags_does_not_change_the_input():
    other = Launch(**{name: getattr(LAUNCH, name) for name in Launch.__slots__} | {"subnets": LAUNCH.subnets[::-1]})
    first = run_task(LAUNCH, ["doctor"], token="t", started_by="x", tags={"a": "1", "b": "2"})
    assert first == run_task(other, ["doctor"], token="t", started_by="x", tags={"b": "2", "a": "1"})


def test_a_coordinator_keeps_the_rules_of_task_definitions():
    text = containers(
        "image@sha256:0",
        log_group="/toril/main/workers",
        region="us-east-1",
        store=STORE,
        store_region="us-east-1",
        fips=True,
    )
    assert reasons("aws:ecs/taskDefinition:TaskDefinition", {"containerDefinitions": text, "region": "x"}) == []
    shape = Session().get_service_model("ecs").shape_for("ContainerDefinition")
    validate_parameters(json.loads(text)[0], shape)


@pytest.mark.parametrize("fips", [True, False])
def test_a_coordinator_of_a_fips_stack_calls_fips_endpoints(fips):
    found = container("image", log_group="g", region="us-east-1", store=STORE, store_region="us-east-1", fips=fips)
    assert ({"name": "AWS_USE_FIPS_ENDPOINT", "value": "true"} in found["environment"]) is fips


def test_a_coordinator_pulls_its_image_with_the_flavours_login():
    where: dict[str, Any] = {
        "log_group": "g",
        "region": "us-east-1",
        "store": STORE,
        "store_region": "us-east-1",
        "fips": False,
    }
    assert "repositoryCredentials" not in container("image", **where)
    found = container("registry.example.com/worker:1", **where, credentials="arn")
    assert found["repositoryCredentials"] == {"credentialsParameter": "arn"}


def test_a_coordinator_has_the_workers_platform_version():
    assert request()["PlatformVersion"] == Deployment.model_fields["platform_version"].default
