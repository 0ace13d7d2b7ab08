"""A forwarder on loopback that a test can cut, as if a machine lost its network."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class Forwarder:
    """Forwards connections to an address. While it is cut, it closes them and accepts no others."""

    def __init__(self, to: str) -> None:
        parts = urlsplit(to)
        self._to = parts.hostname or "", parts.port or 80
        self._open: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._loop = asyncio.new_event_loop()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        def act() -> None:
            self._is_cut = True
            for one in self._open:
                one.transport.abort()

        self._loop.call_soon_threadsafe(act)

    def mend(self) -> None:
        self._is_cut = False

    async def serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        to_reader, to_writer = await asyncio.open_connection(*self._to)
        both = {writer, to_writer}
        self._open |= both
        await asyncio.gather(_copied(reader, to_writer), _copied(to_reader, writer))
        self._open -= both


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.contextmanager
def forwarding(to: str) -> Iterator[Forwarder]:
    """Runs a forwarder to the address in a thread."""
    one, ready = Forwarder(to), threading.Event()

    def work() -> None:
        asyncio.set_event_loop(one._loop)
        with contextlib.suppress(asyncio.CancelledError):
            one._loop.run_until_complete(task)

    task = one._loop.create_task(one.serve(ready))
    thread = threading.Thread(target=work)
    thread.start()
    ready.wait(10)
    try:
        yield one
    finally:
        one._loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        one._loop.close()
