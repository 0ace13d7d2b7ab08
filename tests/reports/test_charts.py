"""Every number in a chart comes from the summary, the verdict or the timeline."""

import doctest
import math
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.browser import ten_minutes
from tests.measured import Sample, execution, plan_of, timeline_of
from tests.reports import examples, gallery
from tests.reports.parsed import Page
from tests.reports.runs import judged, run_of, small
from toril.records import MetricSeries, PlannedCriterion, ServerMetrics
from toril.reports import Bundle, render
from toril.reports.blocks import NoteBlock, Table
from toril.reports.charts import charts_of
from toril.reports.charts import lines as lines_module
from toril.reports.charts.lines import Thinning, thinning
from toril.reports.charts.percentiles import quantiles_us
from toril.reports.html import NO_CHARTS
from toril.reports.run_blocks import report_of

SECONDS = 420


def charts(bundle: Bundle, base: Bundle | None = None) -> dict:
    """Returns the data for the script of the page."""
    found = charts_of(bundle, base)
    shared = {key: value for one in found.values() for key, value in (one.shared or {}).items()}
    return {**NO_CHARTS, **shared, **{section: list(one.charts) for section, one in found.items()}}


@cache
def run() -> Bundle:
    return ten_minutes.bundle(seconds=SECONDS)


@cache
def drawn() -> dict:
    return Page(render("html", run())).data


def lines(chart) -> dict:
    return {line["name"]: line["values"] for line in chart["lines"]}


def titled(section, title) -> dict:
    return next(chart for chart in section if chart["title"] == title)


def ms(values) -> list:
    return [None if value is None else value / 1000 for value in values]


@pytest.mark.parametrize(("duration_s", "drawn_s"), [(10.0, 10), (9.4, 9), (9.98, 9), (0.4, 1)])
def test_charts_omit_the_rate_of_a_partial_last_second(duration_s, drawn_s):
    whole = run_of(small(seconds=math.ceil(duration_s)))
    bundle = examples.with_summary(whole, duration_s=duration_s)
    data = charts(bundle)
    counts = [
        lines(titled(data["course"], "Requests per second"))["achieved"],
        lines(titled(data["course"], "Virtual users"))["running"],
        lines(titled(data["labels"][0]["charts"], "Requests and failures per second"))["requests"],
    ]
    for values in counts:
        assert [value is not None for value in values] == [at < drawn_s for at in range(math.ceil(duration_s))]
    assert None not in lines(titled(data["course"], "Response times"))["p95"]


def test_load_times_and_failures_equal_the_summary_in_each_second():
    series, course = run().summary.to_dict()["series"], drawn()["course"]

    assert drawn()["x"] == list(range(SECONDS))
    users = lines(titled(course, "Virtual users"))
    assert users == {
        "running": [s["virtual_users"] for s in series],
        "planned": [s["planned_users"] for s in series],
    }
    rate = lines(titled(course, "Requests per second"))
    assert rate["achieved"] == [s["samples"] for s in series]
    assert rate["planned"] == [s["planned_rps"] for s in series]
    times = lines(titled(course, "Response times"))
    assert times == {key: ms([s[f"{key}_us"] for s in series]) for key in ("p50", "p95", "p99")}
    failed = lines(titled(course, "Failed requests"))["failed"]
    expected = [100 * s["failures"] / s["samples"] if s["samples"] else None for s in series]
    assert failed == [None if value is None else pytest.approx(value, abs=0.001) for value in expected]


def test_errors_by_kind_add_up_to_the_failures_of_each_second():
    kinds = lines(titled(drawn()["course"], "Errors by kind"))

    assert set(kinds) == {"503", "504", "Connection reset by peer"}
    assert [sum(column) for column in zip(*kinds.values(), strict=True)] == [
        second["failures"] for second in run().summary.to_dict()["series"]
    ]


def test_locations_equal_the_summary_in_each_second():
    found = lines(titled(drawn()["course"], "p95 by location"))

    for name in ten_minutes.LOCATIONS:
        assert found[name] == ms([s["locations"][name]["p95_us"] for s in run().summary.to_dict()["series"]])


