"""The RunTask request of a coordinator's task in the home region, for ECS and as the target of a schedule."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from toril.errors import InfrastructureError
from toril.records import DeployedHome, Deployment

NOTHING: Mapping[str, str] = MappingProxyType({})
SCHEDULE = "TORIL_SCHEDULE"  # variable with the name of the schedule that started the task
CONSOLE = "TORIL_CONSOLE"  # variable with the address of the console, for links
CONTAINER = "coordinator"  # of the home region's task definition
# EventBridge Scheduler inserts the time. Its execution id may differ between the attempts of one delivery.
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
STARTED_BY_MOST = 128  # characters; letters, digits, hyphens, slashes and underscores


def home_of(deployment: Deployment) -> DeployedHome:
    """Returns what the home region has for coordinators."""
    if deployment.home is None:
        text = f"{deployment.region} is not a home region; set `home: true` in its stack, and run `pulumi up`"
        raise InfrastructureError(text, code="no-home")
    return deployment.home


def started_by(text: str) -> str:
    """Returns `text` as `startedBy` of a task, or a text derived from it if ECS does not accept it."""
    if re.fullmatch(r"[A-Za-z0-9_/-]{1,128}", text):
        return text
    hashed = hashlib.sha256(text.encode()).hexdigest()[:16]
    return re.sub(r"[^A-Za-z0-9_/-]", "_", text)[: STARTED_BY_MOST - 17] + "_" + hashed


def schedule_token(group: str, name: str) -> str:
    """Returns the client token of a schedule: one task for each scheduled time, however often it is delivered.

    ECS allows 64 characters. Those of the time are fewer than those of its placeholder.
    """
    return f"{hashlib.sha256(f'{group}/{name}'.encode()).hexdigest()[:32]}/{SCHEDULED_TIME}"


def coordinator_task(
    home: Deployment,
    command: Sequence[str],
    *,
    token: str,
    by: str,
    tags: Mapping[str, str],
    role: str = "",
    environment: Mapping[str, str] = NOTHING,
) -> dict[str, Any]:
    """Returns the request. `token`: repeated requests with one token start one task. `by`: the start's cause.

    `role`: instead of the task definition's own. `environment`: further variables of the container.
    """
    container: dict[str, Any] = {"command": list(command), "name": CONTAINER}
    if environment:
        container["environment"] = [{"name": name, "value": value} for name, value in sorted(environment.items())]
    overrides: dict[str, Any] = {"containerOverrides": [container]}
    if role:
        overrides["taskRoleArn"] = role
    return {
        "clientToken": token,
        "cluster": home.cluster,
        "count": 1,
        "enableECSManagedTags": True,
        "launchType": "FARGATE",
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "assignPublicIp": "ENABLED" if home.network.public_addresses else "DISABLED",
                "securityGroups": sorted(home.network.security_groups),
                "subnets": sorted(home.network.subnets),
            }
        },
        "overrides": overrides,
        "platformVersion": home.platform_version,
        "propagateTags": "TASK_DEFINITION",  # the cost tag of the stack; the task's own tags have precedence
        "startedBy": started_by(by),
        "tags": [{"key": key, "value": value} for key, value in sorted(tags.items())],
        "taskDefinition": home_of(home).coordinator,
    }


def for_scheduler(request: Any) -> Any:
    """Returns a request with capitalised keys, as EventBridge Scheduler requires."""
    if isinstance(request, dict):
        return {key[0].upper() + key[1:]: for_scheduler(value) for key, value in request.items()}
    return [for_scheduler(item) for item in request] if isinstance(request, list) else request
