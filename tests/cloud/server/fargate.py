"""The validation of task definitions by Fargate."""

from typing import Any

from tests.cloud.server.errors import Refusal

GIB = 1024
MEMORY_MIB: dict[int, list[int]] = {  # by CPU units; source: AWS, task definition parameters for Fargate
    256: [512, GIB, 2 * GIB],
    512: [GIB * size for size in range(1, 5)],
    1024: [GIB * size for size in range(2, 9)],
    2048: [GIB * size for size in range(4, 17)],
    4096: [GIB * size for size in range(8, 31)],
    8192: [GIB * size for size in range(16, 61, 4)],
    16384: [GIB * size for size in range(32, 121, 8)],
    32768: [GIB * size for size in (60, 120, 244)],
}
STOP_TIMEOUT_MOST_S = 120
STORAGE_GIB = range(21, 201)
NOT_ON_FARGATE = ("privileged", "extraHosts", "dnsServers", "dnsSearchDomains", "links", "dockerSecurityOptions")
AWSLOGS_OPTIONS = ("awslogs-group", "awslogs-region", "awslogs-stream-prefix")


def canonical(request: dict[str, Any]) -> dict[str, Any]:
    """Returns the request with CPU units and MiB, as ECS returns them. Raises Refusal like Fargate."""
    if "FARGATE" not in request.get("requiresCompatibilities", ()):
        return request
    if request.get("networkMode") != "awsvpc":
        raise _wrong("Networking mode must be 'awsvpc' for Fargate.")
    if "cpu" not in request or "memory" not in request:
        raise _wrong("Fargate requires that 'cpu' and 'memory' be defined at the task level.")
    cpu, memory = _size(request["cpu"], request["memory"])
    _check_containers(request["containerDefinitions"], cpu, memory)
    for one in request["containerDefinitions"]:
        _check_container(one, request.get("executionRoleArn"))
    _check_storage(request.get("ephemeralStorage"))
    return {**request, "cpu": str(cpu), "memory": str(memory)}


def overridden(overrides: dict[str, Any], definition: dict[str, Any]) -> dict[str, Any]:
    """Returns the sizes of a task with overrides. Raises Refusal for a size that Fargate lacks."""
    cpu, memory = _size(overrides.get("cpu", definition["cpu"]), overrides.get("memory", definition["memory"]))
    of = {one.get("name"): one for one in overrides.get("containerOverrides", ())}
    _check_containers([{**one, **of.get(one["name"], {})} for one in definition["containerDefinitions"]], cpu, memory)
    _check_storage(overrides.get("ephemeralStorage"))
    sizes = {"cpu": str(cpu), "memory": str(memory)}
    storage = overrides.get("ephemeralStorage")
    return {**sizes, **({"ephemeralStorage": storage} if storage else {})}


def _size(cpu_text: str, memory_text: str) -> tuple[int, int]:
    """Returns CPU units and MiB."""
    cpu, memory = _units(cpu_text, "vcpu", 1024), _units(memory_text, "gb", GIB)
    if cpu not in MEMORY_MIB:
        raise _wrong("Invalid 'cpu' setting for task.")
    if memory not in MEMORY_MIB[cpu]:
        raise _wrong(f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory.")
    return cpu, memory


def _check_storage(asked: dict[str, Any] | None) -> None:
    if asked is not None and asked["sizeInGiB"] not in STORAGE_GIB:
        raise _wrong(f"ephemeralStorage.sizeInGiB is between {STORAGE_GIB[0]} and {STORAGE_GIB[-1]}.")


def _units(text: str, unit: str, factor: int) -> int:
    plain = text.lower().replace(" ", "")
    try:
        return int(float(plain.removesuffix(unit)) * factor) if plain.endswith(unit) else int(plain)
    except ValueError as error:
        raise _wrong(f"Invalid setting for task: '{text}'") from error


def _check_containers(containers: list[dict[str, Any]], cpu: int, memory: int) -> None:
    names = [one.get("name") for one in containers]
    if len(set(names)) != len(names):
        raise _wrong("Container names must be unique.")
    if not any(one.get("essential", True) for one in containers):
        raise _wrong("At least one container must be essential.")
    if sum(one.get("cpu", 0) for one in containers) > cpu:
        raise _wrong("The containers' CPU units are more than the task's.")
    if sum(one.get("memory") or one.get("memoryReservation", 0) for one in containers) > memory:
        raise _wrong("The containers' memory is more than the task's.")


def _check_container(container: dict[str, Any], execution_role: str | None) -> None:
    for name in NOT_ON_FARGATE:
        if container.get(name):
            raise _wrong(f"The '{name}' parameter is not supported on Fargate.")
    if container.get("stopTimeout", 0) > STOP_TIMEOUT_MOST_S:
        raise _wrong(f"stopTimeout is at most {STOP_TIMEOUT_MOST_S} seconds on Fargate.")
    logging = container.get("logConfiguration") or {}
    if logging.get("logDriver") == "awslogs":
        missing = [name for name in AWSLOGS_OPTIONS if not logging.get("options", {}).get(name)]
        if missing:
            raise _wrong(f"Log driver awslogs requires options: {', '.join(missing)}")
        if not execution_role:
            raise _wrong("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
    if ".dkr.ecr" in container.get("image", "") and not execution_role:
        raise _wrong("Fargate requires task definition to have execution role ARN to support ECR images.")
    if container.get("secrets") and not execution_role:
        raise _wrong("Fargate requires task definition to have execution role ARN to support secrets.")


def _wrong(message: str) -> Refusal:
    return Refusal("ClientException", message)
