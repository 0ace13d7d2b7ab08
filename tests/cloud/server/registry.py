"""The registry protocol, /v2/, for docker, podman and skopeo.

The Host header names the registry. For clients that use the port, the first part of the repository's path names it:
127.0.0.1:PORT/123456789012.dkr.ecr.eu-west-1.amazonaws.com/toril/worker:1.
"""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from ministack.services import ecr

from tests.cloud.server import ecr_images, registry_access, registry_store, upstream
from tests.cloud.server.asgi import Once, Receive, Scope, Send, begin, body_of, parts_of, say
from tests.cloud.server.ecr_pull_through import rule_of
from tests.cloud.server.registry_access import Bearer

PATH = re.compile(r"/v2/(?P<name>.+?)/(?P<kind>manifests|blobs/uploads|blobs|tags)/(?P<reference>.*)")
VERSION = {"docker-distribution-api-version": "registry/2.0"}
CHUNK_BYTES = 1 << 20
ACTIONS = {
    "manifests": {"GET": "ecr:BatchGetImage", "HEAD": "ecr:BatchGetImage", "PUT": "ecr:PutImage"},
    "blobs": {"GET": "ecr:GetDownloadUrlForLayer", "HEAD": "ecr:BatchCheckLayerAvailability"},
    "blobs/uploads": {
        "POST": "ecr:InitiateLayerUpload",
        "PATCH": "ecr:UploadLayerPart",
        "PUT": "ecr:CompleteLayerUpload",
    },
    "tags": {"GET": "ecr:ListImages"},
}


class Problem(Exception):
    """An error of the registry."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a registry."""

    method: str
    kind: str
    repository: str
    reference: str  # tag, digest or upload
    base: str  # the repository's path in the client's request
    query: dict[str, str]
    headers: dict[str, str]
    who: Bearer


def serves(path: str) -> bool:
    return path in ("/v2", "/v2/") or PATH.fullmatch(path) is not None


async def serve(scope: Scope, headers: dict[str, str], receive: Receive, send: Send) -> None:
    found = PATH.fullmatch(scope["path"])
    body = Once(receive)
    host, name = _named(headers, found["name"] if found else "")
    try:
        with registry_store.registry(host):
            who = registry_access.bearer(headers)
            if registry_store.is_upstream() and found:
                who = Bearer(None, 0)  # a test fills the registry
            if who is None:
                raise Problem(401, "UNAUTHORIZED", "Not Authorized")
            if found is None:
                await say(send, 200, VERSION)
                return
            query = {key: values[-1] for key, values in parse_qs(scope["query_string"].decode()).items()}
            call = Call(
                method=scope["method"],
                kind=found["kind"],
                repository=name,
                reference=found["reference"],
                base=f"/v2/{found['name']}",
                query=query,
                headers=headers,
                who=who,
            )
            _check(call)
            await ANSWERS[call.kind](call, body, send)
    except Problem as problem:
        await body.skip()
        error = {"errors": [{"code": problem.code, "message": problem.message}]}
        asking = {"www-authenticate": 'Basic realm="ecr",service="ecr.amazonaws.com"'} if problem.status == 401 else {}
        text = json.dumps(error).encode()
        answer_headers = {**VERSION, **asking, "content-type": "application/json"}
        await say(send, problem.status, answer_headers, b"" if scope["method"] == "HEAD" else text)


def _named(headers: dict[str, str], name: str) -> tuple[str, str]:
    """Returns the host of the registry, and the repository's name."""
    first, _, rest = name.partition("/")
    if rest and "." in first:
        return first, rest
    return headers.get("host", "").partition(":")[0], name


def _check(call: Call) -> None:
    """Raises Problem unless the action is known and allowed, and the repository exists or is cached or upstream."""
    action = ACTIONS[call.kind].get(call.method)
    if action is None:
        raise Problem(405, "UNSUPPORTED", f"{call.method} of {call.kind} is not supported")
    if registry_store.is_upstream():
        if call.method in ("POST", "PUT") and call.repository not in ecr._repositories:
            ecr._create_repository({"repositoryName": call.repository})
        return
    denial = registry_access.denied(call.who, call.repository, action)
    if denial:
        raise Problem(403, "DENIED", denial)
    if call.kind == "manifests" and call.method != "PUT":
        _cache(call)
    if call.repository not in ecr._repositories:
        raise Problem(404, "NAME_UNKNOWN", f"The repository with name '{call.repository}' does not exist")


