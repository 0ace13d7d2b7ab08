"""Secrets Manager and KMS."""

from tests.infra.engine.kinds import (
    ID,
    TAGS,
    Kind,
    Tagging,
    View,
    call,
    given,
    look,
    part,
)


def _at_once(view: View) -> bool | None:
    return True if view["recoveryWindowInDays"] == 0 else None


ROTATE = call(
    "EnableKeyRotation",
    KeyId=ID,
    when=lambda view: bool(view["enableKeyRotation"]),
)

KINDS = {
    "aws:secretsmanager/secret:Secret": Kind(
        service="secretsmanager",
        create=(
            call(
                "CreateSecret",
                "name description kmsKeyId",
                Tags=TAGS,
            ),
        ),
        id="ARN",
        read=(look("DescribeSecret", "@", SecretId=ID),),
        delete=(
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
        },
        local="recoveryWindowInDays",
        outputs={"arn": "ARN"},
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
                "description policy",
                Tags=TAGS,
            ),
            ROTATE,
        ),
        id="KeyMetadata.KeyId",
        read=(
            look("DescribeKey", "KeyMetadata", KeyId=ID),
            look("GetKeyPolicy", "{policy: Policy}", KeyId=ID, PolicyName="default"),
            look("GetKeyRotationStatus", "{enableKeyRotation: KeyRotationEnabled}", KeyId=ID),
        ),
        delete=(call("ScheduleKeyDeletion", KeyId=ID, PendingWindowInDays=given("deletionWindowInDays", 30)),),
        updates={
            "description": (call("UpdateKeyDescription", KeyId=ID, Description=given("description", "")),),
            "policy": (call("PutKeyPolicy", "policy", KeyId=ID, PolicyName="default"),),
            "enableKeyRotation": (
                ROTATE,
                call("DisableKeyRotation", KeyId=ID, when=lambda view: not view["enableKeyRotation"]),
            ),
        },
        local="deletionWindowInDays",
        outputs={"arn": "Arn", "keyId": "KeyId"},
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
