import json
import re

import pytest
from rich.console import Console

from tests.reports import examples
from tests.reports.parsed import Page
from toril.reports import EXPORTS, FORMATS, render, terminal, view
from toril.reports.bundle import Bundle

RUNS = {
    "passed": examples.passed(),
    "failed": examples.failed(),
    "inconclusive": examples.inconclusive(),
    "hostile": examples.hostile(),
    "empty": examples.empty(),
}
READ_BY_PEOPLE = ("terminal", "html", "github")


@pytest.fixture(params=RUNS)
def run(request) -> Bundle:
    return RUNS[request.param]


def readable(name: str, data: bytes) -> str:
    """The text that a person sees, with white space closed up."""
    text = Page(data).text if name in ("html", "github") else data.decode().replace("┃", "")
    return re.sub(r"\s+", "", text.replace("\u200b", ""))


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in EXPORTS])
def test_every_format_shows_every_run(name, run):
    data = render(name, run)

    assert data or (name, run.outcome) == ("annotations", "passed")  # which has nothing to point at
    data.decode()


@pytest.mark.parametrize("name", READ_BY_PEOPLE)
@pytest.mark.parametrize("which", ["failed", "inconclusive", "empty"])
def test_every_reason_and_criterion_is_shown(name, which):
    run = RUNS[which]

    shown = readable(name, render(name, run))

    for criterion in view.criteria(run):
        for text in (criterion.text, criterion.observed, criterion.limit):
            assert re.sub(r"\s+", "", text) in shown
    for _, message in view.reasons(run):
        assert re.sub(r"\s+", "", message) in shown
    assert run.outcome in shown.lower()


@pytest.mark.parametrize("name", READ_BY_PEOPLE)
def test_percentiles_beside_many_failures_are_marked(name):
    assert "51.2ms†" in readable(name, render(name, RUNS["failed"]))
    assert "†" not in readable(name, render(name, RUNS["passed"]))


# ── JSON and terminal ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_json_holds_verdict_and_summary_as_they_are(run):
    found = json.loads(render("json", run))

    assert found == {"schema": "toril.report/1", "verdict": run.verdict, "summary": run.summary}


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_terminal_report_keeps_to_the_width(run, width):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    with console.file:
        terminal.show(console, run)

    assert max(map(len, console.export_text().splitlines())) <= width


def test_nothing_from_outside_reaches_the_terminal_as_a_command():
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", render("terminal", RUNS["hostile"]).decode())


def test_a_value_below_the_resolution_is_shown_as_less_than_it():
    quick = examples.figures(scale=0.01, resolution_us=1000)
    run = Bundle(examples.plan(), examples.summary({"": quick}), examples.verdict())

    assert "< 1 ms" in render("terminal", run).decode()
