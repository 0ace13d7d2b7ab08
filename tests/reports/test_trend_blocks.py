"""A trend in the terminal, on the page and in Markdown."""

from typing import Any

import pytest

from tests.reports.parsed import Page
from tests.reports.trends import HOLLOW, RECORDS, STEP, group, member, series, trend
from toril.records import Reason
from toril.reports import html, markdown, terminal
from toril.reports.blocks import Charts, NoteBlock, Table
from toril.reports.trend_blocks import group_report, outcome_of, trend_report

STATES = ("confirmed", "suspected", "cleared", "acknowledged", "recovered")


def block(report: Any, kind: Any, id: str) -> Any:
    return next(one for one in report.blocks if isinstance(one, kind) and one.id == id)


def chart_of(name: str, *groups: Any, **changes: Any) -> Any:
    parts = block(trend_report(trend(*groups, **changes)), Charts, "trend").charts
    return next(chart for part in parts for chart in part["charts"] if chart["title"] == name)


@pytest.mark.parametrize(
    ("changes", "outcomes"),
    [
        ({}, ["failed", "inconclusive", "skipped", "skipped", "skipped"]),
        ({"small": True}, ["skipped"] * 5),
        ({"worse": False}, ["passed"] * 5),
    ],
)
def test_only_a_large_confirmed_regression_counts_as_failed(changes, outcomes):
    assert [outcome_of(group(state, **changes)) for state in STATES] == outcomes


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (trend(group()), "failed"),
        (trend(group("suspected")), "passed"),
        (trend(outcome="short"), "inconclusive"),
    ],
)
def test_the_headline_has_the_outcome_that_the_exit_code_has(found, outcome):
    assert trend_report(found).headline.outcome == outcome


def test_a_report_says_first_what_limits_its_claim():
    dead = (Reason(code="nothing-recent", message="None of the newest 3 runs is measured."),)
    first = trend_report(trend(group(), notes=dead)).blocks[0]
    assert isinstance(first, NoteBlock)
    assert (first.code, first.tone) == ("nothing-recent", "caution")
    for groups in ((), (group(),)):
        assert b"None of the newest 3 runs is measured." in html.render(trend_report(trend(*groups, notes=dead)))


def test_a_group_has_one_mark_and_a_row_for_each_of_its_series():
    rows = block(trend_report(trend(group(), group("acknowledged", at=30))), Table, "changes").rows
    assert [row.outcome for row in rows] == ["failed", "", "", "", "", ""]
    assert rows[0].cells[0].link == f"runs/{RECORDS[STEP].run_id}/report.html"
    assert [cell.text for cell in rows[1].cells] == ["p95 of checkout", "+20 %", "50.0 ms", "60.0 ms"]


def test_a_change_of_failures_is_in_points_and_of_throughput_in_requests_per_second():
    changes = (
        member("", "failures", before=0.0, after=0.012, change=0.012, low=0.01, high=0.014),
        member("", "throughput", before=100.0, after=80.0, change=-0.2, low=-0.25, high=-0.15),
    )
    rows = block(trend_report(trend(group(series=changes))), Table, "changes").rows
    assert [cell.text for row in rows[1:] for cell in row.cells[1:4]] == [
        *("+1.2 points", "0 %", "1.2 %"),
        *("−20 %", "100/s", "80/s"),
    ]


def test_runs_left_out_are_hollow_in_the_chart_and_the_commits_of_a_change_are_shaded():
    chart = chart_of("p95 of checkout", group())
    mean, counted, hollow = (one["values"] for one in chart["lines"])
    assert [place for place, value in enumerate(hollow) if value is not None] == [HOLLOW]
    assert counted[HOLLOW] is None
    assert chart["ranges"] == [{"from": STEP - 1, "to": STEP, "tone": "breach"}]
    assert chart["cuts"] == [{"at": 11.5, "text": "other image"}]
    assert mean[:12] == [None] * 12  # another segment
    assert (mean[12], mean[STEP - 1], mean[STEP], mean[-1]) == (50, 50, 60, 60)


def test_changed_labels_come_first_and_each_run_has_an_address():
    charts = block(
        trend_report(trend(group(series=(member("checkout", location="us-east-1"),))), "/runs/{}".format),
        Charts, "trend",
    )  # fmt: skip
    assert [part["name"] for part in charts.charts] == ["checkout at us-east-1", "checkout", "all requests"]
    assert charts.shared["runs"]["links"] == [f"/runs/{record.run_id}" for record in RECORDS]
    assert all(len(names) == len(RECORDS) for names in charts.shared["runs"].values())


def test_a_series_may_lack_runs_that_others_have():
    found = trend(group())
    short = found.series[1]
    less = type(short)(label="search", metric="p95", unit="us", points=short.points[30:])
    values = chart_of("p95 of search", series=(*found.series, less))["lines"][0]["values"]
    assert len(values) == len(RECORDS)
    assert values[:30] == [None] * 30


def test_every_format_shows_hostile_texts_without_harm():
    bad = "</script><img src=x onerror=alert(1)>\x1b[31m@octocat|"
    hostile = group(message=bad, acknowledged=bad, to_commit=bad, series=(member(bad),))
    report = trend_report(trend(hostile, suite=bad, expired=(bad,), series=(series(bad, at=bad),)))
    assert b"\x1b" not in terminal.render(report)
    assert b"<img" not in html.render(report)
    assert "@octocat" not in markdown.render(group_report(trend(hostile, suite=bad), hostile)).decode()


def test_the_page_has_the_data_of_all_charts():
    data = Page(html.render(trend_report(trend(group())))).data
    assert [part["name"] for part in data["trend"]] == ["checkout", "all requests", "checkout at us-east-1"]
    assert data["runs"]["names"][-1].endswith(f"commit {RECORDS[-1].tags['commit']}, passed")


def test_a_trend_without_runs_is_a_report_too():
    report = trend_report(trend(series=(), runs=0, outcome="short"))
    assert terminal.render(report)
    assert Page(html.render(report)).data["trend"] == []
