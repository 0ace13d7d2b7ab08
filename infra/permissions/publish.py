"""The role that publishes what workers run: images, and suites for schedules.

| statement | who needs it, for what |
|---|---|
| LogIn, LogInPublic | `docker login` to ECR and ECR Public |
| PushImages, PushPublicImages | the image workflow: layers, manifests, and reading back digest and scan findings |
| ReadDeployments | the image workflow: which regions there are |
| PushSuites, ListSuites | `toril push`: the suites of scheduled runs |
| ResultsKey | S3, where the results bucket has a key of its own |
"""

from infra.permissions.scope import Scope, use_bucket_key
from infra.permissions.statements import ANY, Document, Statement, allow, document

_PUSH = (
    "BatchCheckLayerAvailability",
    "CompleteLayerUpload",
    "DescribeImages",
    "InitiateLayerUpload",
    "PutImage",
    "UploadLayerPart",
)
_PULL = ("BatchGetImage", "DescribeImageScanFindings", "GetDownloadUrlForLayer")  # an index refers to what is there


def publish_policy(scope: Scope) -> Document:
    """Push worker images everywhere, and suites into the results bucket; start nothing."""
    return document(
        [
            allow("LogIn", ["ecr:GetAuthorizationToken"], ANY),  # knows no resource
            allow(
                "PushImages",
                [f"ecr:{action}" for action in (*_PUSH, *_PULL)],
                [scope.arn("ecr", f"repository/{scope.names.repository}")],
            ),
            *_public(scope),
            allow("ListSuites", ["s3:ListBucket"], [scope.bucket_arn]),
            allow("ReadDeployments", ["s3:GetObject"], scope.objects("deployments/*", "suites/*")),
            allow("PushSuites", ["s3:DeleteObject", "s3:PutObject"], scope.objects("suites/*")),
            *use_bucket_key(scope, write=True),
        ]
    )


def _public(scope: Scope) -> list[Statement]:
    if scope.public_repository is None:
        return []
    repository = f"arn:{scope.partition}:ecr-public::{scope.account}:repository/{scope.public_repository}"
    return [
        # neither action knows a resource
        allow("LogInPublic", ["ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"], ANY),
        allow("PushPublicImages", [f"ecr-public:{action}" for action in _PUSH], [repository]),
    ]
