"""The one-time schedule that ends a run at its deadline, even without a coordinator; it deletes itself afterwards."""

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any

from toril.aws.client import Clients, call
from toril.aws.errors import AwsError
from toril.errors import InfrastructureError
from toril.records import DeployedHome, Deployment

PREFIX = "sweep-"  # the role of load tests may only create schedules with this prefix
MOST_CHARACTERS = 64
COORDINATOR = "coordinator"  # the container of the home region's task definition
# EventBridge Scheduler inserts the invocation's id, the same in each retry, so that an invocation starts one task.
EXECUTION_ID = "<aws.scheduler.execution-id>"
RETRIES = 10
LATEST_S = 3600


def plan_sweep(home: Deployment, clients: Clients, run_id: str, deadline: float) -> None:
    """Schedules the run's sweep at its deadline; repeated calls change nothing. InfrastructureError if that fails."""
    role = _record(home)
    request: dict[str, Any] = {
        "Name": schedule_name(run_id),
        "GroupName": role.schedule_group,
        "ScheduleExpression": f"at({datetime.fromtimestamp(deadline, UTC):%Y-%m-%dT%H:%M:%S})",
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Description": f"Ends remaining tasks of {run_id}",
        "Target": {
            "Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask",
            "RoleArn": role.sweeper_role,
            "Input": json.dumps(sweep_task(home, run_id), separators=(",", ":"), sort_keys=True),
            "DeadLetterConfig": {"Arn": role.dead_letters},
            "RetryPolicy": {"MaximumRetryAttempts": RETRIES, "MaximumEventAgeInSeconds": LATEST_S},
        },
    }
    try:
        call(clients("scheduler", home.region).create_schedule, "scheduler:CreateSchedule", **request)
    except AwsError as error:
        if error.fault.aws_code != "ConflictException":  # the schedule already exists
            text = f"the sweep of {run_id} at its deadline could not be planned: {error}"
            raise InfrastructureError(text, code=error.code) from error


def cancel_sweep(home: Deployment, clients: Clients, run_id: str) -> tuple[str, ...]:
    """Removes the schedule of a run that has ended. Returns the problems that prevented it."""
    name, group = schedule_name(run_id), _record(home).schedule_group
    scheduler = clients("scheduler", home.region)
    try:
        call(scheduler.delete_schedule, "scheduler:DeleteSchedule", Name=name, GroupName=group)
    except AwsError as error:
        if error.fault.aws_code != "ResourceNotFoundException":
            return (f"the schedule {name} could not be deleted, and will start a sweep at the deadline: {error}",)
    return ()


def _record(home: Deployment) -> DeployedHome:
    assert home.home is not None  # noqa: S101 - only a home region gets here
    return home.home


def schedule_name(run_id: str) -> str:
    """Returns `sweep-` and the run's id; an id that is too long or has invalid characters is cut and hashed."""
    name = PREFIX + run_id
    if len(name) <= MOST_CHARACTERS and re.fullmatch(r"[0-9A-Za-z_.-]+", name):
        return name
    return f"{name[: MOST_CHARACTERS - 17]}-{hashlib.sha256(run_id.encode()).hexdigest()[:16]}"


def sweep_task(home: Deployment, run_id: str) -> dict[str, Any]:
    """Returns the RunTask of the schedule: `toril sweep`, with the sweeper's permissions."""
    return {
        "ClientToken": EXECUTION_ID,
        "Cluster": home.cluster,
        "Count": 1,
        "EnableECSManagedTags": True,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {
            "AwsvpcConfiguration": {
                "AssignPublicIp": "ENABLED" if home.network.public_addresses else "DISABLED",
                "SecurityGroups": sorted(home.network.security_groups),
                "Subnets": sorted(home.network.subnets),
            }
        },
        "Overrides": {
            "ContainerOverrides": [{"Command": ["sweep", run_id, "--store", home.store], "Name": COORDINATOR}],
            "TaskRoleArn": _record(home).sweeper_role,
        },
        "PlatformVersion": home.platform_version,
        "StartedBy": schedule_name(run_id),
        "Tags": [{"Key": "toril:run", "Value": run_id}],
        "TaskDefinition": _record(home).coordinator,
    }
