"""A search for a capacity, and a rate that was changed, in every report."""

import html
import json
import re
from dataclasses import replace

import pytest

from tests.capacity.test_capacity_run import Capacity
from tests.launchers.service import Service
from tests.runs.test_adjust import Adjustable
from toril.reports import capacity, compare_formats, render
from toril.runs.conclude import judge_again


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    one = Capacity(tmp_path_factory.mktemp("searched"), Service(100), "capacity of shop<80/s")
    one.run()
    return judge_again(one.store, one.plan.run_id)


@pytest.fixture(scope="module")
def adjusted(tmp_path_factory):
    one = Adjustable(tmp_path_factory.mktemp("adjusted"))
    one.meanwhile(12, "500")
    return judge_again(one.store, one.plan.run_id)


def text(name, bundle):
    return render(name, bundle).decode()


def test_each_stage_is_a_row_with_its_rate_its_answers_and_what_was_observed(searched):
    (told,) = capacity.told(searched)
    assert told.how == "20/s to 400/s, until p95>300ms or fail>5%, within 10 %"
    first = told.rows[0]
    assert (first.said, first.outcome, first.seconds) == ("held", "passed", "3…10 s")
    assert first.cells[:2] == ("20/s", "20/s")
    assert first.observed == "p95>300ms: 20.0 ms; fail>5%: 0 %"
    breached = next(row for row in told.rows if row.outcome == "failed")
    assert "p95>300ms: 900 ms" in breached.observed
    assert [row.said for row in told.rows if "once" in row.said] == ["held (once more)"]
    assert "recovered" in {row.said for row in told.rows}


@pytest.mark.parametrize("name", ["terminal", "github", "html"])
def test_people_read_what_was_found_and_how(searched, name):
    found = html.unescape(text(name, searched)).replace("\u200b", "")
    assert searched.summary["capacity"]["shop"]["message"] in " ".join(found.split())
    assert "breached" in found
    assert "once more" in found


def test_a_long_reason_leaves_the_figures_of_a_stage_whole(tmp_path):
    one = Capacity(tmp_path, Service(10_000, generators_bear_rps=100), "capacity of shop<300/s")
    one.run()
    found = text("terminal", judge_again(one.store, one.plan.run_id))
    assert re.search(r"void +[\d.]+/s +[\d.]+/s +\d+…\d+ s +\S", found)


def test_a_ci_server_has_it_among_the_run_s_facts(searched):
    message = searched.summary["capacity"]["shop"]["message"].replace(">", "&gt;")
    assert f'name="capacity of shop" value="{message}"' in text("junit", searched)


def test_scripts_have_it_as_data(searched):
    found = json.loads(text("json", searched))["summary"]
    assert found["capacity"]["shop"]["exact"] is True
    assert [rate["cause"] for rate in found["rates"]] == ["search"] * (len(found["capacity"]["shop"]["stages"]) - 1)


def test_the_page_marks_when_a_person_changed_the_load_and_not_the_stages_of_a_search(searched, adjusted):
    changes = {
        name: json.loads(re.search(r'"changes":(\[.*?\])', text("html", bundle))[1])  # type: ignore[index]
        for name, bundle in (("searched", searched), ("adjusted", adjusted))
    }
    assert changes["searched"] == []
    (change,) = changes["adjusted"]
    assert change == {"at": adjusted.summary["rates"][0]["at_s"], "text": "500/s"}


@pytest.mark.parametrize("name", ["terminal", "github", "html", "junit"])
def test_everybody_reads_that_the_load_was_changed(adjusted, name):
    found = " ".join(text(name, adjusted).split())
    assert "500/s from" in found


def test_a_run_that_searched_nothing_has_no_such_part(adjusted):
    assert capacity.told(adjusted) == []
    assert "Capacity" not in text("html", adjusted)


@pytest.mark.parametrize("name", ["terminal", "github", "html", "junit"])
def test_an_execution_s_name_is_escaped_like_any_other(searched, name):
    hostile = "<script>alert(1)</script>\x1b[31m|`"
    found = {**searched.summary["capacity"]["shop"], "message": hostile}
    bundle = searched.__class__(
        plan=searched.plan, summary={**searched.summary, "capacity": {hostile: found}}, verdict=searched.verdict,
        timeline=searched.timeline,
    )  # fmt: skip
    written = text(name, bundle)
    assert "\x1b[31m" not in written
    if name != "terminal":
        assert "<script>alert" not in written


@pytest.mark.parametrize("name", ["terminal", "github", "html", "json"])
def test_two_runs_that_looked_for_it_are_compared(searched, name):
    worse = {**searched.summary["capacity"]["shop"], "held_rps": 50.0}
    head = replace(searched, summary={**searched.summary, "capacity": {"shop": worse}})
    assert "capacity of shop" in compare_formats.render(name, searched, head).decode()
