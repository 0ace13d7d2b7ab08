"""Why a task is gone: AWS' reason, and the last lines that its container wrote."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from toril.clock import Clock
from toril.launchers import Gone
from toril.launchers.fargate import reasons, requests
from toril.launchers.fargate.calls import Refused, call, patiently
from toril.launchers.fargate.inventory import own_tasks
from toril.records import DeployedWorker, Deployment, Plan

LINES = 5
MOST_CHARACTERS = 600
PREFIX = "worker"  # of log streams, as the stack's task definitions say


@dataclass(frozen=True, slots=True)
class Obituary:
    """Of a region's tasks of a run."""

    plan: Plan
    deployment: Deployment
    kind: DeployedWorker
    logs: Any
    clock: Clock

    def twins(self, ecs: Any, stopped: Sequence[Any]) -> dict[str, Any]:
        """By the ARN of each task that has run: another one of the same attempt that goes on.

        Whichever is ready first has the attempt, and the other one ends as if all were well.
        """
        ran = {one["taskArn"]: requests.attempt_of(one) for one in stopped if self._exit_code(one) is not None}
        if not ran:
            return {}
        try:
            listed = patiently(
                self.clock,
                f"{self.plan.run_id} twins",
                lambda: own_tasks(ecs, self.deployment, self.plan.run_id, "RUNNING"),
            )
        except Refused:  # then the worker counts as lost, which errs on the safe side
            return {}
        others = {requests.attempt_of(one): one for one in listed if one["taskArn"] not in ran}
        return {arn: others[attempt] for arn, attempt in ran.items() if attempt in others}

    def reason(self, task: Any, *, stopped: bool) -> Gone:
        """`stopped`: we wanted it to end."""
        found = reasons.gone(task, self.kind.container)
        if stopped or found.again or self._exit_code(task) in (None, 0):
            return found
        return replace(found, reason=f"{found.reason}; {self._last_words(task['taskArn'])}")

    def _exit_code(self, task: Any) -> int | None:
        return reasons.exit_code(task, self.kind.container)

    def _last_words(self, task_arn: str) -> str:
        """In words; where they cannot be read, why."""
        stream = f"{PREFIX}/{self.kind.container}/{task_arn.rpartition('/')[2]}"
        try:
            answer = call(
                self.logs.get_log_events,
                "logs:GetLogEvents",
                logGroupName=self.deployment.log_group,
                logStreamName=stream,
                limit=LINES,
                startFromHead=False,
            )
        except Refused as refused:
            if refused.code == "ResourceNotFoundException":
                return "it logged nothing"
            return f"its log cannot be read: {refused.said}"
        text = "\n".join(one["message"] for one in answer["events"]).strip()
        return f"its last words: {text[-MOST_CHARACTERS:]}" if text else "it logged nothing"
