"""Services on loopback that misbehave, with one thread per connection.

with wicked(resetting(every=5)) as service: …     # load on service.url; service.asked counts whole requests
"""

import contextlib
import math
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast
from weakref import WeakKeyDictionary

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Behaviour = Callable[["Wicked", socket.socket, int], bool]  # handles the n-th request; False: close the connection


class Wicked:
    """The service and the number of its requests."""

    def __init__(self, behaviour: Behaviour, context: ssl.SSLContext | None, idle_s: float | None) -> None:
        self.behaviour, self.context, self.idle_s = behaviour, context, idle_s
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.lock = threading.Lock()
        self.asked = 0
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http{'s' if self.context else ''}://127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                client = self.context.wrap_socket(client, server_side=True)
            client.settimeout(self.idle_s)
            with client:
                reader = cast("BinaryIO", client.makefile("rb"))
                while self._read(reader):
                    with self.lock:
                        number = self.asked
                        self.asked += 1
                    if not self.behaviour(self, client, number):
                        return

    @staticmethod
    def _read(reader: BinaryIO) -> bool:
        """Reads a complete request without a body."""
        line = b"x"
        while line not in (b"\r\n", b""):
            line = reader.readline()
        return line == b"\r\n"


def resetting(every: int) -> Behaviour:
    """Resets the connection of every n-th request."""

    def behave(_: Wicked, client: socket.socket, number: int) -> bool:
        if number % every == every - 1:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        client.sendall(ANSWER)
        return True

    return behave


def closing(every: int) -> Behaviour:
    """Closes the connection of every n-th request."""

    def behave(_: Wicked, client: socket.socket, number: int) -> bool:
        if number % every == every - 1:
            return False
        client.sendall(ANSWER)
        return True

    return behave


def refusing(status: int) -> Behaviour:
    """Answers with this status."""

    def behave(_: Wicked, client: socket.socket, number: int) -> bool:
        client.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno" % status)
        return True

    return behave


def retiring(after: int) -> Behaviour:
    """Answers correctly, and closes each connection after some answers without announcing it."""
    answered: WeakKeyDictionary[socket.socket, int] = WeakKeyDictionary()

    def behave(_: Wicked, client: socket.socket, number: int) -> bool:
        answered[client] = answered.get(client, 0) + 1
        client.sendall(ANSWER)
        return answered[client] < after

    return behave


def hanging_up(idle_s: float) -> Behaviour:
    """Answers correctly, but closes a connection when a request arrives on it that was idle for so long."""
    answered_at: WeakKeyDictionary[socket.socket, float] = WeakKeyDictionary()

    def behave(_: Wicked, client: socket.socket, number: int) -> bool:
        if time.monotonic() - answered_at.get(client, math.inf) >= idle_s:
            return False
        client.sendall(ANSWER)
        answered_at[client] = time.monotonic()
        return True

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Behaves differently from request to request."""

    def behave(service: Wicked, client: socket.socket, number: int) -> bool:
        return behaviours[number % len(behaviours)](service, client, number)

    return behave


def breaking_off() -> Behaviour:
    """Sends a part of the body, then closes the connection."""

    def behave(_: Wicked, client: socket.socket, number: int) -> bool:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        return False

    return behave


def babbling() -> Behaviour:
    """Answers with bytes that are not HTTP."""

    def behave(_: Wicked, client: socket.socket, number: int) -> bool:
        client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        return False

    return behave


def silent() -> Behaviour:
    """Never answers."""

    def behave(_: Wicked, client: socket.socket, number: int) -> bool:
        return bool(client.recv(1))  # returns when the client closes the connection

    return behave


def announcing() -> Behaviour:
    """Sends informational heads without end, and no response."""

    def behave(_: Wicked, client: socket.socket, number: int) -> bool:
        while True:
            client.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)

    return behave


def dripping(times: int, every_s: float) -> Behaviour:
    """Sends a response one byte at a time."""

    def behave(_: Wicked, client: socket.socket, number: int) -> bool:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % times)
        for _drop in range(times):
            time.sleep(every_s)
            client.sendall(b".")
        return True

    return behave


def pouring(size: int) -> Behaviour:
    """Sends very large responses."""
    block = bytes(1 << 20)

    def behave(_: Wicked, client: socket.socket, number: int) -> bool:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        left = size
        while left:
            left -= client.send(block[: min(left, len(block))])
        return True

    return behave


def freezing(for_s: float, every_s: float) -> Behaviour:
    """Answers no request at the end of each period. Periods count from the first request."""
    begins: list[float] = []

    def behave(_: Wicked, client: socket.socket, number: int) -> bool:
        now = time.monotonic()
        if not begins:
            begins.append(now)
        since_s = (now - begins[0]) % every_s
        if since_s >= every_s - for_s:
            time.sleep(every_s - since_s)
        client.sendall(ANSWER)
        return True

    return behave


def answering() -> Behaviour:
    """Answers correctly."""

    def behave(_: Wicked, client: socket.socket, number: int) -> bool:
        client.sendall(ANSWER)
        return True

    return behave


@contextlib.contextmanager
def wicked(
    behaviour: Behaviour, context: ssl.SSLContext | None = None, idle_s: float | None = None
) -> Iterator[Wicked]:
    """Serves on a free port until the block ends; closes connections that are idle for `idle_s`."""
    service = Wicked(behaviour, context, idle_s)
    threading.Thread(target=service.accept, daemon=True).start()
    try:
        yield service
    finally:
        service.listener.close()
