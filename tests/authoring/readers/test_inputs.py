"""The format is known by content; what toril cannot read is refused with a reason."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given, strategies

from tests.authoring.readers import test_access_log, test_har, test_openapi, test_postman
from tests.authoring.readers.reading import recorded, refusal
from tests.tiers import examples
from toril.authoring.options import ImportOptions
from toril.authoring.readers import Input, input_of, read, script_of
from toril.errors import OptionError

SAMPLES: dict[str, Any] = {
    "har": test_har.har(test_har.entry("GET", "/"), test_har.entry("POST", "/", 302, post={"text": "a=1"})),
    "openapi": test_openapi.API,
    "swagger": test_openapi.SWAGGER,
    "postman": test_postman.collection(
        test_postman.item({"url": "http://a.example", "header": test_postman.pairs(a="b")})
    ),
    "curl": "curl 'https://a.example' -H \"A: b\" -d @x --json '{}' \\\n -F a=@b",
    "log": "\n".join(test_access_log.FORMATS.values()),
}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("hello", "unknown-format"),
        ("# curl https://a.example", "unknown-format"),
        (
            "openapi: 3.0.0\na0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]\n" for n in range(1, 30)),
            "too-large",
        ),
        ("openapi: 3.0.0\nx: " + "[" * 100_000, "damaged-file"),
        ("", "unknown-format"),
        ("{", "damaged-file"),
        ("[1, 2]", "unknown-format"),
        ('{"a": 1}', "unknown-format"),
        ("[" * 100_000, "unknown-format"),
        ("execution:\n- scenario: x\n", "unknown-format"),
        ('{"log": "x"}', "no-requests"),
    ],
)
def test_other_texts_are_refused(text, code):
    assert refusal(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "<!-- x -->\n" * 200,
        test_access_log.line("/") + "\n" + '192.0.2.7 - - [21/Sep/2026:16:13:20 +0200] "GET /' + "a" * 60_000,
        json.dumps(test_postman.collection(test_postman.item("a.example", event=test_postman.script("a" * 64_000)))),
    ],
    ids=["comments", "a line without a closing quote", "a long word"],
)
def test_a_hostile_text_is_read_or_refused_in_little_time(text):
    before_s = time.process_time()
    script_of(Input(data=text.encode(), name="x"))
    with suppress(OptionError):
        recorded(text)
    assert time.process_time() - before_s < 5


@pytest.mark.parametrize(
    ("name", "options"), [("har", {"environment": Path("local.json")}), ("log", {"functional": True})]
)
def test_an_option_without_effect_on_a_format_is_refused(name, options):
    assert refusal(SAMPLES[name], **options) == "conflicting-options"


def test_a_format_is_known_by_content(tmp_path):
    kinds = [recorded(sample).kind for sample in SAMPLES.values()]
    assert kinds == ["har", "openapi", "openapi", "postman", "curl", "access-log"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('<?xml version="1.0"?>\n<!-- x -->\n<jmeterTestPlan version="1.2">', "jmx"),
        ("import http from 'k6/http';\nexport default function () {}", "k6"),
        ("package shop\nclass Shop extends Simulation {}", "gatling"),
        ("import time\nfrom locust import HttpUser, task\n", "locustfile"),
        (json.dumps({"log": {"text": "class X extends Simulation"}}), None),
        ("curl https://a.example", None),
    ],
)
def test_a_script_is_known_by_what_it_imports(text, kind):
    assert script_of(Input(data=text.encode(), name="x")) == kind


@pytest.mark.parametrize(
    ("name", "kind"), [("openapi.yaml", None), ("curl.txt", None), ("Shop.PY", "locustfile"), ("stdin", "locustfile")]
)
def test_a_text_of_a_file_of_another_type_is_no_script_which_a_suite_would_run(name, kind):
    text = b'openapi: "3.0.0"\nimport locust\n# curl http://shop.example\n'
    assert script_of(Input(data=text, name=name, folder=Path())) == kind


@pytest.mark.parametrize(
    "name", ["missing.har", ".", "a\0b", "http://a.example/openapi.json", "https://ada:x@a.example/"]
)
def test_what_cannot_be_opened_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError):
        input_of(name)


def test_a_file_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("toril.authoring.readers.MOST_BYTES", 9)
    (tmp_path / "a.har").write_bytes(b"1234567890")
    with pytest.raises(OptionError) as refused:
        input_of(str(tmp_path / "a.har"))
    assert refused.value.code == "too-large"


def test_a_file_keeps_its_name_and_folder(tmp_path):
    file = tmp_path / "a.har"
    file.write_bytes(b"{}")
    assert input_of(str(file)) == Input(data=b"{}", name="a.har", folder=Path(tmp_path))


@pytest.mark.live
def test_an_address_is_read_over_the_network_and_pages_are_refused():
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            status, text = {
                "/openapi.json": (200, json.dumps(test_openapi.SWAGGER)),
                "/docs": (200, "<!DOCTYPE html>"),
            }.get(self.path, (302 if self.path == "/moved" else 404, ""))
            self.send_response(status)
            self.send_header("Location", "/openapi.json")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        found = read(input_of(f"{base}/moved"), ImportOptions())
        assert (found.kind, found.origin) == ("openapi", "127.0.0.1")
        codes = []
        for path in ("/docs", "/missing"):
            with pytest.raises(OptionError) as refused:
                input_of(base + path)
            codes.append(refused.value.code)
        server.shutdown()
    assert codes == ["unknown-format", "unreachable"]
    with pytest.raises(OptionError):
        input_of(f"{base}/openapi.json")


Junk = strategies.one_of(
    strategies.none(), strategies.booleans(), strategies.integers(-1, 600), strategies.floats(), strategies.text(),
    strategies.just([]), strategies.just({}), strategies.just(["\ud800"]), strategies.just([{"$ref": "#/"}]),
)  # fmt: skip


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the path of each value in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*before, key)
        yield from paths(one, (*before, key))


PATHS = {name: list(paths(sample)) for name, sample in SAMPLES.items()}  # none of a text


def damaged(name: str, data: strategies.DataObject) -> Any:
    """Returns a sample with some values replaced by junk."""
    found = deepcopy(SAMPLES[name])
    for *outer, last in data.draw(strategies.lists(strategies.sampled_from(PATHS[name]), min_size=1, max_size=3)):
        junk, node = deepcopy(data.draw(Junk)), found
        with suppress(LookupError, TypeError):  # in a value that is junk by now
            for key in outer:
                node = node[key]
            node[last] = junk
    return found


@pytest.mark.parametrize("name", SAMPLES)
@examples(50)
@given(data=strategies.data())
def test_a_damaged_sample_is_read_or_refused(name, data):
    sample = SAMPLES[name]
    if isinstance(sample, dict):
        text = bytearray(json.dumps(damaged(name, data)).encode())
    else:
        text = bytearray(sample.encode())
        for _ in range(data.draw(strategies.integers(1, 4))):
            text[data.draw(strategies.integers(0, len(text) - 1))] = data.draw(strategies.integers(0, 255))
    with suppress(OptionError):
        recorded(bytes(text))
