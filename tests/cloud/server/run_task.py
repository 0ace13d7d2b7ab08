"""ECS's RunTask with AWS's rules: Fargate only, ten tasks per call, idempotent client tokens, partial failures."""

import json
import re
from collections.abc import Iterator
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2, ecs

from tests.cloud.server import fargate, task_faults
from tests.cloud.server.errors import Refusal
from tests.cloud.server.state import Regional

TASKS_PER_CALL = 10
OVERRIDES_MOST_CHARACTERS = 8192
STARTED_BY = re.compile(r"[A-Za-z0-9/_-]{1,128}")
CLIENT_TOKEN = re.compile(r"[!-~]{1,64}")
TAGS_PER_TASK = 50
FARGATE = {"FARGATE", "FARGATE_SPOT"}
Request = dict[str, Any]
FAILURES: Regional[list[dict[str, str]]] = Regional(list)  # failures that replace the next tasks of a region
TOKENS: Regional[dict[tuple[str, str], tuple[str, list[str]]]] = Regional(dict)


def run(request: Request) -> tuple[int, dict[str, str], bytes]:
    cluster = cluster_of(request)
    definition = _definition(request)
    count = request.get("count", 1)
    if not 1 <= count <= TASKS_PER_CALL:
        raise _invalid(f"Count must be between 1 and {TASKS_PER_CALL}.")
    if not STARTED_BY.fullmatch(request.get("startedBy", "-")):
        raise _invalid("startedBy has at most 128 letters, digits, hyphens, slashes and underscores.")
    tags = _tags(request, definition)
    _check_network(request, definition)
    _check_overrides(request, definition)
    sizes = fargate.overridden(request.get("overrides") or {}, definition)
    token = request.get("clientToken")
    asked = json.dumps({name: value for name, value in request.items() if name != "clientToken"}, sort_keys=True)
    if not CLIENT_TOKEN.fullmatch(token or "-"):
        raise _invalid("clientToken has at most 64 characters, without spaces.")
    if token is not None and (cluster["clusterName"], token) in TOKENS.here():
        return _again(cluster, token, asked)
    failures = [FAILURES.here().pop(0) for _ in range(min(count, len(FAILURES.here())))]
    tasks: list[dict[str, Any]] = []
    for provider, number in _placed(request, cluster, count - len(failures)):
        one = {name: value for name, value in request.items() if name not in ("launchType", "capacityProviderStrategy")}
        if provider is None:
            one["launchType"] = "FARGATE"
        else:
            one["capacityProviderStrategy"] = [{"capacityProvider": provider, "weight": 1}]
        one["tags"] = tags
        for twin in range(2 if task_faults.STARTS.here().twins else 1):
            status, headers, body = ecs._run_task({**one, "count": number})
            if status != 200:
                return status, headers, body
            started = json.loads(body)["tasks"]
            _correct(started, sizes)
            tasks += [] if twin else started
    task_faults.STARTS.here().twins = max(0, task_faults.STARTS.here().twins - 1)
    if token is not None:
        TOKENS.here()[cluster["clusterName"], token] = (asked, [task["taskArn"] for task in tasks])
    return _said(tasks, [_failure(one) for one in failures])


def _tags(request: Request, definition: dict[str, Any]) -> list[dict[str, str]]:
    """Returns the tags of the tasks: those of the request and, if it propagates them, of the task definition."""
    propagated = request.get("propagateTags") == "TASK_DEFINITION"
    inherited = ecs._tags.get(definition["taskDefinitionArn"], []) if propagated else []
    tags = {one["key"]: one for one in (*inherited, *request.get("tags", ()))}
    if len(tags) > TAGS_PER_TASK:
        raise _invalid(f"A task has at most {TAGS_PER_TASK} tags.")
    return list(tags.values())


def _correct(tasks: list[dict[str, Any]], sizes: dict[str, Any]) -> None:
    """Removes members that Fargate lacks, and sets the sizes of the overrides."""
    for shown in tasks:
        for task in (shown, ecs._tasks[shown["taskArn"]]):
            task.pop("containerInstanceArn", None)
            if not task.get("capacityProviderName"):
                task.pop("capacityProviderName", None)
            task.update(sizes)


