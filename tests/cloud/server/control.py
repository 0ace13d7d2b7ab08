"""What a test tells the cloud beside AWS's own interfaces: paths below /_embedded/."""

import json
from collections.abc import Callable
from typing import Any

from ministack import app as gateway
from ministack.core.responses import request_scope
from ministack.services import ecs as ecs_tasks

from tests.cloud.server import decisions as iam_decisions
from tests.cloud.server import ecs, processes, quotas, run_task, scheduler, services, state
from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import FAULTS, Fault

PREFIX = "/_embedded/"
Asked = dict[str, Any]


def ready(asked: Asked) -> Asked:
    """Nothing: an answer is the answer."""
    return {}


def reset(asked: Asked) -> Asked:
    """Forget everything."""
    gateway._reset_all_state()
    state.reset()
    return {}


def quota(asked: Asked) -> Asked:
    """Set one of Fargate's quotas in one region."""
    if asked["code"] not in quotas.NAMES:
        raise KeyError(asked["code"])
    with request_scope(asked["account"], asked["region"]):
        quotas.VALUES.here()[asked["code"]] = float(asked["value"])
    return {}


def image(asked: Asked) -> Asked:
    """Say what an image runs."""
    processes.IMAGES[asked["name"]] = processes.Image(
        entrypoint=tuple(asked["entrypoint"]),
        command=tuple(asked["command"]),
        environment=dict(asked["environment"]),
        workdir=asked["workdir"],
    )
    return {}


def failures(asked: Asked) -> Asked:
    """Let the next tasks of one region come to failures instead, one for each of the list."""
    with request_scope(asked["account"], asked["region"]):
        run_task.FAILURES.here().extend(asked["failures"])
    return {}


def fault(asked: Asked) -> Asked:
    """Answer the next calls of an operation with an error."""
    if asked["service"] not in {one.name for one in services.KNOWN}:
        raise ValueError(f"no such service: {asked['service']}")
    error = Refusal(asked["code"], asked["message"], asked["status"])
    one = Fault(service=asked["service"], operation=asked["operation"], error=error, times=asked["times"])
    FAULTS.append(one)
    return {}


def interrupt(asked: Asked) -> Asked:
    """Take a task away, as Fargate Spot does."""
    region, account = asked["task"].split(":")[3:5]
    with request_scope(account, region):
        task = ecs_tasks._tasks[asked["task"]]
        ecs.stop(task, "Your Spot Task was interrupted.", "SpotInterruption")
    return {}


def invocations(asked: Asked) -> Asked:
    """What the schedules of one region have come to."""
    with request_scope(asked["account"], asked["region"]):
        return {"invocations": list(scheduler.INVOCATIONS.here())}


def decisions(asked: Asked) -> Asked:
    """What IAM has decided since the last reset."""
    return {"decisions": iam_decisions.told()}


COMMANDS: dict[str, Callable[[Asked], Asked]] = {
    "ready": ready,
    "reset": reset,
    "quota": quota,
    "image": image,
    "failures": failures,
    "invocations": invocations,
    "decisions": decisions,
    "fault": fault,
    "interrupt": interrupt,
}


def answer(path: str, body: bytes) -> tuple[int, bytes]:
    name = path.removeprefix(PREFIX)
    if name not in COMMANDS:
        return 404, json.dumps({"error": f"no such command: {name}"}).encode()
    try:
        return 200, json.dumps(COMMANDS[name](json.loads(body or b"{}"))).encode()
    except (KeyError, TypeError, ValueError) as error:
        return 400, json.dumps({"error": repr(error)}).encode()