def _cache(call: Call) -> None:
    """Fetches a missing tag by the repository's cache rule, or a missing image of a cached index by its digest."""
    if registry_store.image(call.repository, call.reference) or not rule_of(call.repository):
        return
    if call.reference.startswith("sha256:") and not registry_store.in_index(call.repository, call.reference):
        return  # ECR fills no cache by digest
    new = call.repository not in ecr._repositories
    needed = registry_access.NEEDED_TO_IMPORT if new else registry_access.NEEDED_TO_IMPORT[:1]
    denial = registry_access.denied(call.who, call.repository, *needed, importing=True)
    if denial:
        raise Problem(403, "DENIED", denial)
    wrong = upstream.cache(call.repository, call.reference)
    if wrong:
        raise Problem(404, "MANIFEST_UNKNOWN", f"{call.repository}:{call.reference}: {wrong}")


async def _manifests(call: Call, receive: Receive, send: Send) -> None:
    if call.method == "PUT":
        digest = _put(call, await body_of(receive))
        answer_headers = {"location": f"{call.base}/manifests/{digest}", "docker-content-digest": digest}
        await say(send, 201, {**VERSION, **answer_headers})
        return
    found = registry_store.image(call.repository, call.reference)
    if found is None:
        raise Problem(404, "MANIFEST_UNKNOWN", "Requested image not found")
    body = found["imageManifest"].encode()
    answer_headers = {"content-type": found["imageManifestMediaType"], "docker-content-digest": found["imageDigest"]}
    answer_headers["content-length"] = str(len(body))
    await say(send, 200, {**VERSION, **answer_headers}, b"" if call.method == "HEAD" else body)


def _put(call: Call, body: bytes) -> str:
    try:
        manifest = json.loads(body.decode())
    except ValueError as error:
        raise Problem(400, "MANIFEST_INVALID", str(error)) from error
    there = registry_store.BLOBS.here().get(call.repository, set())
    missing = registry_store.needed(manifest) - there
    digests = {one["digest"] for one in manifest.get("manifests", ())}
    missing |= {one for one in digests if registry_store.image(call.repository, one) is None}
    if missing:
        raise Problem(400, "MANIFEST_BLOB_UNKNOWN", f"not in the repository: {', '.join(sorted(missing))}")
    tag = None if call.reference.startswith("sha256:") else call.reference
    before = registry_store.image(call.repository, tag) if tag else None
    text = body.decode()
    if before and before["imageManifest"] != text and registry_store.immutable(call.repository, call.reference):
        raise Problem(400, "TAG_INVALID", ecr_images.moved(call.repository, call.reference))
    kind = call.headers.get("content-type") or manifest.get("mediaType", "")
    digest = str(registry_store.put_image(call.repository, tag, text, kind)["imageDigest"])
    if tag is None and digest != call.reference:
        raise Problem(400, "DIGEST_INVALID", f"the manifest is {digest}")
    return digest


async def _blobs(call: Call, receive: Receive, send: Send) -> None:
    path = registry_store.blob(call.repository, call.reference)
    if path is None:
        raise Problem(404, "BLOB_UNKNOWN", f"{call.reference} is not in the repository")
    answer_headers = {"content-type": "application/octet-stream", "docker-content-digest": call.reference}
    await begin(send, 200, {**VERSION, **answer_headers, "content-length": str(path.stat().st_size)})
    if call.method == "GET":
        with path.open("rb") as file:
            while part := file.read(CHUNK_BYTES):
                await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _uploads(call: Call, receive: Receive, send: Send) -> None:
    if call.method == "POST":  # as in ECR by default, mounting another repository's blob is also an upload
        await body_of(receive)
        name = registry_store.begin()
    else:
        name = call.reference
        if name not in registry_store.UPLOADS:
            raise Problem(404, "BLOB_UPLOAD_UNKNOWN", name)
        async for part in parts_of(receive):
            registry_store.UPLOADS[name].add(part)
    if call.method == "PUT":
        digest = call.query.get("digest", "")
        if not registry_store.finish(name, call.repository, digest):
            raise Problem(400, "DIGEST_INVALID", f"what was uploaded is not {digest}")
        answer_headers = {"location": f"{call.base}/blobs/{digest}", "docker-content-digest": digest}
        await say(send, 201, {**VERSION, **answer_headers})
        return
    end = max(0, registry_store.UPLOADS[name].size - 1)
    answer_headers = {"location": f"{call.base}/blobs/uploads/{name}", "docker-upload-uuid": name, "range": f"0-{end}"}
    await say(send, 202, {**VERSION, **answer_headers})


async def _tags(call: Call, receive: Receive, send: Send) -> None:
    tags = sorted(tag for one in ecr._images.get(call.repository, ()) for tag in one["imageTags"])
    body = json.dumps({"name": call.repository, "tags": tags}).encode()
    await say(send, 200, {**VERSION, "content-type": "application/json"}, body)


Answer = Callable[[Call, Receive, Send], Awaitable[Any]]
ANSWERS: dict[str, Answer] = {"manifests": _manifests, "blobs": _blobs, "blobs/uploads": _uploads, "tags": _tags}
