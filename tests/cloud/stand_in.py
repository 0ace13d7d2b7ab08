"""A substitute for the worker image if tasks are processes: an empty image, and the command that it runs."""

import sys
from collections.abc import Iterable

from tests.cloud.embedded import Cloud
from tests.cloud.oci import INDEX, Registry, digest_of, image, index

IMAGES = {architecture: image({}, architecture=architecture) for architecture in ("amd64", "arm64")}
DIGEST = digest_of(index(IMAGES))
WORKER = [sys.executable, "-m", "toril.worker.pid1", sys.executable, "-m", "toril.worker"]


def push_stand_in(cloud: Cloud, repository: str, regions: Iterable[str]) -> str:
    """Pushes it to the private registries of these regions. Returns its digest."""
    for region in regions:
        registry = Registry(cloud.registry(region), cloud.registry_login(region))
        for one in IMAGES.values():
            registry.push(repository, one)
        registry.push_manifest(repository, index(IMAGES), INDEX)
    return DIGEST
