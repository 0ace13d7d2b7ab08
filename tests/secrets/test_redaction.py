"""Redaction of secrets in texts, in every escaping, and in the output of processes."""

import base64
import html
import json
import subprocess
import sys
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.growth import is_linear
from tests.tiers import by_day
from toril.secrets.masking import HIDDEN
from toril.secrets.redaction import Redactor
from toril.timeline.intervals import Recorder, decode

SECRET = "s3cr3t/+ü \"q\" & 'x' <y> $HOME\\n=1"
WRITTEN: dict[str, Callable[[str], str]] = {
    "raw": lambda text: text,
    "quoted": quote,
    "quoted whole": lambda text: quote(text, safe=""),
    "quoted in lower case": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%C3", "%c3"),
    "quoted twice": lambda text: quote(quote(text, safe=""), safe=""),
    "as a form": lambda text: urlencode({"a": text}),
    "quoted plus": quote_plus,
    "json": json.dumps,
    "json with characters": lambda text: json.dumps(text, ensure_ascii=False),
    "json in json": lambda text: json.dumps(json.dumps({"a": text})),
    "slashes escaped": lambda text: json.dumps(text).replace("/", "\\/"),
    "python": repr,
    "python's bytes": lambda text: repr(text.encode()),
    "html": html.escape,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for urls": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 quoted": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
    "basic": lambda text: "Basic " + base64.b64encode(f"joe:{text}".encode()).decode(),
    "basic of another user": lambda text: "Basic " + base64.b64encode(f"jo:{text}".encode()).decode(),
    "basic of a third user": lambda text: "Basic " + base64.b64encode(f"anna:{text}".encode()).decode(),
    "bearer": lambda text: f"Bearer {text}",
}


def decodings(text):
    """Returns the text and everything that base64 decoding finds in it."""
    yield text
    for encoded in text.replace("***", " ").split():
        for padding in ("", "=", "=="):
            try:
                yield base64.b64decode(encoded + padding).decode("utf-8", "replace")
            except ValueError:
                continue


@pytest.mark.parametrize("way", WRITTEN)
@pytest.mark.parametrize("secret", [SECRET, "abcd", "x" * 40, "päss wörd", "a+b/c=="])
def test_a_secret_is_redacted_in_every_escaping(way, secret):
    shown = Redactor([secret])(f"before {WRITTEN[way](secret)} after")
    assert HIDDEN in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert all(secret not in one for one in decodings(shown))


@given(st.text(min_size=4, max_size=30), st.sampled_from(sorted(WRITTEN)))
def test_any_secret_is_redacted_in_any_escaping(secret, way):
    try:
        written = WRITTEN[way](secret)
    except UnicodeEncodeError:  # a lone surrogate
        return
    assert Redactor([secret]).redacted(f"<{written}>") != f"<{written}>"
    assert written not in Redactor([secret]).redacted(f"<{written}>")


@pytest.mark.parametrize(
    "secret", ["hunter2/+=", "a\\b\\c", "\\\\\\\\x", '"\\"\\\\"', "0" * 12, "%25%25%2525", "\\n\\n\n"]
)
@pytest.mark.parametrize("piece", by_day(["\\", '\\"', "%25", "&#0", "\\x5c", "\\u005c", "0", "\\n", "A", " "], each=4))
def test_redaction_takes_time_in_proportion_to_the_length(secret, piece):
    assert is_linear(Redactor([secret]).redacted, piece)


@given(st.text('\\n"a', min_size=4, max_size=12), st.integers(0, 4))
def test_a_secret_with_backslashes_is_redacted_in_json_within_json(secret, depth):
    written = secret
    for _ in range(depth):
        written = json.dumps(written)
    shown = Redactor([secret]).redacted(f"<{written}>")
    assert HIDDEN in shown
    assert secret not in shown


@given(st.text("abcdefgh /?=&", max_size=80))
def test_texts_without_the_secret_stay_unchanged(text):
    assert Redactor(["s3cr3t-value"]).redacted(text) == text


def test_no_part_of_the_longer_of_two_secrets_is_left():
    assert Redactor(["token", "token-and-more"]).redacted("token-and-more, token") == "***, ***"


def test_lines_of_a_key_and_secrets_in_json_are_secrets_themselves():
    key = "-----BEGIN-----\nMIIEvQIBADANBgkqhkiG\nshort\n"
    redacted = Redactor([key, '{"user": "joe-smith", "password": "hunter2", "port": 5432}']).redacted
    assert redacted("read MIIEvQIBADANBgkqhkiG as joe-smith with hunter2") == "read *** as joe-smith with ***"


def test_the_beginning_of_a_cut_secret_is_redacted():
    text = "x" * 480 + " s3cr3t-va"
    assert Redactor(["s3cr3t-value"]).redacted(text) == "x" * 480 + " ***"


def test_bytes_that_are_not_text_stay_unchanged():
    assert Redactor(["s3cr3t"]).redacted_bytes(b"\xff\xfe s3cr3t \x00\n") == b"\xff\xfe *** \x00\n"


def test_a_recorder_merges_texts_that_differ_only_in_a_secret():
    recorder = Recorder("local-1", "local", Redactor(["s3cr3t-value"]))
    for label in ("/u/s3cr3t-value", "/u/s3cr3t%2Dvalue", "/u/***"):
        for _ in range(2):
            recorder.add_one("x", completed_s=0.5, label=label, response_us=9, ok=False, rc=label, message=label)
    data = recorder.flush() or b""
    interval = decode(data, "file")
    assert interval.labels == interval.rcs == interval.messages == ("/u/***",)
    assert interval.samples == 6


def test_a_recorder_remembers_a_limited_number_of_variants():
    recorder = Recorder("local-1", "local", Redactor(["s3cr3t-value"]))
    for number in range(30_000):
        recorder.code("message", f"s3cr3t-value {'s3cr3t-value' * (number % 3)}")
        recorder.code("label", f"/a?token={number}")
    assert len(recorder._tables["label"]) < 11_000


PRINTS = """
import os, subprocess, sys
from toril.worker.logs import RedactedOutput
from toril.secrets.redaction import Redactor

RedactedOutput().begin(Redactor(["s3cr3t"]).redacted_bytes)
print("print s3cr3t")
os.write(1, b"write s3cr3t\\n")
subprocess.run(["sh", "-c", "echo child s3cr3t; echo error s3cr3t >&2"], check=True)
sys.stderr.write("no line break s3cr3t")
raise ValueError("uncaught " + "s3cr3" + "t")
"""


def test_the_output_of_a_process_and_its_children_is_redacted():
    done = subprocess.run([sys.executable, "-c", PRINTS], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert sorted(done.stdout.splitlines()) == ["child ***", "print ***", "write ***"]
    assert "error ***" in done.stderr
    assert "no line break ***" in done.stderr
    assert "ValueError: uncaught ***" in done.stderr
    assert "s3cr3t" not in done.stdout + done.stderr
