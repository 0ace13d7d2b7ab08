"""Secrets Manager and KMS."""

from typing import Any

from tests.infra.engine.kinds import (
    ID,
    TAGS,
    Kind,
    Tagging,
    View,
    call,
    changed,
    given,
    has,
    lacks,
    look,
    part,
)


def _regions(replicas: Any) -> set[str]:
    return {replica["region"] for replica in replicas or []}


def _replicas_gone(view: View) -> list[str]:
    return sorted(_regions(view.before.get("replicas")) - _regions(view["replicas"]))


def _replicas_new(view: View) -> list[Any]:
    before = _regions(view.before.get("replicas"))
    return [replica for replica in view["replicas"] or [] if replica["region"] not in before]


def _all_replicas(view: View) -> list[str]:
    return sorted(_regions(view["replicas"]))


def _at_once(view: View) -> bool | None:
    return True if view["recoveryWindowInDays"] == 0 else None


SET_POLICY = call("PutResourcePolicy", "policy:ResourcePolicy", SecretId=ID, when=has("policy"))
ROTATE = call(
    "EnableKeyRotation",
    "rotationPeriodInDays",
    KeyId=ID,
    when=lambda view: bool(view["enableKeyRotation"]),
)

KINDS = {
    "aws:secretsmanager/secret:Secret": Kind(
        service="secretsmanager",
        create=(
            call(
                "CreateSecret",
                "name description kmsKeyId forceOverwriteReplicaSecret",
                AddReplicaRegions=lambda view: view["replicas"] or None,
                Tags=TAGS,
            ),
            SET_POLICY,
        ),
        id="ARN",
        read=(
            look("DescribeSecret", "@", SecretId=ID),
            look("GetResourcePolicy", "{policy: ResourcePolicy}", SecretId=ID),
        ),
        delete=(
            call(
                "RemoveRegionsFromReplication",
                SecretId=ID,
                RemoveReplicaRegions=_all_replicas,
                when=lambda view: bool(_all_replicas(view)),
            ),
            call(
                "DeleteSecret",
                SecretId=ID,
                ForceDeleteWithoutRecovery=_at_once,
                RecoveryWindowInDays=lambda view: None if _at_once(view) else view.inputs["recoveryWindowInDays"],
            ),
        ),
        replaces="name",
        updates={
            "description kmsKeyId": (
                call("UpdateSecret", "kmsKeyId", SecretId=ID, Description=given("description", "")),
            ),
            "replicas": (
                call(
                    "RemoveRegionsFromReplication",
                    SecretId=ID,
                    RemoveReplicaRegions=_replicas_gone,
                    when=lambda view: bool(_replicas_gone(view)),
                ),
                call(
                    "ReplicateSecretToRegions",
                    "forceOverwriteReplicaSecret",
                    SecretId=ID,
                    AddReplicaRegions=_replicas_new,
                    when=lambda view: bool(_replicas_new(view)),
                ),
            ),
            "policy": (SET_POLICY, call("DeleteResourcePolicy", SecretId=ID, when=lacks("policy"))),
        },
        local="recoveryWindowInDays forceOverwriteReplicaSecret",
        outputs={"arn": "ARN"},
        seen_as={"replicas": "ReplicationStatus"},
        alive="DeletedDate == null",
        auto_name="name",
        tagging=Tagging(
            add=call("TagResource", SecretId=ID, Tags=TAGS),
            remove=call("UntagResource", SecretId=ID, TagKeys=lambda view: sorted(view.tags)),
        ),
        defaults={"recoveryWindowInDays": 30},
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": Kind(  # the current version cannot be deleted, and stays
        service="secretsmanager",
        create=(call("PutSecretValue", "secretId secretString"),),
        id="join('|', [ARN, VersionId])",
        read=(look("GetSecretValue", "@", SecretId=part(0, "|"), VersionId=part(1, "|")),),
        replaces="secretId secretString",
        outputs={"arn": "ARN", "secretArn": "ARN", "versionId": "VersionId"},
        seen_as={"secretId": "ARN"},
    ),
    "aws:kms/key:Key": Kind(
        service="kms",
        create=(
            call(
                "CreateKey",
                "description policy keyUsage multiRegion bypassPolicyLockoutSafetyCheck",
                KeySpec=given("customerMasterKeySpec"),
                Tags=TAGS,
            ),
            ROTATE,
            call("DisableKey", KeyId=ID, when=lambda view: view["isEnabled"] is False),
        ),
        id="KeyMetadata.KeyId",
        read=(
            look("DescribeKey", "KeyMetadata", KeyId=ID),
            look("GetKeyPolicy", "{policy: Policy}", KeyId=ID, PolicyName="default"),
            look("GetKeyRotationStatus", "{enableKeyRotation: KeyRotationEnabled}", KeyId=ID),
        ),
        delete=(call("ScheduleKeyDeletion", KeyId=ID, PendingWindowInDays=given("deletionWindowInDays", 30)),),
        replaces="keyUsage customerMasterKeySpec multiRegion",
        updates={
            "description": (call("UpdateKeyDescription", KeyId=ID, Description=given("description", "")),),
            "policy": (call("PutKeyPolicy", "policy bypassPolicyLockoutSafetyCheck", KeyId=ID, PolicyName="default"),),
            "enableKeyRotation rotationPeriodInDays": (
                ROTATE,
                call("DisableKeyRotation", KeyId=ID, when=lambda view: not view["enableKeyRotation"]),
            ),
            "isEnabled": (
                call(
                    "EnableKey",
                    KeyId=ID,
                    when=lambda view: changed("isEnabled")(view) and view["isEnabled"] is not False,
                ),
                call("DisableKey", KeyId=ID, when=lambda view: view["isEnabled"] is False),
            ),
        },
        local="deletionWindowInDays bypassPolicyLockoutSafetyCheck",
        outputs={"arn": "Arn", "keyId": "KeyId"},
        seen_as={"customerMasterKeySpec": "KeySpec", "isEnabled": "Enabled"},
        alive="KeyState != 'PendingDeletion'",
        tagging=Tagging(
            add=call("TagResource", KeyId=ID, Tags=TAGS),
            remove=call("UntagResource", KeyId=ID, TagKeys=lambda view: sorted(view.tags)),
            look=look("ListResourceTags", "Tags", KeyId=ID),
            at="@",
        ),
    ),
    "aws:kms/alias:Alias": Kind(
        service="kms",
        create=(call("CreateAlias", "name:AliasName targetKeyId"),),
        id=given("name"),
        read=(look("ListAliases", lambda view: f"Aliases[?AliasName=='{view.id}'] | [0]"),),
        delete=(call("DeleteAlias", AliasName=ID),),
        replaces="name",
        updates={"targetKeyId": (call("UpdateAlias", "targetKeyId", AliasName=ID),)},
        outputs={
            "arn": "AliasArn",
            "targetKeyArn": lambda view, seen: (
                f"arn:{view.partition}:kms:{view.region}:{view.account}:key/{seen['TargetKeyId']}"
            ),
        },
        # It may also be an ARN.
        seen_as={"targetKeyId": "null"},
    ),
}
