"""The ASGI application: MiniStack's, with our services, checks and control paths."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from ministack.app import app as ministack

from tests.cloud.server import control, expired, services
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
        status, answer = await asyncio.to_thread(control.answer, scope["path"], await _body(receive))
        await _say(send, status, {"content-type": "application/json"}, answer)
    elif refusal := expired.refusal(scope["headers"]):
        await _body(receive)
        await _say(send, *refusal)
    else:
        try:
            await ministack({**scope, "headers": [*scope["headers"], TLS]}, receive, send)
        except Refusal as said:  # of a role that is passed: by what speaks JSON
            await _say(send, *refused("json", {}, said))


async def _say(send: Send, status: int, said: Mapping[str, str], answer: bytes) -> None:
    headers = {**{name.lower(): value for name, value in said.items()}, "content-length": str(len(answer))}
    coded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": coded})
    await send({"type": "http.response.body", "body": answer})


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
