"""The content of registries: blobs in files, and their repositories. MiniStack stores the manifests.

A registry belongs to an account and a region. For an upstream registry, the "account" is UPSTREAM and the "region" is
its host, so that it can use MiniStack's stores.
"""

import hashlib
import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ministack.core.responses import get_account_id, request_scope
from ministack.services import ecr

from tests.cloud.server.ecr_pull_through import ECR_HOST
from tests.cloud.server.state import Regional, on_reset

UPSTREAM = "upstream"


@dataclass(slots=True)
class Upload:
    """An unfinished upload of a blob."""

    path: Path
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, part: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(part)
        self.digest.update(part)
        self.size += len(part)


BLOBS: Regional[dict[str, set[str]]] = Regional(dict)  # by repository
UPLOADS: dict[str, Upload] = {}
_FOLDERS: list[Path] = []


def _forget() -> None:
    UPLOADS.clear()
    while _FOLDERS:
        shutil.rmtree(_FOLDERS.pop(), ignore_errors=True)


on_reset(_forget)


def _folder() -> Path:
    if not _FOLDERS:
        _FOLDERS.append(Path(tempfile.mkdtemp(prefix="registry-")))
    return _FOLDERS[0]


@contextmanager
def registry(host: str) -> Iterator[None]:
    """Enters the scope of a registry, by its host."""
    ours = ECR_HOST.fullmatch(host)
    with request_scope(*(ours.groups() if ours else (UPSTREAM, host))):
        yield


def is_upstream() -> bool:
    return bool(get_account_id() == UPSTREAM)


def blob(repository: str, digest: str) -> Path | None:
    return _folder() / digest if digest in BLOBS.here().get(repository, ()) else None


def link(repository: str, digests: set[str]) -> None:
    """Adds existing blobs to a repository."""
    BLOBS.here().setdefault(repository, set()).update(digests)


def begin() -> str:
    name = uuid.uuid4().hex
    UPLOADS[name] = Upload(_folder() / f"upload-{name}")
    UPLOADS[name].path.touch()
    return name


def finish(name: str, repository: str, digest: str) -> bool:
    """Stores an upload. Returns False if its digest does not match."""
    upload = UPLOADS.pop(name)
    if f"sha256:{upload.digest.hexdigest()}" != digest:
        upload.path.unlink()
        return False
    upload.path.rename(_folder() / digest)
    link(repository, {digest})
    return True


def image(repository: str, reference: str) -> dict[str, Any] | None:
    """Returns a manifest by tag or digest, or None."""
    name = "imageDigest" if reference.startswith("sha256:") else "imageTag"
    found: dict[str, Any] | None = ecr._find_image(repository, {name: reference})
    return found


def in_index(repository: str, digest: str) -> bool:
    """Whether an index of the repository names this image."""
    indexes = (json.loads(one["imageManifest"]) for one in ecr._images.get(repository, ()))
    return any(digest == one["digest"] for index in indexes for one in index.get("manifests", ()))


def needed(manifest: dict[str, Any]) -> set[str]:
    """Returns the digests of an image's blobs, or none for an index."""
    found = [*manifest.get("layers", ()), *([manifest["config"]] if "config" in manifest else [])]
    return {one["digest"] for one in found if not one.get("urls")}


def size(manifest: dict[str, Any], text: str) -> int:
    """Returns the size by ECR's rules: compressed config and layers, or the text of an index."""
    found = [*manifest.get("layers", ()), *([manifest["config"]] if "config" in manifest else [])]
    return sum(one["size"] for one in found) or len(text)


def immutable(repository: str, tag: str) -> bool:
    """Whether an existing tag cannot move."""
    found = ecr._repositories[repository]
    filters = [one["filter"] for one in found.get("imageTagMutabilityExclusionFilters") or ()]
    excluded = any(fnmatchcase(tag, one) for one in filters)
    return str(found.get("imageTagMutability", "MUTABLE")).startswith("IMMUTABLE") != excluded


def put_image(repository: str, tag: str | None, text: str, media_type: str) -> dict[str, Any]:
    """Stores a manifest and moves the tag to it."""
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    images = ecr._images.setdefault(repository, [])
    found: dict[str, Any] | None = next((one for one in images if one["imageDigest"] == digest), None)
    if found is None:
        found = {
            "registryId": get_account_id(),
            "repositoryName": repository,
            "imageId": {"imageDigest": digest},
            "imageManifest": text,
            "imageManifestMediaType": media_type,
            "imageTags": [],
            "imagePushedAt": int(time.time()),
            "imageDigest": digest,
            "imageSizeInBytes": size(json.loads(text), text),
        }
        images.append(found)
    if tag is not None:
        for one in images:
            one["imageTags"] = [other for other in one["imageTags"] if other != tag]
            if one["imageId"].get("imageTag") == tag:
                del one["imageId"]["imageTag"]
        found["imageTags"].append(tag)
        found["imageId"]["imageTag"] = tag
    return found