def test_each_label_has_its_own_seconds():
    timeline = run().timeline
    assert timeline is not None
    assert len(drawn()["labels"]) == 21
    for label in drawn()["labels"][1::6]:
        view = timeline.select(label["name"])
        times = lines(titled(label["charts"], "Response times"))
        counts = lines(titled(label["charts"], "Requests and failures per second"))
        for second in range(0, SECONDS, 7):
            stats = view.second(second)
            assert counts["requests"][second] == stats.samples
            assert times["p95"][second] == (stats.percentile(95) / 1000 if stats.samples else None)


def test_the_first_label_has_a_breached_criterion():
    assert drawn()["labels"][drawn()["label"]]["name"] == "POST /checkout/payment"


def test_curves_pass_through_the_percentiles_of_the_summary():
    for label in drawn()["labels"]:
        curve = titled(label["charts"], "By percentile")
        nines = curve["nines"]
        drawn_lines = {name: dict(zip(nines, values, strict=True)) for name, values in lines(curve).items()}
        values = drawn_lines[label["name"]]
        times = run().summary.to_dict()["labels"]["" if label["name"] == "all" else label["name"]]["response_us"]
        for nine, key in ((1.0, "p90"), (2.0, "p99"), (3.0, "p99_9")):
            if nine not in values:
                continue
            assert values[nine] == times[key] / 1000
            low, high = times["interval"][key]
            band = [drawn_lines[f"95 % interval{edge}"].get(nine) for edge in (", lower bound", "")]
            assert band == ([low / 1000, high / 1000] if high is not None else [None, None])
        assert next(value for value in reversed(values.values()) if value is not None) == times["max"] / 1000


def test_a_curve_reads_the_histogram_at_the_nearest_rank_and_never_above_the_maximum():
    histogram = [[1000, 1999, 50], [2000, 2999, 40], [3000, 3999, 10]]

    places = [0, 0.2, 0.5, 1.0, 1.1, 2.0, math.log10(200), 2.4]
    assert quantiles_us(histogram, places, 3500) == [1999] * 2 + [2999] * 2 + [3500] * 3 + [None]


def test_every_curve_ends_at_its_own_maximum():
    samples = [Sample(number % 10, number * 900, label="few" if number % 90 else "one") for number in range(1, 181)]
    picture = titled(charts(run_of(samples))["course"], "Response times by percentile")

    ends = {name: [value for value in values if value is not None][-1] for name, values in lines(picture).items()}
    assert ends == {"all": 162, "few": 161.1, "one": 162}


def test_a_planned_rate_is_drawn_only_if_it_covers_all_requests():
    def planned(**other):
        plan = plan_of(executions=(execution(throughput_rps=20.0), execution("open", **other)))
        run = judged(timeline_of([Sample(0)]), plan)
        return lines(titled(charts(run)["course"], "Requests per second")).get("planned")

    assert planned() is None
    assert planned(throughput_rps=5.0) == [25.0]


def test_criteria_are_drawn_in_their_charts_with_their_outcome():
    course = drawn()["course"]

    def marks_of(chart):
        return [(mark["at"], mark["text"], mark["outcome"]) for mark in chart["marks"]]

    assert marks_of(titled(course, "Virtual users")) == [(150, "concurrency<150 for 30s", "passed")]
    assert marks_of(titled(course, "Response times")) == [(400, "p95>400ms", "passed"), (4000, "p99.9>4s", "passed")]
    assert marks_of(titled(course, "Failed requests")) == [(5, "fail>5% for 10s", "failed")]
    chosen = drawn()["labels"][drawn()["label"]]["charts"]
    text = "p95 of POST /checkout/payment>900ms for 10s"
    assert marks_of(titled(chosen, "Response times")) == [(900, text, "failed")]
    curve = titled(chosen, "By percentile")
    assert [(mark["percent"], mark["at"], mark["outcome"]) for mark in curve["marks"]] == [(95, 900, "failed")]


def test_windows_in_which_a_criterion_was_breached_are_shaded():
    breached = [item for item in run().verdict.to_dict()["criteria"] if item["outcome"] == "failed"]

    assert drawn()["breaches"] == [
        {"from": item["window"]["from_s"], "to": item["window"]["to_s"] + 1, "text": item["criterion"]}
        for item in breached
    ]
    assert len(breached) == 2
    assert drawn()["steady"] == [60, SECONDS]


