"""Visits an application by HTTP as its page would, and returns the recording, as a reader makes it of a HAR."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlencode, urljoin
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, Request, build_opener

from tests.applications import PASSWORD, USER, Application
from tests.authoring.recordings import FORM, JSON
from toril.authoring.pages import HtmlPage
from toril.authoring.recorded import Payload, Recorded, RecordedExchange


class Visit:
    """One session with an application."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._cookies = HTTPCookieProcessor()
        self._opener = build_opener(self._cookies, Unfollowed)
        self._exchanges: list[RecordedExchange] = []
        self._number = 0
        self.step = ""

    @property
    def recorded(self) -> Recorded:
        return Recorded(exchanges=tuple(self._exchanges), origin="visit.har", kind="har")

    def cookie(self, name: str) -> str:
        return next(one.value or "" for one in self._cookies.cookiejar if one.name == name)

    def post(self, path: str, fields: Mapping[str, str]) -> str:
        body = Payload(data=urlencode(fields).encode(), type=FORM, fields=tuple(fields.items()))
        return self.ask("POST", path, body=body, kind="document")

    def ask(self, method: str, path: str, *headers: tuple[str, str], body: Any = None, kind: str = "fetch") -> str:
        """Sends a request, and those of redirects; returns the text of the last response."""
        if body is not None and not isinstance(body, Payload):
            body = Payload(data=json.dumps(body).encode(), type=JSON)
        sent = (*headers, *((("Content-Type", body.type),) if body else ()))
        url = urljoin(self._application.url, path)
        one = self._sent(RecordedExchange(number=0, method=method, url=url, headers=sent, body=body, kind=kind))
        hops: list[RecordedExchange] = []
        while one.status == 303:
            hops.append(one)
            url = urljoin(one.url, dict(one.response_headers)["Location"])
            one = self._sent(RecordedExchange(number=0, method="GET", url=url, kind=kind))
        first = hops[0] if hops else one
        whole = replace(one, number=first.number, method=method, url=first.url, headers=first.headers, body=body)
        self._exchanges.append(replace(whole, started_s=first.started_s, hops=tuple(hops)))
        return one.response.text if one.response else ""

    def _sent(self, exchange: RecordedExchange) -> RecordedExchange:
        self._number += 1
        began, body = time.monotonic(), exchange.body.data if exchange.body else None
        request = Request(exchange.url, data=body, headers=dict(exchange.headers), method=exchange.method)
        self._cookies.cookiejar.add_cookie_header(request)
        cookie = request.get_header("Cookie")
        try:
            got = self._opener.open(request, timeout=10)
        except HTTPError as error:
            got = error
        with got:
            response = Payload(data=got.read(), type=got.headers.get("Content-Type", ""))
        return replace(
            exchange,
            number=self._number,
            headers=(*exchange.headers, *((("Cookie", cookie),) if cookie else ())),
            status=got.status,
            response_headers=tuple(got.headers.items()),
            response=response,
            started_s=began,
            took_s=time.monotonic() - began,
            step=self.step,
        )


class Unfollowed(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def shop(application: Application) -> Recorded:
    """Returns the recording of an order in the shop."""
    visit = Visit(application)
    visit.step = "Log in"
    visit.ask("GET", "/", kind="document")
    login = visit.ask("GET", "/login", kind="document")
    visit.post("/login", {**_hidden(login), "email": USER, "password": PASSWORD})
    visit.step = "Order"
    token = unquote(visit.cookie("XSRF-TOKEN"))
    visit.ask("POST", "/api/favourites", ("X-XSRF-TOKEN", token), body={"item": "lamp-12"})
    cart = visit.post("/cart", _hidden(visit.ask("GET", "/account", kind="document")))
    ordered = visit.post("/orders", {**_hidden(cart), "note": "Leave it at the door"})
    found = re.search(r'href="(/orders/\d+/invoice)"', ordered)
    visit.ask("GET", found[1] if found else "/", kind="document")
    return visit.recorded


def admin(application: Application) -> Recorded:
    """Returns the recording of a log-in and a new group."""
    visit = Visit(application)
    visit.step = "Log in"
    login = visit.ask("GET", "/admin/login/", kind="document")
    visit.post("/admin/login/", {**_hidden(login), "username": USER, "password": PASSWORD})
    visit.step = "Add a group"
    added = visit.ask("GET", "/admin/group/add/", kind="document")
    visit.post("/admin/group/add/", {**_hidden(added), "name": "Night shift", "_save": "Save"})
    return visit.recorded


def _hidden(page: str) -> dict[str, str]:
    return dict(HtmlPage(page).forms[0].hidden)
