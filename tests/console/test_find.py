"""`/find`, which the command palette reads: suites, actions, pages and runs by a part of their name."""

import pytest

from tests.console.served import LIVE, NOW, client, parsed, progress, running
from tests.runs.test_suites import SUITE, saved
from toril.records.history import IndexRow
from toril.runs.index import pack
from toril.store import FolderStore


@pytest.fixture
def store(tmp_path):
    found = FolderStore(tmp_path)
    for name in ("myshop", "shop", "search"):
        saved(found, {"suite.yml": SUITE}, name=name)
    for number in range(12):
        tags = {"commit": f"c0ffee{number:02}"}
        row = IndexRow(run_id=f"run-{number:02}", suite="shop", started_at=NOW + number, outcome="failed", tags=tags)
        found.put(row.key, row.to_json())
    return found


def found(store, query, role="admin"):
    """Returns the addresses of each group."""
    page = client(store, role).get("/find", params={"q": query}).content
    groups = parsed(b"<main>" + page + b"</main>").xpath("//*[@role='group']")
    return {one.get("aria-label"): one.xpath(".//*[@role='option']/@href") for one in groups}


def test_suites_that_begin_with_the_search_are_first(store):
    assert found(store, "sho")["Suites"] == ["/suites/shop", "/suites/myshop"]


def test_runs_are_found_by_id_and_commit_the_newest_first(store):
    assert found(store, "run-1")["Runs"] == ["/runs/run-11", "/runs/run-10"]
    pack(store, NOW + 10 * 86_400, at_least=1)
    assert found(store, "C0FFEE03") == {"Runs": ["/runs/run-03"]}


def test_runs_are_found_by_suite_and_outcome(store):
    assert found(store, "failed run-1")["Runs"] == ["/runs/run-11", "/runs/run-10"]
    assert found(store, "baseline of search") == {"Actions": ["/suites/search/baseline"]}


def test_words_in_any_order_find_an_action_and_pages(store):
    assert found(store, "search start") == {"Actions": ["/suites/search/start"]}
    assert found(store, "schedules")["Pages"] == ["/schedules"]
    assert found(store, "nothing of this") == {}


def test_a_running_run_is_found_and_stopped_from_each_page(store):
    running(store, progress(90))
    assert found(store, "live") == {"Running now": [f"/runs/{LIVE}"]}
    assert found(store, "stop") == {"Actions": [f"/runs/{LIVE}/stop"]}
    assert found(store, "stop", "viewer") == {}


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("operator", True)])
def test_people_find_only_what_they_may_do(store, role, may):
    actions = found(store, "shop", role)["Actions"]
    assert ("/suites/shop/start" in actions, "/suites/shop/trend" in actions) == (may, True)
    assert ("/suites/new" in found(store, "", role)["Actions"]) is may
    assert "Pages" not in found(store, "audit", role)
