"""What pulling through a cache takes: of the puller, of ECR's own roles, of an upstream in another account."""

from collections.abc import Iterable

from infra.keys import REPOSITORIES
from infra.permissions.grants import grant
from infra.permissions.statements import ANY, Document, allow, document
from infra.place import Place
from infra.registry.hosts import PrivateRegistry
from infra.settings import CacheSettings
from infra.settings.caches import ROOT

# Beside the rights to pull: the first pull of an image makes its repository and brings it.
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
    """ARN of all repositories that a rule with `prefix` may make."""
    return place.arn("ecr", "repository/*" if prefix == ROOT else f"repository/{prefix}/*")


def crosses_accounts(cache: CacheSettings, place: Place) -> bool:
    """Whether ECR needs a role for the upstream."""
    return cache.account not in (None, place.account)


def template_policy(place: Place, prefixes: Iterable[str], key: str | None) -> Document:
    """Of the role by which ECR makes tagged or encrypted repositories; `key`: a customer's, if any."""
    made = allow("Create", ["ecr:CreateRepository", "ecr:TagResource"], [below(place, one) for one in prefixes])
    return document([made, allow("Encrypt", REPOSITORIES, [key])] if key else [made])


def upstream_role_policy(place: Place, caches: Iterable[CacheSettings]) -> Document:
    """Of the role by which ECR pulls from registries of other accounts."""
    found = list(caches)
    return document(
        [
            allow("LogIn", ["ecr:GetAuthorizationToken"], ANY),  # knows no resource
            allow("Read", READ_UPSTREAM, [_upstream(place, one) for one in found]),
            allow("Fill", FILL, [below(place, one.prefix) for one in found]),
        ]
    )


def _upstream(place: Place, cache: CacheSettings) -> str:
    registry = PrivateRegistry(cache.account or place.account, cache.region or place.region)
    prefix = cache.upstream_prefix
    return registry.repository_arn("*" if prefix in (None, ROOT) else f"{prefix}/*")


def upstream_policy(role: str, repositories: Iterable[str]) -> Document:
    """What the other account's registry policy has to say, so that `role` may pull from its `repositories` (ARNs)."""
    return document([grant("TorilCache", {"AWS": role}, READ_UPSTREAM, repositories)])


def wanted_upstream(place: Place, caches: Iterable[CacheSettings]) -> dict[str, Document]:
    """Prefix → the registry policy that the account upstream has to have, for caches of ECR in other accounts."""
    made = place.role_arn(place.names.role("cache-upstreams", place.region))
    return {
        cache.prefix: upstream_policy(cache.role or made, [_upstream(place, cache)])
        for cache in caches
        if crosses_accounts(cache, place)
    }
