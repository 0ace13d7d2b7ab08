import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from junitparser import JUnitXml
from rich.console import Console

from tests.reports import examples
from toril.errors import OptionError
from toril.reports import EXPORTS, EXTENSIONS, FORMATS, github, html, render, series, terminal, view
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


class Page(HTMLParser):
    """What a browser makes of a page: elements, attributes and the text outside of scripts and styles."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._inside: list[str] = []
        self.feed(data.decode())
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.text += data
        elif self._inside[-1] == "script":
            self.scripts.append(data)


def readable(name: str, data: bytes) -> str:
    """The text that a person sees, with white space closed up."""
    text = Page(data).text if name in ("html", "github") else data.decode().replace("┃", "")
    return re.sub(r"\s+", "", text.replace("\u200b", ""))


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in EXPORTS])
def test_every_format_shows_every_run(name, run):
    data = render(name, run)

    assert data
    data.decode()


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(OptionError, match="'pdf'; choose one of terminal, json, junit, html, github"):
        FORMATS.check("pdf")


def test_every_format_has_an_extension():
    assert set(EXTENSIONS) == set(FORMATS)


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


# ── HTML ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_refers_to_nothing_outside_itself(run):
    page = Page(render("html", run))

    assert not {"link", "img", "iframe", "object", "embed", "base", "form", "a"} & set(page.elements)
    assert not [
        name for name, _ in page.attributes if name in ("src", "href", "srcset", "action", "style", "xlink:href")
    ]
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_the_page_allows_exactly_the_scripts_and_the_style_that_it_holds(run):
    text = render("html", run).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    blocks = re.findall(r"<script>(.*?)</script>|<style>(.*?)</style>", text, re.DOTALL)
    allowed = policy[1].replace("&#39;", "'")

    assert allowed.startswith("default-src 'none'; ")
    assert "unsafe" not in allowed
    assert len(blocks) == 3
    for script, style in blocks:
        assert html._hash(script or style) in allowed


def test_hostile_strings_are_text_in_the_page():
    page = Page(render("html", RUNS["hostile"]))

    assert page.elements.count("script") == 3
    assert "onerror=alert(1)" in page.text
    assert "{{7*7}}" in page.text


def test_hostile_strings_are_data_in_the_script():
    nasty = {"name": "</script><!--\u2028\u2029&"}

    written = html.in_script(nasty)

    assert not re.search("[<>&\u2028\u2029]", written)
    assert json.loads(written) == nasty


def test_the_charts_have_a_value_or_a_gap_for_each_second():
    page = Page(render("html", RUNS["passed"]))
    data = json.loads(page.scripts[0])

    assert data["x"] == list(range(30))
    assert [chart["title"] for chart in data["charts"]] == [
        "Virtual users",
        "Requests per second",
        "Response times",
        "Failed requests per second",
        "p95 by location",
        "Response times by percentile",
    ]
    assert {len(line["values"]) for chart in data["charts"][:-1] for line in chart["lines"]} == {30}


def test_the_chart_by_percentile_reads_the_histogram_at_the_nearest_rank():
    histogram = [[1000, 1999, 50], [2000, 2999, 40], [3000, 3999, 10]]

    assert series._quantiles_ms(histogram, [0, 0.2, 0.5, 1.0, 1.1, 2.0, 2.1]) == [1.999] * 2 + [2.999] * 2 + [
        3.999
    ] * 2 + [None]


# ── JUnit ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def junit(run: Bundle) -> JUnitXml:
    return JUnitXml.fromstring(render("junit", run))


@pytest.mark.parametrize(
    ("which", "tests", "failures", "errors"),
    [("passed", 2, 0, 0), ("failed", 2, 1, 0), ("inconclusive", 2, 0, 1), ("empty", 1, 0, 1), ("hostile", 1, 1, 0)],
)
def test_junit_counts_breaches_as_failures_and_what_is_undecided_as_errors(which, tests, failures, errors):
    found = junit(RUNS[which])

    assert (found.tests, found.failures, found.errors) == (tests, failures, errors)


def test_junit_says_what_was_observed():
    root = ElementTree.fromstring(render("junit", RUNS["failed"]))  # noqa: S314 - our own
    failure = root.find(".//failure")

    assert failure is not None
    assert failure.get("message") == "p95 of checkout>250ms: observed 412 ms, limit 250 ms (+162 ms)"


def test_junit_of_a_complete_run_without_criteria_has_one_case_that_passes():
    run = Bundle(examples.plan(criteria=()), examples.summary(), examples.verdict(criteria=[]))

    found = junit(run)

    assert (found.tests, found.failures, found.errors) == (1, 0, 0)


# ── GitHub ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_hostile_strings_break_no_table_and_call_nobody():
    text = render("github", RUNS["hostile"]).decode()

    assert "<img" not in text
    assert "@octocat" not in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_summary_stays_below_githubs_limit_and_says_what_is_left_out():
    data = render("github", examples.hostile(labels=5000))

    assert len(data) <= github.LARGEST
    assert "… and 4,901 more labels" in data.decode()


def test_a_summary_that_is_too_long_all_the_same_is_cut_at_a_line():
    data = github._limited("é" * 79 + "\n" + 20_000 * ("ä" * 79 + "\n"))

    assert len(data) <= github.LARGEST
    assert data.decode().endswith("… cut at GitHub&#39;s limit\n")


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
