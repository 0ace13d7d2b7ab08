"""The stack's own KMS key, whose policy has one statement for each service and no wildcard action."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.permissions.grants import EVERYBODY, grant
from infra.permissions.statements import ANY, Document, Statement, document, render
from infra.place import Place

ADMINISTER = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
USE = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey")
REPOSITORIES = ("kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant")  # ECR creates a grant and works by it


def key_policy(place: Place, log_group: str) -> Document:
    """Returns the key's policy: the account administers it; only ECR, Secrets Manager and the log group use it.

    In a key policy, the resource `*` is the key itself.
    """
    logs = {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": place.arn("logs", f"log-group:{log_group}")}}
    return document(
        [
            grant("Administer", {"AWS": f"arn:{place.partition}:iam::{place.account}:root"}, ADMINISTER, ANY),
            _use_through("Registry", "ecr", (*USE, *REPOSITORIES), place),
            _use_through("Secrets", "secretsmanager", USE, place),
            grant(
                "Logs",
                {"Service": f"logs.{place.region}.{place.suffix}"},
                (*USE, "kms:ReEncryptFrom", "kms:ReEncryptTo"),
                ANY,
                logs,
            ),
        ]
    )


def _use_through(sid: str, service: str, actions: tuple[str, ...], place: Place) -> Statement:
    """Allows any principal of the account to use the key through one service.

    That includes service-linked roles, whose policies cannot be extended.
    """
    via = {"kms:CallerAccount": place.account, "kms:ViaService": f"{service}.{place.region}.{place.suffix}"}
    return grant(sid, EVERYBODY, actions, ANY, {"StringEquals": via})


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """ARNs of the keys to encrypt with. None: an AWS-owned key."""

    registry: pulumi.Input[str] | None = None  # of repositories and secrets
    logs: pulumi.Input[str] | None = None


def make_keys(name: str, place: Place, *, encryption: str, logs: str | None, opts: pulumi.ResourceOptions) -> Keys:
    """Makes a key if `encryption` is KMS; otherwise returns the key that the settings name, or none."""
    if encryption == "AES256":
        return Keys(logs=logs)
    if encryption != "KMS":
        return Keys(registry=encryption, logs=logs)
    key = aws.kms.Key(
        name,
        region=place.region,
        description=f"{place.names.base}: repositories, secrets and logs of {place.region}",
        enable_key_rotation=True,
        deletion_window_in_days=30,
        policy=render(key_policy(place, place.names.log_group())),
        opts=opts,
    )
    aws.kms.Alias(name, region=place.region, name=place.names.key_alias(), target_key_id=key.key_id, opts=opts)
    return Keys(registry=key.arn, logs=logs or key.arn)
