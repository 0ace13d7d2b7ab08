"""The log of events: its page, its part of the API, and the assistant's tool."""

from dataclasses import replace

import pytest

from tests.console import served
from toril.notify.events import kept, key_of
from toril.records.document import document
from toril.records.event import Delivery, Event
from toril.records.verdict import Reason
from toril.store import FolderStore

NOVEMBER = 1_795_000_000.0
FAILED = Event(
    id="r1:run-finished",
    kind="run-finished",
    at=NOVEMBER,
    run_id="r1",
    suite="shop",
    outcome="failed",
    headline="<b>2 of 2</b> criteria breached",
    reasons=(Reason(code="breach", message="p95 of GET /?token=s3cr3t was 2 s"),),
    deliveries=(Delivery(to="hooks.example", status="refused", message="status 404"),),
)


@pytest.fixture
def store(tmp_path):
    """A store with three events in two months."""
    found = FolderStore(tmp_path / "store")
    for days, name in ((0, "r1"), (40, "r2"), (41, "r3")):
        one = replace(FAILED, id=f"{name}:run-finished", run_id=name, at=NOVEMBER + days * 86_400)
        found.put(key_of(one), document(one))
    return found


def test_events_are_listed_newest_first_page_by_page(store):
    first, cursor = kept(store, limit=2)
    second, end = kept(store, cursor, limit=2)
    assert [one.run_id for one in first + second] == ["r3", "r2", "r1"]
    assert end == ""


def test_the_page_shows_what_happened_and_who_was_notified_as_text(store):
    page = served.client(store, "viewer").get("/events")
    assert page.status_code == 200
    for text in ("/runs/r3", "hooks.example", "status 404", "&lt;b&gt;2 of 2", "token=***"):
        assert text in page.text
    assert "s3cr3t" not in page.text


def test_an_empty_log_says_what_it_is_for(tmp_path):
    assert "No events yet" in served.client(FolderStore(tmp_path), "viewer").get("/events").text


def test_the_api_continues_behind_a_cursor(store):
    client = served.client(store, "viewer")
    first = client.get("/api/v1/events", params={"limit": 1}).json()
    assert [one["id"] for one in first["events"]] == ["r3:run-finished"]
    rest = client.get("/api/v1/events", params={"cursor": first["cursor"]}).json()
    assert [one["id"] for one in rest["events"]] == ["r2:run-finished", "r1:run-finished"]
    assert client.get("/api/v1/events", params={"cursor": "../runs"}).status_code == 422
