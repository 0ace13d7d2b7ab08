"""The source of a task's image: each reference becomes one in ECR, or in a registry with a login, or an error.

A pull-through cache maps `<prefix>/<rest>` in the registry to `<upstream prefix>/<rest>` upstream. The longest matching
prefix decides, and `ROOT` means the empty one. No cache covers a repository that the stack makes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from infra.registry.hosts import PrivateRegistry, parse_host
from infra.settings import CacheSettings, SettingError
from infra.settings.caches import ROOT, UPSTREAMS, usual_prefix
from infra.settings.region import Flavour

LONGEST_PATH = 256  # characters of a repository's name in ECR
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d{{1,5}})?|localhost(?::\d{{1,5}})?)/)?(?P<path>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRegistry:
    """The stack's private registry: its own repositories and its caches."""

    home: PrivateRegistry
    worker_repository: str
    repositories: frozenset[str] = frozenset()  # the stack's other repositories
    caches: tuple[CacheSettings, ...] = ()
    fips: bool = False

    def cache_at(self, path: str) -> CacheSettings | None:
        """Returns the rule that ECR uses for a missing repository."""
        if path == self.worker_repository or path in self.repositories:
            return None
        fitting = [one for one in self.caches if one.prefix != ROOT and path.startswith(one.prefix + "/")]
        if fitting:
            return max(fitting, key=lambda one: len(one.prefix))
        return next((one for one in self.caches if one.prefix == ROOT), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The image of a task definition. `repository` is its path in a private registry, None outside ECR."""

    uri: str
    digest: str | None
    registry: PrivateRegistry | None = None
    repository: str | None = None
    cache: str | None = None  # the prefix of its cache rule
    tag: str | None = None  # of a cached image, because ECR may fill a cache only by tag
    credentials: str | None = None  # ARN of the secret for a registry other than ECR

    @property
    def repository_arn(self) -> str | None:
        return self.registry.repository_arn(self.repository) if self.registry and self.repository else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The parts of `[host/]path[:tag][@digest]`."""

    host: str | None
    path: str
    tag: str | None
    digest: str | None

    def at(self, host: str, path: str) -> str:
        """Returns the same image under another host and path, by its digest if it has one."""
        return f"{host}/{path}@{self.digest}" if self.digest else f"{host}/{path}:{self.tag}"


def resolve(name: str, flavour: Flavour, registry: OwnRegistry) -> Image:
    """Returns the image of flavour `name`. Raises SettingError, with the fix, if a task cannot pull it."""
    where = f"toril:flavours.{name}.image"
    if flavour.image is None:
        if flavour.credentials:
            raise SettingError(
                f"toril:flavours.{name}.credentials: The flavour has no `image` that needs them. Remove them."
            )
        reference = Reference(host=None, path=registry.worker_repository, tag=name, digest=flavour.digest)
        return _in_ecr(reference, registry.home, registry.worker_repository, registry, where)
    reference = parse(flavour.image, where, flavour.digest)
    private = parse_host(reference.host) if reference.host else None
    if flavour.credentials:
        if private:
            raise SettingError(f"toril:flavours.{name}.credentials: ECR accepts none. Remove them.")
        if reference.host is None:
            raise SettingError(
                f"{where}: `{flavour.image}` names no registry. Add it, as in registry.example.com/{flavour.image}."
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
    raise SettingError(f"{where}: ECR does not provide `{flavour.image}`. {_fix(str(reference.host), registry)}")


def parse(image: str, where: str, digest: str | None = None) -> Reference:
    """Returns the parts of `image`, which needs a version: a tag or a digest in it, or `digest` beside it."""
    found = _REFERENCE.fullmatch(image)
    if not found:
        raise SettingError(
            f"{where}: `{image}` is not a valid image. Use the form docker-hub/library/nginx:1.27 or "
            "ghcr.io/acme/worker@sha256:…, in lower case and without https://."
        )
    if digest and found["digest"] not in (None, digest):
        raise SettingError(f"{where}: `{image}` and the setting `digest` have different digests. Remove one of them.")
    if not (found["tag"] or found["digest"] or digest):
        raise SettingError(f"{where}: `{image}` has no version. Add a tag or, better, a digest.")
    return Reference(host=found["host"], path=found["path"], tag=found["tag"], digest=digest or found["digest"])


def upstream_host(cache: CacheSettings, home: PrivateRegistry) -> str:
    """Returns a rule's upstream registry, by ECR's name."""
    if cache.upstream == "ecr":
        return PrivateRegistry(cache.account or home.account, cache.region or home.region).host()
    return UPSTREAMS[cache.upstream].url or str(cache.registry)


def upstream_path(cache: CacheSettings, path: str) -> str:
    """Returns the upstream path of `path`, which is below the rule's prefix."""
    rest = path if cache.prefix == ROOT else path.removeprefix(cache.prefix + "/")
    return rest if cache.upstream_prefix in (None, ROOT) else f"{cache.upstream_prefix}/{rest}"


def _at_home(reference: Reference, registry: OwnRegistry, where: str) -> Image:
    """Returns an image in the stack's own registry, written with or without its host."""
    path = reference.path if reference.host else _in_environment(reference.path, registry)
    cache = registry.cache_at(path)
    own = path == registry.worker_repository or path in registry.repositories
    if cache and cache.upstream == "docker-hub" and "/" not in upstream_path(cache, path):
        fixed = "/".join((*path.split("/")[:-1], "library", path.split("/")[-1]))
        raise SettingError(
            f"{where}: Docker's official images are below library/. Use `{reference.at('', fixed)[1:]}`."
        )
    if not (cache or own or reference.host):
        raise SettingError(
            f"{where}: `{path}` matches no cache and no repository of this stack. Add its registry, as in "
            f"{reference.at('docker.io', path if '/' in path else 'library/' + path)}."
        )
    return _in_ecr(reference, registry.home, path, registry, where)


def _in_environment(path: str, registry: OwnRegistry) -> str:
    """Returns the path with the cache's own prefix; the user may have written the upstream's usual prefix."""
    if registry.cache_at(path) or path in registry.repositories:
        return path
    for cache in registry.caches:
        usual = usual_prefix(cache)
        if usual and path.startswith(f"{usual}/"):
            return cache.prefix + path.removeprefix(usual)
    return path


def _cached(reference: Reference, private: PrivateRegistry | None, registry: OwnRegistry) -> str | None:
    """Returns the path in the own registry under which a rule provides an upstream's image, or None."""
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
        raise SettingError(
            f"{where}: The repository's name `{path[:40]}…` has more than {LONGEST_PATH} characters. Use a shorter one."
        )
    return Image(
        uri=reference.at(place.host(over_fips=registry.fips), path),
        digest=reference.digest,
        registry=place,
        repository=path,
        cache=cache.prefix if cache else None,
        tag=reference.tag if cache else None,
    )


def _fix(host: str, registry: OwnRegistry) -> str:
    names = [name for name, one in UPSTREAMS.items() if host in _hosts(one.url, one.hosts)]
    if host.endswith((".azurecr.io", ".azurecr.us", ".azurecr.cn")):
        names = ["acr"]
    if registry.fips:
        return "With `fips`, copy it into a repository of this stack."
    if not names:
        return "ECR cannot cache its registry. Set the flavour's `credentials`, or copy it into ECR."
    if any(cache.upstream == names[0] for cache in registry.caches):
        return f"No cache of {host} covers this path. Widen its `upstreamPrefix`, or add another cache."
    return f"Add a cache to toril:caches, as in `- {{upstream: {names[0]}}}`."


def _hosts(url: str | None, others: Iterable[str]) -> tuple[str, ...]:
    return (*((url,) if url else ()), *others)
