"""Makes the RunTask request of each worker, and lists, describes and stops a run's tasks."""

import hashlib
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from toril.aws.client import call
from toril.aws.coordinators import started_by
from toril.aws.errors import AwsError
from toril.clock import Clock, retry
from toril.errors import InfrastructureError
from toril.launchers.fargate.rate_limit import BACKOFF
from toril.records import DeployedWorker, Deployment, Plan, Share

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import RunTaskRequestTypeDef, TagTypeDef, TaskTypeDef

Value = TypeVar("Value")
Capacity = Literal["FARGATE", "FARGATE_SPOT"]
Status = Literal["RUNNING", "STOPPED"]
STATUSES: tuple[Status, ...] = ("STOPPED", "RUNNING")  # running tasks come last, and replace stopped ones

RUN, WORKER, ATTEMPT = "TORIL_RUN", "TORIL_WORKER", "TORIL_ATTEMPT"
MOST_TAGS = 40  # ECS allows 50 on a task; up to ten come from its definition
NOT_IN_TAGS = re.compile(r"[^\w\s.:/=+\-@]", re.ASCII)
NEEDS_JVM = frozenset({"jmeter", "gatling", "grinder"})
NEEDS_BROWSER = frozenset({"selenium", "playwright"})
MOST_DESCRIBED = 100  # tasks in a call
AT_ONCE = 8
# ListTasks is eventually consistent: it may omit tasks that RunTask has just started.
LISTINGS_IF_UNCERTAIN, BETWEEN_LISTINGS_S = 3, 2.0
TRIES = 4  # of a call that is not repeated later


def token(run_id: str, worker: str, attempt: str, capacity: Capacity, refused: int) -> str:
    """Returns a RunTask's idempotency token: the same until there is an answer, a new one after each refusal."""
    text = "\n".join((run_id, worker, attempt, capacity, str(refused)))
    return hashlib.sha256(text.encode()).hexdigest()


