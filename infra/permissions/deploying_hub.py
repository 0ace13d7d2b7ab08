"""What the deploying role needs for the hub's own resources, and for keys.

| statement | who needs it, for what |
|---|---|
| Bucket, PublishDeployments | the results bucket's settings; `deployments/<region>.json` of region stacks |
| EmptyBucket | `pulumi destroy` of a hub with `protect: false`; absent while it is protected |
| CreateKeys, ChangeKeys, Aliases, AliasesOfKeys | keys of the stacks |
| Grants | ECR asks for one when a repository is made with a key |
| ResultsKey | deployments in a bucket with a key of its own |
| Provider | GitHub's identity provider, where the stack makes it |
| Topic, Subscriptions, Queue, Schedules, Rules | notices, dead letters, schedules of suites |
| Budget, PublicRepository | only where the stack has one |
"""

from collections.abc import Iterable

from infra.permissions import reading
from infra.permissions.scope import Scope
from infra.statements import ANY, Statement, allow

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
    """Within the services that a hub uses, by the names that it gives."""
    return [
        *_bucket(scope),
        *_keys(scope),
        *_optional(scope),
        allow(
            "Topic",
            _of("sns", "CreateTopic", "DeleteTopic", "SetTopicAttributes", "Subscribe", "TagResource", "UntagResource"),
            [reading.topic(scope)],
        ),
        allow("Subscriptions", _of("sns", "Unsubscribe"), [f"{reading.topic(scope)}:*"]),
        allow(
            "Queue",
            _of("sqs", "CreateQueue", "DeleteQueue", "SetQueueAttributes", "TagQueue", "UntagQueue"),
            [scope.dead_letters],
        ),
        allow(
            "Schedules",
            _of(
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
            _of(
                "events",
                "CreateEventBus",
                "DeleteEventBus",
                "DeleteRule",
                "PutPermission",
                "PutRule",
                "PutTargets",
                "RemovePermission",
                "RemoveTargets",
                "TagResource",
                "UntagResource",
            ),
            reading.rules(scope),
        ),
    ]


def _of(service: str, *actions: str) -> list[str]:
    return [f"{service}:{action}" for action in actions]


def _bucket(scope: Scope) -> Iterable[Statement]:
    yield allow("Bucket", _of("s3", *_BUCKET), [scope.bucket_arn])
    yield allow(
        "PublishDeployments",
        _of("s3", "DeleteObject", "GetObject", "PutObject", "PutObjectTagging"),
        scope.objects("deployments/*"),
    )
    if not scope.protect:
        yield allow("EmptyBucket", _of("s3", "DeleteObject"), scope.objects("*"))


def _keys(scope: Scope) -> Iterable[Statement]:
    environment = scope.names.environment
    keys = [scope.arn("kms", "key/*")]
    ours = {"StringEquals": {"aws:ResourceTag/toril:environment": environment}}
    yield allow(  # knows no resource, since there is none yet; tags are given with it
        "CreateKeys",
        _of("kms", "CreateKey", "TagResource"),
        ANY,
        {"StringEquals": {"aws:RequestTag/toril:environment": environment}},
    )
    yield allow("ChangeKeys", _of("kms", *_KEYS), keys, ours)
    yield allow(
        "Aliases",
        _of("kms", "CreateAlias", "DeleteAlias", "UpdateAlias"),
        [scope.arn("kms", f"alias/{scope.names.base}*")],
    )
    yield allow("AliasesOfKeys", _of("kms", "CreateAlias", "DeleteAlias", "UpdateAlias"), keys, ours)
    yield allow(
        "Grants", _of("kms", "CreateGrant", "RetireGrant"), keys, {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    )
    if scope.bucket_key is not None:
        through_s3 = {"StringLike": {"kms:ViaService": "s3.*"}}
        yield allow("ResultsKey", _of("kms", "Decrypt", "GenerateDataKey"), [scope.bucket_key], through_s3)


def _optional(scope: Scope) -> Iterable[Statement]:
    yield allow(
        "Provider",
        _of(
            "iam",
            "AddClientIDToOpenIDConnectProvider",
            "CreateOpenIDConnectProvider",
            "DeleteOpenIDConnectProvider",
            "RemoveClientIDFromOpenIDConnectProvider",
            "TagOpenIDConnectProvider",
            "UntagOpenIDConnectProvider",
            "UpdateOpenIDConnectProviderThumbprint",
        ),
        [reading.identity_provider(scope)],
    )
    if scope.partition == "aws":
        actions = ["ModifyBudget", "TagResource", "UntagResource"]
        yield allow("Budget", _of("budgets", *actions), [reading.budget(scope)])
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
        yield allow("PublicRepository", _of("ecr-public", *actions), [reading.public_repository(scope)])
