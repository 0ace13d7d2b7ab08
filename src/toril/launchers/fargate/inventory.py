"""Which tasks of a run a region has, whoever started them; and their end."""

from typing import Any, Literal

from toril.launchers.fargate import requests
from toril.launchers.fargate.calls import Refused, call
from toril.records import Deployment

MOST_DESCRIBED = 100  # tasks in a call


def own_tasks(ecs: Any, deployment: Deployment, run_id: str, status: Literal["RUNNING", "STOPPED"]) -> list[Any]:
    """The descriptions of a run's tasks in a region, running or stopped; Refused when AWS does not say."""
    asked = {"cluster": deployment.cluster, "startedBy": requests.started_by(run_id), "desiredStatus": status}
    arns: list[str] = []
    more: dict[str, str] = {}
    while True:
        answer = call(ecs.list_tasks, "ecs:ListTasks", **asked, **more)
        arns += answer["taskArns"]
        if not answer.get("nextToken"):
            break
        more = {"nextToken": answer["nextToken"]}
    found: list[Any] = []
    for first in range(0, len(arns), MOST_DESCRIBED):
        some = arns[first : first + MOST_DESCRIBED]
        found += call(ecs.describe_tasks, "ecs:DescribeTasks", cluster=deployment.cluster, tasks=some)["tasks"]
    return found


def stop_all(ecs: Any, deployment: Deployment, run_id: str, why: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Stop every task of a run in a region: the ARNs of those that ran still, and what could not be done."""
    try:
        there = [one["taskArn"] for one in own_tasks(ecs, deployment, run_id, "RUNNING")]
    except Refused as refused:
        return (), (f"{deployment.region}: tasks of {run_id} may still run: {refused.said}",)
    problems: list[str] = []
    for arn in there:
        try:
            call(ecs.stop_task, "ecs:StopTask", cluster=deployment.cluster, task=arn, reason=f"toril: {why}")
        except Refused as refused:
            problems.append(f"{deployment.region}: {arn} may still run: {refused.said}")
    return tuple(there), tuple(problems)