def run_task(
    plan: Plan, share: Share, attempt: str, deployment: Deployment, kind: DeployedWorker, capacity: Capacity
) -> "RunTaskRequestTypeDef":
    """Returns the request for one worker, without its token; the worker reads everything else from the store."""
    size = plan.task
    variables = {RUN: plan.run_id, WORKER: share.worker, ATTEMPT: attempt}
    overrides: dict[str, Any] = {
        "containerOverrides": [
            {"name": kind.container, "environment": [{"name": key, "value": value} for key, value in variables.items()]}
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
        "propagateTags": "TASK_DEFINITION",  # the cost tag of the stack; the task's own tags have precedence
        "tags": tags(plan, share),
    }
    return cast("RunTaskRequestTypeDef", request)


def tags(plan: Plan, share: Share) -> "list[TagTypeDef]":
    """Returns toril's own tags and the run's, up to AWS' limits."""
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
    """Returns why a RunTask started no task; empty if AWS gives no reason."""
    for failure in answer.get("failures", []):
        return " ".join(filter(None, (failure.get("reason"), failure.get("detail"))))
    return ""


def attempt_of(task: "TaskTypeDef") -> tuple[str, str] | None:
    """Returns the worker and the attempt of a task; None if it is not a worker's task."""
    containers = task.get("overrides", {}).get("containerOverrides", [])
    variables = {name.get("name"): name.get("value") for each in containers for name in each.get("environment", [])}
    worker, attempt = variables.get(WORKER), variables.get(ATTEMPT)
    return None if worker is None or attempt is None else (worker, attempt)


def kind_for(plan: Plan, deployment: Deployment) -> DeployedWorker:
    """Returns the worker that a region uses for this plan; InfrastructureError if it has no suitable one."""
    architecture = "arm64" if plan.task is None else plan.task.architecture
    executors = {execution.executor for execution in plan.executions}
    needing, region = ", ".join(sorted(executors)), deployment.region
    if executors & NEEDS_BROWSER and executors & NEEDS_JVM:
        text = f"{needing}: no worker image has both Chromium and a JVM; use locust or vegeta, or two runs"
        raise InfrastructureError(text, code="browser-and-jvm")
    wanted: tuple[str, ...] = ("slim", "full", "browser")  # images with these executors, smallest first
    if executors & (NEEDS_BROWSER | NEEDS_JVM):
        wanted = ("browser",) if executors & NEEDS_BROWSER else ("full",)
    here = {worker.flavour: worker for worker in deployment.workers if worker.architecture == architecture}
    if not here:
        others = ", ".join(sorted({worker.architecture for worker in deployment.workers})) or "none"
        fix = f"set `toril.worker.arch`, or add {architecture} to the stack's `architectures`"
        text = f"{region} has no workers for {architecture}, only for {others}; {fix}"
        raise InfrastructureError(text, code="no-such-architecture")
    kind = next((here[name] for name in wanted if name in here), None)
    if kind is None:
        text = f"{needing} needs the worker {' or '.join(wanted)}, and {region} has only {', '.join(sorted(here))}"
        raise InfrastructureError(f"{text}; add it to the stack's `flavours`", code="no-such-flavour")
    if kind.digest is None:
        fix = f"push one, then run `pulumi up --stack {region}`"
        text = f"{region} has no image for the worker {kind.flavour} yet; {fix}"
        raise InfrastructureError(text, code="no-image")
    return kind


def listed(ecs: Any, deployment: Deployment, status: Status, run_id: str | None = None) -> list[str]:
    """Returns the ARNs of a run's tasks in a region, or without a run of all tasks of the cluster.

    ECS forgets a stopped task after an hour. AwsError if the call fails.
    """
    filters = {"desiredStatus": status} | ({} if run_id is None else {"startedBy": started_by(run_id)})
    arns: list[str] = []
    while True:
        answer = call(ecs.list_tasks, "ecs:ListTasks", cluster=deployment.cluster, **filters)
        arns += answer["taskArns"]
        if not answer.get("nextToken"):
            return arns
        filters["nextToken"] = answer["nextToken"]


def described(ecs: Any, deployment: Deployment, status: Status, run_id: str | None = None) -> list[Any]:
    """Returns ECS' descriptions of the tasks that `listed` returns."""
    arns, tasks = listed(ecs, deployment, status, run_id), list[Any]()
    for first in range(0, len(arns), MOST_DESCRIBED):
        some = arns[first : first + MOST_DESCRIBED]
        tasks += call(ecs.describe_tasks, "ecs:DescribeTasks", cluster=deployment.cluster, tasks=some)["tasks"]
    return tasks


def repeated(clock: Clock, ask: Callable[[], Value]) -> Value:
    """Returns the result of `ask`, which is called up to `TRIES` times after temporary errors."""

    def after(error: Exception, failures: int) -> float | None:
        passes = isinstance(error, AwsError) and error.fault.passes
        return BACKOFF.wait_s(failures) if passes and failures < TRIES else None

    return retry(ask, after, clock)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The ARNs of the tasks that were stopped, and the problems."""

    tasks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def stop_all(
    ecs: Any,
    deployment: Deployment,
    run_id: str,
    why: str,
    clock: Clock,
    known: Iterable[str] = (),
    *,
    uncertain: bool = False,
) -> Stopped:
    """Stops every task of a run in a region.

    `known`: tasks to stop even if ECS does not list them yet. `uncertain`: other tasks may exist that ECS does not
    list yet, so it lists them several times.
    """
    stopped: dict[str, None] = {}
    unlisted, problems = "", list[str]()
    for listing in range(LISTINGS_IF_UNCERTAIN if uncertain else 1):
        if listing:
            clock.sleep(BETWEEN_LISTINGS_S)
        there = dict.fromkeys(known)
        try:
            there |= dict.fromkeys(repeated(clock, lambda: listed(ecs, deployment, "RUNNING", run_id)))
            unlisted = ""
        except AwsError as error:
            unlisted = f"{deployment.region}: tasks of {run_id} may still run: {error}"
        new = [arn for arn in there if arn not in stopped]
        stopped |= dict.fromkeys(new)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            texts = pool.map(lambda arn: _stop(ecs, deployment, arn, why, clock), new)
            problems += [problem for problem in texts if problem]
    return Stopped(tuple(stopped), tuple(filter(None, (unlisted, *problems))))


def _stop(ecs: Any, deployment: Deployment, arn: str, why: str, clock: Clock) -> str:
    """Stops a task. Returns the problem, or an empty text."""
    request = {"cluster": deployment.cluster, "task": arn, "reason": f"toril: {why}"}
    try:
        repeated(clock, lambda: call(ecs.stop_task, "ecs:StopTask", **request))
    except AwsError as error:
        if error.fault.aws_code == "InvalidParameterException" and "not found" in error.fault.message:
            return ""  # the task has ended
        return f"{deployment.region}: {arn} may still run: {error}"
    return ""
