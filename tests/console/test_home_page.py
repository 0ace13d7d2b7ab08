"""The home page: what needs attention, runs that are going on, and what it shows when a part cannot be read."""

from dataclasses import dataclass, field, replace

import pytest

from tests.clocks import SteppedClock
from tests.console import served
from tests.console.served import NOW
from tests.regression.series import nights
from tests.reports import examples
from toril.errors import InfrastructureError
from toril.records.agent import Announcement, announcement_key
from toril.records.history import IndexRow
from toril.records.schedule import SuiteSchedule
from toril.runs.history import remember
from toril.store import FolderStore


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path)


class NoSchedules:
    """A scheduler that cannot be reached."""

    def schedules(self):
        raise InfrastructureError("us-east-1: no answer", code="aws")


def test_a_run_that_goes_on_has_its_time_rate_and_failures_on_the_home_page(store):
    run_id = served.running(store, served.progress(90))
    home = served.parsed(served.client(store).get("/").content)
    (card,) = home.xpath("//a[contains(@class, 'card')]")
    (bar,) = card.xpath(".//progress")
    assert card.get("href") == f"/runs/{run_id}"
    assert (float(bar.get("value")), float(bar.get("max"))) == (90, 300)
    assert "51.2 ms" in card.text_content()


def test_a_run_that_has_no_figures_yet_is_on_the_home_page(store):
    run_id = served.running(store, None)
    home = served.parsed(served.client(store).get("/").content)
    assert [one.get("href") for one in home.xpath("//a[contains(@class, 'card')]")] == [f"/runs/{run_id}"]


def test_the_home_page_says_why_it_has_no_schedules(store):
    answer = served.client(store, schedules=NoSchedules()).get("/")
    assert answer.status_code == 200
    assert "us-east-1: no answer" in answer.text


def test_an_address_with_a_slash_at_its_end_is_not_redirected(store):
    answer = served.client(store).get("/runs/")  # behind CloudFront, the request names the API's own host
    assert answer.status_code == 404
    assert "location" not in answer.headers


# ── what needs attention

DAY_S = 86_400


@dataclass
class Schedules:
    """A scheduler that only tells its schedules."""

    known: list[SuiteSchedule] = field(default_factory=list)

    def schedules(self):
        return self.known, []


def row(store, number, outcome="passed", **figures):
    """Stores the row of a run of the suite `shop`, some days ago."""
    figures = {"run_id": f"run-{number}", "outcome": outcome} | figures
    one = IndexRow(suite="shop", started_at=NOW - number * DAY_S, **figures)
    store.put(one.key, one.to_json())
    return one


def lines(page):
    """Returns kind, link and action of each line, and its text."""
    return [
        (one.get("class"), one.xpath(".//a/@href"), " ".join(one.text_content().split()))
        for one in served.parsed(page.content).xpath("//section[@aria-labelledby='attention']//li")
    ]


def test_a_failed_night_is_on_the_home_page_with_its_criterion_until_the_suite_passes(store):
    passed, *_ = row(store, 5), row(store, 4, "failed"), row(store, 3, "inconclusive")
    bundle = examples.failed()
    served.stored(store, replace(bundle, plan=bundle.plan), run_id="run-2")
    row(store, 2, "failed")
    browser = served.client(store)

    ((kind, links, words),) = lines(browser.get("/"))
    assert (kind, links) == ("failed", ["/runs/run-2", f"/compare?run={passed.run_id}&run=run-2"])
    assert "412 ms" in words
    assert "250 ms" in words
    assert "2 failed and 1 inconclusive in a row" in words
    assert "412 ms" in browser.get(links[0]).text  # one click to the verdict, the criteria and what stands out
    row(store, 1)
    ((*_, words),) = lines(served.client(store).get("/"))  # a first visit shows the last days
    assert "passes again" in words
    assert lines(browser.get("/")) == [] or "passes again" in lines(browser.get("/"))[0][2]


