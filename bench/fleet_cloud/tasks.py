"""The part of ECS that a launcher uses, in several regions and at AWS's default rates."""

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.fleet_cloud.bucket import Answer
from toril.launchers.fargate.rate_limit import OF_CALLS, TokenBucket, usual_rates

PENDING_AFTER_S = 3.0  # the network interface comes first, then the image
JSON = {"Content-Type": "application/x-amz-json-1.1"}


@dataclass(slots=True)
class Task:
    """One task. Times are in seconds since the epoch."""

    arn: str
    request: dict[str, Any]
    accepted_at: float
    running_at: float
    stopped_at: float = float("inf")

    def variable(self, name: str) -> str:
        (container,) = self.request["overrides"]["containerOverrides"]
        return str({one["name"]: one["value"] for one in container["environment"]}[name])

    def status(self, now: float) -> str:
        if now >= self.stopped_at:
            return "STOPPED"
        if now >= self.running_at:
            return "RUNNING"
        return "PENDING" if now >= self.accepted_at + PENDING_AFTER_S else "PROVISIONING"

    def described(self, now: float) -> dict[str, Any]:
        """Returns a description of the same size as AWS's."""
        status = self.status(now)
        times = {"createdAt": self.accepted_at, "startedAt": self.running_at, "pullStartedAt": self.accepted_at + 3}
        over = {"stoppedAt": self.stopped_at, "stopCode": "EssentialContainerExited", "stoppedReason": "Essential"}
        network = {
            "subnetId": "subnet-1",
            "networkInterfaceId": "eni-0123456789abcdef0",
            "privateIPv4Address": "10.0.0.9",
        }
        container = {
            "containerArn": f"{self.arn}/container",
            "taskArn": self.arn,
            "name": "worker",
            "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/toril/worker",
            "imageDigest": f"sha256:{'0a' * 32}",
            "runtimeId": self.arn[-32:],
            "lastStatus": status,
            "networkInterfaces": [{"attachmentId": self.arn[-36:], "privateIpv4Address": "10.0.0.9"}],
            "healthStatus": "UNKNOWN",
            "cpu": "0",
            **({"exitCode": 0} if status == "STOPPED" else {}),
        }
        return {
            "attachments": [
                {
                    "id": self.arn[-36:],
                    "type": "ElasticNetworkInterface",
                    "status": "ATTACHED",
                    "details": [{"name": name, "value": value} for name, value in network.items()],
                }
            ],
            "attributes": [{"name": "ecs.cpu-architecture", "value": "arm64"}],
            "availabilityZone": "eu-west-1a",
            "capacityProviderName": "FARGATE",
            "clusterArn": self.request["cluster"],
            "connectivity": "CONNECTED",
            "containers": [container],
            "cpu": "2048",
            "memory": "4096",
            "desiredStatus": "STOPPED" if status == "STOPPED" else "RUNNING",
            "lastStatus": status,
            "group": "family:toril-main-slim",
            "launchType": "FARGATE",
            "overrides": self.request["overrides"],
            "platformVersion": "1.4.0",
            "platformFamily": "Linux",
            "startedBy": self.request["startedBy"],
            "tags": [],
            "taskArn": self.arn,
            "taskDefinitionArn": self.request["taskDefinition"],
            "version": 4,
            **{name: at for name, at in times.items() if at <= now},
            **(over if status == "STOPPED" else {}),
        }


@dataclass(slots=True)
class Region:
    """A region's tasks, and the number that may start now."""

    name: str
    tasks: dict[str, Task] = field(default_factory=dict)
    launches: TokenBucket = field(init=False)
    calls: TokenBucket = field(default_factory=lambda: TokenBucket(OF_CALLS))

    def __post_init__(self) -> None:
        self.launches = TokenBucket(usual_rates(self.name))

    def run_task(self, request: dict[str, Any], start_s: float) -> Task | None:
        """Returns the new task, or None if the rate is exceeded."""
        now = time.time()
        if not self.calls.available(now) or not self.launches.available(now):
            return None
        self.calls.take(1)
        self.launches.take(1)
        arn = f"arn:aws:ecs:{self.name}:123456789012:task/toril-main/{len(self.tasks):032x}"
        started_s = start_s * random.uniform(0.75, 1.25)
        task = self.tasks[arn] = Task(arn, request, now, now + started_s)
        return task

    def describe(self, request: Mapping[str, Any]) -> dict[str, Any]:
        now = time.time()
        return {"tasks": [self.tasks[arn].described(now) for arn in request["tasks"]], "failures": []}

    def list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        now, first = time.time(), int(request.get("nextToken", 0))
        stopped = request["desiredStatus"] == "STOPPED"
        found = [arn for arn, task in self.tasks.items() if (task.status(now) == "STOPPED") is stopped]
        more = {"nextToken": str(first + 100)} if len(found) > first + 100 else {}
        return {"taskArns": found[first : first + 100], **more}

    def stop(self, request: Mapping[str, Any]) -> dict[str, Any]:
        task, now = self.tasks[request["task"]], time.time()
        task.stopped_at = min(task.stopped_at, now)
        return {"task": task.described(now)}


def of(found: Mapping[str, Any], kind: str) -> Answer:
    return Answer(200, json.dumps(found).encode(), JSON, kind)


def throttled(kind: str) -> Answer:
    error = {"__type": "ThrottlingException", "message": "Rate exceeded"}
    return Answer(400, json.dumps(error).encode(), JSON, f"{kind} throttled")
