"""The results bucket, which holds runs and their results, deployments, suites and records of the console."""

from typing import Any

import pulumi
import pulumi_aws as aws

from infra.permissions.statements import Document, Statement, document, render
from infra.place import Place
from infra.settings.common import SettingError
from infra.settings.hub import HubSettings, Retention

UPLOADS_KEPT_DAYS = 1  # files of a suite that the console has not saved
GIVEN_KEPT_DAYS = 1  # values of a setup whose run could not delete them
NAMED = 10  # deployments in a message
_USE = ("Decrypt", "GenerateDataKey")
_ADMINISTER = (
    "CancelKeyDeletion",
    "DescribeKey",
    "DisableKeyRotation",
    "EnableKeyRotation",
    "GetKeyPolicy",
    "GetKeyRotationStatus",
    "ListResourceTags",
    "PutKeyPolicy",
    "ScheduleKeyDeletion",
    "TagResource",
    "UntagResource",
    "UpdateKeyDescription",
)


class Results(pulumi.ComponentResource):
    """The bucket, and its own key if the settings ask for one."""

    def __init__(
        self, name: str, settings: HubSettings, place: Place, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("toril:hub:Results", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        kept = pulumi.ResourceOptions(parent=self, protect=settings.protect, retain_on_delete=settings.protect)
        bucket_name = settings.bucket or place.names.results_bucket(place.account, place.region)
        if not settings.protect:
            refuse_while_deployed(bucket_name, place.region, pulumi.InvokeOptions(parent=self))
        region = place.region
        bucket = aws.s3.Bucket(name, bucket=bucket_name, region=region, force_destroy=not settings.protect, opts=kept)
        close(name, bucket, region, own)
        self.key = self._key(name, settings, place, kept)
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.bucket,
            region=region,
            rules=self.key.apply(lambda key: [encryption_rule(key)]),
            opts=own,
        )
        aws.s3.BucketLifecycleConfiguration(
            name, bucket=bucket.bucket, region=region, rules=lifecycle_rules(settings.retention), opts=own
        )
        aws.s3.BucketPolicy(
            name,
            bucket=bucket.bucket,
            region=region,
            policy=render(bucket_policy(bucket_name, place.partition)),
            opts=own,
        )
        self.bucket = bucket.bucket
        self.register_outputs({"bucket": self.bucket, "key": self.key})

    def _key(self, name: str, settings: HubSettings, place: Place, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """Returns the ARN of the bucket's key, or an empty text with S3's own keys."""
        if settings.encryption != "KMS":
            return pulumi.Output.from_input("" if settings.encryption == "AES256" else settings.encryption)
        key = aws.kms.Key(
            name,
            region=place.region,
            description=f"Results of {place.names.base}",
            enable_key_rotation=True,
            policy=render(key_policy(place.partition, place.account)),
            opts=opts,
        )
        return key.arn


def close(name: str, bucket: aws.s3.Bucket, region: str, opts: pulumi.ResourceOptions) -> None:
    """Closes a bucket to the public, and makes the account the owner of all its objects."""
    aws.s3.BucketPublicAccessBlock(
        name,
        bucket=bucket.bucket,
        region=region,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=opts,
    )
    aws.s3.BucketOwnershipControls(
        name, bucket=bucket.bucket, region=region, rule={"object_ownership": "BucketOwnerEnforced"}, opts=opts
    )


def refuse_while_deployed(bucket: str, region: str, opts: pulumi.InvokeOptions) -> None:
    """Raises SettingError if the hub loses its protection while region stacks still publish in its bucket."""
    try:
        found = aws.s3.get_objects(bucket=bucket, prefix="deployments/", max_keys=NAMED, region=region, opts=opts)
    except Exception as error:  # the engine gives no type of error
        if "NoSuchBucket" in str(error):
            return  # this update makes the bucket
        raise
    if found.keys:
        names = ", ".join(key.removeprefix("deployments/").removesuffix(".json") for key in sorted(found.keys))
        raise SettingError(
            f"toril:protect: Regions still depend on this hub: {names}. Destroy their stacks first "
            "(`pulumi destroy --stack …`), or set `protect` to true."
        )


def encryption_rule(key: str) -> "aws.s3.BucketServerSideEncryptionConfigurationRuleArgsDict":
    """Returns encryption by S3's own keys, or by this KMS key. A bucket key saves a KMS call per object."""
    if not key:
        return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}, "bucket_key_enabled": False}
    return {
        "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key},
        "bucket_key_enabled": True,
    }


def lifecycle_rules(retention: Retention) -> "list[aws.s3.BucketLifecycleConfigurationRuleArgsDict]":
    """Returns rules that expire uploads, runs and, much later, their results. Deployments and suites never expire."""
    days = {
        "runs": retention.runs,
        "requests": retention.runs,
        "uploads": UPLOADS_KEPT_DAYS,
        "given": GIVEN_KEPT_DAYS,
        **dict.fromkeys(("audit", "bisect", "events", "history", "index", "notes"), retention.history),
    }
    rules: list[aws.s3.BucketLifecycleConfigurationRuleArgsDict] = [
        {
            "id": "interrupted-uploads",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "abort_incomplete_multipart_upload": {"days_after_initiation": retention.interrupted_uploads},
        }
    ]
    for name, kept in days.items():
        rules.append({"id": name, "status": "Enabled", "filter": {"prefix": f"{name}/"}, "expiration": {"days": kept}})
    return rules


def bucket_policy(bucket: str, partition: str) -> Document:
    """Returns the bucket's policy: TLS 1.2 only, no overwriting of workers' files.

    All files of workers and suites are written once. The coordinator rewrites the lease, summaries and reports.
    """
    arn = f"arn:{partition}:s3:::{bucket}"
    everything = [arn, f"{arn}/*"]
    return document(
        [
            _deny("TlsOnly", "s3:*", everything, {"Bool": {"aws:SecureTransport": "false"}}),
            _deny("Tls12", "s3:*", everything, {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
            _deny(
                "WorkersWriteOnce",
                "s3:PutObject",
                [f"{arn}/runs/*/workers/*/*/*"],  # not the announcement of an agent, which is not in a third folder
                {
                    "Null": {"s3:if-none-match": "true"},
                    # the parts of a multipart upload carry no condition; its completion does
                    "BoolIfExists": {"s3:ObjectCreationOperation": "true"},
                },
            ),
        ]
    )


def _deny(sid: str, action: str, resources: list[str], condition: dict[str, Any]) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": action,
        "Resource": resources,
        "Condition": condition,
    }


def key_policy(partition: str, account: str) -> Document:
    """Returns the key's policy: roles of the account, by their own policies."""
    return document(
        [
            {
                "Sid": "Account",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
                "Action": sorted(f"kms:{action}" for action in (*_ADMINISTER, *_USE)),
                "Resource": "*",  # in a key policy: the key itself
            }
        ]
    )
