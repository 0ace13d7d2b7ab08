"""What reports show of kept requests, and the commands that send them again."""

import shlex
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.reports import examples
from tests.reports.exchanges import exchange, failed, slowest, wrong_field
from tests.tiers import examples as as_many
from toril.records.evidence import MOST_EXCHANGES, Content, Exchange
from toril.reports import Bundle, render
from toril.reports.evidence_blocks import MOST_CHARACTERS, MOST_SHOWN, curl_of, exchange_list, indented


def shown(run: Bundle):
    found = exchange_list(run)
    assert found is not None
    return found


def test_failures_come_by_frequency_and_the_slowest_requests_last():
    found = shown(failed(slowest(), exchange(error="rare", rc="500"), wrong_field(), exchange(), exchange(at_s=30.0)))
    assert [(group.label, group.error, group.count, len(group.exchanges)) for group in found.groups] == [
        ("checkout", "503 Service Unavailable", "120 failures", 2),
        ("checkout", "rare", "", 1),
        ("products", "assertion failed", "", 1),
        ("checkout", "", "", 1),
    ]
    assert found.groups[2].exchanges[0].brief == 'expected "stock": 3; got {"stock": null}'
    assert found.groups[3].exchanges[0].slow


def test_a_run_without_evidence_has_no_section():
    assert exchange_list(examples.failed()) is None
    assert b"Evidence" not in render("html", examples.failed())


def test_arms_of_a_duet_are_separate():
    found = shown(failed(*(exchange(notes=(f"arm {arm}",)) for arm in (1, 2))))
    assert {(group.label, group.count) for group in found.groups} == {
        ("checkout (base)", ""), ("checkout (head)", "120 failures"),
    }  # fmt: skip


def test_each_error_keeps_one_request_if_there_is_no_room_for_all():
    body = Content(text="x" * 60_000, bytes=60_000)
    large = failed(*(exchange(error=f"error {n % 8}", response=body) for n in range(80)), left_out_workers=2)
    many = failed(*(exchange(label=f"label {n}") for n in range(MOST_EXCHANGES)))
    for run in (large, many):
        found, every = shown(run), run.evidence.exchanges if run.evidence else ()
        ones = [one for group in found.groups for one in group.exchanges]
        assert len(found.groups) == min(len({(e.label, e.error) for e in every}), MOST_SHOWN)
        assert sum(len(one.response) for one in ones) < MOST_CHARACTERS + 100_000
        assert found.left_out == len(every) - len(ones)
    assert shown(large).left_out_workers == 2


def test_the_first_request_of_each_error_is_in_the_terminal_and_in_junit_beside_its_criterion():
    rules = [
        examples.criterion("fail of checkout>1%", "failed", observed=12, threshold=1, unit="%"),
        examples.criterion("p95 of checkout>250ms", "failed"),
        examples.criterion("p95 of products>250ms", "failed", label="products"),
        examples.criterion("throughput<5/s", "failed"),
    ]
    run = examples.with_verdict(failed(), criteria=rules)
    text = render("terminal", run).decode()
    assert text.count("→ 503") == 1
    assert 'expected "stock": 3; got {"stock": null}' in text
    cases = {
        case.get("name"): case.findtext("failure") or ""
        for case in etree.fromstring(render("junit", run)).iter("testcase")
    }
    assert "→ 503" in cases["fail of checkout>1%"]
    assert "in 3,000 ms" in cases["p95 of checkout>250ms"]
    assert not [name for name in ("p95 of products>250ms", "throughput<5/s") if "→" in cases[name]]


def test_a_comment_loses_responses_before_anything_else():
    few, many = (failed(*(exchange(error=f"error {n}", response=body) for n in range(8))) for body in (
        Content(text="short", bytes=5), Content(text="&" * 4_000, bytes=4_000)
    ))  # fmt: skip
    assert b"<pre>" in render("github", few)
    text = render("github", many)
    assert b"<pre>" not in text
    assert text.count("→ 503".encode()) == 8


