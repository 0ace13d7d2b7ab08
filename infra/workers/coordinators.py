"""A coordinator's container, and the scheduler's request that starts it: plain values, no resources."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.workers.containers import STOP_TIMEOUT_S, USER, VOLUMES, environment
from toril.aws.coordinators import CONSOLE, SCHEDULE, schedule_token

CONTAINER = "coordinator"
PLATFORM_VERSION = "1.4.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """The cluster, network and task definition of a coordinator's task."""

    cluster: str
    task_definition: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    public_addresses: bool


def container(
    image: str,
    *,
    log_group: str,
    region: str,
    store: str,
    store_region: str,
    fips: bool,
    credentials: str | None = None,
    otlp: str = "",
    console: str = "",
) -> dict[str, Any]:
    """Returns the coordinator's container as ECS returns it: defaults written out, lists sorted.

    `credentials`: the ARN of the secret for the image's registry. `otlp`: the address of an OpenTelemetry collector;
    `console`: that of the console, for links.
    """
    variables = environment(store, region, store_region=store_region, fips=fips)
    if otlp:
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp
    if console:
        variables[CONSOLE] = console
    return {
        "command": ["doctor", "--on", "fargate"],  # for a task started by hand without a command
        "cpu": 0,
        "entryPoint": ["toril"],
        "environment": [{"name": key, "value": value} for key, value in sorted(variables.items())],
        "essential": True,
        "image": image,
        "linuxParameters": {"initProcessEnabled": True},  # forwards SIGTERM and reaps processes
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": log_group,
                "awslogs-region": region,
                "awslogs-stream-prefix": CONTAINER,
                "max-buffer-size": "10m",
                "mode": "non-blocking",
            },
        },
        "mountPoints": [
            {"containerPath": path, "readOnly": False, "sourceVolume": name} for name, path in sorted(VOLUMES.items())
        ],
        "name": CONTAINER,
        "portMappings": [],
        "readonlyRootFilesystem": True,
        **({"repositoryCredentials": {"credentialsParameter": credentials}} if credentials else {}),
        "stopTimeout": STOP_TIMEOUT_S,
        "systemControls": [],
        "user": USER,
        "volumesFrom": [],
    }


def containers(image: str, **options: Any) -> str:
    """Returns the definitions of the task's containers; `options` are those of `container`."""
    one = container(image, **options)
    return json.dumps([one], sort_keys=True, separators=(",", ":"))


def suite_command(suite: str, store: str) -> list[str]:
    """Returns the command of a scheduled coordinator, the same as on any machine."""
    return ["run", f"{store}/suites/{suite}", "--on", "fargate", "--store", store]


def run_task(
    launch: Launch, command: Sequence[str], *, token: str, started_by: str, tags: Mapping[str, str]
) -> dict[str, Any]:
    """Returns the universal target's `Input`: a RunTask request with capitalised keys, as the scheduler requires."""
    return {
        "ClientToken": token,
        "Cluster": launch.cluster,
        "Count": 1,
        "EnableECSManagedTags": True,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {
            "AwsvpcConfiguration": {
                "AssignPublicIp": "ENABLED" if launch.public_addresses else "DISABLED",
                "SecurityGroups": sorted(launch.security_groups),
                "Subnets": sorted(launch.subnets),
            }
        },
        "Overrides": {"ContainerOverrides": [{"Command": list(command), "Name": CONTAINER}]},
        "PlatformVersion": PLATFORM_VERSION,
        "StartedBy": started_by,
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
        "TaskDefinition": launch.task_definition,
    }


def schedule_input(
    launch: Launch, *, suite: str, group: str, schedule: str, store: str, tags: Mapping[str, str]
) -> str:
    """Returns the `Input` of a schedule that runs a suite."""
    own = {**tags, "toril:schedule": schedule, "toril:suite": suite}
    request = run_task(
        launch,
        suite_command(suite, store),
        token=schedule_token(group, schedule),
        started_by=f"schedule/{schedule}",
        tags=own,
    )
    (container,) = request["Overrides"]["ContainerOverrides"]
    container["Environment"] = [{"Name": SCHEDULE, "Value": schedule}]  # the run's events name it
    return json.dumps(request, sort_keys=True, separators=(",", ":"))
