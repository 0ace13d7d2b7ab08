"""What AWS says of tasks and requests, in words: why a worker is gone, and whether another try may do better."""

import re
from typing import TYPE_CHECKING

from toril.launchers import Gone

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import TaskTypeDef

KILLED = 137
SOON = re.compile(  # of tasks that failed to start: ours or AWS' trouble of a moment
    "timeout|timed out|deadline exceeded|network interface|internal ?error|toomanyrequests|rate exceeded"
    "|service unavailable|capacity|connection reset|status code:? 5[0-9][0-9]|50[0234] [a-z]",
    re.IGNORECASE,
)
THROTTLED = frozenset(
    {
        "RequestLimitExceeded",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
TRANSIENT = frozenset({"ServerException", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException"})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"})
DENIED = ("AccessDenied", "UnauthorizedOperation", "AuthorizationError")  # each service has its own
FULL = ("capacity", "limit on the number of")  # no room now: what else runs may end
PASSING = ("resource:", "throttl", "rate exceeded", "internal", "try again")  # of reasons in `failures`
UNDEPLOYED = ("ClusterNotFoundException", "PlatformTaskDefinitionIncompatibilityException", "PlatformUnknownException")
LINKED_ROLE = "service linked role"  # made by AWS on first use, and not there at once


def gone(task: "TaskTypeDef", container: str) -> Gone:
    """Why a stopped task stopped. `container`: the worker's; AWS may put others beside it, to watch over it."""
    code, said = task.get("stopCode", ""), task.get("stoppedReason", "").strip()
    details = [one["reason"] for one in task.get("containers", []) if one.get("reason")]
    text = "; ".join(dict.fromkeys(filter(None, (said, *details)))) or code or "AWS gives no reason"
    if code == "TaskFailedToStart":
        return Gone(f"its task failed to start: {text}", again=SOON.search(text) is not None)
    if code in ("SpotInterruption", "TerminationNotice") or "spot" in said.lower():
        return Gone(f"Fargate Spot took its task away: {text}", again=True)
    if code == "InfrastructureHealth" or "maintenance" in said.lower():
        return Gone(f"AWS retired the machine of its task: {text}", again=True)
    if "outofmemory" in text.lower().replace(" ", ""):
        return Gone(f"it ran out of memory, raise toril.worker.memory: {text}")
    if code == "UserInitiated":
        return Gone(f"its task was stopped: {text}")
    exited = exit_code(task, container)
    how = "its container ended" if exited is None else f"its container ended with exit code {exited}"
    if exited == KILLED:
        how += " (killed; out of memory, most often: raise toril.worker.memory)"
    return Gone(f"{how}: {text}")


def exit_code(task: "TaskTypeDef", container: str) -> int | None:
    """Of the worker's container; None when it never ran."""
    return next((one.get("exitCode") for one in task.get("containers", []) if one.get("name") == container), None)


def is_full(reason: str) -> bool:
    """Whether a refusal is for lack of room, in AWS' regions or in the account's quota."""
    return any(one in reason.lower() for one in FULL)


def passes(reason: str) -> bool:
    """Whether what RunTask says in its `failures` may be otherwise in a while."""
    return not reason or is_full(reason) or any(one in reason.lower() for one in PASSING)


def is_denied(code: str) -> bool:
    """Whether an error's code says that a right is missing."""
    return any(one in code for one in DENIED)


def refusal(code: str, message: str, action: str) -> str:
    """A refusal that no waiting mends, with the fix where it is known."""
    text = f"{action} was refused: {message or code}"
    if code in EXPIRED:
        return f"{text}; the credentials have expired: get new ones, and `toril watch RUN --take-over`"
    if is_denied(code):
        return f"{text}; the role that runs load tests may do this (docs/security.md)"
    if code in UNDEPLOYED or "inactive" in message.lower():
        return f"{text}; the region's stack is not what its record says: `pulumi up` it"
    return f"{text} ({code})" if code and code not in text else text
