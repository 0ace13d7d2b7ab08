"""Control commands of tests, which are not part of AWS: paths below /_embedded/."""

import json
from collections.abc import Callable
from typing import Any

from ministack import app as gateway
from ministack.core import lambda_runtime
from ministack.core.responses import request_scope
from ministack.services import ecs as ecs_tasks
from ministack.services import ses

from tests.cloud.server import decisions as iam_decisions
from tests.cloud.server import (
    ecr_images,
    expired,
    faults,
    lambdas,
    network,
    processes,
    quotas,
    run_task,
    scheduler,
    services,
    state,
    task_faults,
    upstream,
)
from tests.cloud.server.errors import Refusal

PREFIX = "/_embedded/"
Asked = dict[str, Any]


def ready(asked: Asked) -> Asked:
    """Answers, which shows that the server is ready."""
    return {}


def reset(asked: Asked) -> Asked:
    """Forget everything."""
    gateway._reset_all_state()
    state.reset()
    return {}


def mend(asked: Asked) -> Asked:
    """Ends all faults, restores the quotas, forgets IAM's decisions and functions' failures. Resources stay."""
    faults.FAULTS.clear()
    iam_decisions.DECIDED.clear()
    lambdas.FAILURES.clear()
    network.STOPPED.clear()
    for values in (run_task.FAILURES, task_faults.STARTS, quotas.VALUES):
        values.clear()
    return {}


def quota(asked: Asked) -> Asked:
    """Sets a Fargate quota in one region."""
    if asked["code"] not in quotas.NAMES:
        raise KeyError(asked["code"])
    with request_scope(asked["account"], asked["region"]):
        quotas.VALUES.here()[asked["code"]] = float(asked["value"])
    return {}


def image(asked: Asked) -> Asked:
    """Sets the command of an image."""
    processes.IMAGES[asked["name"]] = processes.Image(
        entrypoint=tuple(asked["entrypoint"]),
        command=tuple(asked["command"]),
        environment=dict(asked["environment"]),
        workdir=asked["workdir"],
    )
    return {}


def findings(asked: Asked) -> Asked:
    """Sets the findings of all image scans."""
    ecr_images.FINDINGS[:] = asked["findings"]
    return {}


def failures(asked: Asked) -> Asked:
    """Turns the next tasks of one region into failures, one for each reason."""
    with request_scope(asked["account"], asked["region"]):
        run_task.FAILURES.here().extend(asked["failures"])
    return {}


def registry(asked: Asked) -> Asked:
    """Sets the behaviour of an upstream registry."""
    login = asked["login"] and (asked["login"][0], asked["login"][1])
    upstream.UPSTREAMS[asked["host"]] = upstream.Upstream(asked["up"], login)
    return {}


def starts(asked: Asked) -> Asked:
    """Sets the faults of the next tasks of one region."""
    here = task_faults.STARTS.of(asked["account"], asked["region"])
    here.failing.extend(asked.get("failing", ()))
    here.twins += asked.get("twins", 0)
    if "ready_after_s" in asked:
        here.ready_after_s = asked["ready_after_s"]
    return {}


def fault(asked: Asked) -> Asked:
    """Sets a fault of the next calls of an operation: an error or a lost answer."""
    if asked["service"] not in services.NAMES:
        raise ValueError(f"no such service: {asked['service']}")
    error = Refusal(asked["code"], asked["message"], asked["status"]) if "code" in asked else None
    options = {name: asked[name] for name in ("operation", "times", "region", "saying", "done")}
    faults.FAULTS.append(faults.Fault(service=asked["service"], error=error, **options))
    return {}


def task(asked: Asked) -> Asked:
    """Causes a fault of a task: `kill`, `freeze` or `out of memory`."""
    region, account = asked["task"].split(":")[3:5]
    with request_scope(account, region):
        found, what = ecs_tasks._tasks[asked["task"]], asked["what"]
        if what == "out of memory":
            task_faults.run_out_of_memory(found)
        else:
            task_faults.signal_task(found, what)
    return {}


def expire(asked: Asked) -> Asked:
    """Expires credentials from now on."""
    expired.KEYS.add(asked["access_key"])
    return {}


def invocations(asked: Asked) -> Asked:
    """Returns the invocations of one region's schedules."""
    with request_scope(asked["account"], asked["region"]):
        return {"invocations": list(scheduler.INVOCATIONS.here())}


def functions(asked: Asked) -> Asked:
    """Sets variables of all functions' environments, as the address of a proxy."""
    lambdas.ENVIRONMENT.clear()
    lambdas.ENVIRONMENT.update(asked)
    lambda_runtime.reset()
    return {}


def function_failures(asked: Asked) -> Asked:
    """Returns the failures of functions since the last reset or mend."""
    return {"failures": list(lambdas.FAILURES)}


def mails(asked: Asked) -> Asked:
    """Returns the mails of one region: receiver, subject and text, oldest first."""
    with request_scope(asked["account"], asked["region"]):
        found = ses._sent_emails_list()
    shown = [{"to": one["To"], "subject": one["Subject"], "text": one["BodyText"] or one["BodyHtml"]} for one in found]
    return {"mails": shown}


def stopped(asked: Asked) -> Asked:
    """Returns the requests of tasks that did not leave their VPC."""
    return {"requests": list(network.STOPPED)}


def decisions(asked: Asked) -> Asked:
    """Returns IAM's decisions since the last reset or mend."""
    return {"decisions": iam_decisions.recorded()}


COMMANDS: dict[str, Callable[[Asked], Asked]] = {
    "ready": ready,
    "reset": reset,
    "mend": mend,
    "quota": quota,
    "upstream": registry,
    "image": image,
    "failures": failures,
    "findings": findings,
    "invocations": invocations,
    "mails": mails,
    "decisions": decisions,
    "fault": fault,
    "functions": functions,
    "function-failures": function_failures,
    "starts": starts,
    "stopped": stopped,
    "task": task,
    "expire": expire,
}


def answer(path: str, body: bytes) -> tuple[int, bytes]:
    name = path.removeprefix(PREFIX)
    if name not in COMMANDS:
        return 404, json.dumps({"error": f"no such command: {name}"}).encode()
    try:
        return 200, json.dumps(COMMANDS[name](json.loads(body or b"{}"))).encode()
    except (KeyError, TypeError, ValueError) as error:
        return 400, json.dumps({"error": repr(error)}).encode()
