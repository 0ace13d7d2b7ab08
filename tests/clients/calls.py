"""Makes calls by the clients; prints the events of Locust as JSON. `python calls.py HTTP GRPC RAW`: addresses

It has a process of its own, since Locust replaces Python's sockets.
"""

import contextlib
import json
import sys
from typing import Any

import gevent
import psutil
from google.protobuf.wrappers_pb2 import DoubleValue, Int32Value
from locust import FastHttpUser
from locust.env import Environment

from toril.clients import CallError, graphql
from toril.clients.events import EventStreamUser
from toril.clients.grpc import GrpcUser
from toril.clients.websocket import WebSocketUser

HTTP, GRPC, RAW = sys.argv[1:]
PRICE = "query Price($product: Int!) { price(product: $product) }"
environment = Environment()
events: list[Any] = []
values: dict[str, list[Any]] = {}


@environment.events.request.add_listener
def note(request_type: str, name: str, response_time: float, exception: Any, **_: Any) -> None:
    error = None
    if exception is not None:
        error = [getattr(exception, "rc", type(exception).__name__), str(exception)]
    events.append([request_type, name, round(response_time), error])


class Caller(GrpcUser):
    host = GRPC


class Nowhere(GrpcUser):
    host = "127.0.0.1:1"


class Trader(WebSocketUser):
    host = HTTP
    timeout_s = 0.5


class Watcher(EventStreamUser):
    host = HTTP


class Misled(EventStreamUser):
    host = RAW


class Reader(FastHttpUser):
    host = HTTP


class Proxy:
    """A client that gets a status of 200 and this text."""

    status_code = 200

    def __init__(self, text: str) -> None:
        self.text, self.failures = text, 0

    def post(self, *_: Any, **__: Any) -> Any:
        return contextlib.nullcontext(self)

    def json(self) -> Any:
        return json.loads(self.text)

    def failure(self, why: str) -> None:
        self.failures += 1


def quietly(call: Any) -> None:
    with contextlib.suppress(CallError):
        call()


def grpc_calls() -> None:
    user, lost, coding = (
        Caller(environment),
        Nowhere(environment),
        (Int32Value.SerializeToString, DoubleValue.FromString),
    )
    get, no = user.channel.unary_unary("/shop.Prices/Get", *coding), lost.channel.unary_unary("/Get", *coding)
    user.call(get, Int32Value(value=7), "price")
    quietly(lambda: user.call(get, Int32Value(value=0), "no price"))
    quietly(lambda: lost.call(no, Int32Value(value=7), "no server"))
    other = Caller(environment)
    other.call(other.channel.unary_unary("/shop.Prices/Get", *coding), Int32Value(value=7), "other price")
    there = int(GRPC.rpartition(":")[2])
    found = [one for one in psutil.Process().net_connections("tcp") if one.raddr and one.raddr.port == there]
    values["connections"] = [one.status for one in found]
    watch = user.channel.unary_stream("/shop.Prices/Watch", *coding)
    values["grpc"] = [one.value for one in user.stream(watch, Int32Value(value=7), "prices", messages=3)]
    quietly(lambda: list(user.stream(watch, Int32Value(value=7), "more", messages=12)))


def websocket_calls() -> None:
    user = Trader(environment)
    quietly(lambda: user.ask("price 7", "too early"))
    user.connect("/prices")
    values["websocket"] = [user.ask("price 7", "price")]
    user.send("watch 7")
    values["websocket"] += list(user.receive("prices", messages=3))
    user.connect("/prices", name="again")
    user.send("watch 7")
    quietly(lambda: list(user.receive("more", messages=12)))
    quietly(lambda: user.ask("price 7", "after a timeout"))


def event_streams() -> None:
    user = Watcher(environment)
    quietly(lambda: list(user.stream("/events?product=0", "none")))
    values["sse"] = [one.id for one in user.stream("/events?product=7", "prices", messages=3)]
    after = {"Last-Event-ID": values["sse"][-1]}
    values["sse"] += [one.id for one in user.stream("/events?product=7", "rest", headers=after)]
    quietly(lambda: list(user.stream("/events?product=7", "more", messages=12)))
    user._state = "stopping"
    with contextlib.suppress(gevent.GreenletExit):
        list(user.stream("/events?product=7", "endless"))
    misled = Misled(environment)
    for path in ("/html", "/gzip", "/cut", "/whole"):
        quietly(lambda path=path: list(misled.stream(path, path)))
    killed = gevent.spawn(lambda: list(user.stream("/events?product=7", "killed", messages=9)))
    gevent.sleep(0.1)
    killed.kill()


def queries() -> None:
    client = Reader(environment).client
    values["graphql"] = [graphql(client, PRICE, {"product": 7}, name="price")]
    values["graphql"].append(graphql(client, PRICE, {"product": 0}))
    proxies = [Proxy(text) for text in ("<html>", "", "[]", '"a"', '{"errors": ["a"]}', '{"errors": {}, "data": 1}')]
    values["proxied"] = [[graphql(one, PRICE), one.failures] for one in proxies]


gevent.joinall([gevent.spawn(call) for call in (grpc_calls, websocket_calls, event_streams, queries)], raise_error=True)
sys.stdout.write(json.dumps({"events": events, "values": values}))
