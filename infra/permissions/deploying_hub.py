"""The deploying role's rights on the hub's own resources and on keys.

| statement | purpose |
|---|---|
| Bucket, PublishDeployments | the results bucket's settings; `deployments/<region>.json` of region stacks |
| EmptyBucket, ListVersions | `pulumi destroy` of a hub with `protect: false`; absent from a protected hub |
| CreateKeys, ChangeKeys, Aliases, AliasesOfKeys | keys of the stacks |
| Grants, OldGrants | ECR creates a grant for each repository with a key, and retires it with the repository |
| ResultsKey | deployments in a bucket with its own key |
| Topic, Subscriptions, Queue, Schedules, Rules | notices, dead letters, schedules of suites |
| Budget, PublicRepository | only if the stack has one |
"""

from collections.abc import Iterable

from infra.permissions import reading
from infra.permissions.scope import Scope
from infra.permissions.statements import ANY, Statement, allow, calls

_BUCKET = (
    "CreateBucket",
    "DeleteBucket",
    "DeleteBucketPolicy",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketTagging",
    "PutEncryptionConfiguration",
    "PutLifecycleConfiguration",
    "TagResource",
    "UntagResource",
)
_KEYS = (
    "DisableKeyRotation",
    "EnableKeyRotation",
    "PutKeyPolicy",
    "ScheduleKeyDeletion",
    "TagResource",
    "UntagResource",
    "UpdateKeyDescription",
)


def hub_statements(scope: Scope) -> list[Statement]:
    """Returns the rights on the hub's services, restricted to the hub's names."""
    return [
        *_bucket(scope),
        *_keys(scope),
        *_optional(scope),
        allow(
            "Topic",
            calls(
                "sns", "CreateTopic", "DeleteTopic", "SetTopicAttributes", "Subscribe", "TagResource", "UntagResource"
            ),
            [reading.topic(scope)],
        ),
        allow("Subscriptions", ["sns:Unsubscribe"], ANY),  # no resource-level permissions
        allow(
            "Queue",
            calls("sqs", "CreateQueue", "DeleteQueue", "SetQueueAttributes", "TagQueue", "UntagQueue"),
            [scope.dead_letters],
        ),
        allow(
            "Schedules",
            calls(
                "scheduler",
                "CreateSchedule",
                "CreateScheduleGroup",
                "DeleteSchedule",
                "DeleteScheduleGroup",
                "TagResource",
                "UntagResource",
                "UpdateSchedule",
            ),
            reading.schedules(scope),
        ),
        allow(
            "Rules",
            calls(
                "events",
                "CreateEventBus",
                "DeleteEventBus",
                "DeleteRule",
                "PutRule",
                "PutTargets",
                "RemoveTargets",
                "TagResource",
                "UntagResource",
            ),
            reading.rules(scope),
        ),
    ]


def _bucket(scope: Scope) -> Iterable[Statement]:
    yield allow("Bucket", calls("s3", *_BUCKET), [scope.bucket_arn])
    yield allow(
        "PublishDeployments",
        calls("s3", "DeleteObject", "GetObject", "PutObject", "PutObjectTagging"),
        scope.objects("deployments/*"),
    )
    if not scope.protect:
        yield allow("EmptyBucket", calls("s3", "DeleteObject", "DeleteObjectVersion"), scope.objects("*"))
        yield allow("ListVersions", ["s3:ListBucketVersions"], [scope.bucket_arn])


def _keys(scope: Scope) -> Iterable[Statement]:
    keys = [scope.arn("kms", "key/*")]
    yield allow(  # the key does not exist yet, so the condition is on its tags
        "CreateKeys",
        calls("kms", "CreateKey", "TagResource"),
        ANY,
        scope.new,
    )
    yield allow("ChangeKeys", calls("kms", *_KEYS), keys, scope.ours)
    yield allow(
        "Aliases",
        calls("kms", "CreateAlias", "DeleteAlias", "UpdateAlias"),
        [scope.arn("kms", scope.names.key_alias())],
    )
    yield allow("AliasesOfKeys", calls("kms", "CreateAlias", "DeleteAlias", "UpdateAlias"), keys, scope.ours)
    yield allow("Grants", ["kms:CreateGrant"], keys, {"Bool": {"kms:GrantIsForAWSResource": "true"}})
    yield allow("OldGrants", ["kms:RetireGrant"], keys, {"StringLike": {"kms:ViaService": "ecr.*"}})
    if scope.bucket_key is not None:
        through_s3 = {"StringLike": {"kms:ViaService": "s3.*"}}
        yield allow("ResultsKey", calls("kms", "Decrypt", "GenerateDataKey"), [scope.bucket_key], through_s3)


def _optional(scope: Scope) -> Iterable[Statement]:
    if scope.partition == "aws":
        actions = ["ModifyBudget", "TagResource", "UntagResource"]
        yield allow("Budget", calls("budgets", *actions), [reading.budget(scope)])
    if scope.public_repository is not None:
        actions = [
            "CreateRepository",
            "DeleteRepository",
            "DeleteRepositoryPolicy",
            "PutRepositoryCatalogData",
            "SetRepositoryPolicy",
            "TagResource",
            "UntagResource",
        ]
        yield allow("PublicRepository", calls("ecr-public", *actions), [reading.public_repository(scope)])
