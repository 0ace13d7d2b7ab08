"""Checks of each request before any route, and the headers of each response: plain ASGI.

- Host and Origin have to be the console's own address, against DNS rebinding and other sites.
- On AWS, a request has to carry the secret that CloudFront adds, so that no request bypasses it.
- A body has at most MOST_BYTES; an upload on this machine MOST_UPLOAD.
- A change leaves a line in the audit, before its answer is sent.
- Each request leaves one log line, without query, token, body, and what follows `/shared/`.
"""

import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool

from toril.console import audit
from toril.console.identity import SAFE, same
from toril.console.lambda_settings import origin_digest
from toril.errors import UserError

MOST_BYTES = 10 << 20  # API Gateway's limit too
MOST_UPLOAD = 51 << 20  # a suite of 50 MiB, and the rest of its form
MOST_DIGITS = 20  # of a length; Python refuses to read thousands
UPLOADS = re.compile(r"/suites/[^/]+/(?:upload|files)|/api/v1/uploads/[0-9a-f]+")
TOKEN_IN_PATH = re.compile(r"(?<=^/shared/).*")
ORIGIN_SECRET = "x-toril-origin"  # noqa: S105 - the name of a header

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Problem = tuple[int, str, str]  # status, code and text

log = logging.getLogger("toril.console")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Wraps an application. `address`: the console's own, such as `http://127.0.0.1:8080`."""

    app: App
    address: str
    origin_digest: str = ""
    upload_address: str = ""  # the bucket, for presigned uploads from the browser
    large_uploads: bool = False  # nothing between browser and console limits bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, request_id = time.monotonic(), secrets.token_hex(8)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        body, status, refused = _Limited(receive, self._most(scope)), 500, False

        async def finish(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                names = {name.lower() for name, _ in message["headers"]}
                own = [pair for pair in self._headers(scope, request_id) if pair[0] not in names]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        async def answer(message: Message) -> None:
            nonlocal refused
            if refused:
                return
            if message["type"] == "http.response.start":
                problem = body.problem() or await _unaudited(scope, message["status"])
                if problem is not None:
                    refused = True
                    await _refuse(finish, *problem)
                    return
            await finish(message)

        try:
            problem = self._problem(scope)
            if problem is not None:
                await _refuse(finish, *problem)
            else:
                await self.app(scope, body, answer)
        except TooLargeError:
            if not refused:
                await _refuse(finish, *_too_large(body.most))
        finally:
            took_ms = round(1000 * (time.monotonic() - began))
            path = TOKEN_IN_PATH.sub("***", scope["path"])
            line = {"request": request_id, "method": scope["method"], "path": path, "status": status}
            log.info(json.dumps({**line, "ms": took_ms}))

    def _problem(self, scope: Scope) -> Problem | None:
        """Returns status, code and text of a request that no route may see."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if self.origin_digest:
            if not same(origin_digest(headers.get(ORIGIN_SECRET, "")), self.origin_digest):
                return 403, "not-through-cloudfront", f"Use {self.address}."
        elif headers.get("host", "") != urlsplit(self.address).netloc:
            return 421, "other-host", f"This is {self.address}; use that address."
        origin = headers.get("origin")
        if scope["method"] not in SAFE and origin is not None and origin != self.address:
            return 403, "other-origin", "Another site sent this request."
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > MOST_DIGITS or int(length) > self._most(scope):
            return _too_large(self._most(scope))
        return None

    def _most(self, scope: Scope) -> int:
        """Returns how many bytes the body of a request may have."""
        return MOST_UPLOAD if self.large_uploads and UPLOADS.fullmatch(scope["path"]) else MOST_BYTES

    def _headers(self, scope: Scope, request_id: str) -> list[tuple[bytes, bytes]]:
        upload = f" {self.upload_address}" if self.upload_address else ""
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
            f"connect-src 'self'{upload}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        headers = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), geolocation=(), microphone=()",
            "cache-control": "no-store",
            "x-request-id": request_id,
        }
        if self.address.startswith("https:"):
            headers["strict-transport-security"] = "max-age=31536000; includeSubDomains"
        if cookie := scope["state"].get("set_cookie"):  # a renewed session; a response's own cookie wins
            headers["set-cookie"] = cookie
        return [(name.encode(), value.encode()) for name, value in headers.items()]


def _too_large(most: int) -> Problem:
    return 413, "body-too-large", f"A request has at most {most >> 20} MiB."


class TooLargeError(Exception):
    """A body that is longer than its header says, or that has no length."""


class _Limited:
    """Counts the bytes of a body as they arrive."""

    def __init__(self, receive: Receive, most: int) -> None:
        self.most = self._left = most
        self._receive = receive

    def problem(self) -> Problem | None:
        return _too_large(self.most) if self._left < 0 else None

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise TooLargeError
        return message


async def _unaudited(scope: Scope, status: int) -> Problem | None:
    """Writes the audit lines of a request. Returns the problem that prevented it."""
    if scope["method"] in SAFE and "changes" not in scope["state"]:
        return None
    try:
        await run_in_threadpool(audit.write, scope, status)
    except UserError as error:
        log.error(json.dumps({"request": scope["state"]["request_id"], "code": error.code, "audit": "not stored"}))
        return 503, "not-audited", "The change was made, but the store refused its audit line. Check the store."
    return None


def problem_document(status: int, code: str, title: str, **more: Any) -> dict[str, Any]:
    """Returns an error for programs, as RFC 9457 describes it."""
    return {"type": f"urn:toril:{code}", "title": title, "status": status, "code": code, **more}


async def _refuse(send: Send, status: int, code: str, text: str) -> None:
    body = json.dumps(problem_document(status, code, text)).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
