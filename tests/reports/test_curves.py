"""Drawn load curves: planned before the run, planned and achieved after it."""

import doctest
import re
from dataclasses import replace
from functools import cache

import pytest

from tests.measured import FAST, every_second, execution, plan_of, timeline_of
from tests.reports import examples
from tests.reports.parsed import Page, printed
from tests.reports.runs import judged
from toril.load.curve import Curve
from toril.reports import Bundle, compared, curves, plan_text, render
from toril.reports.curves import drawn, heights, rate_curves

STAIRS = ((0.0, 10.0), (20.0, 10.0), (20.0, 40.0), (40.0, 40.0))
DAY = ((0.0, 10.0), (20.0, 30.0), (40.0, 10.0))
HOSTILE = "<b>\x1b[31m$(id)"


def planned(points, name="shop", **keys):
    peak = max(rps for _, rps in points)
    return execution(name, curve=points, throughput_rps=peak, hold_for_s=points[-1][0], concurrency=None, **keys)


@cache
def run_of(*curves, part=1.0, names=("shop", "admin")) -> Bundle:
    plan = plan_of(executions=[planned(points, name) for points, name in zip(curves, names, strict=False)])
    samples = [
        one
        for points, name in zip(curves, names, strict=False)
        for second, count in enumerate(Curve(points).by_second(range(40)))
        for one in every_second([second], replace(FAST, execution=name), round(part * count))
    ]
    return judged(timeline_of(samples), plan)


def test_the_doctests_hold():
    assert doctest.testmod(curves).failed == 0


@pytest.mark.parametrize("width", [10, 37, 60])
def test_short_spikes_stay_visible(width):
    day = Curve(((0, 1), (40_000, 1), (40_000, 100), (40_001, 100), (40_001, 1), (86_400, 1)))
    found = heights(day, width)
    assert sorted(found)[-2:] == [1, 100]
    assert drawn(day, width)[0].count("█") == 1
    assert max(map(len, drawn(day, width))) <= width + 8


def test_the_plan_draws_a_curve_with_its_total():
    text = printed(plan_text, plan_of(executions=[planned(STAIRS)]))
    assert "shop: 1,000 requests in 40 s, at most 40/s" in text
    assert re.search(r"40/s ┤ {30}█{30}\n", text)
    assert "0 s" in text
    assert "┤" not in printed(plan_text, plan_of(executions=[execution(throughput_rps=5.0, ramp_up_s=5.0)]))


def test_the_plan_counts_requests_before_max_duration():
    plan = plan_of(executions=[planned(STAIRS)]).model_copy(update={"max_duration_s": 30.0})
    assert "1,000 requests in 40 s, at most 40/s; max-duration ends it after 600 requests" in printed(plan_text, plan)


def test_a_report_draws_planned_and_achieved_rates_on_one_scale():
    run = run_of(STAIRS, part=0.5)
    (course,) = rate_curves(run)
    assert course.planned == [10.0] * 20 + [40.0] * 20
    assert course.achieved == [5] * 20 + [20] * 20
    text = render("terminal", run).decode()
    assert f"planned   {'▃' * 20}{'█' * 20}  at most 40/s" in text
    assert f"requests  {'▂' * 20}{'▅' * 20}  at most 20/s" in text
    page = render("github", run).decode()
    assert f"<code>{'▂' * 12}{'▅' * 12}</code> requests ≤ **20/s**" in page
    assert f"<code>{'▃' * 12}{'█' * 12}</code> planned ≤ **40/s**" in page


def test_each_of_several_executions_has_its_own_chart():
    run = run_of(STAIRS, DAY)
    found = {chart["title"]: chart for chart in Page(render("html", run)).data["course"]}
    for course in rate_curves(run):
        lines = {line["name"]: line["values"] for line in found[f"Requests per second of {course.execution}"]["lines"]}
        assert lines == {"achieved": list(course.achieved), "planned": pytest.approx(list(course.planned), abs=0.001)}
    whole = {line["name"]: line["values"] for line in found["Requests per second"]["lines"]}
    assert whole["planned"][25] == 40 + Curve(DAY).by_second(range(40))[25]
    text = render("terminal", run).decode()
    assert "/s of shop" in text and "/s of admin" in text
    assert "achieved ≤ " in render("github", run).decode()


def test_one_execution_has_one_chart_and_a_constant_load_no_sketch():
    titles = [chart["title"] for chart in Page(render("html", run_of(STAIRS))).data["course"]]
    assert [title for title in titles if title.startswith("Requests per second")] == ["Requests per second"]
    constant = ((0.0, 10.0), (40.0, 10.0))
    assert rate_curves(run_of(constant)) == []
    assert "planned " not in render("terminal", run_of(constant)).decode()


def test_an_adjusted_rate_becomes_the_planned_rate():
    run = run_of(((0.0, 10.0), (40.0, 10.0)), DAY)
    assert [course.execution for course in rate_curves(run)] == ["admin"]
    changed = examples.with_summary(run, rates=[{"execution": "shop", "rps": 30.0, "at_s": 20.0}])
    assert rate_curves(changed)[0].planned == [10.0] * 20 + [30.0] * 20


def test_a_hostile_name_is_harmless_in_terminal_and_page():
    run = run_of(STAIRS, DAY, names=(HOSTILE, "admin"))
    plan = printed(plan_text, run.plan)
    assert "\x1b" not in plan + render("terminal", run).decode()
    assert "<b>" not in render("github", run).decode() and b"<b>\\u" not in render("html", run)


def test_different_curves_limit_the_comparison():
    base, head = run_of(STAIRS), run_of(((0.0, 40.0), (40.0, 40.0)))
    head = replace(head, plan=head.plan.model_copy(update={"run_id": "other"}))
    text = " ".join(compared("terminal", base, head).decode().split())
    assert "the load curve differs, with 1,000 requests in base and 1,600 requests in head" in text
