"""Images made from files, and a minimal client that pushes and pulls them."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One entry of a layer. A folder has no content."""

    content: bytes | None = b""
    mode: int = 0o644
    owner: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A manifest and its blobs by digest."""

    manifest: bytes
    blobs: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def image(files: Mapping[str, File], *, architecture: str = "amd64", **config: Any) -> Image:
    """Returns an image of one layer. `config` has keys such as `Entrypoint`, `Env` and `User`."""
    plain = _tar(files)
    layer = gzip.compress(plain, compresslevel=1, mtime=0)
    about = {
        "architecture": architecture,
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest_of(plain)]},
    }
    text = json.dumps(about).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor(CONFIG, text),
        "layers": [_descriptor(LAYER, layer)],
    }
    return Image(manifest=json.dumps(manifest).encode(), blobs={digest_of(text): text, digest_of(layer): layer})


def index(images: Mapping[str, Image]) -> bytes:
    """Returns the manifest of an index of images by architecture."""
    entries = [
        {**_descriptor(MANIFEST, one.manifest), "platform": {"architecture": architecture, "os": "linux"}}
        for architecture, one in images.items()
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


def _descriptor(kind: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest_of(data), "size": len(data)}


def _tar(files: Mapping[str, File]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, file in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.mode, entry.uid, entry.gid = file.mode, file.owner, file.owner
            if file.content is None:
                entry.type = tarfile.DIRTYPE
                archive.addfile(entry)
            else:
                entry.size = len(file.content)
                archive.addfile(entry, io.BytesIO(file.content))
    return packed.getvalue()


class RegistryError(Exception):
    """A registry's error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code = status, code


@dataclass(frozen=True, slots=True)
class Registry:
    """A client of a registry at an address of `Cloud.registry` or `Cloud.upstream`."""

    address: str
    login: str = "AWS:none"

    def push(self, repository: str, one: Image, *tags: str) -> str:
        """Pushes an image under its tags, or only under its digest. Returns the digest."""
        for digest, data in one.blobs.items():
            self._push_blob(repository, digest, data)
        return self.push_manifest(repository, one.manifest, MANIFEST, tags)

    def push_manifest(self, repository: str, manifest: bytes, kind: str, tags: Sequence[str] = ()) -> str:
        for reference in tags or [digest_of(manifest)]:
            self._ask("PUT", f"{repository}/manifests/{reference}", manifest, {"content-type": kind})
        return digest_of(manifest)

    def manifest(self, repository: str, reference: str) -> bytes:
        return self._ask("GET", f"{repository}/manifests/{reference}").read()

    def pull(self, repository: str, reference: str) -> dict[str, bytes]:
        """Returns all blobs of an image, after checking their digests."""
        manifest = json.loads(self.manifest(repository, reference))
        digests = [manifest["config"]["digest"], *(one["digest"] for one in manifest["layers"])]
        found = {digest: self._ask("GET", f"{repository}/blobs/{digest}").read() for digest in digests}
        assert all(digest_of(data) == digest for digest, data in found.items())
        return found

    def tags(self, repository: str) -> list[str]:
        found: list[str] = json.loads(self._ask("GET", f"{repository}/tags/list").read())["tags"]
        return found

    def has(self, repository: str, digest: str) -> bool:
        try:
            self._ask("HEAD", f"{repository}/blobs/{digest}")
        except RegistryError as error:
            if error.status != 404:
                raise
            return False
        return True

    def _push_blob(self, repository: str, digest: str, data: bytes) -> None:
        place = self._ask("POST", f"{repository}/blobs/uploads/").headers["location"]
        half = len(data) // 2
        place = self._ask("PATCH", place, data[:half]).headers["location"]
        self._ask("PUT", f"{place}?digest={digest}", data[half:])

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> HTTPResponse:
        host, _, name = self.address.partition("/")
        url = f"http://{host}{path}" if path.startswith("/") else f"http://{host}/v2/{name}/{path}"
        basic = base64.b64encode(self.login.encode()).decode()
        request = urllib.request.Request(
            url, body, {"authorization": f"Basic {basic}", **(headers or {})}, method=method
        )
        try:
            answer: HTTPResponse = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
        except urllib.error.HTTPError as error:
            problem = json.loads(error.read() or b'{"errors": [{"code": "", "message": ""}]}')["errors"][0]
            raise RegistryError(error.code, problem["code"], problem["message"]) from error
        return answer