def test_a_failure_before_the_last_visit_that_passed_again_is_over(store):
    row(store, 3, "failed"), row(store, 1)
    clock = SteppedClock(NOW - 2 * DAY_S)
    browser = served.client(store, clock=clock)
    assert len(lines(browser.get("/"))) == 1
    assert len(lines(browser.get("/"))) == 1  # still the same visit
    clock.at = NOW
    page = browser.get("/")
    assert lines(page) == []
    assert "Nothing needs attention" in page.text
    assert "since your last visit" in page.text


def test_a_regression_has_its_commits_and_a_mark_once_the_second_part_has_computed_it(store):
    runs = nights([40_000 + 100 * (night % 3) + 8_000 * (night >= 20) for night in range(26)])
    for one in runs:
        remember(store, one)
    browser = served.client(store, clock=SteppedClock(runs[-1].started_at + 3600))

    first = browser.get("/")
    (part,) = served.parsed(first.content).xpath("//*[@hx-trigger='load']/@hx-get")
    assert lines(first) == []
    for page in (browser.get(part), browser.get("/")):
        ((kind, links, words),) = lines(page)
        assert (kind, links[1]) == ("regression", f"/compare?run={runs[19].run_id}&run={runs[20].run_id}")
        assert runs[20].tags["commit"] in words
        assert len(served.parsed(page.content).xpath("//path[@class='changes']")) == 1
        assert not served.parsed(page.content).xpath("//*[@hx-trigger='load']")
    browser = served.client(store, clock=SteppedClock(runs[-1].started_at + 40 * DAY_S))
    assert lines(browser.get("/?complete=true")) == []


def test_a_run_without_a_coordinator_needs_attention_until_it_is_judged(store):
    run_id = served.running(store, served.progress(9, at=NOW - 600), renewed_at=NOW - 600)
    browser = served.client(store)
    ((kind, links, _),) = lines(browser.get("/"))
    assert (kind, links) == ("lost", [f"/runs/{run_id}"])
    assert served.parsed(browser.get("/").content).xpath("//li//form/@action") == [f"/runs/{run_id}/judge"]
    assert not served.parsed(served.client(store, "viewer").get("/").content).xpath("//li//form")
    row(store, 0, run_id=run_id)
    assert lines(browser.get("/")) == []


@pytest.mark.parametrize(
    ("change", "number", "due"),
    [
        ({}, 1, True),  # no run since then
        ({}, 0, False),
        ({"paused": True}, 1, False),
        ({"began_at": NOW - 60}, 1, False),  # it is newer
    ],
)
def test_a_schedule_that_was_due_and_began_no_run_needs_attention(store, change, number, due):
    row(store, number)
    schedule = SuiteSchedule(
        **{"name": "nightly", "suite": "shop", "when": "cron(0 3 * * ? *)", "began_at": 1.0} | change
    )
    found = lines(served.client(store, schedules=Schedules([schedule])).get("/"))
    assert [(kind, links) for kind, links, _ in found] == [("late", ["/schedules#nightly", "/schedules"])] * due


def test_an_agent_that_fell_silent_needs_attention_until_it_leaves_or_reports(store):
    agent = Announcement(location="office", agent="one", instance="a", at=NOW, slots=1, free=1)
    for leaving, age_s, count in ((False, 600, 1), (False, 1, 0), (True, 600, 0)):
        key = announcement_key("office", "one")
        store.put(key, agent.model_copy(update={"leaving": leaving}).to_json())
        (entry,) = store.entries(key)
        found = lines(served.client(store, clock=SteppedClock(entry.modified_at + age_s)).get("/"))
        assert [kind for kind, *_ in found] == ["silent"] * count


@pytest.mark.parametrize(("cost_usd", "limit_usd", "count"), [(4.2, 5.0, 1), (3.9, 5.0, 0), (4.2, None, 0)])
def test_a_suite_that_costs_almost_what_a_run_may_cost_needs_attention(store, cost_usd, limit_usd, count):
    row(store, 0, cost_usd=cost_usd)
    found = lines(served.client(store, max_cost_usd=limit_usd).get("/"))
    assert [(kind, links[1]) for kind, links, _ in found] == [("spending", "/suites/shop/edit")] * count
