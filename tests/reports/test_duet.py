"""Base and head in the reports: each figure, what is proven of it, and nothing that a text from outside could do."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from junitparser import Error, Failure, JUnitXml
from rich.console import Console

from tests.reports import examples
from tests.reports.runs import run_of, small
from toril.reports import Bundle, duet, html, render, terminal

EXAMPLE = json.loads((Path(__file__).parents[1] / "regression" / "comparison.json").read_text())
RUN = run_of(small(), "p95>250ms")


def with_comparison(outcome: str, **changes: Any) -> Bundle:
    found = EXAMPLE | {"outcome": outcome} | changes
    return replace(RUN, verdict={**RUN.verdict, "outcome": outcome, "comparison": found})


FAILED = with_comparison("failed")


def printed(run: Bundle, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    terminal.show(console, run)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def cases(run: Bundle) -> dict[str, Any]:
    (suite,) = JUnitXml.fromstring(render("junit", run))
    return {case.name: case for case in suite if case.name.endswith("against base")}


def test_a_run_of_one_address_has_no_such_part() -> None:
    assert duet.told(RUN) is None
    assert "Base and head" not in render("html", RUN).decode() and cases(RUN) == {}


def test_what_is_worse_comes_first_then_what_is_open() -> None:
    told = duet.told(FAILED)
    assert told is not None
    assert [(row.name, row.mark) for row in told.rows] == [
        ("p95 of checkout", "✘"),
        ("p99 of search", "?"),
        ("p95 of product", "✔"),
        ("failures", "✔"),
    ]
    assert told.rows[0].cells == ("+28.8 %", "+26.6 % … +31 %", "60.2 ms", "79.3 ms", "+2.5 %")
    assert told.rows[-1].cells == ("+0.02 points", "−0.07 points … +0.11 points", "0 %", "0 %", "+0.13 points")
    assert told.how == "10 pairs of blocks of 5 s, margin 3 %"


@pytest.mark.parametrize("width", [40, 80, 100, 160])
def test_the_terminal_shows_every_figure_at_any_width(width: int) -> None:
    text = printed(FAILED, width)
    assert max(map(len, text.splitlines())) <= width
    squeezed = "".join(text.split())
    for part in ("checkout", "product", "search", "failures", "60.2ms", "79.3ms", "https://base.shop.example"):
        assert part in squeezed


def test_the_page_has_a_section_and_says_that_all_else_is_heads() -> None:
    page = html.report(FAILED).decode()
    assert '<h2 id="duet">Base and head' in page and "All else on this page is of head alone" in page
    for part in ("p95 of checkout", "+26.6 % … +31 %", "https://base.shop.example"):
        assert part in page


def test_junit_has_a_case_a_figure_and_only_a_regression_is_a_failure() -> None:
    found = cases(FAILED)
    results = {name: [type(result) for result in case.result] for name, case in found.items()}
    assert results == {
        "p95 of checkout against base": [Failure],
        "p99 of search against base": [Error],
        "p95 of product against base": [],
        "failures against base": [],
    }


def test_a_regression_that_nobody_can_vouch_for_is_no_failure() -> None:
    excused = replace(FAILED, verdict={**FAILED.verdict, "outcome": "inconclusive"})
    assert [type(result) for result in cases(excused)["p95 of checkout against base"].result] == [Error]


def test_a_duet_that_passed_is_green() -> None:
    passed = [one for one in EXAMPLE["metrics"] if one["outcome"] == "passed"]
    found = cases(with_comparison("passed", metrics=passed))
    assert len(found) == 2 and not any(case.result for case in found.values())


def test_a_figure_without_enough_blocks_says_so_instead_of_numbers() -> None:
    nothing = dict.fromkeys(("base", "head", "change", "low", "high", "detectable"))
    metric = EXAMPLE["metrics"][0] | nothing | {"outcome": "inconclusive", "blocks": 0, "message": "too few, I say"}
    run = with_comparison("inconclusive", metrics=[metric])
    assert "too few, I say" in " ".join(printed(run, 100).split())
    assert "too few, I say" in render("html", run).decode()


def test_why_nothing_is_known_has_the_whole_width_of_a_narrow_terminal() -> None:
    nothing = dict.fromkeys(("base", "head", "change", "low", "high", "detectable"))
    why = "p95 of checkout: 3 pairs of blocks have samples in both arms, and a comparison needs 4 of them at least"
    metric = EXAMPLE["metrics"][0] | nothing | {"outcome": "inconclusive", "blocks": 3, "message": why}
    lines = printed(with_comparison("inconclusive", metrics=[metric]), 80).splitlines()
    assert sum("3 pairs of blocks have samples in both arms" in line for line in lines) == 1


def test_on_the_page_the_bounds_are_in_the_cell_of_the_change() -> None:
    assert "<td>+28.8 %<small>+26.6 % … +31 %</small></td>" in html.report(FAILED).decode()


def test_texts_from_outside_are_harmless() -> None:
    bad = examples.HOSTILE
    metric = EXAMPLE["metrics"][0] | {"label": bad, "metric": bad[:40], "message": bad}
    arms = {name: {"address": bad, "samples": 1, "failures": 1} for name in ("base", "head")}
    run = with_comparison("failed", message=bad, metrics=[metric], arms=arms)
    page = render("html", run).decode()
    assert page.count("<script") == render("html", FAILED).decode().count("<script")
    assert "\x1b" not in printed(run, 80) + page
    JUnitXml.fromstring(render("junit", run))
