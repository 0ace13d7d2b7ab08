"""Pulls from ECR by the registry protocol, without the images' content. They fill a pull-through cache."""

import hashlib
import json
import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from toril.clock import Backoff, Clock, retry
from toril.errors import InfrastructureError

MANIFESTS = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
]
MOST_BYTES = 4 * 2**20  # of a manifest, by the protocol
WITHIN_S = 120.0  # ECR answers the first request of an image after it has fetched the image
ATTEMPTS = 4
BACKOFF = Backoff(first_s=2.0, longest_s=20.0, jitter=0.5)
REDIRECTED = {302, 303, 307}  # to the blob's own address, which needs no request
FIXES = {
    401: "check the AWS credentials",
    403: "allow ecr:BatchImportUpstreamImage, ecr:CreateRepository, ecr:BatchGetImage and ecr:GetDownloadUrlForLayer; "
    "check the registry policy, and the login in the cache's secret, whose name starts with ecr-pullthroughcache/",
    404: "check the repository and tag in the upstream; allow ecr:BatchImportUpstreamImage and ecr:CreateRepository. "
    "Without a tag, an image may not fill its cache",
}


class _Unfollowed(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A registry at an address without a path. `token`: ECR's authorization token."""

    address: str
    token: str
    clock: Clock

    def pull(self, repository: str, digest: str, tag: str | None = None) -> None:
        """Requests all manifests and blobs of an image, first by `tag` if there is one: ECR may fill a cache only so.

        InfrastructureError if the registry refuses a request, or if the tag points at another image.
        """
        body = self._asked(repository, "manifests", tag or digest)
        try:
            manifest = json.loads(body)
        except ValueError:
            text = f"{repository}@{digest}: the registry's answer is no manifest; check the proxy"
            raise InfrastructureError(text, code="not-fetched") from None
        there = f"sha256:{hashlib.sha256(body).hexdigest()}"
        children = [image["digest"] for image in manifest.get("manifests", ())]
        if tag and digest not in (there, *children):
            text = (
                f"{repository}:{tag} points at {there}, not at {digest}. The tag moved, or ECR keeps its old image for "
                "up to 24 hours. Update the flavour's `image` and `digest`, or copy the image into ECR"
            )
            raise InfrastructureError(text, code="tag-moved")
        for child in children:
            self.pull(repository, child)
        for blob in _blobs(manifest):
            self._asked(repository, "blobs", blob)

    def _asked(self, repository: str, kind: str, reference: str) -> bytes:
        url = f"{self.address}/v2/{repository}/{kind}/{reference}"
        headers = {"Authorization": f"Basic {self.token}", "Accept": ", ".join(MANIFESTS)}
        trusted = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
        opener = build_opener(_Unfollowed, HTTPSHandler(context=trusted))

        def once() -> bytes:
            try:
                with opener.open(Request(url, headers=headers), timeout=WITHIN_S) as answer:  # noqa: S310 - ECR's
                    return bytes(answer.read(MOST_BYTES)) if kind == "manifests" else b""
            except HTTPError as error:
                if error.code in REDIRECTED:
                    return b""
                raise

        def after(error: Exception, failures: int) -> float | None:
            passes = error.code == 429 or error.code >= 500 if isinstance(error, HTTPError) else True
            return BACKOFF.wait_s(failures) if passes and failures < ATTEMPTS else None

        try:
            return retry(once, after, self.clock)
        except (OSError, HTTPException) as error:
            image = f"{repository}{'@' if ':' in reference else ':'}{reference}"
            raise InfrastructureError(_problem(image, error), code="not-fetched") from error


def _blobs(manifest: Any) -> Iterable[str]:
    blobs = [*manifest.get("layers", ()), *([manifest["config"]] if "config" in manifest else [])]
    return [blob["digest"] for blob in blobs if not blob.get("urls")]


def _problem(image: str, error: Exception) -> str:
    if not isinstance(error, HTTPError):
        return f"{image} could not be fetched: {error}; check the network and the proxy"
    try:
        (first, *_) = json.loads(error.read(MOST_BYTES))["errors"]
        reason = f"{first['code']}: {first['message']}"
    except (LookupError, TypeError, ValueError):
        reason = error.reason
    fix = FIXES.get(error.code, "try again later")
    return f"{image} could not be fetched: {error.code} {reason}; {fix}"
