"""What workers show of requests: everything but secrets, wherever and however these occur."""

import base64
import gzip
import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiers import examples
from toril.engines.keeping import EMPTY
from toril.records.document import document
from toril.secrets.masking import HIDDEN, masked_body
from toril.secrets.redaction import Redactor
from toril.worker.hiding import Hiding

GRAM = 6
BODY = 4096

secrets_ = st.text("abcdefghijABCDEFGHIJ0123456789-_.~+/=%&'\"<>\\ äß€", min_size=6, max_size=60).filter(
    lambda text: text.strip() == text and len(set(text)) > 5
)
ESCAPINGS: dict[str, Callable[[str], str]] = {
    "raw": lambda text: text,
    "url": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "json": lambda text: json.dumps(text)[1:-1],
    "html": html.escape,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
}


def latin(text):
    return (
        text.encode("latin-1", "ignore").decode("latin-1").replace(";", "").replace('"', "").replace("\\", "").strip()
    )


def kept(*, body=b"", kind="application/json", answer=b"", headers=(), **fields):
    """Returns a line of `keeping.py`."""
    bodies = {"request": (body, kind), "response": (answer, "text/plain")}
    raw = {**EMPTY, "url": "https://shop.example/cart", **fields}
    for name, (data, of) in bodies.items():
        if data:
            raw[name], raw[f"{name}_bytes"] = base64.b64encode(data).decode(), len(data)
        raw[f"{name}_headers"] = [["Content-Type", of]]
    raw["request_headers"] = [*raw["request_headers"], *map(list, headers)]
    return raw


def body_of(content):
    assert content is not None
    return content


def planted(place, secret):
    """Returns a kept request with a secret at a place that holds secrets."""
    token = latin(secret)
    places: dict[str, Any] = {
        "header": lambda: kept(headers=[("X-Api-Key", token)]),
        "bearer": lambda: kept(headers=[("Authorization", f"Bearer {token}")]),
        "basic": lambda: kept(
            headers=[("Authorization", "Basic " + base64.b64encode(f"joe:{secret}".encode()).decode())]
        ),
        "cookie": lambda: kept(headers=[("Cookie", f"a=b; sid={token}; c=d")]),
        "query": lambda: kept(url=f"https://shop.example/cart?id=7&access_token={quote(secret, safe='')}#top"),
        "json": lambda: kept(body=json.dumps({"a": [1.50, {"password": secret}]}).encode()),
        "form": lambda: kept(
            body=f"user=joe&password={quote_plus(secret)}&x=1".encode(), kind="application/x-www-form-urlencoded"
        ),
        "multipart": lambda: kept(
            body=b'--bb\r\nContent-Disposition: form-data; name="password"\r\n\r\n' + secret.encode() + b"\r\n--bb--",
            kind="multipart/form-data; boundary=bb",
        ),
        "cut json": lambda: kept(body=json.dumps({"a": 1, "password": secret + "x" * 20})[:-5].encode()),
        "variable": lambda: kept(variables=[["password", secret]]),
    }
    return places[place](), token if place in ("header", "bearer", "cookie") else secret


PLACES = ("header", "bearer", "basic", "cookie", "query", "json", "form", "multipart", "variable")


@pytest.mark.parametrize("place", [*PLACES, "cut json"])
@examples(60)
@given(secret=secrets_)
def test_no_part_of_a_secret_is_written(place, secret):
    raw, known = planted(place, secret)
    if len(known) < GRAM:
        return
    hiding = Hiding(Redactor())
    first = hiding.exchange(raw, BODY, why="failure")
    echoes = {name: escaped(known) for name, escaped in ESCAPINGS.items()}
    text = "\n".join(f"{name}: [{one}]" for name, one in echoes.items())
    again = kept(answer=text.encode(), asserted=[{"ok": False, "message": text, "expected": known}], notes=[known])
    second = again if place == "cut json" else hiding.exchange(again, BODY, why="failure")
    written = document([first, [] if place == "cut json" else second]).decode()
    grams = {form[at : at + GRAM] for form in echoes.values() for at in range(len(form) - GRAM + 1)}
    grams |= {json.dumps(one, ensure_ascii=False)[1:-1] for one in grams}
    assert not [one for one in grams if one in written]
    assert first.masked


def test_a_label_shows_no_value_of_a_credential_and_depends_on_no_response():
    hiding = Hiding(Redactor(["0pen-Sesame/17"]))
    hiding.variables({"SHOP_TOKEN": "shop-t0ken-17", "SHOP_URL": "https://shop.example"})
    hiding.exchange(kept(headers=[("X-Api-Key", "checkout-page-2024")]), BODY, why="failure")
    shown = hiding.label("checkout-page-2024 shop-t0ken-17 0pen-Sesame/17 https://shop.example")
    assert shown == "checkout-page-2024 *** *** https://shop.example"


