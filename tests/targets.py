"""A small HTTP service on loopback that counts its answers: the system under test of the worker's tests.

    with target(delay_s=0.05) as service:
        …                                    # load on service.url
    assert service.answered == 120           # redirect hops are in `hops`, not in `answered`

Behaviour by path: `/status/503` answers with that status. `/redirect/2` answers with two redirects before a 200.
`/delay/0.5` answers after half a second. `/drop` closes the connection without an answer. `/drip` never ends its
answer: a byte every 0.2 s. `/page/3` is a page with three pictures below `/picture`, which are in `parts`, not in
`answered`. All other paths answer 200 with a short body.
"""

import asyncio
import contextlib
import math
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Protocol, TypeVar

OVERLOAD_S = 0.4


class Target:
    """The service and its counts, for reading during or after the load."""

    def __init__(self, delay_s: float, status: int, body: bytes, bears_rps: float = math.inf) -> None:
        self.delay_s, self.status, self.body, self.bears_rps = delay_s, status, body, bears_rps
        self._came: deque[float] = deque()  # in the last second
        self.paths: Counter[str] = Counter()  # answered, by path with its query
        self.statuses: Counter[int] = Counter()
        self.methods: Counter[str] = Counter()
        self.bodies: Counter[bytes] = Counter()
        self.headers: set[str] = set()  # header lines of all requests, unchanged
        self.hops = 0
        self.parts = 0  # pictures of pages
        self.started = 0  # read requests, answered or not
        self.first_at: float | None = None  # seconds since the epoch
        self.first_of: dict[str, float] = {}  # the same, by path with its query
        self.port = 0
        self.idle_s: float | None = None  # after this time, the service closes an idle connection

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def answered(self) -> int:
        return sum(self.statuses.values())

    def _overload_s(self) -> float:
        """Returns the additional delay of an answer if the requests of the last second exceed the capacity."""
        if math.isinf(self.bears_rps):
            return 0.0
        now = time.monotonic()
        self._came.append(now)
        while self._came[0] < now - 1:
            self._came.popleft()
        return OVERLOAD_S if len(self._came) > self.bears_rps else 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lost = (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError)
        with contextlib.suppress(*lost):
            while True:
                head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self.idle_s)).decode("latin1")
                method, path, _ = head.split(" ", 2)
                self.headers.update(head.split("\r\n")[1:])
                length = next((int(x[15:]) for x in head.lower().split("\r\n") if x.startswith("content-length:")), 0)
                sent = await reader.readexactly(length) if length else b""
                if not await self.answer(writer, method, path, sent):
                    break

    async def answer(self, writer: asyncio.StreamWriter, method: str, path: str, sent: bytes) -> bool:
        self.started += 1
        if self.first_at is None:
            self.first_at = time.time()
        self.first_of.setdefault(path, time.time())
        parts = PurePosixPath(path.partition("?")[0]).parts[1:] or ("",)
        argument = parts[1] if len(parts) > 1 else ""
        delay_s, status, extra, body = self.delay_s, self.status, b"", self.body
        kind = "text/plain"
        match parts[0]:
            case "status":
                status = int(argument)
            case "delay":
                delay_s = float(argument)
            case "redirect":
                status, rest = 302, int(argument) - 1
                extra = b"Location: " + (f"/redirect/{rest}" if rest else "/end").encode() + b"\r\n"
            case "page":
                kind = "text/html"
                body = b"".join(b'<img src="/picture/%d">' % number for number in range(int(argument)))
            case "drop":
                return False
            case "drip":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while True:
                    writer.write(b".")
                    await writer.drain()
                    await asyncio.sleep(0.2)
        delay_s = max(delay_s, self._overload_s())
        if delay_s:
            await asyncio.sleep(delay_s)
        if 300 <= status < 400:
            self.hops += 1
        elif parts[0] == "picture":
            self.parts += 1
        else:
            self.paths[path] += 1
            self.statuses[status] += 1
            self.methods[method] += 1
            if sent:
                self.bodies[sent] += 1
        reason = HTTPStatus(status).phrase
        body = b"" if method == "HEAD" or status in (204, 304) else body
        head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n".encode()
        writer.write(head + extra + b"\r\n" + body)
        await writer.drain()
        return True


class Serving(Protocol):
    """A service that answers connections and knows its port."""

    port: int

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...


Service = TypeVar("Service", bound=Serving)


@contextlib.contextmanager
def opened(service: Service, tls: ssl.SSLContext | None = None) -> Iterator[Service]:
    """Serves on a free loopback port until the block ends."""
    loop = asyncio.new_event_loop()
    started, tasks = threading.Event(), set[asyncio.Task[None]]()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = loop.create_task(service.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(lambda _: writer.close())

    async def listen() -> None:
        server = await asyncio.start_server(accepted, "127.0.0.1", 0, backlog=1024, ssl=tls)
        service.port = server.sockets[0].getsockname()[1]
        started.set()
        try:
            await stopping.wait()
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # until their connections are closed

    stopping = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(listen(),), daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield service
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(10)
        loop.close()


@contextlib.contextmanager
def target(
    *, delay_s: float = 0.0, status: int = 200, body: bytes = b"all is well\n", bears_rps: float = math.inf
) -> Iterator[Target]:
    """Starts a target on a free loopback port until the block ends."""
    with opened(Target(delay_s, status, body, bears_rps)) as service:
        yield service
