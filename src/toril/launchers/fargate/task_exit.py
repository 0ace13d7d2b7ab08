"""The reason why a task ended: AWS' reason, the last log lines, and whether another attempt may succeed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from toril.aws.client import call
from toril.aws.errors import AwsError
from toril.clock import Clock
from toril.launchers import WorkerExit
from toril.launchers.fargate import tasks
from toril.records import DeployedWorker, Deployment, Plan

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import TaskTypeDef

KILLED = 137
LOG_LINES, LOG_CHARACTERS = 5, 600
LOG_PREFIX = "worker"  # of log streams, as in the stack's task definitions
TEMPORARY_START_FAILURE = re.compile(
    "timeout|timed out|deadline exceeded|network interface|internal ?error|toomanyrequests|rate exceeded"
    "|service unavailable|capacity|connection reset|status code:? 5[0-9][0-9]|50[0234] [a-z]",
    re.IGNORECASE,
)
PULL_FIX = (
    "; the registry or its cache lacks the image, the execution role may not pull it, or the network has no way to the "
    "registry: run `toril doctor --on fargate`"
)
NO_CAPACITY = ("capacity", "limit on the number of")  # temporary: other tasks may end
TEMPORARY_REFUSAL = ("resource:", "throttl", "rate exceeded", "internal", "try again")  # in RunTask's `failures`


def is_full(reason: str) -> bool:
    """Returns whether AWS refused for lack of capacity, in the region or in the account's quota."""
    return any(phrase in reason.lower() for phrase in NO_CAPACITY)


def passes(reason: str) -> bool:
    """Returns whether a reason in RunTask's `failures` is temporary."""
    return not reason or is_full(reason) or any(phrase in reason.lower() for phrase in TEMPORARY_REFUSAL)


def exit_of(task: "TaskTypeDef", container: str) -> WorkerExit:
    """Returns why a task stopped. `container`: the worker's container; AWS may add others, such as for monitoring."""
    code, reason = task.get("stopCode", ""), task.get("stoppedReason", "").strip()
    details = [container["reason"] for container in task.get("containers", []) if container.get("reason")]
    text = "; ".join(dict.fromkeys(filter(None, (reason, *details)))) or code or "AWS gives no reason"
    if code == "TaskFailedToStart":
        again = TEMPORARY_START_FAILURE.search(text) is not None
        if "CannotPullContainer" in text and not again:
            text += PULL_FIX
        return WorkerExit(f"its task failed to start: {text}", again=again, code="failed-to-start")
    if code in ("SpotInterruption", "TerminationNotice") or "spot" in reason.lower():
        return WorkerExit(f"Fargate Spot interrupted its task: {text}", again=True, code="spot-interruption")
    if code == "InfrastructureHealth" or "maintenance" in reason.lower():
        return WorkerExit(f"AWS retired the machine of its task: {text}", again=True, code="machine-retired")
    if "outofmemory" in text.lower().replace(" ", ""):
        return WorkerExit(f"it ran out of memory; raise `toril.worker.memory`: {text}", code="out-of-memory")
    if code == "UserInitiated":
        return WorkerExit(f"its task was stopped: {text}", code="stopped")
    exited = exit_code(task, container)
    how = "its container ended" if exited is None else f"its container ended with exit code {exited}"
    if exited == KILLED:
        how += " (killed, probably for lack of memory; raise `toril.worker.memory`)"
    return WorkerExit(f"{how}: {text}", code="exited")


def exit_code(task: "TaskTypeDef", container: str) -> int | None:
    """Returns the exit code of the worker's container; None if the container never ran."""
    return next((part.get("exitCode") for part in task.get("containers", []) if part.get("name") == container), None)


@dataclass(frozen=True, slots=True)
class TaskExits:
    """Reads why a run's tasks ended in one region."""

    plan: Plan
    deployment: Deployment
    kind: DeployedWorker
    logs: Any
    clock: Clock

    def twins(self, ecs: Any, stopped: Sequence[Any]) -> dict[str, Any]:
        """Returns a running task of the same attempt for each stopped task that has one, by the stopped task's ARN.

        The task that is ready first keeps the attempt; the other one ends without an error.
        """
        ran = {task["taskArn"]: tasks.attempt_of(task) for task in stopped if self._exit_code(task) is not None}
        if not ran:
            return {}

        def running() -> list[Any]:
            return tasks.described(ecs, self.deployment, "RUNNING", self.plan.run_id)

        try:
            listed = tasks.repeated(self.clock, running)
        except AwsError:  # the worker counts as lost, which is the safe assumption
            return {}
        others = {tasks.attempt_of(task): task for task in listed if task["taskArn"] not in ran}
        return {arn: others[attempt] for arn, attempt in ran.items() if attempt in others}

    def read(self, task: Any, *, stopped: bool) -> WorkerExit:
        """Returns why a task ended, with its last log lines if it failed. `stopped`: toril asked it to end."""
        ended = exit_of(task, self.kind.container)
        if stopped or ended.again or self._exit_code(task) in (None, 0):
            return ended
        return replace(ended, reason=f"{ended.reason}; {self._last_lines(task['taskArn'])}")

    def _exit_code(self, task: Any) -> int | None:
        return exit_code(task, self.kind.container)

    def _last_lines(self, task_arn: str) -> str:
        """Returns the last log lines, or why they cannot be read."""
        stream = f"{LOG_PREFIX}/{self.kind.container}/{task_arn.rpartition('/')[2]}"
        try:
            answer = call(
                self.logs.get_log_events,
                "logs:GetLogEvents",
                logGroupName=self.deployment.log_group,
                logStreamName=stream,
                limit=LOG_LINES,
                startFromHead=False,
            )
        except AwsError as error:
            if error.fault.aws_code == "ResourceNotFoundException":
                return "its log is empty"
            return f"its log cannot be read: {error}"
        text = "\n".join(event["message"] for event in answer["events"]).strip()
        return f"last log lines: {text[-LOG_CHARACTERS:]}" if text else "its log is empty"
