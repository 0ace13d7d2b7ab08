"""Pull-through caches of ECR: which upstreams there are, and what AWS demands of each.

Source: Amazon ECR user guide, "Creating a pull through cache rule", and botocore's service model, November 2026.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from infra.settings.common import Account, RegionName, RoleArn, SecretArn, Setting

MOST_RULES = 50  # pull-through cache rules a registry; not adjustable
PREFIX = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
ROOT = "ROOT"  # the rule for every path that no other prefix matches


@dataclass(frozen=True, slots=True)
class Upstream:
    """A registry that ECR can cache. `url` None: it has to be given, since it names an account."""

    url: str | None
    keyed: bool  # needs a credential in Secrets Manager
    prefix: str  # by default
    hosts: tuple[str, ...] = ()  # under which its images are written


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


def _in_short(value: object) -> object:
    """`docker-hub` is `{upstream: docker-hub}`."""
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
    account: Account | None = Field(default=None, description="ECR: upstream account. Default: this one.")
    region: RegionName | None = Field(default=None, description="ECR: upstream region. Default: this one.")
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
            raise ValueError("2 to 30 lower-case letters, digits and . _ - / between them, or ROOT")
        return prefix

    @model_validator(mode="after")
    def _fits(self) -> "CacheSettings":
        upstream = UPSTREAMS[self.upstream]
        if self.secret and not upstream.keyed:
            raise ValueError(f"secret: {self.upstream} takes no credential; remove it")
        if (self.upstream == "acr") != (self.registry is not None):
            raise ValueError("registry: names an ACR, and only that; write it as acmeload.azurecr.io")
        if self.upstream != "ecr" and (self.account or self.region or self.role):
            raise ValueError("account, region, role: belong to the upstream ecr only")
        if self.upstream == "ecr" and not (self.account or self.region):
            raise ValueError("account, region: name the other account or region whose registry is cached")
        if self.prefix == ROOT and self.upstream_prefix not in (None, ROOT):
            raise ValueError(f"upstreamPrefix: cannot be used with prefix ROOT (it is {self.upstream_prefix})")
        if self.upstream_prefix not in (None, ROOT) and not PREFIX.fullmatch(self.upstream_prefix or ""):
            raise ValueError("upstreamPrefix: a path in lower case, as in team-a")
        return self

    @property
    def keyed(self) -> bool:
        return UPSTREAMS[self.upstream].keyed


Cache = Annotated[CacheSettings, BeforeValidator(_in_short)]


def in_environment(caches: object, environment: str) -> object:
    """Caches as they are written, with prefixes of their own in an environment: a registry has each prefix once.

    What is no list of caches is left as it is, for the settings to refuse.
    """
    if not isinstance(caches, list):
        return caches
    return [_in_environment(_in_short(cache), environment) for cache in caches]


def _in_environment(cache: object, environment: str) -> object:
    if isinstance(cache, dict) and not cache.get("prefix") and cache.get("upstream") in UPSTREAMS:
        return {**cache, "prefix": f"{environment}/{UPSTREAMS[cache['upstream']].prefix}"}
    return cache


def usual_prefix(cache: CacheSettings) -> str | None:
    """The upstream's usual prefix, where the cache has it in an environment's form."""
    usual = UPSTREAMS[cache.upstream].prefix
    return usual if cache.prefix.endswith(f"/{usual}") else None
