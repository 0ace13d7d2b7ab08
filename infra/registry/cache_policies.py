"""Policies for pulls through a cache: the puller's, those of ECR's roles, and of an upstream in another account."""

from collections.abc import Iterable

from infra.keys import REPOSITORIES
from infra.permissions.grants import grant
from infra.permissions.statements import ANY, Document, allow, document
from infra.place import Place
from infra.registry.hosts import PrivateRegistry
from infra.settings import CacheSettings
from infra.settings.caches import ROOT

# Additional rights: the first pull of an image makes its repository and imports the image.
IMPORT = ("ecr:BatchImportUpstreamImage", "ecr:CreateRepository")
READ_UPSTREAM = (
    "ecr:BatchGetImage",
    "ecr:BatchImportUpstreamImage",
    "ecr:GetDownloadUrlForLayer",
    "ecr:GetImageCopyStatus",
)
FILL = (
    "ecr:BatchImportUpstreamImage",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)


def below(place: Place, prefix: str) -> str:
    """Returns the ARN pattern of the repositories that a rule with `prefix` may make."""
    return place.arn("ecr", "repository/*" if prefix == ROOT else f"repository/{prefix}/*")


def crosses_accounts(cache: CacheSettings, place: Place) -> bool:
    """Whether the upstream is in another account, so that ECR needs a role for it."""
    return cache.account not in (None, place.account)


def template_policy(place: Place, prefixes: Iterable[str], key: str | None) -> Document:
    """Returns the policy of the role by which ECR makes tagged or encrypted repositories. `key`: a customer's key."""
    made = allow("Create", ["ecr:CreateRepository", "ecr:TagResource"], [below(place, one) for one in prefixes])
    return document([made, allow("Encrypt", REPOSITORIES, [key])] if key else [made])


def upstream_role_policy(place: Place, caches: Iterable[CacheSettings]) -> Document:
    """Returns the policy of the role by which ECR pulls from other accounts' registries."""
    found = list(caches)
    return document(
        [
            allow("LogIn", ["ecr:GetAuthorizationToken"], ANY),  # no resource-level permissions
            allow("Read", READ_UPSTREAM, [_upstream(place, one) for one in found]),
            allow("Fill", FILL, [below(place, one.prefix) for one in found]),
        ]
    )


def _upstream(place: Place, cache: CacheSettings) -> str:
    registry = PrivateRegistry(cache.account or place.account, cache.region or place.region)
    prefix = cache.upstream_prefix
    return registry.repository_arn("*" if prefix in (None, ROOT) else f"{prefix}/*")


def upstream_policy(role: str, repositories: Iterable[str]) -> Document:
    """Returns the other account's registry policy, by which `role` may pull from its `repositories` (ARNs)."""
    return document([grant("TorilCache", {"AWS": role}, READ_UPSTREAM, repositories)])


def wanted_upstream(place: Place, caches: Iterable[CacheSettings]) -> dict[str, Document]:
    """Returns, by prefix, the registry policy that each other account needs for caches of its ECR."""
    made = place.role_arn(place.names.role("cache-upstreams", place.region))
    return {
        cache.prefix: upstream_policy(cache.role or made, [_upstream(place, cache)])
        for cache in caches
        if crosses_accounts(cache, place)
    }
