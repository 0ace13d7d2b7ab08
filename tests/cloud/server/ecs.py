"""Amazon ECS on Fargate: tasks are processes, and calls fail with AWS's errors."""

import logging
import os
import threading
from contextlib import suppress
from typing import Any

from ministack.core.concurrency import resource_lock
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import ecs

from tests.cloud.server import containers, fargate, run_task, task_faults
from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Service
from tests.cloud.server.processes import CLIENT, STOP_TIMEOUT_S

Request = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]
DESCRIBED_AT_ONCE = 100
FARGATE_INJECTED = {"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}
ESSENTIAL_EXITED = "Essential container in task exited"
CANNOT_START = (
    "ResourceInitializationError: unable to pull image or start container: ",  # MiniStack's wording, and AWS's
    "CannotStartContainerError: ",
)
_build, _register = ecs._build_run_kwargs, ecs._register_task_definition
_mark_stopped = ecs._mark_task_stopped


def install() -> None:
    """Runs tasks as processes, and replaces MiniStack's RunTask and StopTask by ours."""
    ecs._get_docker = lambda: CLIENT
    ecs._build_run_kwargs = _run_options
    ecs._mark_task_stopped = _stopped
    if os.environ.get("TASKS") == "containers":
        containers.install()
    ecs._ACTION_MAP.update(
        RunTask=run_task.run, StopTask=_stop_task, RegisterTaskDefinition=lambda one: _register(fargate.canonical(one))
    )


def _run_options(container: dict[str, Any], definition: dict[str, Any], environment: dict[str, str], *more: Any) -> Any:
    """Returns MiniStack's options with additions."""
    options = _build(container, definition, environment, *more)
    options.pop("platform", None)  # the pull uses it
    if definition.get("cpu"):
        task = ecs._tasks[options["labels"]["com.amazonaws.ecs.task-arn"]]
        sizes = fargate.overridden(task["overrides"], definition)
        options["limits"] = containers.limits_of(container, sizes, definition.get("runtimePlatform") or {})
    if container.get("entryPoint"):
        options["entrypoint"] = container["entryPoint"]
    region = get_region()
    variables = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, **FARGATE_INJECTED}
    options["environment"] = {**variables, **options["environment"]}
    return options


def _stopped(task_arn: str, task: dict[str, Any], reason: str, code: str, exit_code: int | None = None) -> bool:
    """Stops a task with AWS's wording of the reason."""
    for container_id in task.get("_docker_ids") or ():
        with suppress(KeyError):
            task["_out_of_memory"] = task.get("_out_of_memory") or CLIENT.get(container_id).out_of_memory
    task_faults.set_reason(task)
    wording = ESSENTIAL_EXITED if code == "EssentialContainerExited" else reason.replace(*CANNOT_START)
    return bool(_mark_stopped(task_arn, task, wording, code, exit_code=exit_code))


def _stop_task(request: Request) -> Answer:
    """Answers immediately. The task gets SIGTERM, its containers' stopTimeout and SIGKILL, and keeps its exit codes."""
    cluster = run_task.cluster_of(request)
    task = ecs._resolve_task(request["task"], cluster["clusterName"])
    if not task:
        raise Refusal("InvalidParameterException", "The referenced task was not found.")
    stop(task, request.get("reason", "Task stopped by user"), "UserInitiated")
    answer: Answer = ecs.json_response({"task": ecs._sanitize(task)})
    return answer


def stop(task: dict[str, Any], reason: str, code: str) -> None:
    """Starts the stop of a task, unless it is already stopping."""
    with resource_lock("ecs-task", task["taskArn"]):
        if task["desiredStatus"] == "STOPPED":
            return
        task["desiredStatus"], task["stoppingAt"] = "STOPPED", ecs._iso()
        ecs._bump_task_version(task)
    scope = (get_account_id(), get_region())
    threading.Thread(target=_stop, args=(task, reason, code, *scope), daemon=True).start()


def _stop(task: dict[str, Any], reason: str, code: str, account: str, region: str) -> None:
    with request_scope(account, region):
        definition = ecs._task_defs[ecs._resolve_td_key(task["taskDefinitionArn"])]
        timeouts = [one.get("stopTimeout", STOP_TIMEOUT_S) for one in definition["containerDefinitions"]]
        stopping = []
        for at, container_id in enumerate(list(task.get("_docker_ids") or ())):
            stopping.append(threading.Thread(target=_stop_container, args=(task, at, container_id, timeouts[at])))
            stopping[-1].start()
        for one in stopping:
            one.join()
        with resource_lock("ecs-task", task["taskArn"]):
            task["desiredStatus"] = "RUNNING"  # _mark_task_stopped skips a task that is already stopping
        _stopped(task["taskArn"], task, reason, code)
        ecs._cleanup_task_resources(task, CLIENT)


def _stop_container(task: dict[str, Any], at: int, container_id: str, timeout_s: float) -> None:
    try:
        container = CLIENT.get(container_id)
    except KeyError:
        logging.getLogger("ecs").info("%s had ended", container_id)
        return
    container.stop(timeout_s)
    task["containers"][at]["exitCode"] = container.wait()["StatusCode"]


def check_delete_cluster(request: Request) -> None:
    cluster = run_task.cluster_of(request)
    there = [one for one in ecs._tasks.values() if one["clusterArn"] == cluster["clusterArn"]]
    if any(one["lastStatus"] != "STOPPED" for one in there):
        raise Refusal("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")


def check_providers(request: Request) -> None:
    providers = request.get("capacityProviders", [])
    unknown = [one for one in providers if one not in run_task.FARGATE and one not in ecs._capacity_providers]
    if unknown:
        raise Refusal("InvalidParameterException", f"The specified capacity provider was not found: {unknown[0]}")
    strategy = [one["capacityProvider"] for one in request.get("defaultCapacityProviderStrategy", ())]
    if any(one not in providers for one in strategy):
        raise Refusal("InvalidParameterException", "The default strategy names a provider that is not the cluster's.")


def check_described(request: Request) -> None:
    run_task.cluster_of(request)
    if len(request["tasks"]) > DESCRIBED_AT_ONCE:
        raise Refusal("InvalidParameterException", f"Tasks cannot be more than {DESCRIBED_AT_ONCE}.")


def check_listed(request: Request) -> None:
    """Allows `startedBy` only without other filters than the cluster, like AWS."""
    run_task.cluster_of(request)
    others = [one for one in ("family", "serviceName", "containerInstance") if one in request]
    if "startedBy" in request and others:
        raise Refusal("InvalidParameterException", "Cannot use multiple filters with startedBy.")


def check_cluster(request: Request) -> None:
    run_task.cluster_of(request)


SERVICE = Service(
    name="ecs",
    model="ecs",
    invalid="InvalidParameterException",
    checks={
        "DeleteCluster": check_delete_cluster,
        "CreateCluster": check_providers,
        "PutClusterCapacityProviders": check_providers,
        "UpdateCluster": check_cluster,
        "ListTasks": check_listed,
        "DescribeTasks": check_described,
    },
)
