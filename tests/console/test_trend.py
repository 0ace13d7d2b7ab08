"""The trend of a suite on its page, in the API and for assistants."""

from dataclasses import replace
from typing import Any

import pytest

from tests.console import served
from tests.console.test_mcp import Assistant
from tests.reports.trends import RECORDS, STEP, group, series, trend
from toril.records import Reason
from toril.records.history import IndexRow
from toril.regression.trend import TrendQuery
from toril.store import FolderStore


@pytest.fixture
def asked(monkeypatch):
    """The queries; the trend has a regression."""
    queries = list[tuple[str, TrendQuery]]()

    def read(_: Any, suite: str, wanted: TrendQuery, *__: Any) -> Any:
        queries.append((suite, wanted))
        if suite != "shop":
            dead = (Reason(code="nothing-recent", message="None of the newest 3 runs is measured."),)
            return trend(suite=suite, series=(), runs=0, outcome="short", notes=dead if suite == "dead" else ())
        return trend(group(), series=(series("checkout"), replace(series("cart"), changes=())))

    monkeypatch.setattr("toril.runs.earlier.read_trend", read)
    monkeypatch.setattr("toril.regression.acknowledged.read_acknowledged", lambda _: ())
    return queries


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path)


def test_the_page_has_the_changes_and_a_chart_with_links_to_runs(asked, store):
    page = served.parsed(served.client(store, "viewer").get("/suites/shop/trend?days=90").content)
    assert asked == [("shop", TrendQuery(since_s=90 * 86_400.0))]
    assert f"/runs/{RECORDS[STEP].run_id}" in page.xpath("//table//a/@href")
    (data,) = page.xpath("//script[@id='data']")
    assert f"/runs/{RECORDS[-1].run_id}" in data.text
    assert page.xpath("//p[@class='switch']/a[@aria-current]/text()") == ["90 days"]
    assert len(page.xpath("//h1")) == 1


def test_a_suite_without_runs_has_a_page(asked, store):
    answer = served.client(store).get("/suites/another/trend")
    assert answer.status_code == 200
    assert not served.parsed(answer.content).xpath("//script[@id='data' or contains(@src, 'report')]")


def test_a_suite_without_runs_in_the_chosen_days_does_not_blame_older_ones(asked, store):
    row = IndexRow(run_id="20200101T000000Z-another-aaaa", suite="another", started_at=1.6e9, outcome="passed")
    store.put(row.key, row.to_json())
    pages = {days: served.client(store).get(f"/suites/another/trend{days}").text for days in ("", "?days=30")}
    assert {days: "Show the runs" in text for days, text in pages.items()} == {"": True, "?days=30": False}


def test_the_page_of_a_suite_whose_runs_all_failed_to_measure_says_so(asked, store):
    answer = served.client(store).get("/suites/dead/trend")
    assert "None of the newest 3 runs is measured" in answer.text


def test_the_page_of_a_suite_leads_to_its_trend(asked, store):
    from tests.console.test_api import saved

    saved(store)
    page = served.parsed(served.client(store, "viewer").get("/suites/shop").content)
    assert "/suites/shop/trend" in page.xpath("//a/@href")


def test_the_api_answers_with_the_record(asked, store):
    found = served.client(store, "viewer").get("/api/v1/suites/shop/trend?label=checkout&metric=p95&days=30").json()
    assert asked == [("shop", TrendQuery(label="checkout", metric="p95", since_s=30 * 86_400.0))]
    assert [one["label"] for one in found["series"]] == ["checkout", "cart"]
    assert found["schema"] == "toril.trend/1"


def test_an_assistant_reads_changes_and_only_the_series_that_have_them(asked, store):
    found = Assistant(store, "viewer").call("read_trend", suite="shop", days=30)
    assert asked == [("shop", TrendQuery(since_s=30 * 86_400.0))]
    assert (found["outcome"], found["groups"][0]["state"]) == ("regressed", "confirmed")
    assert [one["label"] for one in found["series"]] == ["checkout"]
