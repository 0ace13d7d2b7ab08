"""The workers' images, by digest, and the cache rules that bring them."""

import json
import re
from collections.abc import Iterator
from typing import Any

from toril.aws.errors import AwsError
from toril.launchers.preflight.findings import Finding, Look, ask, missing, ok, unanswered, warning
from toril.records import DeployedCache, DeployedWorker

ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<repository>[^:@]+)"
    r"(?::[^@]*)?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
MANIFESTS = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
]
PLATFORMS = {"x86-64": "amd64", "arm64": "arm64"}  # as images call them


def images(look: Look) -> Iterator[Finding]:
    """There by digest, and for the processor of their task definition."""
    seen: dict[tuple[str, str], Finding] = {}
    for kind in look.kinds:
        key = (kind.image, kind.architecture)
        if key not in seen:
            seen[key] = _image(look, kind)
            yield seen[key]


def _image(look: Look, kind: DeployedWorker) -> Finding:
    name, place = f"image {kind.flavour} {kind.architecture}", ECR.fullmatch(kind.image)
    if kind.digest is None:
        push = f"push one, `pulumi config set --path flavours.{kind.flavour}.digest sha256:…`, and {look.up}"
        return missing(name, f"none is set; {push}")
    if place is None:
        return warning(name, f"{kind.image} is not in ECR, and nobody but its registry knows whether it is there")
    repository, where = place["repository"], f"{place['repository']}@{kind.digest}"
    cache = _cache_of(look, repository)
    try:
        manifest = _manifest(look, place, kind.digest)
    except AwsError as refused:
        if refused.fault.aws_code != "RepositoryNotFoundException":
            raise
        manifest, cache = None, cache or _root(look)
    if manifest is None:
        if cache is None:
            fix = f"push it, or set flavours.{kind.flavour}.digest to one that is there and {look.up}"
            return missing(name, f"{where} is not in the registry of {place['region']}; {fix}")
        return _not_cached_yet(look, name, where, cache)
    platforms = _platforms(manifest)
    if platforms and PLATFORMS[kind.architecture] not in platforms:
        have = ", ".join(sorted(platforms))
        return missing(name, f"{where} is for {have} only; push one for {PLATFORMS[kind.architecture]}, too")
    if not platforms:
        return ok(name, f"{where} is there, for one processor, which its manifest does not name")
    return ok(name, f"{where} is there")


def _manifest(look: Look, place: re.Match[str], digest: str) -> dict[str, Any] | None:
    """The index or manifest; None when there is no such image."""
    answer = ask(
        look.clients,
        "ecr",
        place["region"],  # which may be another one
        "batch_get_image",
        "ecr:BatchGetImage",
        registryId=place["account"],
        repositoryName=place["repository"],
        imageIds=[{"imageDigest": digest}],
        acceptedMediaTypes=MANIFESTS,
    )
    found = next(iter(answer.get("images", [])), None)
    if found is None:
        return None
    try:
        manifest = json.loads(found.get("imageManifest", ""))
    except ValueError:
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _platforms(manifest: dict[str, Any]) -> set[str]:
    """The processors that an index has images for; none of a single image."""
    entries = manifest.get("manifests")
    platforms = (one.get("platform") or {} for one in entries or () if isinstance(one, dict))
    return {str(one["architecture"]) for one in platforms if one.get("os") == "linux" and one.get("architecture")}


def _not_cached_yet(look: Look, name: str, where: str, cache: DeployedCache) -> Finding:
    """The first pull brings it, unless the network or FIPS forbids that."""
    if not cache.ready:
        return missing(name, f"{where} is not cached yet, and its cache is not ready: {cache.reason}")
    warm = f"pull it once from where the internet is reachable: `docker pull {cache.uri}/…@{where.rpartition('@')[2]}`"
    if look.deployment.fips:
        return missing(name, f"{where} is not cached yet, and over FIPS a first pull fails; {warm}")
    if not look.deployment.network.public_addresses:
        return warning(name, f"{where} is not cached yet: its first pull needs a NAT gateway; or {warm}")
    return warning(
        name, f"{where} is not cached yet: the first task pulls it from {cache.upstream}, which takes longer"
    )


def caches(look: Look) -> Iterator[Finding]:
    """Each rule is there and valid; one that no image of the run needs is only told."""
    needed = {cache.prefix for kind in look.kinds if (cache := _cache_of_image(look, kind))}
    for cache in look.deployment.caches:
        found = _cache(look, cache)
        if found.state == "missing" and look.plan is not None and cache.prefix not in needed:
            found = warning(found.name, f"{found.detail} (this run does not need it)")
        yield found


def _cache(look: Look, cache: DeployedCache) -> Finding:
    name = f"cache {cache.prefix}"
    if not cache.ready:
        return missing(name, f"is not ready: {cache.reason}")
    try:
        described = look.ask(
            "ecr",
            "describe_pull_through_cache_rules",
            "ecr:DescribePullThroughCacheRules",
            ecrRepositoryPrefixes=[cache.prefix],
        )
        rule = next(iter(described.get("pullThroughCacheRules", [])), None)
        valid = look.ask(
            "ecr",
            "validate_pull_through_cache_rule",
            "ecr:ValidatePullThroughCacheRule",
            ecrRepositoryPrefix=cache.prefix,
        )
    except AwsError as refused:
        if refused.fault.aws_code == "PullThroughCacheRuleNotFoundException":
            return missing(name, f"its rule is not there; {look.up}")
        return unanswered(name, refused)
    if rule is None:
        return missing(name, f"its rule is not there; {look.up}")
    if rule.get("upstreamRegistryUrl") != cache.upstream:
        return missing(name, f"its rule is for {rule.get('upstreamRegistryUrl')}, not {cache.upstream}; {look.up}")
    if not valid.get("isValid"):
        why = valid.get("failure") or "ECR does not say why"
        return missing(name, f"ECR cannot use its rule: {why}; renew its credential, or {look.up}")
    return ok(name, f"of {cache.upstream} is valid")


def _cache_of_image(look: Look, kind: DeployedWorker) -> DeployedCache | None:
    place = ECR.fullmatch(kind.image)
    return None if place is None or place["region"] != look.region else _cache_of(look, place["repository"])


def _cache_of(look: Look, repository: str) -> DeployedCache | None:
    """The rule below whose prefix a repository is; the longest one decides."""
    fitting = [one for one in look.deployment.caches if repository.startswith(f"{one.prefix}/")]
    return max(fitting, key=lambda one: len(one.prefix), default=None)


def _root(look: Look) -> DeployedCache | None:
    """The rule for every repository that is not there."""
    return next((one for one in look.deployment.caches if one.prefix == "ROOT"), None)
