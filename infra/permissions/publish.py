"""The role that publishes worker images, and suites for schedules.

| statement | purpose |
|---|---|
| LogIn, LogInPublic | `docker login` to ECR and ECR Public |
| FillCaches | `toril doctor --fill-caches`: the first pull of an image through a cache |
| PushImages, PushPublicImages | the image workflow: layers, manifests, digests and scan findings |
| ReadDeployments | the image workflow: the list of regions |
| PushSuites, ListSuites | `toril suite push`: the suites of scheduled runs |
| ResultsKey | S3, if the results bucket has its own key |
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
_PULL = ("BatchGetImage", "DescribeImageScanFindings", "GetDownloadUrlForLayer")  # an index refers to pushed images
_FILL = (
    "BatchCheckLayerAvailability",
    "BatchGetImage",
    "BatchImportUpstreamImage",
    "CreateRepository",
    "GetDownloadUrlForLayer",
)


def publish_policy(scope: Scope) -> Document:
    """Returns the rights to push worker images to all regions and suites to the results bucket."""
    return document(
        [
            allow("LogIn", ["ecr:GetAuthorizationToken"], ANY),  # no resource-level permissions
            allow(
                "PushImages",
                [f"ecr:{action}" for action in (*_PUSH, *_PULL)],
                [scope.arn("ecr", f"repository/{scope.names.repository}")],
            ),
            # ECR accepts an import only below a cache's prefix, which each region chooses
            allow("FillCaches", [f"ecr:{action}" for action in _FILL], [scope.arn("ecr", "repository/*")]),
            *_public(scope),
            allow("ListSuites", ["s3:ListBucket"], [scope.bucket_arn]),
            allow("ReadDeployments", ["s3:GetObject"], scope.objects("deployments/*", "suites/*", "versions/*")),
            allow("PushSuites", ["s3:DeleteObject", "s3:PutObject"], scope.objects("suites/*", "versions/*")),
            *use_bucket_key(scope, write=True),
        ]
    )


def _public(scope: Scope) -> list[Statement]:
    if scope.public_repository is None:
        return []
    repository = f"arn:{scope.partition}:ecr-public::{scope.account}:repository/{scope.public_repository}"
    return [
        # neither action has resource-level permissions
        allow("LogInPublic", ["ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"], ANY),
        allow("PushPublicImages", [f"ecr-public:{action}" for action in _PUSH], [repository]),
    ]
