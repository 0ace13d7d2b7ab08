"""What a worker's container is, in the one form that ECS gives back: a second `up` finds nothing to change."""

import json
from dataclasses import dataclass
from typing import Any

from infra.registry.images import Image

NAME = "worker"
USER = "10001:10001"  # of the worker image; no user of it is root
HOME = "/home/toril"
# The only places of the file system that can be written to; the image declares them as volumes of its user, since
# Fargate makes them root's otherwise.
VOLUMES = {"home": HOME, "tmp": "/tmp"}  # noqa: S108 - the container's, not this machine's
OPEN_FILES = 1_048_576  # the most that Fargate allows; a virtual user is a socket
STOP_TIMEOUT_S = 120  # the most that Fargate allows, and what a reclaimed Spot task gets


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTarget:
    """Where the container's output goes."""

    group: str
    region: str
    blocking: bool


def environment(store: str, region: str, *, fips: bool) -> dict[str, str]:
    """What every worker knows from the start; the launcher adds the run and the share."""
    found = {"AWS_REGION": region, "HOME": HOME, "TORIL_STORE": store}
    return {**found, "AWS_USE_FIPS_ENDPOINT": "true"} if fips else found


def definition(image: Image, variables: dict[str, str], logs: LogTarget) -> str:
    """The JSON of a task's containers. What ECS would fill in is spelt out, and lists are sorted by name."""
    options = {
        "awslogs-group": logs.group,
        "awslogs-region": logs.region,
        "awslogs-stream-prefix": NAME,
        "mode": "blocking" if logs.blocking else "non-blocking",
    }
    if not logs.blocking:
        options["max-buffer-size"] = "10m"
    container: dict[str, Any] = {
        "name": NAME,
        "image": image.uri,
        "essential": True,
        "cpu": 0,
        "environment": [{"name": key, "value": variables[key]} for key in sorted(variables)],
        "linuxParameters": {"initProcessEnabled": False},  # the image's own guard is PID 1
        "logConfiguration": {"logDriver": "awslogs", "options": options},
        "mountPoints": [
            {"sourceVolume": name, "containerPath": path, "readOnly": False} for name, path in sorted(VOLUMES.items())
        ],
        "portMappings": [],
        "readonlyRootFilesystem": True,
        "stopTimeout": STOP_TIMEOUT_S,
        "systemControls": [],
        "ulimits": [{"name": "nofile", "softLimit": OPEN_FILES, "hardLimit": OPEN_FILES}],
        "user": USER,
        "volumesFrom": [],
    }
    if image.credentials:
        container["repositoryCredentials"] = {"credentialsParameter": image.credentials}
    return json.dumps([container], sort_keys=True)
