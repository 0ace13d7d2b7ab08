"""The ASGI application: MiniStack's, with our services, checks, registry and control paths."""

import asyncio
from typing import Any

from ministack.app import app as ministack

from tests.cloud.server import caller, control, expired, network, registry, services, sites
from tests.cloud.server.asgi import Receive, Scope, Send, body_of, say
from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import refused

TLS = (b"x-forwarded-proto", b"https")  # policies that deny plain HTTP also apply to clients on loopback

services.install()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        await ministack(scope, receive, send)
        return
    headers = caller.text_of(scope["headers"])
    if sites.serves(sites.host_of(headers)):
        await sites.serve(scope, receive, send)
    elif scope["path"].startswith(control.PREFIX):
        status, answer = await asyncio.to_thread(control.answer, scope["path"], await body_of(receive))
        await say(send, status, {"content-type": "application/json"}, answer)
    elif registry.serves(scope["path"]):
        await registry.serve(scope, headers, receive, send)
    elif refusal := expired.refusal(headers) or network.refusal(scope, headers):
        await body_of(receive)
        await say(send, *refusal)
    else:
        await _aws(scope, headers, receive, send)


async def _aws(scope: Scope, headers: dict[str, Any], receive: Receive, send: Send) -> None:
    caller.ACCESS_KEY.set(caller.signed(headers)[0])
    try:
        await ministack(
            {**scope, "headers": [*(one for one in scope["headers"] if one[0].lower() != TLS[0]), TLS]}, receive, send
        )
    except Refusal as refusal:  # of a role that is passed: by what speaks JSON
        await say(send, *refused("json", {}, refusal))
