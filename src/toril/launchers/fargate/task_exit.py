"""Why a task is gone: AWS' reason in words, the last lines of its log, and whether another try may do better."""

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
LOG_PREFIX = "worker"  # of log streams, as the stack's task definitions say
SOON = re.compile(  # in reasons of tasks that failed to start: trouble that passes
    "timeout|timed out|deadline exceeded|network interface|internal ?error|toomanyrequests|rate exceeded"
    "|service unavailable|capacity|connection reset|status code:? 5[0-9][0-9]|50[0234] [a-z]",
    re.IGNORECASE,
)
FULL = ("capacity", "limit on the number of")  # no room now: other tasks may end
PASSING = ("resource:", "throttl", "rate exceeded", "internal", "try again")  # of reasons in RunTask's `failures`


def is_full(reason: str) -> bool:
    """Returns whether a refusal is for lack of room, in AWS' regions or in the account's quota."""
    return any(one in reason.lower() for one in FULL)


def passes(reason: str) -> bool:
    """Returns whether a reason in RunTask's `failures` may be gone in a while."""
    return not reason or is_full(reason) or any(one in reason.lower() for one in PASSING)


def exit_of(task: "TaskTypeDef", container: str) -> WorkerExit:
    """Returns why a stopped task stopped. `container`: the worker's; AWS may add others, to watch over it."""
    code, reason = task.get("stopCode", ""), task.get("stoppedReason", "").strip()
    details = [one["reason"] for one in task.get("containers", []) if one.get("reason")]
    text = "; ".join(dict.fromkeys(filter(None, (reason, *details)))) or code or "AWS gives no reason"
    if code == "TaskFailedToStart":
        again = SOON.search(text) is not None
        return WorkerExit(f"its task failed to start: {text}", again=again, code="failed-to-start")
    if code in ("SpotInterruption", "TerminationNotice") or "spot" in reason.lower():
        return WorkerExit(f"Fargate Spot took its task away: {text}", again=True, code="spot-interruption")
    if code == "InfrastructureHealth" or "maintenance" in reason.lower():
        return WorkerExit(f"AWS retired the machine of its task: {text}", again=True, code="machine-retired")
    if "outofmemory" in text.lower().replace(" ", ""):
        return WorkerExit(f"it ran out of memory, raise toril.worker.memory: {text}", code="out-of-memory")
    if code == "UserInitiated":
        return WorkerExit(f"its task was stopped: {text}", code="stopped")
    exited = exit_code(task, container)
    how = "its container ended" if exited is None else f"its container ended with exit code {exited}"
    if exited == KILLED:
        how += " (killed; out of memory, most often: raise toril.worker.memory)"
    return WorkerExit(f"{how}: {text}", code="exited")


def exit_code(task: "TaskTypeDef", container: str) -> int | None:
    """Returns the exit code of the worker's container; None if it never ran."""
    return next((one.get("exitCode") for one in task.get("containers", []) if one.get("name") == container), None)


@dataclass(frozen=True, slots=True)
class TaskExits:
    """Reads the ends of a run's tasks in one region."""

    plan: Plan
    deployment: Deployment
    kind: DeployedWorker
    logs: Any
    clock: Clock

    def twins(self, ecs: Any, stopped: Sequence[Any]) -> dict[str, Any]:
        """Returns, by the ARN of each task that has run, another task of the same attempt that goes on.

        Whichever is ready first has the attempt, and the other one ends without an error.
        """
        ran = {one["taskArn"]: tasks.attempt_of(one) for one in stopped if self._exit_code(one) is not None}
        if not ran:
            return {}

        def running() -> list[Any]:
            return tasks.described(ecs, self.deployment, "RUNNING", self.plan.run_id)

        try:
            listed = tasks.repeated(self.clock, running)
        except AwsError:  # then the worker counts as lost, which errs on the safe side
            return {}
        others = {tasks.attempt_of(one): one for one in listed if one["taskArn"] not in ran}
        return {arn: others[attempt] for arn, attempt in ran.items() if attempt in others}

    def read(self, task: Any, *, stopped: bool) -> WorkerExit:
        """Returns why a task is gone, with its last log lines if it failed. `stopped`: toril wanted it to end."""
        found = exit_of(task, self.kind.container)
        if stopped or found.again or self._exit_code(task) in (None, 0):
            return found
        return replace(found, reason=f"{found.reason}; {self._last_lines(task['taskArn'])}")

    def _exit_code(self, task: Any) -> int | None:
        return exit_code(task, self.kind.container)

    def _last_lines(self, task_arn: str) -> str:
        """Returns the last log lines in words, or why they cannot be read."""
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
                return "it logged nothing"
            return f"its log cannot be read: {error}"
        text = "\n".join(one["message"] for one in answer["events"]).strip()
        return f"its last lines: {text[-LOG_CHARACTERS:]}" if text else "it logged nothing"
