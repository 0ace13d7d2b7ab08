"""A value is carried from each place of a response to each place of a request, in the encoding that each needs."""

import json
from collections.abc import Callable
from dataclasses import replace
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlencode

import pytest

from tests.authoring.recordings import form, json_body, page
from tests.authoring.test_correlation import sent
from toril.authoring.correlation import Carried, correlated, unfolded
from toril.authoring.correlation.extractors import taken
from toril.authoring.recorded import Payload, Recorded, RecordedExchange

VALUES = {  # of two visits
    "hexadecimal": ("5f0c1a7e93d44c558a860d8f3f4be1aa", "9b1d2c3e4f5a69788796a5b4c3d2e1f0"),
    "UUID": ("5f0c1a7e-93d4-4c55-8a86-0d8f3f4be1aa", "11c2d3e4-0f1a-4b2c-8d3e-4f5a6b7c8d9e"),
    "base64": ("aB3/dE5+gH7jK9mN1pQ3==", "Zx8+yW6/vU4tS2rQ0oM9=="),
    "token": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.dBjf-eZ4CVP", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MyJ9.x9jf_eZ4CVQ"),
}
Given = dict[str, Any]  # fields of an exchange


def text(content: str, kind: str) -> Payload:
    return Payload(data=content.encode(), type=kind)


def html(content: str) -> Given:
    return {"response": page("Page", content)}


def header(name: str, value: str) -> Given:
    return {"response_headers": (("X-Other", "1"), (name, value))}


SOURCES: dict[str, Callable[[str], Given]] = {
    "json": lambda v: {"response": json_body({"data": {"accessKey": v, "n": 1}})},
    "json in a list": lambda v: {"response": json_body({"data": [{"accessKey": v}]})},
    "json, odd names": lambda v: {"response": json_body({"where": {"access-key": v}})},
    "json in json": lambda v: {"response": json_body({"payload": json.dumps({"accessKey": v})})},
    "hidden field": lambda v: html(
        f'<form action="/a"><input type="hidden" name="accessKey" value="{escape(v)}"></form>'
    ),
    "meta": lambda v: html(f'<meta name="access-key" content="{escape(v)}">'),
    "attribute": lambda v: html(f'<div data-access-key="{escape(v)}"></div>'),
    "script": lambda v: html(f'<script>var accessKey = "{v}";</script>'),
    "link": lambda v: html(f'<a href="/go?a=1&amp;accessKey={quote_plus(v)}">Go</a>'),
    "address of a form": lambda v: html(f'<form action="/go?accessKey={quote_plus(v)}"></form>'),
    "query of a redirect": lambda v: header("Location", f"/go?accessKey={quote(v, safe='')}&b=1"),
    "fragment of a redirect": lambda v: header("Location", f"/go#accessKey={quote(v, safe='')}&b=1"),
    "path of a redirect": lambda v: header("Location", f"/keys/{quote(v, safe='')}/go"),
    "cookie": lambda v: header("Set-Cookie", f"accessKey={quote(v, safe='')}; Path=/"),
    "header": lambda v: header("X-Access-Key", v),
    "bearer": lambda v: header("Authorization", f"Bearer {v}"),
    "xml": lambda v: {"response": text(f"<?xml version='1.0'?><r><AccessKey>{escape(v)}</AccessKey></r>", "text/xml")},
    "xml attribute": lambda v: {"response": text(f'<?xml version="1.0"?><r AccessKey="{escape(v)}"/>', "text/xml")},
    "text": lambda v: {"response": text(f"ok accessKey={v}\n", "text/plain")},
}
USES: dict[str, Callable[[str], RecordedExchange]] = {
    "path": lambda v: sent(9, f"GET /keys/{quote(v, safe='')}/x", {}),
    "query": lambda v: sent(9, f"GET /go?{urlencode({'accessKey': v})}", {}),
    "json in a query": lambda v: sent(9, f"GET /go?{urlencode({'variables': json.dumps({'accessKey': v})})}", {}),
    "address in a query": lambda v: sent(9, f"GET /go?{urlencode({'next': f'/keys?k={quote(v)}'})}", {}),
    "header": lambda v: sent(9, "GET /go", {}, headers=[("X-Access-Key", v)]),
    "bearer": lambda v: sent(9, "GET /go", {}, headers=[("Authorization", f"Bearer {v}")]),
    "composed header": lambda v: sent(9, "GET /go", {}, headers=[("Authorization", f'Own app="x", key="{v}"')]),
    "form": lambda v: sent(9, "POST /go", {}, body=form(accessKey=v)),
    "json": lambda v: sent(9, "POST /go", {}, body={"a": {"accessKey": v}}),
    "json in json": lambda v: sent(9, "POST /go", {}, body={"a": json.dumps({"accessKey": v})}),
    "graphql": lambda v: sent(9, "POST /go", {}, body={"query": f'mutation {{ pay(accessKey: "{v}") {{ ok }} }}'}),
    "multipart": lambda v: sent(
        9, "POST /go", {}, body=Payload(type="multipart/form-data; boundary=b", fields=(("accessKey", v),))
    ),
    "xml": lambda v: sent(9, "POST /go", {}, body=text(f"<r><AccessKey>{escape(v)}</AccessKey></r>", "text/xml")),
    "text": lambda v: sent(9, "POST /go", {}, body=text(f"key|{v}|x", "text/plain")),
}


def visit(source: str, use: str, value: str) -> Recorded:
    one: RecordedExchange = sent(1, "POST /login", {}, body={"user": "ada"})
    given = SOURCES[source](value)
    if "redirect" in source:
        one = replace(one, hops=(replace(one, status=302, response=None, **given),))
    else:
        one = replace(one, **{"response": None, **given})
    return Recorded(exchanges=(one, USES[use](value)), origin="test.har", kind="har")


def carried(rule: Carried, found: Recorded) -> str | None:
    """Returns the value that the suite would send in the second visit."""
    exchange = next(one for one in found.exchanges if one.number == rule.source)
    place = next(place for number, place in rule.uses if number == 9)
    raw = taken(rule.extract, exchange) or ""
    reference = rule.reference(place)
    shown = unquote(raw) if "__urldecode" in reference else quote_plus(raw) if "__urlencode" in reference else raw
    if place.where in ("path", "query"):
        assert not set(shown) & set("/+ &?#"), shown  # an address needs them encoded
        return unquote(shown)
    return shown


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("source", SOURCES)
def test_a_value_goes_from_each_place_to_each_place(kind: str, source: str) -> None:
    first, second = VALUES[kind]
    for use in USES:
        correlation = correlated(visit(source, use, first))
        found = unfolded(visit(source, use, second), correlation)
        values = {
            carried(rule, found)
            for rule in correlation.rules
            if rule.applied and any(number == 9 for number, _ in rule.uses)
        }
        assert values == {second}, use
