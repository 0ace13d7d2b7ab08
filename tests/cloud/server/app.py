"""The ASGI application: MiniStack's, with our services, checks and control paths."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ministack.app import app as ministack

from tests.cloud.server import control, services
from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import refused

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
TLS = (b"x-forwarded-proto", b"https")  # policies that refuse plain HTTP hold for clients on loopback, too

services.install()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        await ministack(scope, receive, send)
    elif scope["path"].startswith(control.PREFIX):
        status, answer = control.answer(scope["path"], await _body(receive))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})
    else:
        try:
            await ministack({**scope, "headers": [*scope["headers"], TLS]}, receive, send)
        except Refusal as refusal:  # of a role that is passed: by what speaks JSON
            status, said, answer = refused("json", {}, refusal)
            headers = [(name.lower().encode(), value.encode()) for name, value in said.items()]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": answer})


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