def cluster_of(request: Request) -> dict[str, Any]:
    name = ecs._resolve_cluster_name(request.get("cluster", "default"))
    cluster: dict[str, Any] | None = ecs._clusters.get(name)
    if cluster is None or cluster["status"] != "ACTIVE":
        raise Refusal("ClusterNotFoundException", "Cluster not found.")
    return cluster


def _definition(request: Request) -> dict[str, Any]:
    reference = request["taskDefinition"]
    definition: dict[str, Any] | None = ecs._task_defs.get(ecs._resolve_td_key(reference))
    if definition is None:
        raise Refusal("ClientException", f"TaskDefinition not found: {reference}.")
    if definition["status"] != "ACTIVE":
        raise Refusal("ClientException", "TaskDefinition is inactive")
    return definition


def _check_network(request: Request, definition: dict[str, Any]) -> None:
    network = (request.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if definition["networkMode"] == "awsvpc" and not network:
        raise _invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    for one in (network or {}).get("subnets", ()):
        if one not in ec2._subnets:
            raise _invalid(f"Error retrieving subnet information for [{one}]: The subnet ID '{one}' does not exist")
    for one in (network or {}).get("securityGroups", ()):
        if one not in ec2._security_groups:
            raise _invalid(f"Error retrieving security group information for [{one}]: '{one}' does not exist")


def _check_overrides(request: Request, definition: dict[str, Any]) -> None:
    overrides = request.get("overrides") or {}
    if len(json.dumps(overrides, separators=(",", ":"))) > OVERRIDES_MOST_CHARACTERS:
        raise _invalid(f"Container Overrides length must be at most {OVERRIDES_MOST_CHARACTERS}")
    names = {one["name"] for one in definition["containerDefinitions"]}
    for one in overrides.get("containerOverrides", ()):
        if one.get("name") not in names:
            raise _invalid(f"Override for container named {one.get('name')} is not a container in the TaskDefinition.")


def _placed(request: Request, cluster: dict[str, Any], count: int) -> Iterator[tuple[str | None, int]]:
    """Yields the number of tasks of each capacity provider. None is the launch type FARGATE."""
    strategy = request.get("capacityProviderStrategy")
    if strategy and "launchType" in request:
        raise _invalid("Specify a launch type or a capacity provider strategy, not both.")
    strategy = strategy or ("launchType" not in request and cluster.get("defaultCapacityProviderStrategy"))
    if not strategy:
        if request.get("launchType") != "FARGATE":
            raise _invalid("No Container Instances were found in your cluster.")
        if count:
            yield None, count
        return
    for one in strategy:
        if one["capacityProvider"] not in cluster.get("capacityProviders", ()):
            raise _invalid(f"The capacity provider {one['capacityProvider']} is not associated with the cluster.")
    numbers = dict.fromkeys((one["capacityProvider"] for one in strategy), 0)
    for one in strategy:
        numbers[one["capacityProvider"]] = min(one.get("base", 0), count - sum(numbers.values()))
    weights = {one["capacityProvider"]: one.get("weight", 0) for one in strategy}
    if sum(numbers.values()) < count and not any(weights.values()):
        raise _invalid("At least one capacity provider must have a weight greater than zero.")
    placed = dict.fromkeys(numbers, 0)
    while sum(numbers.values()) < count:
        least = min((name for name in weights if weights[name]), key=lambda name: (placed[name] + 1) / weights[name])
        placed[least] += 1
        numbers[least] += 1
    yield from ((name, number) for name, number in numbers.items() if number)


def _again(cluster: dict[str, Any], token: str, asked: str) -> tuple[int, dict[str, str], bytes]:
    before, arns = TOKENS.here()[cluster["clusterName"], token]
    if before != asked:
        message = "The client token was used with other parameters."
        raise Refusal("ConflictException", message, more={"resourceIds": arns})
    return _said([ecs._sanitize(ecs._tasks[arn]) for arn in arns if arn in ecs._tasks], [])


def _failure(asked: dict[str, str]) -> dict[str, str]:
    arn = f"arn:aws:ecs:{get_region()}:{get_account_id()}:capacity-provider/FARGATE"
    return {"arn": arn, **asked}


def _said(tasks: list[dict[str, Any]], failures: list[dict[str, str]]) -> tuple[int, dict[str, str], bytes]:
    answer: tuple[int, dict[str, str], bytes] = ecs.json_response({"tasks": tasks, "failures": failures})
    return answer


def _invalid(message: str) -> Refusal:
    return Refusal("InvalidParameterException", message)
