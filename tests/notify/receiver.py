"""A receiver of webhooks on loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.measured import plan_of
from toril.notify.webhooks import Webhook, webhook_of
from toril.records import Notice


class Hook(ThreadingHTTPServer):
    """A webhook's receiver. It gives each answer once, as (status, headers), and then 200."""

    def __init__(self, *answers: tuple[int, dict[str, str]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.bodies: list[dict] = []
        self.keys: list[str | None] = []
        self.signed: list[tuple[str, bytes]] = []  # each signature, with the body that it is for

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook/s3cr3t"

    def webhook(self, on=("finished",), format="toril", key="") -> tuple[Webhook, list[float]]:
        pauses: list[float] = []
        environment = {"TORIL_NOTIFY_SECRET": key} if key else {}
        notice = Notice(webhook=self.url, on=on, format=format, secret=next(iter(environment), ""))
        return replace(webhook_of(notice, plan_of(), environment), pause=pauses.append), pauses


class Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(json.loads(body))
        self.server.signed.append((self.headers["Toril-Signature"] or "", body))
        self.server.keys.append(self.headers["Idempotency-Key"])
        status, headers = self.server.answers.pop(0) if self.server.answers else (200, {})
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def hook(*answers: tuple[int, dict[str, str]]) -> Iterator[Hook]:
    with Hook(*answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
