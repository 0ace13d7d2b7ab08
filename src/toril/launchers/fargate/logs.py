"""The last lines that a worker's container wrote."""

from typing import Any

from toril.launchers.fargate.calls import Refused, call
from toril.records import DeployedWorker, Deployment

LINES = 5
MOST_CHARACTERS = 600
PREFIX = "worker"  # of log streams, as the stack's task definitions say


def last_words(logs: Any, deployment: Deployment, kind: DeployedWorker, task_arn: str) -> str:
    """In words; where they cannot be read, why."""
    stream = f"{PREFIX}/{kind.container}/{task_arn.rpartition('/')[2]}"
    try:
        answer = call(
            logs.get_log_events,
            "logs:GetLogEvents",
            logGroupName=deployment.log_group,
            logStreamName=stream,
            limit=LINES,
            startFromHead=False,
        )
    except Refused as refused:
        if "does not exist" in refused.said:
            return "it logged nothing"
        return f"its log cannot be read: {refused.said}"
    text = "\n".join(one["message"] for one in answer["events"]).strip()
    return f"its last words: {text[-MOST_CHARACTERS:]}" if text else "it logged nothing"