def test_a_criterion_on_successes_is_drawn_at_the_failures_that_it_allows():
    rule = examples.criterion("succ<95%", label="", unit="%", threshold=95, subject="succ", op="<")
    found = charts(Bundle(examples.plan(), examples.summary(), examples.verdict(criteria=[rule])))

    assert [mark["at"] for mark in titled(found["course"], "Failed requests")["marks"]] == [5]


def test_each_worker_has_a_line_and_the_chart_a_limit():
    timeline = run().timeline
    assert timeline is not None
    cpu = titled(drawn()["generators"], "CPU")

    assert [(mark["at"], mark["outcome"]) for mark in cpu["marks"]] == [
        (100 * run().summary.to_dict()["generators"]["limits"]["jmeter"]["cpu"], "limit")
    ]
    assert len(cpu["lines"]) == 8
    series = timeline.health_series("us-east-1-2")
    assert lines(cpu)["us-east-1-2"] == pytest.approx([100 * value for value in series.cpu], abs=0.006)


def test_many_workers_share_a_band_and_the_worst_have_lines():
    places = tuple(f"place-{number}" for number in range(20))
    many = ten_minutes.bundle(seconds=20, locations=places, criteria=(), busy=0.9)
    cpu = titled(charts(many)["generators"], "CPU")
    found = lines(cpu)

    assert list(found)[:3] == ["range of all", "range of all, lowest", "median"]
    assert len(found) == 8
    assert "place-1-2" in found
    assert "of 40 workers" in cpu["note"]
    for name, values in found.items():
        between = zip(found["range of all, lowest"], values, found["range of all"], strict=True)
        assert all(low <= value <= high for low, value, high in between), name


def test_a_period_without_a_cloudwatch_value_is_a_gap():
    query = MetricSeries(
        namespace="AWS/ECS",
        metric="CPUUtilization",
        statistic="Average",
        points=((160.0, 20.0), (-20.0, 10.0), (40.0, 95.0)),
    )
    run = examples.passed()
    (found,) = charts(Bundle(run.plan, run.summary, run.verdict, metrics=ServerMetrics(queries=(query,))))["server"]

    points = list(zip(found["x"], lines(found)["Average"], strict=True))
    assert points == [(-20, 10), (40, 95), (100, 95), (100.001, None), (160, 20), (220, 20)]


def test_metrics_of_the_service_are_drawn_in_readable_units():
    query = MetricSeries(
        namespace="AWS/ApplicationELB",
        metric="TargetResponseTime",
        statistic="p95",
        dimensions={"LoadBalancer": "app/shop/abc"},
        points=((0.0, 0.1), (60.0, 0.25)),
    )
    source = {
        "subject": "alb-response-time",
        "load-balancer": "app/shop/abc",
        "condition": ">",
        "threshold": "300ms",
        "timeframe": "1m",
    }
    rule = PlannedCriterion(source=source, where="suite.yml: toril.criteria[0]", language="toril")
    judged = examples.criterion(outcome="passed", label="", threshold=300_000, where=rule.where)
    silent = MetricSeries(namespace="AWS/ECS", metric="CPUUtilization", statistic="Average", error="no permission")
    found = charts(
        Bundle(
            examples.plan(criteria=(rule,)),
            examples.summary(),
            examples.verdict(criteria=[judged]),
            metrics=ServerMetrics(queries=(query, silent)),
        )
    )["server"]

    assert [(chart["title"], chart["unit"]) for chart in found] == [("TargetResponseTime, p95", "ms")]
    assert found[0]["x"] == [0, 60, 120]
    assert lines(found[0]) == {"p95": [100, 250, 250]}
    assert [(mark["at"], mark["outcome"]) for mark in found[0]["marks"]] == [(300, "passed")]


def test_charts_draw_the_base_run_behind_the_lines():
    base = ten_minutes.bundle(seconds=SECONDS + 30, incident=ten_minutes.CALM, seed=7)
    found = charts(run(), base)

    assert found["x"] == list(range(SECONDS + 30))
    times = lines(titled(found["course"], "Response times"))
    assert times["base p95"] == ms([second["p95_us"] for second in base.summary.to_dict()["series"]])
    assert times["p95"][SECONDS:] == [None] * 30
    assert "base" in lines(titled(found["labels"][1]["charts"], "By percentile"))


