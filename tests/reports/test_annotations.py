"""Annotations are on the lines of their criteria; these tests parse them as GitHub's runner does."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.github.stories import REGRESSION, compared
from tests.reports import examples
from toril.records import SourcePlace
from toril.reports import Bundle, render
from toril.text import plain

WHERE = "suite.yml: reporting[0].criteria[0]"
PLACE = {WHERE: SourcePlace(file="loadtests/shop/suite.yml", line=31)}


def commands(run: Bundle) -> list[tuple[str, dict[str, str], str]]:
    """Returns name, properties and message of each line, parsed as by the runner."""
    found = []
    for line in render("annotations", run).decode().removesuffix("\n").split("\n"):
        head, message = line.removeprefix("::").split("::", 1)
        name, _, rest = head.partition(" ")
        pairs = [pair.split("=", 1) for pair in rest.split(",") if pair]
        found.append((name, {key: unescaped(value) for key, value in pairs}, unescaped(message)))
    return found


def unescaped(text: str) -> str:
    for written, meant in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(written, meant)
    return text


def located(run: Bundle, places=PLACE) -> Bundle:
    first, *others = run.verdict.to_dict()["criteria"]
    found = examples.with_verdict(run, criteria=[{**first, "where": WHERE}, *others], reasons=[])
    return replace(found, plan=run.plan.model_copy(update={"places": places}))


def many(outcome: str, count: int) -> Bundle:
    rules = [examples.criterion(f"p95 of label {number}>1s", outcome, message=f"m{number}") for number in range(count)]
    return replace(examples.failed(), verdict=examples.verdict("failed", criteria=rules))


def test_an_inconclusive_criterion_is_a_warning():
    run = examples.inconclusive()
    rule = examples.criterion(outcome="inconclusive", message="too few samples", where=WHERE)
    run = located(examples.with_verdict(run, criteria=[rule]), PLACE)
    lost = examples.with_verdict(run, reasons=examples.inconclusive().verdict.to_dict()["reasons"])

    assert [(name, properties.get("line")) for name, properties, _ in commands(lost)] == [
        ("warning", "31"),
        ("warning", None),
    ]
    assert commands(lost)[1][2] == "worker sevilla-1 was lost: killed by signal 9 after 12 s"


def test_an_annotation_without_a_line_has_the_file_if_known():
    elsewhere = {"other": SourcePlace(file="loadtests/shop/suite.yml", line=3)}

    assert commands(located(examples.failed(), elsewhere))[0][1].keys() == {"file", "title"}
    assert commands(located(examples.failed(), {}))[0][1].keys() == {"title"}


def test_an_unreliable_regression_is_a_warning():
    unsure = compared(examples.passed(), {**REGRESSION, "message": "slower; but a worker was lost"}, "unsure-arms")

    assert [(name, message) for name, _, message in commands(unsure)] == [("warning", "slower; but a worker was lost")]


@pytest.mark.parametrize(("outcome", "name"), [("failed", "error"), ("inconclusive", "warning")])
def test_the_tenth_annotation_of_a_level_counts_the_rest(outcome, name):
    ten, more = commands(many(outcome, 10)), commands(many(outcome, 500))

    assert [one[0] for one in more] == [name] * 10
    assert "more" not in ten[-1][2]
    assert more[-1][2] == "p95 of label 9>1s: m9 … and 490 more; see the report"


PIECES = st.sampled_from(["a", "::", ":", ",", "=", "%", "%0A", "%3A", "%25", "\r", "\n", "##[", "]", " ", "\u2028"])


@given(st.lists(PIECES | st.characters(codec=None), max_size=12).map("".join))
def test_no_text_escapes_its_annotation(text):
    run = located(examples.failed())
    rule = {**run.verdict.to_dict()["criteria"][0], "criterion": text, "message": text}
    plan = run.plan.model_copy(update={"suite": text, "places": {WHERE: SourcePlace(file=f"a{text}", line=3)}})
    hostile = replace(examples.with_verdict(run, criteria=[rule]), plan=plan)

    ((name, properties, message),) = commands(hostile)

    shown = text.encode("utf-8", "backslashreplace").decode()
    assert name == "error"
    assert properties == {"file": f"a{shown}", "line": "3", "title": f"{plain(text)}: failed"}
    criterion, shown_message = plain(text), plain(text, 1000)
    assert message == f"{criterion}: {shown_message or 'observed 412 ms, limit 250 ms'}"
    assert len(re.split("[\r\n]", render("annotations", hostile).decode())) == 2
