"""`--replay` against a service on loopback: one session, in order, as a second observation."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qs

import pytest

from tests.authoring import recordings
from toril.authoring.correlation import correlated
from toril.authoring.recorded import Recorded
from toril.authoring.replaying import replayed
from toril.errors import OptionError

pytestmark = pytest.mark.live


class Shop(BaseHTTPRequestHandler):
    """The shop of `recordings.login`: its CSRF fields work once, and its orders have new numbers."""

    server: "Service"

    def do_GET(self) -> None:
        self.server.seen.append(self.path)
        if self.path.startswith("/orders/") and self.path.split("/")[2] != self.server.order:
            self._answer(404, "<p>Not found</p>")
        elif self.path == "/login":
            self._answer(200, self._form("/login"), ("Set-Cookie", "session=s-1; Path=/"))
        else:
            self._answer(200, self._form("/orders"))

    def do_POST(self) -> None:
        self.server.seen.append(self.path)
        given = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if given["csrf"] != [self.server.csrf] or "session=s-1" not in self.headers.get("Cookie", ""):
            self._answer(403, "<p>Refused</p>")
        elif self.path == "/orders":
            self._answer(303, "", ("Location", f"/orders/{self.server.order}"))
        else:
            self._answer(302, "", ("Location", "/account"))

    def _form(self, action: str) -> str:
        self.server.csrf = f"a1b2c3d4e5f6a7b8c9d0-{next(self.server.numbers)}"
        return recordings.csrf_form(action, self.server.csrf)

    def _answer(self, status: int, content: str, *headers: tuple[str, str]) -> None:
        data = recordings.page("Shop", content).data
        self.send_response(status)
        for name, value in (*headers, ("Content-Type", "text/html"), ("Content-Length", str(len(data)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


class Service(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Shop)
        self.seen: list[str] = []
        self.numbers, self.csrf, self.order = count(1), "", "9001"


@contextmanager
def shop() -> Iterator[tuple[Service, Recorded]]:
    """Yields the service, and the recording of `recordings.login` at its address."""
    with Service() as service:
        threading.Thread(target=service.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{service.server_port}"
        whole = recordings.login()
        moved = (
            replace(
                one,
                url=one.url.replace(recordings.SHOP, address),
                hops=tuple(replace(hop, url=hop.url.replace(recordings.SHOP, address)) for hop in one.hops),
            )
            for one in whole.exchanges
        )
        yield service, replace(whole, exchanges=tuple(moved))
        service.shutdown()


def test_a_replay_carries_values_keeps_cookies_and_is_a_second_observation():
    with shop() as (service, recorded):
        second = replayed(recorded, correlated(recorded), {})
    assert [one.status for one in second.exchanges] == [200, 200, 200, 200]
    assert [hop.status for one in second.exchanges for hop in one.hops] == [302, 303]
    assert service.seen[-2:] == ["/orders/9001", "/orders/9001/invoice"]
    found = correlated(recorded, second)
    assert [(rule.applied, any("both recordings" in why for why in rule.why)) for rule in found.rules] == [
        (True, True)
    ] * 3


def test_a_host_that_does_not_answer_is_an_error_of_the_user():
    with shop() as (_, recorded):
        pass
    with pytest.raises(OptionError) as raised:
        replayed(recorded, correlated(recorded), {})
    assert raised.value.code == "no-answer"
