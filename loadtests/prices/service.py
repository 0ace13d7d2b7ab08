"""Prices by WebSocket, server-sent events and GraphQL, or with --grpc by gRPC. Its delays are known.

python service.py                      prints its address; at the end, the number of answered requests

A price takes 50 ms. A watch sends its first price after 300 ms, and a further one each 100 ms. There is no product 0.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import signal
import struct
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PRICE_S, FIRST_S, GAP_S = 0.05, 0.3, 0.1
PRICES = 10  # in a watch
ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
TEXT, CLOSE = 1, 8  # opcodes of WebSocket


class Prices:
    """The service without its protocols."""

    def __init__(self) -> None:
        self.answered = 0
        self._counting = threading.Lock()

    def count(self) -> None:
        with self._counting:
            self.answered += 1

    def price(self, product: int) -> float:
        self.count()
        time.sleep(PRICE_S)
        return 5 + product / 100

    def watch(self, product: int, begin: int = 0) -> Iterator[float]:
        self.count()
        due = time.monotonic() + FIRST_S
        for number in range(begin, PRICES):
            time.sleep(max(0.0, due - time.monotonic()))
            due += GAP_S
            yield 5 + product / 100 + number


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, prices: Prices) -> None:
        self.prices = prices
        super().__init__(("127.0.0.1", port), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        product = int(asked["variables"]["product"])
        price = self.server.prices.price(product)
        answer = {"data": {"price": price}} if product else {"data": None, "errors": [{"message": "no such product"}]}
        self.send_response(200)  # also with errors, as GraphQL has it
        body = json.dumps(answer).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.close_connection = True
        with contextlib.suppress(ConnectionError):
            if self.headers.get("Upgrade", "").lower() == "websocket":
                self.answer_websocket()
            else:
                self.send_events()

    def send_events(self) -> None:
        product = int(parse_qs(urlsplit(self.path).query)["product"][0])
        self.send_response(200 if product else 404)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        if product:
            begin = int(self.headers.get("Last-Event-ID", "-1")) + 1
            for number, price in enumerate(self.server.prices.watch(product, begin % PRICES), begin):
                self.wfile.write(f"id: {number}\nevent: price\ndata: {price}\n\n".encode())
        else:
            self.server.prices.count()

    def answer_websocket(self) -> None:
        key = hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + ACCEPT, usedforsecurity=False).digest()
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade")):
            self.send_header(name, value)
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(key).decode())
        self.end_headers()
        self.server.prices.count()
        while message := self.message():
            verb, _, product = message.partition(" ")
            if verb == "price":
                self.send_message(str(self.server.prices.price(int(product))))
                continue
            for price in self.server.prices.watch(int(product)):
                self.send_message(str(price))

    def message(self) -> str:
        """Returns the next text, shorter than 126 bytes; "" at the end of the connection."""
        head = self.rfile.read(2)
        if len(head) < 2 or head[0] & 15 != TEXT:
            return ""
        mask = self.rfile.read(4)
        data = self.rfile.read(head[1] & 127)
        return bytes(byte ^ mask[place % 4] for place, byte in enumerate(data)).decode()

    def send_message(self, text: str) -> None:
        self.wfile.write(struct.pack("!BB", 128 | TEXT, len(text)) + text.encode())


def grpc_server(port: int, prices: Prices) -> tuple[Any, int]:
    import grpc
    from google.protobuf.wrappers_pb2 import DoubleValue, Int32Value

    def get(product: Any, context: Any) -> Any:
        price = prices.price(product.value)
        return (
            DoubleValue(value=price) if product.value else context.abort(grpc.StatusCode.NOT_FOUND, "no such product")
        )

    def watch(product: Any, context: Any) -> Iterator[Any]:
        yield from (DoubleValue(value=price) for price in prices.watch(product.value))

    coding = {"request_deserializer": Int32Value.FromString, "response_serializer": DoubleValue.SerializeToString}
    methods = {
        "Get": grpc.unary_unary_rpc_method_handler(get, **coding),
        "Watch": grpc.unary_stream_rpc_method_handler(watch, **coding),
    }
    server = grpc.server(ThreadPoolExecutor(64))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.Prices", methods)])
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, port


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one.")
    parser.add_argument("--grpc", action="store_true", help="Serve gRPC instead of the other protocols.")
    parser.add_argument("--until-stdin-closes", action="store_true", help="End when stdin closes.")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    prices = Prices()
    if options.grpc:
        server, port = grpc_server(options.port, prices)
    else:
        server = Server(options.port, prices)
        port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    print(f"http://127.0.0.1:{port}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        if options.until_stdin_closes:
            sys.stdin.read()
        else:
            signal.pause()
    print(f"answered {prices.answered} requests", flush=True)


if __name__ == "__main__":
    main()