def test_a_variable_that_names_a_secret_shows_that_its_extractor_found_nothing():
    hiding = Hiding(Redactor())
    hiding.exchange(kept(headers=[("Authorization", "Bearer NOT_FOUND")]), BODY, why="tried")
    shown = hiding.exchange(kept(variables=[["token", "NOT_FOUND"], ["password", "hunter2"]]), BODY, why="tried")
    assert dict(shown.variables) == {"token": "NOT_FOUND", "password": "***"}


def test_a_declared_secret_is_hidden_at_any_place():
    hiding = Hiding(Redactor(["0pen-Sesame/17"]))
    raw = kept(
        url="https://shop.example/0pen-Sesame%2F17/cart",
        headers=[("X-Odd", "0pen-Sesame/17")],
        body=b'{"a": "0pen-Sesame\\/17"}',
        answer=gzip.compress(b"you said 0pen-Sesame/17"),
    )
    raw["response_headers"] += [["Content-Encoding", "gzip"]]
    shown = hiding.exchange(raw, BODY, why="failure")
    assert b"Sesame" not in document(shown)
    assert body_of(shown.response).text == "you said ***"
    assert "secret" in shown.masked


@pytest.mark.parametrize(
    "echo",
    [
        lambda text: base64.b64encode(b"joe:" + text.encode("latin-1")).decode(),
        lambda text: quote(text.encode("latin-1")),
        lambda text: text.encode().decode("latin-1"),
        lambda text: text.encode("latin-1").decode("utf-8", "surrogateescape"),
    ],
)
def test_a_declared_secret_is_hidden_in_the_other_usual_encoding(echo):
    said = echo("Gänse-wärter-17")
    shown = Hiding(Redactor(["Gänse-wärter-17"]))(f"you said {said}.")
    assert HIDDEN in shown
    assert said[-12:-4] not in shown


@pytest.mark.parametrize("message", ["said {}", "said {}…", "not found in '{}...' and '{}...'"])
def test_the_beginning_of_a_value_is_hidden_where_a_message_was_cut(message):
    hiding = Hiding(Redactor())
    hiding.exchange(kept(headers=[("X-Api-Key", "0123456789abcdef")]), BODY, why="failure")
    assert hiding(message.format(*["0123456789"] * 2)) == message.format("***", "***")
    assert hiding("0123456 is a number") == "0123456 is a number"


def test_bodies_are_cut_after_hiding_and_binary_ones_have_a_size_only():
    shown = Hiding(Redactor()).exchange(
        kept(body=b'{"x": "' + b"y" * 9000 + b'"}', answer=b"\x00\x01" * 50), 100, why="failure"
    )
    request, response = body_of(shown.request), body_of(shown.response)
    assert (request.text, request.cut, request.bytes) == ('{"x": "' + "y" * 93, True, 9009)
    assert (response.binary, response.text, response.bytes) == (True, "", 100)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (("Authorization", "Bearer abc.def"), "Bearer ***"),
        (("Authorization", "abcdef"), "***"),
        (("Set-Cookie", "sid=abc; Path=/; HttpOnly"), "sid=***; Path=/; HttpOnly"),
        (
            ("WWW-Authenticate", 'Bearer realm="shop", error="invalid_token"'),
            'Bearer realm="shop", error="invalid_token"',
        ),
        (("WWW-Authenticate", 'Digest realm="shop", nonce="abc"'), 'Digest realm="shop", nonce=***'),
        (("X-CSRF", "abc"), "***"),
        (("Location", "/next?code=1&token=abc"), "/next?code=1&token=***"),
        (("Content-Type", "text/html"), "text/html"),
        (("X-RateLimit-Reset-Tokens", "6m0s"), "6m0s"),
        *(
            ((name, "abc"), "***")
            for name in ("X-Functions-Key", "DD-APPLICATION-KEY", "X-Consumer-Key", "X-App-Key", "X-User-Pass")
        ),
        (("Authentication", "abc"), "***"),
    ],
)
def test_headers_keep_what_is_no_secret(sent, shown):
    exchange = Hiding(Redactor()).exchange(kept(headers=[sent]), BODY, why="failure")
    assert exchange.request_headers[-1] == (sent[0], shown)


