"""Upstream registries, which tests fill, and their caching by ECR at the first pull."""

import json
from dataclasses import dataclass

from ministack.services import ecr, secretsmanager

from tests.cloud.server import ecr_import, registry_store
from tests.cloud.server.ecr_pull_through import rule_of
from tests.cloud.server.state import on_reset


@dataclass(slots=True)
class Upstream:
    """The behaviour of an upstream registry."""

    up: bool = True
    login: tuple[str, str] | None = None  # required user and token


UPSTREAMS: dict[str, Upstream] = {}  # by host; others are up and public
on_reset(UPSTREAMS.clear)


def cache(repository: str, reference: str) -> str | None:
    """Fetches a manifest and its blobs by the registry's cache rule. Returns the reason if it fails, or None."""
    rule = rule_of(repository)
    if rule is None:
        return "there is no pull through cache rule for it"
    host, prefix = rule["upstreamRegistryUrl"], rule["ecrRepositoryPrefix"]
    rest = repository if prefix == "ROOT" else repository.removeprefix(f"{prefix}/")
    above = rule.get("upstreamRepositoryPrefix", "ROOT")
    name = rest if above == "ROOT" else f"{above}/{rest}"
    upstream = UPSTREAMS.get(host, Upstream())
    if not upstream.up:
        return f"{host} does not answer"
    if upstream.login is not None and _credential(rule.get("credentialArn")) != upstream.login:
        return f"{host} refuses the credential"
    with registry_store.registry(host):
        found = registry_store.image(name, reference)
        if found is None:
            return f"{host} has no {name}:{reference}"
        blobs = registry_store.needed(json.loads(found["imageManifest"]))
    if repository not in ecr._repositories:
        ecr_import.create(repository)
    tag = None if reference.startswith("sha256:") else reference
    registry_store.put_image(repository, tag, found["imageManifest"], found["imageManifestMediaType"])
    registry_store.link(repository, blobs)
    return None


def _credential(arn: str | None) -> tuple[str, str] | None:
    if arn is None:
        return None
    found = json.loads(secretsmanager.resolve_secret_string(arn) or "{}")
    return found.get("username", ""), found.get("accessToken", "")
