"""`/api/v1/runs/{id}/live`: what a watcher gets, and what it costs."""

import pytest

from tests.console.served import LIVE, NOW, client, progress, running
from toril.store import FolderStore

ADDRESS = f"/api/v1/runs/{LIVE}/live"


class Counted(FolderStore):
    """Counts the values that it reads."""

    reads = 0

    def find(self, key, most=None):
        self.reads += 1
        return super().find(key, most)


@pytest.fixture
def store(tmp_path):
    return Counted(tmp_path)


def test_a_poll_reads_two_objects(store):
    running(store, progress(90))
    browser = client(store, "viewer")

    for _ in range(50):
        browser.get(ADDRESS)

    assert store.reads == 100


def test_an_unchanged_run_is_answered_without_content(store):
    running(store, progress(90))
    browser = client(store, "viewer")
    tag = browser.get(ADDRESS).headers["etag"]

    unchanged = browser.get(ADDRESS, headers={"if-none-match": tag})
    running(store, progress(92))
    changed = browser.get(ADDRESS, headers={"if-none-match": tag})

    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (changed.status_code, changed.headers["etag"] == tag) == (200, False)


def test_a_client_gets_the_seconds_that_it_lacks(store):
    running(store, progress(90))
    browser = client(store, "viewer")

    recents = [
        browser.get(f"{ADDRESS}{query}").json()["progress"]["recent"] for query in ("", "?since=87", "?since=500")
    ]

    assert [(one["from_s"], len(one["rps"])) for one in recents] == [(0, 90), (88, 2), (0, 90)]


def test_an_old_version_has_its_age_and_its_owners_state(store):
    running(store, progress(90, at=NOW - 40), renewed_at=NOW)

    found = client(store, "viewer").get(ADDRESS).json()

    assert (found["state"], found["age_s"]) == ("running", 40.0)


def test_a_run_without_figures_has_no_progress(store):
    running(store, None)

    assert client(store, "viewer").get(ADDRESS).json() == {
        "state": "starting",
        "since": None,
        "step": "",
        "age_s": 0.0,
        "progress": None,
    }


def test_an_unknown_run_is_a_problem_document(store):
    answer = client(store, "viewer").get(ADDRESS)

    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-run")
    assert answer.headers["content-type"] == "application/problem+json"