HELD = "Zq7Kx9Vw3Lm5"
GRAPHQL = f'mutation {{ login(user: "joe", password: "{HELD}") {{ id }} }}'
IN_JSON = json.dumps({"password": HELD, "n": 1})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (f"<a><password><![CDATA[{HELD}]]></password></a>", "text/xml"),
        (f"<a><password> <value>{HELD}</value></password></a>", "text/xml"),
        (f'<a><user name="joe" token="{HELD}"/></a>', "text/xml"),
        (f"<a apiKey='{HELD}'/>", "text/xml"),
        (f'<property name="token" value="{HELD}"/>', "text/xml"),
        (f'<property value="{HELD}" name="token"/>', "text/xml"),
        (f"<member><name>password</name><value><string>{HELD}</string></value></member>", "text/xml"),
        (GRAPHQL, "application/graphql"),
        (json.dumps({"query": GRAPHQL, "variables": {"n": 1}}), "application/json"),
        (json.dumps({"a": IN_JSON}), "application/json"),
        (json.dumps({"a": json.dumps({"b": IN_JSON})}), "application/json"),
        (json.dumps({"a": json.dumps({"secret": {"x": HELD}})}), "application/json"),
        (json.dumps({"a": f'<user token="{HELD}"/>'}), "application/json"),
        (json.dumps({"name": "password", "value": HELD}), "application/json"),
        (json.dumps({"apiKeys": [HELD], "tokens": 5}), "application/json"),
        (f'data: {{"tokens": ["a", "{HELD}"]}}\n\n', "text/event-stream"),
        (f"a=1&payload={quote_plus(IN_JSON)}", "application/x-www-form-urlencoded"),
        (f"a=1&payload={IN_JSON}", "application/x-www-form-urlencoded"),
        (f"<textarea name=token>{HELD}</textarea>", "text/html"),
        (f'<div data-token="{HELD}">Token</div>', "text/html"),
        (f'<script>window.csrfToken = "{HELD}"; f({{apiKey:"{HELD}"}})</script>', "text/html"),
        (f'<meta http-equiv="refresh" content="0;url=/x?token={HELD}">', "text/html"),
        (f'user: joe\npassword: "{HELD}"\n', "application/yaml"),
        (
            f"--bb\r\nContent-Disposition: form-data; name=token\r\n\r\n{HELD}\r\n--bb--",
            "multipart/form-data; boundary=bb",
        ),
        (f'--bb\nContent-Disposition: form-data; name="token"\n\n{HELD}\n--bb--', "multipart/form-data; boundary=bb"),
    ],
)
def test_a_value_is_hidden_at_its_place_in_a_cut_body_and_in_echoes(body, kind):
    hiding = Hiding(Redactor())
    echoes = " ".join(escaped(f"<{HELD}>") for escaped in ESCAPINGS.values())
    assert HIDDEN in body_of(hiding.exchange(kept(body=body.encode(), kind=kind), BODY, why="failure").request).text
    shown = hiding(echoes)
    assert HELD not in shown
    assert base64.b64encode(HELD.encode()).decode()[:12] not in shown
    for length in range(body.index(HELD[:4]), len(body)):
        cut, _ = masked_body(body[:length].encode(), kind)
        assert HELD[:4] not in (cut or "")


@pytest.mark.parametrize(
    "url",
    [
        f"/graphql?n=1&variables={quote(IN_JSON, safe='')}",
        f"/graphql?query={quote_plus(GRAPHQL)}&n=1",
        f"/maps?key={HELD}{HELD}",
        f"/cart?a=1;token={HELD}",
        f"/cart%23id_token%3D{HELD}",
    ],
)
def test_a_value_inside_an_address_is_hidden_there_and_in_echoes(url):
    hiding = Hiding(Redactor())
    exchange = hiding.exchange(kept(url=f"https://shop.example{url}"), BODY, why="failure")
    assert HELD not in exchange.url
    assert HELD not in hiding(f"no such value: {HELD}{HELD if 'key' in url else ''}")


def test_half_a_character_in_a_value_is_harmless():
    shown = Hiding(Redactor()).exchange(kept(body=b'{"token": "\\ud800abcdef"}'), BODY, why="failure")
    assert body_of(shown.request).text == '{"token": "***"}'


@pytest.mark.parametrize(
    ("body", "kind", "shown"),
    [
        (
            b'{ "n": 1.50,"token" :"abc", "\\u00e9": "\\u00e9"}',
            "application/json",
            '{ "n": 1.50,"token" :"***", "\\u00e9": "\\u00e9"}',
        ),
        (
            b'{"tokens": 5, "secret": {"a": [1, "b"]}, "token": null}',
            "",
            '{"tokens": 5, "secret": "***", "token": null}',
        ),
        (b"a=1&password=%C3%A4&b=", "", "a=1&password=***&b="),
        (
            b'<input type="hidden" name="csrf_token" value="abc">',
            "text/html",
            '<input type="hidden" name="csrf_token" value="***">',
        ),
        (b"<user><password>abc</password></user>", "text/xml", "<user><password>***</password></user>"),
        ("grün".encode("latin-1"), "text/plain; charset=iso-8859-1", "grün"),
    ],
)
def test_bodies_keep_what_is_no_secret_byte_by_byte(body, kind, shown):
    exchange = Hiding(Redactor()).exchange(kept(body=body, kind=kind), BODY, why="failure")
    assert body_of(exchange.request).text == shown


def test_the_value_of_a_declared_credential_is_hidden_unless_it_is_a_word_or_an_address():
    hiding = Hiding(Redactor())
    hiding.variables({"SHOP_SHARE": "k3y-of-ada", "SHOP_USER": "orders", "SHOP_PIN": "48291", "URL": "http://shop-1"})
    for number in range(1_000):  # other values pass
        hiding.page(b'{"token": "t0ken-%d"}' % number)
    assert hiding("/orders/48291?share=k3y-of-ada of http://shop-1") == "/orders/48291?share=*** of http://shop-1"
