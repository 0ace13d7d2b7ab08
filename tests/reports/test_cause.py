"""The block *Probable cause*, in each format."""

from dataclasses import replace

import pytest

from tests.reports.runs import run_of, small
from toril.records.cause import Cause, Moved, RareLine, SlowPart, Trouble
from toril.reports import Bundle, render
from toril.reports.cause_block import probable_cause

THROTTLES = Moved(
    name="ReadThrottleEvents Sum of orders",
    period_s=10,
    at_s=112,
    low_s=110.2,
    high_s=114.8,
    before=0,
    after=55,
    p=1e-4,
)
WAIT = Moved(
    name="Wait of <db>", unit="Seconds", period_s=60, at_s=120, low_s=100, high_s=160, before=0.02, after=0.4, p=1e-4
)
TROUBLE = Trouble(
    codes=("errors-began",), symptom="failures", label="GET /", at_s=121, low_s=120, high_s=124, tested=9,
    moved=(THROTTLES, WAIT),
)  # fmt: skip
PART = SlowPart(name="DynamoDB Query orders", traces=4, of=5, median_us=8e5, total_us=9e5, trace_id="4bf92f")
LINE = RareLine(group="/ecs/shop", text="pool exhausted", from_s=118, to_s=178, count=412, most=3)


def run(cause: Cause | None, link: str = "") -> Bundle:
    bundle = run_of(small())
    return replace(bundle, cause=cause, plan=bundle.plan.model_copy(update={"trace_link": link}))


def cause(*troubles: Trouble, **more: object) -> Cause:
    return Cause(false_discoveries=0.05, troubles=troubles).model_copy(update=more)


def test_each_sentence_states_figures_times_and_evidence():
    found = cause(TROUBLE, part=PART, line=LINE, scanned_bytes=200_000_000, usd=0.001)
    block = probable_cause(run(found, "https://traces.example.com/{trace_id}"))
    assert block is not None
    assert [line.text for line in block.lines] == [
        "ReadThrottleEvents Sum of orders rose from 0 to 55 (means of up to 10 periods of 10 s) between seconds 110 "
        "and 115, at least 5 s before failures of GET / rose between seconds 120 and 124.",
        "Wait of <db> rose from 20.0 ms to 400 ms (means of up to 10 periods of 60 s) between seconds 100 and 160, "
        "as failures of GET / rose between seconds 120 and 124.",
        "DynamoDB Query orders took the most time in 4 of 5 traces of slow and failed requests: 800 ms itself, of "
        "900 ms (medians). The slowest is 4bf92f.",
        '412 log lines of /ecs/shop with "pool exhausted" came in seconds 118 to 178, and at most 3 in any minute '
        "outside the trouble. The search read 191 MiB of logs for $0.001, at us-east-1's $0.005 per GB.",
    ]
    assert [line.link for line in block.lines] == ["", "", "https://traces.example.com/4bf92f", ""]


@pytest.mark.parametrize(
    ("unit", "before", "after", "shown"),
    [("", 0.0002, 0.0004, "from 0.0002 to 0.0004"), ("Gigabytes", 3, 5, "from 3 Gigabytes to 5 Gigabytes"),
     ("Count", 0, 7, "from 0 to 7"), ("Percent", 38.689, 100, "from 38.69 % to 100 %")],
)  # fmt: skip
def test_small_values_and_units_are_shown(unit, before, after, shown):
    moved = WAIT.model_copy(update={"unit": unit, "before": before, "after": after})
    block = probable_cause(run(cause(TROUBLE.model_copy(update={"moved": (moved,)}))))
    assert block is not None
    assert shown in block.lines[0].text


@pytest.mark.parametrize("found", [None, cause(), cause(TROUBLE.model_copy(update={"moved": ()}))])
def test_a_run_without_evidence_has_no_such_block(found):
    assert probable_cause(run(found)) is None
    assert b"Probable cause" not in render("html", run(found))


def test_a_block_has_five_lines_at_most():
    block = probable_cause(run(cause(TROUBLE, TROUBLE, TROUBLE, TROUBLE, part=PART, line=LINE)))
    assert block is not None
    assert len(block.lines) == 5
    assert block.lines[3].text.startswith("DynamoDB")


@pytest.mark.parametrize("format", ["terminal", "github", "html"])
def test_each_format_shows_the_block_and_what_aws_did_not_answer(format):
    found = cause(TROUBLE, part=PART, problems=("xray:BatchGetTraces: access denied",))
    text = render(format, run(found, "https://traces.example.com/{trace_id}")).decode()
    assert text.index("Probable cause") < text.index("ReadThrottleEvents")
    assert "<db>" not in text or format == "terminal"
    assert ("traces.example.com/4bf92f" in text) is (format != "terminal")
    assert "access denied" in text
