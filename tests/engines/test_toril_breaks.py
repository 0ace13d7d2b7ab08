"""Counts of users and journeys on toril's engine, when connections break at any byte of a request or of a response."""

import socket
import struct
import threading

import pytest

from tests.engines.contract import loading
from tests.wicked import Wicked

pytestmark = pytest.mark.live

ANSWERS = {
    "a length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
}
HEAD_BYTES = 90  # of a request, at least
EVERY = 3  # every third request breaks


class Breaking(Wicked):
    """Breaks every third request, each at its next byte: of the request, or of its answer."""

    def __init__(self, answer: bytes, *, request: bool, reset: bool) -> None:
        super().__init__(lambda *_: True, None, None)
        self.answer, self.request, self.reset = answer, request, reset
        self.begun = self.answered = 0

    def talk(self, client: socket.socket) -> None:
        with client:
            try:
                while self.serve(client):
                    pass
            except OSError:
                pass

    def serve(self, client: socket.socket) -> bool:
        """Handles one request; returns False if the connection has ended."""
        read = client.recv(1)
        if not read:
            return False
        with self.lock:
            number, self.begun = self.begun, self.begun + 1
        breaks, place = number % EVERY == EVERY - 1, number // EVERY
        limit = 1 + place % HEAD_BYTES if breaks and self.request else 1 << 20
        while len(read) < limit and not read.endswith(b"\r\n\r\n"):
            more = client.recv(min(limit - len(read), 65_536))
            if not more:
                return False
            read += more
        if breaks and not self.request:
            client.sendall(self.answer[: place % len(self.answer)])
        if breaks:
            if self.reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        client.sendall(self.answer)
        with self.lock:
            self.answered += 1
        return True


@pytest.mark.parametrize("engine", ["toril", pytest.param("arrivals", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("part", ["request", "response"])
@pytest.mark.parametrize(("answer", "reset"), [("a length", False), ("chunks", True)])
def test_each_request_that_breaks_at_any_byte_is_one_failed_sample(engine, part, answer, reset, tmp_path):
    service = Breaking(ANSWERS[answer], request=part == "request", reset=reset)
    threading.Thread(target=service.accept, daemon=True).start()
    try:
        with loading(engine, tmp_path, service.url, users=10, seconds=2, think_s=0.02) as run:
            found = run.go()
    finally:
        service.listener.close()
    assert found.exits[0].outcome == "finished"
    assert found.total().samples + found.unfinished == service.begun > EVERY * HEAD_BYTES
    assert found.total().samples - found.total().failures == service.answered
