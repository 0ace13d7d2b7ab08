"""Where a task's image is pulled from: every reference becomes one in ECR, or in a registry with a login, or an error.

The rules of a pull-through cache: `<prefix>/<rest>` in the registry is `<upstream prefix>/<rest>` upstream, the longest
prefix that fits decides, and `ROOT` stands for the empty one. A repository that the stack makes is no cache's.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from infra.registry.hosts import PrivateRegistry, parse_host
from infra.settings import CacheSettings, SettingError
from infra.settings.caches import ROOT, UPSTREAMS, usual_prefix
from infra.settings.region import Flavour

LONGEST_PATH = 256  # of a repository in ECR
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d{{1,5}})?|localhost(?::\d{{1,5}})?)/)?(?P<path>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRegistry:
    """The stack's private registry: what is in it by itself, and what it caches."""

    home: PrivateRegistry
    worker_repository: str
    repositories: frozenset[str] = frozenset()  # the stack's other ones
    caches: tuple[CacheSettings, ...] = ()
    fips: bool = False

    def cache_at(self, path: str) -> CacheSettings | None:
        """The rule by which ECR looks for a repository that is not there."""
        if path == self.worker_repository or path in self.repositories:
            return None
        fitting = [one for one in self.caches if one.prefix != ROOT and path.startswith(one.prefix + "/")]
        if fitting:
            return max(fitting, key=lambda one: len(one.prefix))
        return next((one for one in self.caches if one.prefix == ROOT), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What a task definition names. `repository` is its place in a private registry, None outside of ECR."""

    uri: str
    digest: str | None
    registry: PrivateRegistry | None = None
    repository: str | None = None
    cache: str | None = None  # the prefix of the rule that brings it
    credentials: str | None = None  # ARN of the secret for a registry that is not ECR

    @property
    def repository_arn(self) -> str | None:
        return self.registry.repository_arn(self.repository) if self.registry and self.repository else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`[host/]path[:tag][@digest]`, taken apart."""

    host: str | None
    path: str
    tag: str | None
    digest: str | None

    def at(self, host: str, path: str) -> str:
        """The same image under another host and path; a digest says more than a tag."""
        return f"{host}/{path}@{self.digest}" if self.digest else f"{host}/{path}:{self.tag}"


def resolve(name: str, flavour: Flavour, registry: OwnRegistry) -> Image:
    """The image of the flavour `name`; SettingError, with the fix, for one that would come from outside."""
    where = f"toril:flavours.{name}.image"
    if flavour.image is None:
        if flavour.credentials:
            raise SettingError(f"toril:flavours.{name}.credentials: there is no image they are for; remove them")
        reference = Reference(host=None, path=registry.worker_repository, tag=name, digest=flavour.digest)
        return _in_ecr(reference, registry.home, registry.worker_repository, registry, where)
    reference = parse(flavour.image, where, flavour.digest)
    private = parse_host(reference.host) if reference.host else None
    if flavour.credentials:
        if registry.fips:
            raise SettingError(f"{where}: with fips, images come from ECR only; copy it into a repository of yours")
        if private:
            raise SettingError(f"toril:flavours.{name}.credentials: ECR takes none; remove them")
        if reference.host is None:
            raise SettingError(
                f"{where}: {flavour.image} names no registry; write it as registry.example.com/{flavour.image}"
            )
        uri = reference.at(reference.host, reference.path)
        return Image(uri=uri, digest=reference.digest, credentials=flavour.credentials)
    if private == registry.home or reference.host is None:
        return _at_home(reference, registry, where)
    cached = _cached(reference, private, registry)
    if cached:
        return _in_ecr(reference, registry.home, cached, registry, where)
    if private:
        return _in_ecr(reference, private, reference.path, registry, where)
    raise SettingError(
        f"{where}: {flavour.image} would be pulled from outside; {_way_in(str(reference.host), registry)}"
    )


def parse(image: str, where: str, digest: str | None = None) -> Reference:
    """The reference `image`, which needs a tag or a digest; `digest` is the setting beside it."""
    found = _REFERENCE.fullmatch(image)
    if not found:
        raise SettingError(
            f"{where}: {image} is no image; write it as docker-hub/library/nginx:1.27 or ghcr.io/acme/worker@sha256:…, "
            "in lower case and without https://"
        )
    if digest and found["digest"] not in (None, digest):
        raise SettingError(f"{where}: {image} has another digest than `digest` beside it; remove one of them")
    if not (found["tag"] or found["digest"] or digest):
        raise SettingError(f"{where}: {image} could be any version; add a tag or, better, a digest")
    return Reference(host=found["host"], path=found["path"], tag=found["tag"], digest=digest or found["digest"])


def upstream_host(cache: CacheSettings, home: PrivateRegistry) -> str:
    """The registry that a rule copies from, as ECR calls it."""
    if cache.upstream == "ecr":
        return PrivateRegistry(cache.account or home.account, cache.region or home.region).host()
    return UPSTREAMS[cache.upstream].url or str(cache.registry)


def upstream_path(cache: CacheSettings, path: str) -> str:
    """The path upstream of what is at `path` below the rule's prefix."""
    rest = path if cache.prefix == ROOT else path.removeprefix(cache.prefix + "/")
    return rest if cache.upstream_prefix in (None, ROOT) else f"{cache.upstream_prefix}/{rest}"


def _at_home(reference: Reference, registry: OwnRegistry, where: str) -> Image:
    """What is written as a path of the stack's own registry, with or without its host."""
    path = reference.path if reference.host else _in_environment(reference.path, registry)
    cache = registry.cache_at(path)
    own = path == registry.worker_repository or path in registry.repositories
    if cache and cache.upstream == "docker-hub" and "/" not in upstream_path(cache, path):
        fixed = "/".join((*path.split("/")[:-1], "library", path.split("/")[-1]))
        raise SettingError(f"{where}: Docker's official images are below library/; write {reference.at('', fixed)[1:]}")
    if not (cache or own or reference.host):
        raise SettingError(
            f"{where}: {path} is below no cache's prefix and no repository of this stack; write its registry too, as "
            f"in {reference.at('docker.io', path if '/' in path else 'library/' + path)}"
        )
    return _in_ecr(reference, registry.home, path, registry, where)


def _in_environment(path: str, registry: OwnRegistry) -> str:
    """The path below the cache's own prefix, where it is written with its upstream's usual one."""
    if registry.cache_at(path) or path in registry.repositories:
        return path
    for cache in registry.caches:
        usual = usual_prefix(cache)
        if usual and path.startswith(f"{usual}/"):
            return cache.prefix + path.removeprefix(usual)
    return path


def _cached(reference: Reference, private: PrivateRegistry | None, registry: OwnRegistry) -> str | None:
    """The path in the registry under which a rule brings an image of a known upstream."""
    found = []
    for cache in registry.caches:
        if not _is_upstream(cache, str(reference.host), private, registry.home):
            continue
        path = reference.path
        if cache.upstream == "docker-hub" and "/" not in path:
            path = f"library/{path}"
        if cache.upstream_prefix not in (None, ROOT):
            if not path.startswith(f"{cache.upstream_prefix}/"):
                continue
            path = path.removeprefix(f"{cache.upstream_prefix}/")
        here = path if cache.prefix == ROOT else f"{cache.prefix}/{path}"
        if registry.cache_at(here) is cache and len(here) <= LONGEST_PATH:
            found.append((-len(cache.upstream_prefix or ""), here))
    return min(found)[1] if found else None


def _is_upstream(cache: CacheSettings, host: str, private: PrivateRegistry | None, home: PrivateRegistry) -> bool:
    if cache.upstream == "ecr":
        return private == PrivateRegistry(cache.account or home.account, cache.region or home.region)
    return host in (upstream_host(cache, home), *UPSTREAMS[cache.upstream].hosts)


def _in_ecr(reference: Reference, place: PrivateRegistry, path: str, registry: OwnRegistry, where: str) -> Image:
    cache = registry.cache_at(path) if place == registry.home else None
    if len(path) > LONGEST_PATH:
        raise SettingError(f"{where}: {path[:40]}… is longer than the {LONGEST_PATH} characters of a repository's name")
    return Image(
        uri=reference.at(place.host(over_fips=registry.fips), path),
        digest=reference.digest,
        registry=place,
        repository=path,
        cache=cache.prefix if cache else None,
    )


def _way_in(host: str, registry: OwnRegistry) -> str:
    names = [name for name, one in UPSTREAMS.items() if host in _hosts(one.url, one.hosts)]
    if host.endswith((".azurecr.io", ".azurecr.us", ".azurecr.cn")):
        names = ["acr"]
    if registry.fips:
        return "with fips, copy it into a repository of this stack"
    if not names:
        return "no cache can have this registry as its upstream; give the flavour `credentials`, or copy it into ECR"
    if any(cache.upstream == names[0] for cache in registry.caches):
        return f"no cache of {host} covers this path; widen its upstreamPrefix or add another cache"
    return f"add a cache of it to toril:caches, as in `- {{upstream: {names[0]}}}`"


def _hosts(url: str | None, others: Iterable[str]) -> tuple[str, ...]:
    return (*((url,) if url else ()), *others)
