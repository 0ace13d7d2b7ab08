"""What AWS says of tasks and requests, in words: why a worker is gone, and whether another try may do better."""

from typing import TYPE_CHECKING

from toril.launchers import Gone

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import TaskTypeDef

KILLED = 137
SOON = (  # of tasks that failed to start: ours or AWS' trouble of a moment
    "timeout",
    "timed out",
    "network interface",
    "internalerror",
    "internal error",
    "toomanyrequests",
    "rate exceeded",
    "service unavailable",
    "capacity",
    "i/o",
    "connection reset",
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
FULL = ("capacity", "limit on the number of")  # no room now: what else runs may end
LINKED_ROLE = "service linked role"  # made by AWS on first use, and not there at once


def gone(task: "TaskTypeDef", *, was_running: bool) -> Gone:
    """Why a stopped task stopped."""
    code, said = task.get("stopCode", ""), task.get("stoppedReason", "").strip()
    containers = task.get("containers", [])
    exits = [one.get("exitCode") for one in containers if one.get("exitCode") is not None]
    details = [one["reason"] for one in containers if one.get("reason")]
    text = "; ".join(dict.fromkeys(filter(None, (said, *details)))) or code or "AWS gives no reason"
    if code == "TaskFailedToStart":
        return Gone(f"its task failed to start: {text}", again=any(one in text.lower() for one in SOON))
    if code in ("SpotInterruption", "TerminationNotice") or "spot" in said.lower():
        return Gone(f"Fargate Spot took its task away: {text}", again=not was_running)
    if code == "InfrastructureHealth" or "maintenance" in said.lower():
        return Gone(f"AWS retired the machine of its task: {text}", again=not was_running)
    if "outofmemory" in text.lower().replace(" ", ""):
        return Gone(f"it ran out of memory, raise toril.worker.memory: {text}")
    if code == "UserInitiated":
        return Gone(f"its task was stopped: {text}")
    how = f"its container ended with exit code {exits[0]}" if exits else "its container ended"
    if exits and exits[0] == KILLED:
        how += " (killed; out of memory, most often: raise toril.worker.memory)"
    return Gone(f"{how}: {text}")


def is_full(reason: str) -> bool:
    """Whether a refusal is for lack of room, in AWS' regions or in the account's quota."""
    return any(one in reason.lower() for one in FULL)


def refusal(code: str, message: str, action: str) -> str:
    """A refusal that no waiting mends, with the fix where it is known."""
    text = f"{action} was refused: {message or code}"
    if code in EXPIRED:
        return f"{text}; the credentials have expired: get new ones, and `toril watch RUN --take-over`"
    if "AccessDenied" in code:
        return f"{text}; the role that runs load tests may do this (docs/security.md)"
    return f"{text} ({code})" if code and code not in text else text