def test_a_run_without_a_timeline_has_the_charts_of_its_summary():
    found = charts(examples.passed())

    assert [chart["title"] for chart in found["course"]] == [
        "Virtual users",
        "Requests per second",
        "Response times",
        "Failed requests",
        "p95 by location",
        "Requests per second by location",
        "Response times by percentile",
    ]
    assert [chart["title"] for chart in found["labels"][1]["charts"]] == ["By percentile"]
    assert found["generators"] == []


def test_a_run_without_measurements_has_no_charts():
    found = charts(examples.empty())

    assert (found["course"], found["labels"], found["generators"], found["server"]) == ([], [], [], [])


@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=1, max_size=40), st.integers(2, 7))
def test_thinning_keeps_the_lowest_and_the_highest_second_of_each_step(values, step):
    thin = Thinning(len(values), step)
    drawn = thin(values)

    assert len(drawn) == len(thin.x)
    for number, start in enumerate(range(0, len(values), step)):
        known = [value for value in values[start : start + step] if value is not None]
        pair = drawn[2 * number : 2 * number + 2]
        assert set(pair) == ({min(known), max(known)} if known else {None})


@pytest.mark.parametrize("seconds", [1, 1200, 1201, 7200, 100_000])
def test_no_chart_has_more_points_than_a_screen(seconds):
    thin = thinning(seconds)

    assert len(thin.x) <= 1202
    assert thin.step_s == 1 or seconds > 1200
    assert thin.x == sorted(thin.x)
    assert math.isclose(thin.x[-1], seconds, abs_tol=thin.step_s + 1)


def test_the_page_of_a_long_run_explains_the_thinning():
    series = [examples.second(number) for number in range(1300)]
    page = Page(render("html", Bundle(examples.plan(), examples.summary(series=series), examples.verdict())))

    assert "the lowest and the highest second of every 3 s" in page.text


def test_the_examples_in_the_modules_of_charts_hold():
    assert doctest.testmod(lines_module).failed == 0


def test_checks_and_own_metrics_have_charts_in_their_own_unit():
    rule: dict[str, Any] = {
        "subject": "metric-p95",
        "label": "cart_items",
        "threshold": 10,
        "criterion": "metric-p95 of cart_items>10",
    }
    measuring = examples.with_verdict(gallery.run("measuring"), criteria=[examples.criterion("x", **rule)])
    found = charts(measuring)["scripts"]

    assert {one["title"]: (one["unit"], lines(one)) for one in found} == {
        "Failed checks": ("%", {"all": [7.692] * 10, "logged in": [10] * 10}),
        "cart_items": ("", {"p99": [7.5] * 10, "p95": [7.5] * 10, "p50": [2] * 10}),
        "ok_pages": ("%", {"true": [75] * 10}),
        "orders": ("/s", {"sum per second": [4] * 10}),
        "queue": ("", {"highest": [7] * 10, "mean": [5.5] * 10}),
    }
    assert [mark["at"] for one in found for mark in one["marks"]] == [10]
    assert charts(gallery.run("passed"))["scripts"] == []


def test_metrics_of_resources_have_a_chart_and_a_row_each_and_idle_ones_have_no_note():
    arn = "arn:aws:ecs:eu-west-1:111122223333:service/shop/web"
    cpu = MetricSeries(
        namespace="AWS/ECS", metric="CPUUtilization", statistic="Average", points=((0.0, 20.0), (60.0, 60.0)),
        resource=arn,
    )  # fmt: skip
    idle = MetricSeries(namespace="AWS/ECS", metric="MemoryUtilization", statistic="Average", resource=arn)
    run = examples.passed()
    bundle = replace(run, metrics=ServerMetrics(queries=(cpu, idle)))
    (drawn,) = charts(bundle)["server"]
    assert drawn["note"].startswith("shop/web, AWS/ECS")
    blocks = report_of(bundle).blocks
    (table,) = [block for block in blocks if isinstance(block, Table) and block.id == "service"]
    assert [[cell.value for cell in row.cells[2:]] for row in table.rows] == [[40.0, 20.0, 60.0]]
    assert not [block for block in blocks if isinstance(block, NoteBlock) and block.code == "no-metric"]
