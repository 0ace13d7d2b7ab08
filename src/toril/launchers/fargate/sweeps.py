"""The one-time schedule that ends a run at its deadline, whoever has forgotten it; it removes itself afterwards."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from toril.errors import InfrastructureError
from toril.launchers.fargate.calls import Refused, call
from toril.launchers.fargate.clients import Clients
from toril.records import Deployment

PREFIX = "sweep-"  # the only names that whoever runs a load test may make
MOST_CHARACTERS = 64
COORDINATOR = "coordinator"  # the container of the home region's task definition
# EventBridge Scheduler puts the invocation's id here, the same in each retry: one invocation starts one task.
EXECUTION_ID = "<aws.scheduler.execution-id>"
RETRIES = 10
LATEST_S = 3600


@dataclass(frozen=True, slots=True)
class Sweeps:
    """Plans and forgets sweeps in the home region."""

    home: Deployment
    clients: Clients

    def plan(self, run_id: str, deadline: float) -> None:
        """Have the run swept at its deadline; InfrastructureError when that cannot be planned. Twice is once."""
        name = schedule_name(run_id)
        assert self.home.home is not None  # noqa: S101 - what makes it the home region
        request = {
            "Name": name,
            "GroupName": self.home.home.schedule_group,
            "ScheduleExpression": f"at({datetime.fromtimestamp(deadline, UTC):%Y-%m-%dT%H:%M:%S})",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Description": f"Ends what {run_id} has left",
            "Target": {
                "Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask",
                "RoleArn": self.home.home.sweeper_role,
                "Input": json.dumps(sweep_task(self.home, run_id), separators=(",", ":"), sort_keys=True),
                "DeadLetterConfig": {"Arn": self.home.home.dead_letters},
                "RetryPolicy": {"MaximumRetryAttempts": RETRIES, "MaximumEventAgeInSeconds": LATEST_S},
            },
        }
        try:
            call(self._scheduler.create_schedule, "scheduler:CreateSchedule", **request)
        except Refused as refused:
            if refused.code != "ConflictException":
                raise InfrastructureError(
                    f"the sweep of {run_id} at its deadline could not be planned: {refused.said}"
                ) from refused

    def forget(self, run_id: str) -> tuple[str, ...]:
        """Remove the schedule of a run that has ended; what went wrong."""
        assert self.home.home is not None  # noqa: S101 - what makes it the home region
        group = self.home.home.schedule_group
        try:
            call(
                self._scheduler.delete_schedule,
                "scheduler:DeleteSchedule",
                Name=schedule_name(run_id),
                GroupName=group,
            )
        except Refused as refused:
            if refused.code != "ResourceNotFoundException":
                return (f"the schedule {schedule_name(run_id)} stays until it has fired: {refused.said}",)
        return ()

    @property
    def _scheduler(self) -> Any:
        return self.clients("scheduler", self.home.region)


def schedule_name(run_id: str) -> str:
    """`sweep-` and the run's id; one that is too long or has other characters is cut and hashed."""
    name = PREFIX + run_id
    if len(name) <= MOST_CHARACTERS and re.fullmatch(r"[0-9A-Za-z_.-]+", name):
        return name
    return f"{name[: MOST_CHARACTERS - 17]}-{hashlib.sha256(run_id.encode()).hexdigest()[:16]}"


def sweep_task(home: Deployment, run_id: str) -> dict[str, Any]:
    """The RunTask that the schedule sends: `toril sweep` with a sweeper's rights, and none of a coordinator's."""
    assert home.home is not None  # noqa: S101 - what makes it the home region
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
            "TaskRoleArn": home.home.sweeper_role,
        },
        "PlatformVersion": home.platform_version,
        "StartedBy": schedule_name(run_id),
        "Tags": [{"Key": "toril:run", "Value": run_id}],
        "TaskDefinition": home.home.coordinator,
    }
