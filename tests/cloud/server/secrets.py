"""Secrets Manager: secrets without a value."""

from typing import Any

from ministack.services import secretsmanager

from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Service


def _secret(secret_id: str) -> dict[str, Any]:
    _, found = secretsmanager._resolve(secret_id)
    if found is None:
        raise Refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    secret: dict[str, Any] = found
    return secret


def check_create(request: dict[str, Any]) -> None:
    if "SecretString" in request and "SecretBinary" in request:
        raise Refusal("InvalidParameterException", "You can't specify both a binary value and a string value.")


def created(request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    if "SecretString" not in request and "SecretBinary" not in request:
        _secret(answer["ARN"])["Versions"].clear()  # a secret without a value has no version
        answer = {key: value for key, value in answer.items() if key != "VersionId"}
    return answer


def check_delete(request: dict[str, Any]) -> None:
    if request.get("ForceDeleteWithoutRecovery") and "RecoveryWindowInDays" in request:
        raise Refusal("InvalidParameterException", "A forced deletion has no recovery window.")


SERVICE = Service(
    name="secretsmanager",
    model="secretsmanager",
    invalid="InvalidParameterException",
    checks={"CreateSecret": check_create, "DeleteSecret": check_delete},
    amends={"CreateSecret": created},
)
