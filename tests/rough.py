"""A service on loopback that misbehaves like real services, and counts its requests; for tests in one thread.

    with rough() as service:
        …                                # load on service.url
    assert service.asked["/reset/body"] == 12

Behaviour by path: `/reset/before`, `/reset/head` and `/reset/body` reset the connection before the answer, in its head
and in its body. `/unsaid` closes it after a complete answer without a Connection header. `/drip/4` sends a body of four
bytes, one every quarter of a second. `/heads` never ends its headers. `/large/100` has a body of 100 MB. `/old` answers
in HTTP/1.0 and ends with the connection. `/long` sends less than its length and closes. `/chunked`, `/gzip`, `/close`,
`/status/204` and `/hops/3` do as their names say. All other paths answer 200 with two bytes.
With `freeze=(2, 10)`, the service does not answer in the first 2 of every 10 seconds.
"""

import asyncio
import contextlib
import gzip
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator

from tests.targets import opened

MB = 1_000_000
DRIP_S = 0.25
HEADS_S = 12.0  # longer than the tests wait for a head
TEXT = b"a text that can be compressed " * 200
PIECE = bytes(64 * 1024)
ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets


class Rough:
    """The service and its counts, for reading after the load."""

    def __init__(self, delays_s: dict[str, float], freeze: tuple[float, float] | None) -> None:
        self.delays_s, self.freeze = delays_s, freeze
        self.asked: Counter[str] = Counter()  # read requests, by path
        self.methods: Counter[str] = Counter()
        self.connections = 0
        self.began = time.monotonic()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
                method, path, _ = head.split(" ", 2)
                length = next((int(x[15:]) for x in head.lower().split("\r\n") if x.startswith("content-length:")), 0)
                await reader.readexactly(length)
                self.asked[path] += 1
                self.methods[method] += 1
                if self.freeze:
                    frozen_s, every_s = self.freeze
                    await asyncio.sleep(max(0.0, frozen_s - (time.monotonic() - self.began) % every_s))
                await asyncio.sleep(self.delays_s.get(path, 0.0))
                if not await self.answer(writer, method, path):
                    break
        writer.close()

    async def answer(self, writer: asyncio.StreamWriter, method: str, path: str) -> bool:
        """Answers a request. Returns whether the connection stays open."""
        kind, _, argument = path.lstrip("/").partition("/")
        if kind == "reset":
            self.reset(
                writer, {"before": b"", "head": b"HTTP/1.1 200 OK\r\nContent-", "body": head(100) + b"x" * 50}[argument]
            )
            return False
        if kind == "heads":
            await self.heads(writer)
            return False
        if kind == "drip":
            await self.drip(writer, int(argument))
        elif kind == "large":
            await self.large(writer, int(argument) * MB)
        elif kind == "chunked":
            writer.write(head(None, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
        elif kind == "gzip":
            packed = gzip.compress(TEXT)
            writer.write(head(len(packed), "Content-Encoding: gzip") + packed)
        elif kind == "old":
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold")
        elif kind == "close":
            writer.write(head(2, "Connection: close") + b"ok")
        elif kind == "long":
            writer.write(head(100) + b"x" * 50)
        elif kind == "status":
            bare = argument in ("204", "304") or method == "HEAD"
            writer.write(head(None if bare else 2, status=f"{argument} Some") + (b"" if bare else b"ok"))
        elif kind == "hops" and argument != "0":
            writer.write(head(0, f"Location: /hops/{int(argument) - 1}", status="302 Found"))
        else:
            writer.write(head(2) + (b"" if method == "HEAD" else b"ok"))
        await writer.drain()
        return kind not in ("old", "close", "long", "unsaid")

    def reset(self, writer: asyncio.StreamWriter, first: bytes) -> None:
        writer.write(first)  # sent immediately, since the buffer is empty
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        writer.transport.abort()

    async def heads(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(int(HEADS_S / 0.1)):
            writer.write(b"X-%d: on and on\r\n" % number)
            await writer.drain()
            await asyncio.sleep(0.1)

    async def drip(self, writer: asyncio.StreamWriter, count: int) -> None:
        writer.write(head(count))
        for _ in range(count):
            await writer.drain()
            await asyncio.sleep(DRIP_S)
            writer.write(b"x")

    async def large(self, writer: asyncio.StreamWriter, size: int) -> None:
        writer.write(head(size))
        while size:
            writer.write(PIECE[:size])
            size -= min(size, len(PIECE))
            await writer.drain()


def head(length: int | None, *lines: str, status: str = "200 OK") -> bytes:
    length_line = [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Type: text/plain", *length_line, *lines, "\r\n"]).encode()


@contextlib.contextmanager
def rough(*, delays_s: dict[str, float] | None = None, freeze: tuple[float, float] | None = None) -> Iterator[Rough]:
    """Serves on a free loopback port until the block ends. `delays_s`: delays by path."""
    with opened(Rough(delays_s or {}, freeze)) as service:
        yield service