@pytest.mark.parametrize(
    ("sent", "shown_text"),
    [
        ('{"a": [1.50, {}], "b": "x, y"}', '{\n  "a": [\n    1.50,\n    {}\n  ],\n  "b": "x, y"\n}'),
        ('{"a": {"b": "cut [', '{\n  "a": {\n    "b": "cut ['),
        ("[]", "[]"),
    ],
)
def test_json_is_indented_and_else_as_it_was_sent(sent, shown_text):
    assert indented(sent) == shown_text


@as_many(100)
@given(st.text('{}[]",:\\ \n1a', max_size=40))
def test_indentation_changes_white_space_only(words):
    assert "".join(indented(words).split()) == "".join(words.split())


# ── curl ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def arguments(one: Exchange, **variables: str) -> list[str]:
    """Returns the arguments that curl gets from a real shell."""
    command = 'curl() { printf "%s\\0" "$@"; }\n' + curl_of(one)
    done = subprocess.run(["bash", "-c", command], env=variables, capture_output=True, check=True)
    return done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]


def test_the_command_sends_what_was_sent_with_variables_for_what_is_hidden():
    known = {"TORIL_TOKEN": "q'q", "TORIL_AUTHORIZATION": "a b$(c)"}
    assert arguments(exchange(), **known) == [
        "-X", "POST", "https://shop.example.com/checkout?token=q'q", "-H", "Authorization: Bearer a b$(c)",
        "-H", "Content-Type: application/json", "-H", "Accept: */*", "-H", "User-Agent: toril",
        "--data-raw", '{"card": "it\'s", "pin": 1.50}',
    ]  # fmt: skip


def test_the_shell_refuses_a_command_whose_variables_are_not_set():
    with pytest.raises(subprocess.CalledProcessError) as refused:
        arguments(exchange())
    assert b"TORIL_TOKEN" in refused.value.stderr


def test_hidden_values_of_the_same_name_have_variables_of_their_own():
    one = exchange(request=Content(text='{"token": "***", "old": {"token": "***"}}', bytes=9))
    variables = [word for word in ("{TORIL_TOKEN:", "{TORIL_TOKEN_2:", "{TORIL_TOKEN_3:") if word in curl_of(one)]
    assert len(variables) == 3


@pytest.mark.parametrize(
    "body", [Content(text="abc", cut=True), Content(binary=True), Content(text="a", type="multipart/form-data; b")]
)
def test_a_body_that_is_not_whole_is_a_file_of_the_user(body):
    known = {"TORIL_TOKEN": "t", "TORIL_AUTHORIZATION": "a", "TORIL_BODY": "body.json"}
    assert arguments(exchange(request=body), **known)[-2:] == ["--data-binary", "@body.json"]


@pytest.mark.parametrize(
    "changes",
    [{"url": "file:///etc/passwd"}, {"url": "-K/tmp/x"}, {"request_headers": ()}, {"method": ""}, {"method": "-K x"}],
)
def test_a_request_that_curl_cannot_send_has_no_command(changes):
    assert curl_of(exchange(**changes)) == ""


header = st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF), max_size=30)


@as_many(60)
@given(path=header, value=header, body=header, masked=st.booleans())
def test_no_text_of_a_request_reaches_the_shell_or_the_terminal(path, value, body, masked):
    one = replace(
        exchange(),
        url=f"https://shop.example/{path}",
        request_headers=(("X-A", value), ("@/etc/passwd", "x"), ("Accept", "a"), ("User-Agent", "b")),
        request=Content(text=body, type="text/plain"),
        masked=(),
    )
    command = curl_of(one)
    assert command.replace("\n", "").isprintable()
    expected = ["-X", "POST", *(["--globoff"] if set("[]{}") & set(path) else []), one.url]
    expected += ["-H", f"X-A: {value}" if value else "X-A;", "-H", "Accept: a", "-H", "User-Agent: b"]
    expected += ["-H", "Content-Type:", "--data-raw", body]
    assert arguments(one) == expected
    assert shlex.split(command.splitlines()[0].removesuffix(" \\")) == ["curl"]
