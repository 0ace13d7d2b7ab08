"""How many vCPU of a region the account uses now.

AWS counts all of them once a minute and says so some minutes later. What a run that has just ended used still counts
there, so that the tasks of the region's own cluster are looked at where it matters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from toril.aws.client import call
from toril.launchers.fargate.tasks import Capacity, Status, all_tasks
from toril.launchers.preflight.findings import Look

CLASSES: dict[Capacity, str] = {"FARGATE": "Standard/OnDemand", "FARGATE_SPOT": "Standard/Spot"}
LOOKED_BACK_S = 15 * 60
PERIOD_S = 60
UNITS_PER_VCPU = 1024


@dataclass(frozen=True, slots=True)
class Count:
    """The most vCPU that were in use at once in the minute that began at `at`."""

    vcpus: float = 0.0
    at: float = 0.0


def counted(look: Look, capacity: Capacity) -> Count:
    """The last count of AWS' own usage metric; a region in which nothing has run for long has none."""
    dimensions = {"Service": "Fargate", "Type": "Resource", "Resource": "vCPU", "Class": CLASSES[capacity]}
    answer = look.ask(
        "cloudwatch",
        "get_metric_data",
        "cloudwatch:GetMetricData",
        MetricDataQueries=[
            {
                "Id": "used",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Usage",
                        "MetricName": "ResourceCount",
                        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                    },
                    "Period": PERIOD_S,
                    "Stat": "Maximum",
                },
            }
        ],
        StartTime=datetime.fromtimestamp(look.now - LOOKED_BACK_S, UTC),
        EndTime=datetime.fromtimestamp(look.now + PERIOD_S, UTC),
        ScanBy="TimestampDescending",
    )
    for result in answer.get("MetricDataResults", []):
        for at, value in zip(result.get("Timestamps", []), result.get("Values", []), strict=True):
            return Count(float(value), at.timestamp())
    return Count()


def without_ended(look: Look, capacity: Capacity, count: Count) -> float:
    """The vCPU of a count, less those of the cluster's tasks that have ended since; at least those that it runs now."""
    ended = [
        one for one in _tasks(look, "STOPPED") if one.get("stoppedAt") and one["stoppedAt"].timestamp() >= count.at
    ]
    return max(_vcpus(_tasks(look, "RUNNING"), capacity), count.vcpus - _vcpus(ended, capacity))


def _vcpus(tasks: Sequence[Any], capacity: Capacity) -> float:
    mine = (one for one in tasks if (one.get("capacityProviderName") or "FARGATE") == capacity)
    return sum(int(one["cpu"]) / UNITS_PER_VCPU for one in mine)


def _tasks(look: Look, status: Status) -> list[Any]:
    """AwsError where there is no client, too."""
    return list(call(lambda: all_tasks(look.clients("ecs", look.region), look.deployment, status), "ecs:ListTasks"))
