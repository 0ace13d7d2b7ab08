"""A worker's container, in the form that ECS returns, so that a second `pulumi up` changes nothing."""

import json
from dataclasses import dataclass
from typing import Any

from infra.registry.images import Image

NAME = "worker"
USER = "10001:10001"  # the worker image's user; the image never runs as root
HOME = "/home/toril"
# The only writable paths of the file system. The image declares them as volumes of its user, since otherwise Fargate
# makes root their owner.
VOLUMES = {"home": HOME, "tmp": "/tmp"}  # noqa: S108 - the container's, not this machine's
OPEN_FILES = 1_048_576  # the maximum of Fargate; each virtual user needs a socket
# Linux' default leaves 28,232 connections to one address. Ports below stay free for what engines listen to.
LOCAL_PORTS = "10000 65535"
STOP_TIMEOUT_S = 120  # the maximum of Fargate, and the notice of a reclaimed Spot task


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTarget:
    """The destination of the container's output."""

    group: str
    region: str
    blocking: bool


def environment(store: str, region: str, *, store_region: str, fips: bool) -> dict[str, str]:
    """Returns the variables of every worker and coordinator. The launcher adds the run and the share."""
    found = {"AWS_REGION": region, "HOME": HOME, "TORIL_STORE": store, "TORIL_STORE_REGION": store_region}
    return {**found, "AWS_USE_FIPS_ENDPOINT": "true"} if fips else found


def definition(image: Image, variables: dict[str, str], logs: LogTarget) -> str:
    """Returns the JSON of a task's containers, with the defaults of ECS written out and lists sorted by name."""
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
        "linuxParameters": {"initProcessEnabled": False},  # the image's own pid1 is PID 1
        "logConfiguration": {"logDriver": "awslogs", "options": options},
        "mountPoints": [
            {"sourceVolume": name, "containerPath": path, "readOnly": False} for name, path in sorted(VOLUMES.items())
        ],
        "portMappings": [],
        "readonlyRootFilesystem": True,
        "stopTimeout": STOP_TIMEOUT_S,
        "systemControls": [{"namespace": "net.ipv4.ip_local_port_range", "value": LOCAL_PORTS}],
        "ulimits": [{"name": "nofile", "softLimit": OPEN_FILES, "hardLimit": OPEN_FILES}],
        "user": USER,
        "volumesFrom": [],
    }
    if image.credentials:
        container["repositoryCredentials"] = {"credentialsParameter": image.credentials}
    return json.dumps([container], sort_keys=True)
