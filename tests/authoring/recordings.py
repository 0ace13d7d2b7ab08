"""Two recordings, built in Python: a shop with a login form, and an API with a bearer token.

Another `visit` is another recording of the same journey: values of the session differ, those of the deployment do not.
"""

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

from toril.authoring.recorded import Payload, Recorded, RecordedExchange

SHOP = "https://shop.example.com"
API = "https://api.example.com"
USER, PASSWORD = "ada@example.com", "correct horse battery"
ITEM = "5f0c1a7e-93d4-4c55-8a86-0d8f3f4be1aa"  # of the deployment
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
HTML = "text/html; charset=utf-8"
ENTER = '<input name="user"><input name="password" type="password">'


def secret(visit: str, name: str) -> str:
    """Returns a value of the session, such as its token."""
    return hashlib.sha256(f"{visit} {name}".encode()).hexdigest()[:40]


def order(visit: str) -> str:
    """Returns the number of the order that the visit makes."""
    return str(8_000 + int(secret(visit, "order"), 16) % 1_000)


def secrets(visit: str = "first") -> tuple[str, ...]:
    """Returns what no written file may contain."""
    return (USER, PASSWORD, *(secret(visit, name) for name in ("session", "csrf 1", "csrf 2", "token")))


def form(**fields: str) -> Payload:
    return Payload(data=urlencode(fields).encode(), type=FORM, fields=tuple(fields.items()))


def json_body(value: Any) -> Payload:
    return Payload(data=json.dumps(value).encode(), type=JSON)


def page(title: str, content: str = "") -> Payload:
    text = f"<html><head><title>{title}</title></head><body>{content}</body></html>"
    return Payload(data=text.encode(), type=HTML)


def csrf_form(action: str, token: str, fields: str = "") -> str:
    hidden = f'<input type="hidden" name="csrf" value="{token}">'
    return f'<form method="post" action="{action}">{hidden}{fields}</form>'


def of(*exchanges: RecordedExchange, origin: str) -> Recorded:
    return Recorded(exchanges=exchanges, origin=origin, kind="har")


def login(visit: str = "first") -> Recorded:
    """A login and an order in a shop: a CSRF field for each form, redirects after POST, one cookie of the session."""
    first, second, cookie = (secret(visit, name) for name in ("csrf 1", "csrf 2", "session"))
    number = order(visit)
    cookies = (("Cookie", f"session={cookie}"),)
    posted = (*cookies, ("Content-Type", FORM), ("Origin", SHOP))
    credentials = form(csrf=first, user=USER, password=PASSWORD)
    ordered = form(csrf=second, item=ITEM, quantity="2")
    return of(
        RecordedExchange(
            number=1,
            method="GET",
            url=f"{SHOP}/login",
            status=200,
            response_headers=(("Content-Type", HTML), ("Set-Cookie", f"session={cookie}; HttpOnly; Path=/")),
            response=page("Log in", csrf_form("/login", first, ENTER)),
            started_s=0.0,
            took_s=0.05,
            step="log in",
            kind="document",
        ),
        RecordedExchange(
            number=2,
            method="POST",
            url=f"{SHOP}/login",
            headers=posted,
            body=credentials,
            status=200,
            response_headers=(("Content-Type", HTML),),
            response=page("Welcome", csrf_form("/orders", second)),
            started_s=4.2,
            took_s=0.12,
            step="log in",
            kind="document",
            hops=(
                RecordedExchange(
                    number=2,
                    method="POST",
                    url=f"{SHOP}/login",
                    headers=posted,
                    body=credentials,
                    status=302,
                    response_headers=(("Location", "/account"),),
                    started_s=4.2,
                    took_s=0.06,
                ),
            ),
        ),
        RecordedExchange(
            number=4,
            method="POST",
            url=f"{SHOP}/orders",
            headers=posted,
            body=ordered,
            status=200,
            response_headers=(("Content-Type", HTML),),
            response=page(f"Order {number}"),
            started_s=9.0,
            took_s=0.2,
            step="order",
            kind="document",
            hops=(
                RecordedExchange(
                    number=4,
                    method="POST",
                    url=f"{SHOP}/orders",
                    headers=posted,
                    body=ordered,
                    status=303,
                    response_headers=(("Location", f"/orders/{number}"),),
                    started_s=9.0,
                    took_s=0.1,
                ),
            ),
        ),
        RecordedExchange(
            number=6,
            method="GET",
            url=f"{SHOP}/orders/{number}/invoice",
            headers=cookies,
            status=200,
            response_headers=(("Content-Type", HTML),),
            response=page(f"Invoice of order {number}"),
            started_s=12.1,
            took_s=0.04,
            step="order",
            kind="document",
        ),
        origin="shop.har",
    )


def api(visit: str = "first") -> Recorded:
    """A token, a list, and an order that is made and read: all by JSON, from one host."""
    token, number = secret(visit, "token"), int(order(visit))
    bearer = (("Authorization", f"Bearer {token}"), ("Accept", JSON))
    content = (("Content-Type", JSON),)

    def exchange(index: int, method: str, path: str, status: int, answer: Any, **more: Any) -> RecordedExchange:
        return RecordedExchange(
            number=index,
            method=method,
            url=f"{API}{path}",
            status=status,
            response_headers=content,
            response=json_body(answer),
            started_s=float(index),
            took_s=0.03,
            kind="fetch",
            **more,
        )

    return of(
        exchange(
            1,
            "POST",
            "/token",
            200,
            {"access_token": token, "token_type": "Bearer", "expires_in": 900},
            headers=content,
            body=json_body({"user": USER, "password": PASSWORD}),
        ),
        exchange(2, "GET", "/items", 200, {"items": [{"id": ITEM, "name": "lamp"}]}, headers=bearer),
        exchange(
            3,
            "POST",
            "/orders",
            201,
            {"id": number, "state": "open"},
            headers=(*bearer, *content),
            body=json_body({"item": ITEM, "quantity": 2}),
        ),
        exchange(4, "GET", f"/orders/{number}", 200, {"id": number, "state": "open"}, headers=bearer),
        origin="api.har",
    )
