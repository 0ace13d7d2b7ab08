"""The clients of other protocols against the library's price service: calls are requests, messages are timings."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.live
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


@pytest.fixture(scope="module")
def made():
    with ExitStack() as stack:
        addresses = [stack.enter_context(prices()), stack.enter_context(prices("--grpc"))]
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
    assert made["values"]["proxied"] == [[None, 1]] * 4 + [[1, 0]]


@pytest.mark.parametrize("kind", ["gRPC", "WebSocket", "SSE"])
def test_a_stream_is_a_request_and_its_messages_are_timings(made, kind):
    assert of(made, "prices", kind) == [None]
    assert of(made, "prices (first message)") == [None] * 3  # one of each protocol
    assert of(made, "prices (message)", "timing") == [None] * 6


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
