"""The comparison of a duet in reports: its table, and the charts of its pairs."""

from dataclasses import replace
from typing import Any

import pytest

from tests.github.stories import EARLIER, REGRESSION, SHARE, SLOWER, compared, comparison, paired
from tests.reports import examples
from toril.records import Comparison, MetricSeries, ServerMetrics
from toril.reports.duet_blocks import duet_table, pairs_charts, pairs_sketches, versions_table
from toril.reports.run_blocks import headline


def found(*metrics: dict[str, Any], **more: Any) -> Comparison:
    return Comparison.from_dict(comparison("failed", "slower", *metrics) | more)


def table(**more: Any) -> Any:
    made = comparison("failed", "slower", paired(SLOWER)) | more
    return duet_table(compared(examples.passed(), made, "regression"), trusted=True, caveat="")


def test_a_duet_of_an_older_version_has_no_charts_of_pairs():
    assert pairs_charts(Comparison.from_dict(REGRESSION)) is None


def test_pairs_are_drawn_in_order_with_void_ones_hollow():
    charts = pairs_charts(found(paired(SLOWER)))
    assert charts is not None
    arms, change = charts.charts
    lines = {line["name"]: line for line in arms["lines"]}
    assert lines["head"]["values"] == [202, 212, 218, None, 216]
    assert lines["head, void"]["values"] == [None, None, None, 198, None]
    assert "hollow" in lines["base, void"]["look"]
    assert [line["name"] for line in change["lines"]] == ["95 % bounds", "95 % bounds", "change", "change, void"]
    assert [line["values"][0] for line in change["lines"][:2]] == [9, 5.2]
    assert change["lines"][2]["values"] == [1, 6, 9, None, 8]
    assert [mark["at"] for mark in change["marks"]] == [5]


def test_changes_of_failures_are_differences_in_points():
    charts = pairs_charts(found(paired(SHARE, 1 / 1e7)))
    assert charts is not None
    assert charts.charts[0]["lines"][0]["values"][0] == 2
    assert (charts.charts[1]["unit"], charts.charts[1]["note"]) == ("", "in points")
    assert charts.charts[1]["lines"][2]["values"][:2] == [0.02, 0.12]


def test_pairs_after_the_decision_are_behind_a_line():
    charts = pairs_charts(found(paired(SLOWER), decided=True, look=4, most=40))
    assert charts is not None
    assert [cut["at"] for cut in charts.charts[0]["cuts"]] == [3.5]


def test_pairs_in_characters_leave_out_void_ones_and_those_after_the_decision():
    drawn = pairs_sketches(found(paired(SLOWER), decided=True, look=4))
    assert drawn is not None
    assert [value is None for value in drawn.lines[0].values] == [False, False, False, True]
    assert drawn.lines[0].peak == "+9 %; 2 of 3 pairs worse than 5 %"


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"most": 40}, "10 pairs of at most 40"),
        ({"voided": 3}, ", 3 void,"),
        ({"expected": 0.018}, "1.8 % detectable before the run"),
    ],
)
def test_the_table_says_how_the_duet_was_run(more, part):
    assert part in table(**more).about


def test_a_gate_with_too_many_false_alarms_says_so_below_its_table():
    found = compared(examples.passed(), comparison("failed", "slower", paired(SLOWER)), "regression")
    noted = examples.with_verdict(found, notes=["else", "3 of 40 failed"], note_codes=["else", "aa-rate"])
    shown = duet_table(noted, trusted=True, caveat="")
    assert shown is not None
    assert shown.footnotes[0] == "3 of 40 failed"
    assert "else" not in shown.footnotes


def test_a_share_of_the_host_is_beside_the_change():
    metric = {**paired(SLOWER), "host": 0.015}
    made = comparison("failed", "slower", metric)
    shown = duet_table(compared(examples.passed(), made, "regression"), trusted=True, caveat="")
    assert shown is not None
    assert "base's host: +1.5 %" in shown.rows[0].cells[1].small


def test_a_throughput_is_in_requests_per_second_and_worse_if_it_is_less():
    metric = {**paired(SLOWER, 0.001), "metric": "throughput", "unit": "/s", "base": 120.0, "head": 110.0}
    made = comparison("failed", "slower", metric)
    shown = duet_table(compared(examples.passed(), made, "regression"), trusted=True, caveat="")
    assert shown is not None
    assert [cell.text for cell in shown.rows[0].cells[2:4]] == ["120/s", "110/s"]
    drawn = pairs_sketches(Comparison.from_dict(made))
    assert drawn is not None
    assert drawn.lines[0].peak.endswith("0 of 4 pairs worse than 5 %")
    charts = pairs_charts(Comparison.from_dict(made))
    assert charts is not None
    assert [mark["at"] for mark in charts.charts[1]["marks"]] == [-5]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("failed", "P95 of checkout: 71.7 ms"), ("passed", "Both criteria hold; no slower than 12 earlier runs")],
)
def test_the_headline_of_a_run_counts_its_earlier_runs(outcome, expected):
    run = examples.with_verdict(examples.passed(), outcome=outcome, earlier={**EARLIER, "outcome": outcome})
    assert headline(run).casefold().startswith(expected.casefold())


def test_resources_of_one_version_are_beside_those_of_the_other():
    def series(version, name, metric, statistic, *values):
        arn = f"arn:aws:ecs:eu-west-1:111122223333:service/shop/{name}"
        points = tuple((60.0 * place, value) for place, value in enumerate(values))
        return MetricSeries(
            namespace="AWS/ECS", metric=metric, statistic=statistic, resource=arn, version=version, points=points,
            answered=True,
        )  # fmt: skip

    queries = (
        series("head", "new", "CPU", "Average", 60.0, 40.0),
        series("base", "old", "CPU", "Average", 40.0, 40.0),
        series("base", "old", "Errors", "Sum"),
        series("head", "new", "Errors", "Sum", 3.0, 4.0),
        series("head", "second", "Errors", "Sum", 1.0),
        series(None, "both", "CPU", "Average", 90.0),
    )
    shown = versions_table(replace(examples.passed(), metrics=ServerMetrics(queries=queries)))
    assert shown is not None
    assert [[cell.text for cell in row.cells] for row in shown.rows] == [
        ["shop/old, shop/new", "CPU Average", "40", "50", "+25 %"],
        ["shop/old, shop/new", "Errors Sum", "0", "7", "–"],
        ["shop/second", "Errors Sum", "–", "1", "–"],
    ]
    assert versions_table(examples.passed()) is None
