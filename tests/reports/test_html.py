import json
import re
from html import unescape
from typing import Any

import pytest
from lxml.html import document_fromstring

from tests.browser import ten_minutes
from tests.measured import Sample
from tests.reports import examples
from tests.reports.parsed import Page
from tests.reports.runs import run_of, small
from toril.reports import Bundle, html, render
from toril.reports.measured import encoded

RUNS = {
    "passed": examples.passed(),
    "failed": examples.failed(),
    "inconclusive": examples.inconclusive(),
    "hostile": examples.hostile(),
    "empty": examples.empty(),
}


@pytest.fixture(params=RUNS)
def run(request) -> Bundle:
    return RUNS[request.param]


def test_the_page_is_self_contained(run):
    page = Page(render("html", run))

    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & set(page.elements)
    assert all((value or "").startswith("#") for name, value in page.attributes if name in ("href", "xlink:href"))
    assert not [name for name, _ in page.attributes if name in ("src", "srcset", "action", "style")]
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_every_link_has_a_target_in_the_page(run):
    page = Page(render("html", run))
    places = [value for name, value in page.attributes if name == "id"]

    assert len(places) == len(set(places))
    assert {value[1:] for name, value in page.attributes if name == "href" and value} <= set(places)


def test_the_page_allows_only_its_own_scripts_and_style(run):
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


def test_hostile_strings_are_only_text_in_the_page():
    page = Page(render("html", RUNS["hostile"]))

    assert page.elements.count("script") == 3
    assert "onerror=alert(1)" in page.text
    assert "{{7*7}}" in page.text


def test_hostile_strings_are_data_in_the_script():
    nasty = "</script><!--&'"
    page = render("html", run_of([Sample(0, label=nasty)])).decode()

    (written,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert not re.search("[<>&']", written)
    assert json.loads(written)["labels"][1]["name"] == nasty


def test_every_figure_of_every_label_equals_the_summary():
    run = ten_minutes.bundle(seconds=80, criteria=())
    table = (
        render("html", run)
        .decode()
        .split('<table data-table="label" class="sortable figures">')[1]
        .split("</table>")[0]
    )
    rows = re.findall(r'<tr(?: class="total")?><th scope="row">(.*?)</th>(.*?)</tr>', table.replace("\n", ""))

    assert len(rows) == 21
    for name, cells in rows:
        figures = run.summary.to_dict()["labels"]["" if name == "all" else unescape(name)]
        times = figures["response_us"]
        assert [float(value) for value in re.findall(r'data-value="([^"]*)"', cells)] == [
            figures["samples"],
            figures["failures"] / figures["samples"],
            figures["rps"],
            *(times[key] for key in ("mean", "p50", "p90", "p95", "p99", "p99_9", "max")),
            figures["bytes"],
        ]


def test_a_typical_page_is_smaller_than_a_megabyte_beside_its_measurements():
    run = ten_minutes.bundle()
    measurements = encoded(run)

    assert measurements is not None
    assert len(measurements.text) < run.plan.page_bytes
    assert len(render("html", run)) - len(measurements.text) < 1_000_000


def test_a_page_with_many_labels_shows_the_notable_ones_and_counts_the_rest():
    labels = {f"label {number:05}": examples.figures(1000 - number % 500) for number in range(20_000)}
    labels["rare and broken"] = examples.figures(4, 4)
    labels["rare and judged"] = examples.figures(3)
    labels["rare and slow"] = examples.figures(2, scale=90.0)
    rule = examples.criterion(label="rare and judged")
    run = Bundle(
        examples.plan(), examples.summary({"": examples.figures()} | labels), examples.verdict(criteria=[rule])
    )

    data = render("html", run)
    text = Page(data).text

    assert len(data) < 1_000_000
    assert "19,883 more labels: see the formats csv and json" in text
    for name in ("rare and broken", "rare and judged", "rare and slow"):
        assert name in text


def test_labels_of_ten_kilobytes_stay_distinct_and_readable():
    long = [f"{'x' * 10_000} and then {ending}" for ending in ("one", "two")]
    run = Bundle(
        examples.plan(),
        examples.summary({"": examples.figures()} | {name: examples.figures() for name in long}),
        examples.verdict(),
    )

    page = Page(render("html", run))

    for name in long:
        assert name in page.text
    shown = [label["name"] for label in page.data["labels"]]
    assert len(set(shown)) == 3
    assert max(map(len, shown)) < 100
    assert [name[-3:] for name in shown[1:]] == ["one", "two"]


def test_labels_that_look_alike_are_numbered():
    alike = {name: examples.figures() for name in ("a\\x00", "a\x00")}
    run = Bundle(examples.plan(), examples.summary({"": examples.figures()} | alike), examples.verdict())

    shown = [label["name"] for label in Page(render("html", run)).data["labels"]]

    assert shown[1:] == ["a\\x00", "a\\x00 (#2)"]


def test_breached_criteria_stay_visible_among_many():
    rules = [f"p95>{ms}ms" for ms in range(1, 101)]
    page: Any = document_fromstring(render("html", run_of(small(50), *rules)).decode())

    seen, unfold = page.xpath("//ul[@class='criteria']")
    assert [len(one) for one in (seen, unfold)] == [60, 40]
    assert page.xpath("string(//details[ul[@class='criteria']]/summary)") == "40 more criteria"
    outcomes = page.xpath("//ul[@class='criteria']/li/@class")
    assert outcomes == sorted(outcomes)  # failed, inconclusive, passed
