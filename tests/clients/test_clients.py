"""The clients of other protocols against the library's price service: calls are requests, messages are timings."""

import json
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("clients")]
ROOT = Path(__file__).parents[2]


@contextmanager
def prices(*options: str) -> Iterator[str]:
    """Runs the price service during the block; its address."""
    command: list[str | Path] = [
        sys.executable,
        ROOT / "loadtests" / "prices" / "service.py",
        *options,
        "--until-stdin-closes",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        yield service.stdout.readline().strip()
        service.communicate(timeout=20)


class Raw(socketserver.StreamRequestHandler):
    """Answers with the bytes of a path, and closes the connection."""

    KINDS: ClassVar = {
        b"/html": b"Content-Type: text/html\r\n\r\ndata: log in\n\n",
        b"/gzip": b"Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n",
        b"/cut": b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n",
    }
    KINDS[b"/whole"] = KINDS[b"/cut"] + b"0\r\n\r\n"

    def handle(self) -> None:
        path = self.rfile.readline().split()[1]
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + self.KINDS[path])


@contextmanager
def raw() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Raw) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def made():
    with ExitStack() as stack:
        addresses = [stack.enter_context(one) for one in (prices(), prices("--grpc"), raw())]
        command: list[str | Path] = [sys.executable, ROOT / "tests" / "clients" / "calls.py", *addresses]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def of(made, name, *kinds):
    """Returns the outcomes of a name's events: None, or code and message."""
    return [error for kind, label, _, error in made["events"] if label == name and (not kinds or kind in kinds)]


def test_a_reply_is_a_request(made):
    assert made["values"]["websocket"][0] == "5.07"
    assert made["values"]["graphql"] == [{"price": 5.07}, None]
    assert [of(made, "price", kind) for kind in ("gRPC", "WebSocket", "POST")] == [[None]] * 3
    assert of(made, "connect") == of(made, "again") == [None]


def test_a_response_to_a_query_that_is_no_object_fails(made):
    assert made["values"]["proxied"] == [[None, 1]] * 5 + [[1, 0]]


def test_each_user_of_grpc_has_a_connection(made):
    assert made["values"]["connections"] == ["ESTABLISHED"] * 2


@pytest.mark.parametrize("kind", ["gRPC", "WebSocket", "SSE"])
def test_a_stream_is_a_request_and_its_messages_are_timings(made, kind):
    assert of(made, "prices", kind) == [None]
    assert of(made, "prices (first message)") == [None] * 3  # one of each protocol
    assert of(made, "prices (message)", "timing") == [None] * 6


def test_the_end_of_a_stream_in_chunks_is_regular(made):
    assert of(made, "/whole", "SSE") == [None]


def test_the_messages_arrive(made):
    values = made["values"]
    assert values["grpc"] == [5.07, 6.07, 7.07]
    assert values["websocket"][1:] == ["5.07", "6.07", "7.07"]
    assert values["sse"] == [str(number) for number in range(10)]  # the second stream continues after the last event


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("no price", "NOT_FOUND", "no such product"),
        ("no server", "UNAVAILABLE", "grpc: UNAVAILABLE"),
        ("too early", "closed", "no connection"),
        ("none", "404", "404"),
        ("after a timeout", "closed", "no connection"),  # else it could receive a late message
        ("/html", "content-type", "text/html"),
        ("/gzip", "content-type", "gzip"),
        ("/cut", "closed", "messages received: 1"),
        ("killed", "GreenletExit", ""),
        ("endless", "GreenletExit", ""),
        ("Price", "CatchResponseError", "no such product"),
    ],
)
def test_a_failed_call_has_a_code_and_a_message(made, name, code, message):
    ((found, text),) = of(made, name)
    assert (found, message in text) == (code, True)


def test_an_early_end_fails_and_names_the_messages_received(made):
    errors = of(made, "more", "gRPC", "WebSocket", "SSE")
    assert sorted(code for code, _ in errors) == ["early-end", "early-end", "timeout"]
    assert all("messages received: 10" in text for _, text in errors)
