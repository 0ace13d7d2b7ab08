"""Helpers to read requests and write answers in ASGI."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def parts_of(receive: Receive) -> AsyncIterator[bytes]:
    """Yields the parts of a request's body."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client closed the connection")
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


class Once:
    """Wraps `receive`, and knows whether the whole body has been received."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def __call__(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self._ended = not message.get("more_body")
        return message

    async def skip(self) -> None:
        """Reads the rest of the body, so that the connection can be used again."""
        while not self._ended:
            await self()


async def body_of(receive: Receive) -> bytes:
    return b"".join([part async for part in parts_of(receive)])


async def begin(send: Send, status: int, headers: Mapping[str, str]) -> None:
    coded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": coded})


async def say(send: Send, status: int, headers: Mapping[str, str], answer: bytes = b"") -> None:
    await begin(send, status, {"content-length": str(len(answer)), **{k.lower(): v for k, v in headers.items()}})
    await send({"type": "http.response.body", "body": answer})
