"""CloudWatch Logs: log groups with deletion protection."""

from typing import Any

from ministack.services import cloudwatch_logs

from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Service

PROTECTED = "deletionProtectionEnabled"


def _group(identifier: str) -> dict[str, Any]:
    name = identifier.removesuffix(":*").rpartition(":log-group:")[2]
    if name not in cloudwatch_logs._log_groups:
        raise Refusal("ResourceNotFoundException", f"The specified log group does not exist: {name}")
    found: dict[str, Any] = cloudwatch_logs._log_groups[name]
    return found


def created(request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    _group(request["logGroupName"])[PROTECTED] = request.get(PROTECTED, False)
    return answer


def described(request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    for shown in answer.get("logGroups", ()):
        shown[PROTECTED] = bool(_group(shown["logGroupName"]).get(PROTECTED))
    return answer


def protect(request: dict[str, Any]) -> dict[str, Any]:
    _group(request["logGroupIdentifier"])[PROTECTED] = request[PROTECTED]
    return {}


def check_delete(request: dict[str, Any]) -> None:
    if _group(request["logGroupName"]).get(PROTECTED):
        raise Refusal("ValidationException", "The log group is protected from deletion")


SERVICE = Service(
    name="logs",
    model="logs",
    invalid="InvalidParameterException",
    operations={"PutLogGroupDeletionProtection": protect},
    checks={"DeleteLogGroup": check_delete},
    amends={"CreateLogGroup": created, "DescribeLogGroups": described},
)
