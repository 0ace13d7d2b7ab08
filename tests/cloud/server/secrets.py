"""Secrets Manager: removal of replicas, which MiniStack lacks, and secrets without a value."""

from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import secretsmanager

from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Service
from tests.cloud.server.policies import resource_policy


def _secret(secret_id: str) -> dict[str, Any]:
    _, found = secretsmanager._resolve(secret_id)
    if found is None:
        raise Refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    secret: dict[str, Any] = found
    return secret


def check_create(request: dict[str, Any]) -> None:
    goals = [goal["Region"] for goal in request.get("AddReplicaRegions", ())]
    if get_region() in goals or len(set(goals)) != len(goals):
        raise Refusal("InvalidParameterException", "Invalid replica region.")
    if "SecretString" in request and "SecretBinary" in request:
        raise Refusal("InvalidParameterException", "You can't specify both a binary value and a string value.")


def created(request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    if "SecretString" not in request and "SecretBinary" not in request:
        _secret(answer["ARN"])["Versions"].clear()  # a secret without a value has no version
        answer = {key: value for key, value in answer.items() if key != "VersionId"}
    goals = request.get("AddReplicaRegions")
    if not goals:
        return answer
    asked = {"SecretId": answer["ARN"], "AddReplicaRegions": goals}
    status, _, body = secretsmanager._replicate_secret_to_regions(asked)
    if status != 200:
        raise Refusal("InvalidParameterException", body.decode())
    return {**answer, "ReplicationStatus": _secret(answer["ARN"])["ReplicationStatus"]}


def remove_replicas(request: dict[str, Any]) -> dict[str, Any]:
    secret = _secret(request["SecretId"])
    for region in request["RemoveReplicaRegions"]:
        if region not in [status["Region"] for status in secret["ReplicationStatus"]]:
            raise Refusal("InvalidParameterException", f"There is no replica in {region}.")
        replica = secretsmanager._secrets.pop_scoped(get_account_id(), region, secret["Name"], None)
        if replica is not None:
            secretsmanager._resource_policies.pop_scoped(get_account_id(), region, replica["ARN"], None)
        secret["ReplicationStatus"] = [one for one in secret["ReplicationStatus"] if one["Region"] != region]
    return {"ARN": secret["ARN"], "ReplicationStatus": secret["ReplicationStatus"]}


def check_delete(request: dict[str, Any]) -> None:
    if request.get("ForceDeleteWithoutRecovery") and "RecoveryWindowInDays" in request:
        raise Refusal("InvalidParameterException", "A forced deletion has no recovery window.")
    _, secret = secretsmanager._resolve(request["SecretId"])
    if secret and secret.get("ReplicationStatus"):
        raise Refusal(
            "InvalidRequestException",
            "You can't delete a primary secret that is replicated to other Regions. First remove its replicas.",
        )


def check_policy(request: dict[str, Any]) -> None:
    resource_policy(request["ResourcePolicy"], "ResourcePolicy", "MalformedPolicyDocumentException")


SERVICE = Service(
    name="secretsmanager",
    model="secretsmanager",
    invalid="InvalidParameterException",
    operations={"RemoveRegionsFromReplication": remove_replicas},
    checks={"CreateSecret": check_create, "DeleteSecret": check_delete, "PutResourcePolicy": check_policy},
    amends={"CreateSecret": created},
)
