"""Which tasks of a run a region has, whoever started them; and their end."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from toril.clock import Clock
from toril.launchers.fargate import requests
from toril.launchers.fargate.calls import Refused, call, patiently
from toril.records import Deployment

Status = Literal["RUNNING", "STOPPED"]

MOST_DESCRIBED = 100  # tasks in a call
AT_ONCE = 8
# ListTasks may not know at once what RunTask has started, least of all where nobody heard RunTask's answer.
LOOKS_WHERE_UNCERTAIN, BETWEEN_LOOKS_S = 3, 2.0


def own_tasks(ecs: Any, deployment: Deployment, run_id: str, status: Status) -> list[Any]:
    """The descriptions of a run's tasks in a region, running or stopped; Refused when AWS does not say."""
    return described(ecs, deployment, _listed(ecs, deployment, run_id, status))


def all_tasks(ecs: Any, deployment: Deployment, status: Status) -> list[Any]:
    """The same of all tasks of the cluster, whosever they are; ECS forgets a stopped one after an hour."""
    return described(ecs, deployment, listed(ecs, deployment, desiredStatus=status))


def listed(ecs: Any, deployment: Deployment, **filters: str) -> list[str]:
    """The ARNs of the cluster's tasks that the filters let through, page by page."""
    arns: list[str] = []
    more: dict[str, str] = {}
    while True:
        answer = call(ecs.list_tasks, "ecs:ListTasks", cluster=deployment.cluster, **filters, **more)
        arns += answer["taskArns"]
        if not answer.get("nextToken"):
            return arns
        more = {"nextToken": answer["nextToken"]}


def described(ecs: Any, deployment: Deployment, arns: Sequence[str]) -> list[Any]:
    """What ECS says of these tasks, as many at a time as it takes."""
    found: list[Any] = []
    for first in range(0, len(arns), MOST_DESCRIBED):
        some = arns[first : first + MOST_DESCRIBED]
        found += call(ecs.describe_tasks, "ecs:DescribeTasks", cluster=deployment.cluster, tasks=some)["tasks"]
    return found


def stop_all(
    ecs: Any,
    deployment: Deployment,
    run_id: str,
    why: str,
    clock: Clock,
    known: Iterable[str] = (),
    *,
    uncertain: bool = False,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Stop every task of a run in a region: the ARNs of those that ran still, and what could not be done.

    `known`: tasks to be stopped although ECS may not list them yet. `uncertain`: there may be more that it does not.
    """
    stopped: dict[str, None] = {}
    unlisted, problems = "", list[str]()
    for look in range(LOOKS_WHERE_UNCERTAIN if uncertain else 1):
        if look:
            clock.sleep(BETWEEN_LOOKS_S)
        there = dict.fromkeys(known)
        try:
            listed = patiently(clock, run_id, lambda: _listed(ecs, deployment, run_id, "RUNNING"))
            there |= dict.fromkeys(listed)
            unlisted = ""
        except Refused as refused:
            unlisted = f"{deployment.region}: tasks of {run_id} may still run: {refused.said}"
        new = [arn for arn in there if arn not in stopped]
        stopped |= dict.fromkeys(new)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            said = pool.map(lambda arn: _stop(ecs, deployment, arn, why, clock), new)
            problems += [one for one in said if one]
    return tuple(stopped), tuple(filter(None, (unlisted, *problems)))


def _stop(ecs: Any, deployment: Deployment, arn: str, why: str, clock: Clock) -> str:
    """What went wrong, or nothing."""
    request = {"cluster": deployment.cluster, "task": arn, "reason": f"toril: {why}"}
    try:
        patiently(clock, arn, lambda: call(ecs.stop_task, "ecs:StopTask", **request))
    except Refused as refused:
        if refused.code == "InvalidParameterException" and "not found" in refused.said:
            return ""  # it is no more
        return f"{deployment.region}: {arn} may still run: {refused.said}"
    return ""


def _listed(ecs: Any, deployment: Deployment, run_id: str, status: Status) -> list[str]:
    return listed(ecs, deployment, startedBy=requests.started_by(run_id), desiredStatus=status)
