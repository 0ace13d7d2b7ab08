"""Pull-through caches: the rule, creation template, credential and roles of each upstream."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.keys import Keys
from infra.place import Place
from infra.registry.cache_policies import crosses_accounts
from infra.registry.cache_roles import CacheRoles
from infra.registry.hosts import PrivateRegistry
from infra.registry.images import upstream_host
from infra.registry.private import lifecycle
from infra.settings import CacheSettings
from infra.settings.caches import ROOT
from toril.records.deployment import DeployedCache

KEEP = 50  # images in a repository that a cache makes
LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class CachesArgs:
    """The caches' inputs. `credentials` are in plain text: pass them on only as Pulumi secrets."""

    caches: tuple[CacheSettings, ...]
    credentials: Mapping[str, Mapping[str, str]]
    place: Place
    keys: Keys


class Caches(pulumi.ComponentResource):
    """The rules of one registry with their requirements. `deployed` lists the rules that exist."""

    deployed: tuple[DeployedCache, ...]

    def __init__(self, name: str, args: CachesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("toril:region:Caches", name, {}, opts)
        self._args, self._name = args, name
        self._child = pulumi.ResourceOptions(parent=self)
        self._home = PrivateRegistry(args.place.account, args.place.region)
        if args.caches:
            self._roles = CacheRoles(name, args.caches, args.place, args.keys.registry, opts=self._child)
        self.deployed = tuple(self._cache(cache) for cache in args.caches)
        self.register_outputs({})

    def _cache(self, cache: CacheSettings) -> DeployedCache:
        place, name = self._args.place, f"{self._name}-{cache.prefix}"
        credential, needs, reason = self._credential(name, cache)
        made = DeployedCache(
            prefix=cache.prefix,
            upstream=upstream_host(cache, self._home),
            uri=self._home.host() + ("" if cache.prefix == ROOT else f"/{cache.prefix}"),
            ready=not reason,
            reason=reason,
        )
        template = self._template(name, cache, made)
        if reason:
            pulumi.log.warn(f"toril:caches: The stack skips cache `{cache.prefix}` of {made.upstream}: {reason}", self)
            return made
        role: pulumi.Input[str] | None = cache.role
        if crosses_accounts(cache, place) and not role:
            role, needs = self._roles.upstreams, [*needs, self._roles]
        aws.ecr.PullThroughCacheRule(
            name,
            region=place.region,
            ecr_repository_prefix=cache.prefix,
            upstream_registry_url=made.upstream,
            upstream_repository_prefix=cache.upstream_prefix,
            credential_arn=credential,
            custom_role_arn=role,
            # a repository that exists before its template never gets tags or a lifecycle
            opts=pulumi.ResourceOptions(parent=self, depends_on=[template, *needs]),
        )
        return made

    def _template(self, name: str, cache: CacheSettings, made: DeployedCache) -> pulumi.Resource:
        key = self._args.keys.registry
        return aws.ecr.RepositoryCreationTemplate(
            name,
            region=self._args.place.region,
            prefix=cache.prefix,
            description=f"Cache of {made.upstream}",
            applied_fors=["PULL_THROUGH_CACHE"],
            image_tag_mutability="MUTABLE",  # ECR cannot refresh an immutable tag
            encryption_configurations=[
                {"encryption_type": "KMS", "kms_key": key} if key else {"encryption_type": "AES256"}
            ],
            lifecycle_policy=lifecycle(KEEP),
            resource_tags=dict(self._args.place.tags),
            custom_role_arn=self._roles.templates,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._roles]),
        )

    def _credential(
        self, name: str, cache: CacheSettings
    ) -> tuple[pulumi.Input[str] | None, list[pulumi.Resource], str]:
        """Returns the secret's ARN, the rule's dependencies, and the reason if there can be no rule yet."""
        place, keys = self._args.place, self._args.keys
        if not cache.keyed or cache.secret not in (None, LATER):
            return cache.secret, [], ""
        physical = place.names.cache_secret(cache.prefix)
        reason = ""
        if cache.secret == LATER and not self._has_value(physical):
            reason = f"secret {physical} is empty; put username and accessToken into it, then `pulumi up`"
        secret = aws.secretsmanager.Secret(
            name,
            region=place.region,
            name=physical,
            description=f"Login at {upstream_host(cache, self._home)} for the cache {cache.prefix}",
            kms_key_id=keys.registry,
            recovery_window_in_days=0,  # recovery would block its name for days, and the user can set a login again
            opts=self._child,
        )
        if cache.secret == LATER:
            return secret.arn, [secret], reason
        value = pulumi.Output.secret(json.dumps(dict(self._args.credentials[cache.prefix]), sort_keys=True))
        version = aws.secretsmanager.SecretVersion(
            name,
            region=place.region,
            secret_id=secret.id,
            secret_string=value,
            opts=pulumi.ResourceOptions(parent=secret),
        )
        return secret.arn, [version], ""

    def _has_value(self, secret: str) -> bool:
        """Whether an operator has filled a secret. Checks its versions and never reads its value."""
        options, region = pulumi.InvokeOptions(parent=self), self._args.place.region
        found = aws.secretsmanager.get_secrets(
            filters=[{"name": "name", "values": [secret]}], region=region, opts=options
        )
        if secret not in found.names:  # the filter matches prefixes
            return False
        versions = aws.secretsmanager.get_secret_versions(secret_id=secret, region=region, opts=options).versions
        return any("AWSCURRENT" in version.version_stages for version in versions)


def ready(caches: Iterable[DeployedCache]) -> dict[str, dict[str, str | bool]]:
    """Returns the stack's output: by prefix, the address, and whether a pull works."""
    return {
        cache.prefix: {"uri": cache.uri, "ready": cache.ready, **({"reason": cache.reason} if cache.reason else {})}
        for cache in caches
    }
