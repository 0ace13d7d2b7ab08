"""Kept requests and responses, made up for tests of reports."""

from dataclasses import replace
from typing import Any

from tests.reports import examples
from toril.records.evidence import Asserted, Content, Exchange, Exchanges
from toril.reports import Bundle

ADDRESS = "https://shop.example.com/checkout?token=***"
JSON = "application/json"


def exchange(**fields: Any) -> Exchange:
    """Returns a failed checkout."""
    known: dict[str, Any] = {
        "why": "failure", "execution": "buy", "label": "checkout", "ok": False, "rc": "503",
        "error": "503 Service Unavailable", "worker": "madrid-1", "location": "madrid", "at_s": 21.25,
        "response_us": 1_204_000, "ttfb_us": 1_203_000, "method": "POST", "url": ADDRESS, "status": 503,
        "request_headers": (
            ("Host", "shop.example.com"), ("Authorization", "Bearer ***"), ("Content-Type", JSON), ("Accept", "*/*"),
            ("User-Agent", "toril"),
        ),
        "request": Content(text='{"card": "it\'s", "pin": 1.50}', bytes=29, type=JSON),
        "response_headers": (("Content-Type", JSON), ("Set-Cookie", "sid=***; Path=/")),
        "response": Content(text='{"ok": false}', bytes=13, type=JSON), "connection": "reused",
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "masked": ("header Authorization", "query token"),
    }  # fmt: skip
    return Exchange(**{**known, **fields})


def wrong_field() -> Exchange:
    """Returns a request whose response lacks what the script asserts."""
    asserted = (Asserted(name="body", ok=False, expected='"stock": 3', message="not in the body"),)
    answer = Content(text='{"stock": null}', bytes=15, type=JSON)
    return exchange(
        label="products", rc="200", status=200, error="assertion failed", asserted=asserted, response=answer
    )


def slowest(**fields: Any) -> Exchange:
    """Returns the slowest request of a label."""
    return exchange(why="slowest", ok=True, rc="200", error="", status=200, response_us=3_000_000, **fields)


def failed(*exchanges: Exchange, **fields: Any) -> Bundle:
    """Returns a failed run with these requests."""
    found = exchanges or (exchange(), exchange(at_s=22.0), wrong_field(), slowest())
    return replace(examples.failed(), evidence=Exchanges(run_id="r", exchanges=found, **fields))
