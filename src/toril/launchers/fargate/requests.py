"""What is asked of ECS, as plain values: one RunTask for each share, and how its answers are recognised."""

import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, cast

from toril.errors import InfrastructureError
from toril.records import DeployedWorker, Deployment, Plan, Share

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import RunTaskRequestTypeDef, TagTypeDef, TaskTypeDef

Capacity = Literal["FARGATE", "FARGATE_SPOT"]

RUN, WORKER, ATTEMPT = "TORIL_RUN", "TORIL_WORKER", "TORIL_ATTEMPT"
STARTED_BY_MOST = 128  # characters; letters, digits, hyphens, slashes and underscores
MOST_TAGS = 50
NOT_IN_TAGS = re.compile(r"[^\w\s.:/=+\-@]", re.ASCII)
NEEDS_JVM = frozenset({"jmeter", "gatling", "grinder"})
NEEDS_BROWSER = frozenset({"selenium", "playwright"})


def started_by(run_id: str) -> str:
    """What tells a run's tasks from all others in `ListTasks`: its id, or one made from it where ECS takes no such."""
    if re.fullmatch(r"[A-Za-z0-9_/-]{1,128}", run_id):
        return run_id
    hashed = hashlib.sha256(run_id.encode()).hexdigest()[:16]
    return re.sub(r"[^A-Za-z0-9_/-]", "_", run_id)[: STARTED_BY_MOST - 17] + "_" + hashed


def token(run_id: str, worker: str, attempt: str, capacity: Capacity, refused: int) -> str:
    """The idempotency of a RunTask: the same as long as no answer is known, another after each refusal."""
    text = "\n".join((run_id, worker, attempt, capacity, str(refused)))
    return hashlib.sha256(text.encode()).hexdigest()


def run_task(
    plan: Plan, share: Share, attempt: str, deployment: Deployment, kind: DeployedWorker, capacity: Capacity
) -> "RunTaskRequestTypeDef":
    """The request for one worker, but for its client token; overrides name the share, everything else is stored."""
    size = plan.task
    variables = {RUN: plan.run_id, WORKER: share.worker, ATTEMPT: attempt}
    overrides: dict[str, Any] = {
        "containerOverrides": [
            {"name": kind.container, "environment": [{"name": key, "value": one} for key, one in variables.items()]}
        ]
    }
    if size is not None:
        overrides |= {"cpu": str(size.cpu), "memory": str(size.memory_mib)}
        if size.storage_gib is not None:
            overrides["ephemeralStorage"] = {"sizeInGiB": size.storage_gib}
    request = {
        "cluster": deployment.cluster,
        "taskDefinition": kind.task_definition,
        "count": 1,
        "capacityProviderStrategy": [{"capacityProvider": capacity, "weight": 1}],
        "platformVersion": deployment.platform_version,
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": list(deployment.network.subnets),
                "securityGroups": list(deployment.network.security_groups),
                "assignPublicIp": "ENABLED" if deployment.network.public_addresses else "DISABLED",
            }
        },
        "overrides": overrides,
        "startedBy": started_by(plan.run_id),
        "enableECSManagedTags": True,
        "tags": tags(plan, share),
    }
    return cast("RunTaskRequestTypeDef", request)


def tags(plan: Plan, share: Share) -> "list[TagTypeDef]":
    """Our own, then the run's as far as AWS takes them."""
    own = {
        "toril:run": plan.run_id,
        "toril:suite": plan.suite,
        "toril:worker": share.worker,
        "toril:location": share.location,
    }
    given = {f"toril:tag:{key}": value for key, value in sorted(plan.tags.items())}
    all_of_them = [
        (NOT_IN_TAGS.sub("_", key)[:128], NOT_IN_TAGS.sub("_", value)[:256]) for key, value in {**own, **given}.items()
    ]
    return [{"key": key, "value": value} for key, value in dict(all_of_them[:MOST_TAGS]).items()]


def failure_of(answer: Any) -> str:
    """Why a RunTask started nothing; empty where AWS does not say."""
    for one in answer.get("failures", []):
        return " ".join(filter(None, (one.get("reason"), one.get("detail"))))
    return ""


def attempt_of(task: "TaskTypeDef") -> tuple[str, str] | None:
    """The worker and the attempt that a task was started for; None when it is no worker's."""
    said = dict(_environment(task))
    return (said[WORKER], said[ATTEMPT]) if WORKER in said and ATTEMPT in said else None


def _environment(task: "TaskTypeDef") -> Iterator[tuple[str, str]]:
    for container in task.get("overrides", {}).get("containerOverrides", []):
        for one in container.get("environment", []):
            yield one.get("name", ""), one.get("value", "")


def kind_for(plan: Plan, deployment: Deployment) -> DeployedWorker:
    """The worker that a region uses for this plan; InfrastructureError says what it has, and the fix."""
    architecture = "arm64" if plan.task is None else plan.task.architecture
    executors = {execution.executor for execution in plan.executions}
    if executors & NEEDS_BROWSER and executors & NEEDS_JVM:
        raise InfrastructureError(
            f"{', '.join(sorted(executors))}: no image has both Chromium and a JVM, which would fight for its memory; "
            "use locust or vegeta beside browsers, or two runs"
        )
    wanted = _flavours(executors)
    here = {one.flavour: one for one in deployment.workers if one.architecture == architecture}
    if not here:
        others = ", ".join(sorted({one.architecture for one in deployment.workers})) or "none"
        raise InfrastructureError(
            f"{deployment.region} has no workers for {architecture}, only for {others}; "
            f"set toril.worker.arch, or add {architecture} to the stack's `architectures`"
        )
    found = next((here[name] for name in wanted if name in here), None)
    if found is None:
        raise InfrastructureError(
            f"{deployment.region} has the workers {', '.join(sorted(here))}, and {', '.join(sorted(executors))} needs "
            f"{' or '.join(wanted)}; add it to the stack's `flavours`"
        )
    if found.digest is None:
        raise InfrastructureError(
            f"{deployment.region} has no image for {found.flavour} yet; push one, and `pulumi up` its stack"
        )
    return found


def _flavours(executors: set[str]) -> tuple[str, ...]:
    """By what they bring, the smallest that will do first."""
    if executors & NEEDS_BROWSER:
        return ("browser",)
    return ("full",) if executors & NEEDS_JVM else ("slim", "full", "browser")
