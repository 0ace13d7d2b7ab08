"""Pull-through caches of ECR: the supported upstreams, and what AWS requires for each.

Source: Amazon ECR user guide, "Creating a pull through cache rule", and botocore's service model, November 2026.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from infra.settings.common import Account, RegionName, RoleArn, SecretArn, Setting

MOST_RULES = 50  # pull-through cache rules per registry; AWS cannot raise it
PREFIX = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
ROOT = "ROOT"  # ECR's name of the rule for paths that no other prefix matches


@dataclass(frozen=True, slots=True)
class Upstream:
    """A registry that ECR can cache. `url` None: the user has to give it, since it names an account."""

    url: str | None
    keyed: bool  # needs a credential in Secrets Manager
    prefix: str  # by default
    hosts: tuple[str, ...] = ()  # aliases in image references


UPSTREAMS = {
    "docker-hub": Upstream("registry-1.docker.io", True, "docker-hub", ("docker.io", "index.docker.io")),
    "ghcr": Upstream("ghcr.io", True, "github"),
    "acr": Upstream(None, True, "azure"),
    "gitlab": Upstream("registry.gitlab.com", True, "gitlab"),
    "chainguard": Upstream("cgr.dev", True, "chainguard"),
    "ecr-public": Upstream("public.ecr.aws", False, "ecr-public"),
    "k8s": Upstream("registry.k8s.io", False, "kubernetes"),
    "quay": Upstream("quay.io", False, "quay"),
    "ecr": Upstream(None, False, "ecr"),
}
UpstreamName = Literal["docker-hub", "ghcr", "acr", "gitlab", "chainguard", "ecr-public", "k8s", "quay", "ecr"]


def _expanded(value: object) -> object:
    """Returns the full form: `docker-hub` means `{upstream: docker-hub}`."""
    return {"upstream": value} if isinstance(value, str) else value


class CacheSettings(Setting):
    """One pull-through cache rule: images of an upstream under a prefix of the private registry."""

    upstream: UpstreamName = Field(description="Cached registry.")
    prefix: str = Field(
        default="",
        description="Prefix of the cached repositories, 2 to 30 characters; `ROOT` for all other paths. Default: as in "
        "`docker-hub`, or `prod/docker-hub`.",
    )
    upstream_prefix: str | None = Field(default=None, description="Path of the upstream to cache. Default: all.")
    registry: str | None = Field(
        default=None, pattern=r"^[a-z0-9]{5,50}\.azurecr\.(io|us|cn)$", description="ACR: `<name>.azurecr.io`."
    )
    account: Account | None = Field(default=None, description="ECR: upstream account. Default: that of the stack.")
    region: RegionName | None = Field(default=None, description="ECR: upstream region. Default: that of the stack.")
    role: RoleArn | None = Field(
        default=None, description="ECR in another account: existing role that may pull. Default: a new one."
    )
    secret: SecretArn | Literal["later"] | None = Field(
        default=None,
        description="Login: the ARN of a secret, or `later` for an empty secret to fill. Default: "
        "`toril:credentials.<prefix>`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_prefix(cls, found: Any) -> Any:
        if isinstance(found, dict) and not found.get("prefix") and found.get("upstream") in UPSTREAMS:
            return {**found, "prefix": UPSTREAMS[found["upstream"]].prefix}
        return found

    @field_validator("prefix")
    @classmethod
    def _is_prefix(cls, prefix: str) -> str:
        if prefix != ROOT and not (2 <= len(prefix) <= 30 and PREFIX.fullmatch(prefix)):
            raise ValueError("Use 2 to 30 lower-case letters and digits with . _ - / between them, or ROOT.")
        return prefix

    @model_validator(mode="after")
    def _check(self) -> "CacheSettings":
        upstream = UPSTREAMS[self.upstream]
        if self.secret and not upstream.keyed:
            raise ValueError(f"secret: {self.upstream} has no login. Remove it.")
        if (self.upstream == "acr") != (self.registry is not None):
            raise ValueError("registry: The upstream acr requires it, as in acmeload.azurecr.io; no other has it.")
        if self.upstream != "ecr" and (self.account or self.region or self.role):
            raise ValueError("account, region, role: Only the upstream ecr has them. Remove them.")
        if self.upstream == "ecr" and not (self.account or self.region):
            raise ValueError("account, region: The upstream ecr requires one of them. Set it to the cached registry's.")
        if self.prefix == ROOT and self.upstream_prefix not in (None, ROOT):
            raise ValueError(f"upstreamPrefix: Prefix ROOT excludes `{self.upstream_prefix}`. Remove it.")
        if self.upstream_prefix not in (None, ROOT) and not PREFIX.fullmatch(self.upstream_prefix or ""):
            raise ValueError("upstreamPrefix: Use a path in lower case, as in team-a.")
        return self

    @property
    def keyed(self) -> bool:
        return UPSTREAMS[self.upstream].keyed


Cache = Annotated[CacheSettings, BeforeValidator(_expanded)]


def in_environment(caches: object, environment: str) -> object:
    """Returns the written caches with the environment's own prefixes, since a registry has each prefix once.

    Anything but a list of caches stays as it is; the validation of the settings rejects it.
    """
    if not isinstance(caches, list):
        return caches
    return [_in_environment(_expanded(cache), environment) for cache in caches]


def _in_environment(cache: object, environment: str) -> object:
    if isinstance(cache, dict) and not cache.get("prefix") and cache.get("upstream") in UPSTREAMS:
        return {**cache, "prefix": f"{environment}/{UPSTREAMS[cache['upstream']].prefix}"}
    return cache


def usual_prefix(cache: CacheSettings) -> str | None:
    """Returns the upstream's usual prefix if the cache has the environment's form of it."""
    usual = UPSTREAMS[cache.upstream].prefix
    return usual if cache.prefix.endswith(f"/{usual}") else None
