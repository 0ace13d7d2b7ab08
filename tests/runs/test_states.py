"""The state of a run: every transition, and the same word in lists, pages, answers, tools and commands."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.console.served import LIVE, NOW, client, live_plan, parsed, progress, running, stored
from tests.reports import examples
from toril.clock import Clock
from toril.console.identity import Person
from toril.console.mcp import Tools
from toril.coordinator.progress import packed
from toril.desk import desk_of
from toril.records import Launch, Stop, run_key
from toril.records.console import RequestFailure, RunRequest
from toril.records.progress import progress_key
from toril.reports import runs_table
from toril.runs.live import RunState, state_of
from toril.runs.stored import listing
from toril.store import FolderStore

GONE_S = 20.0  # the coordinator is gone for so long
REQUEST = RunRequest(run_id=LIVE, suite="shop", version=1, on="local", at=NOW, by="Ada")
FAILURE = RequestFailure(run_id=LIVE, at=NOW, code="over-max-cost", message="too expensive")
STOP = Stop(at=NOW, cause="user", message="ended early by Ada")


@dataclass
class At(Clock):
    at: float = NOW

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def requested(store: FolderStore) -> None:
    store.put(f"requests/{LIVE}.json", REQUEST.to_json())


def refused(store: FolderStore) -> None:
    requested(store)
    store.put(f"requests/{LIVE}.failed.json", FAILURE.to_json())


def prepared(store: FolderStore) -> None:
    running(store, progress(0))


def without_figures(store: FolderStore) -> None:
    running(store, None)


def loading(store: FolderStore) -> None:
    running(store, progress(90))


def busy(store: FolderStore) -> None:
    running(store, progress(90, at=NOW - 60))


def stop_asked(store: FolderStore) -> None:
    loading(store)
    store.put(run_key(LIVE, "stop.json"), STOP.to_json())


def stop_read(store: FolderStore) -> None:
    running(store, progress(90, stop="p95 is too high"))


def lost(store: FolderStore) -> None:
    stop_asked(store)
    running(store, progress(90, at=NOW - GONE_S), renewed_at=NOW - GONE_S)


def lost_on_fargate(store: FolderStore, left_s: float = 60.0) -> None:
    running(store, progress(90, at=NOW - GONE_S), plan=live_plan(on="fargate"), renewed_at=NOW - GONE_S)
    launch = Launch(at=NOW - 90, deadline=NOW + left_s, attempts={})
    store.put(run_key(LIVE, "launch.json"), launch.to_json())


def past_its_deadline(store: FolderStore) -> None:
    lost_on_fargate(store, -1.0)


def judged(store: FolderStore) -> None:
    lost(store)
    stored(store, examples.failed(), run_id=LIVE)


def ended(store: FolderStore) -> None:
    judged(store)
    store.put(progress_key(LIVE), packed(progress(90, phase="ended")))


def damaged(store: FolderStore) -> None:
    store.put(run_key(LIVE, "plan.json"), b"{}")


STATES: dict[Callable[[FolderStore], None], tuple[str, str, str]] = {
    requested: ("starting", "", ""), refused: ("refused", "", ""), prepared: ("starting", "", ""),
    without_figures: ("starting", "", ""), loading: ("running", "", ""), busy: ("running", "", ""),
    stop_asked: ("stopping", "", STOP.message), stop_read: ("stopping", "", "p95 is too high"),
    lost: ("coordinator lost", "judge", ""), lost_on_fargate: ("coordinator lost", "continue", ""),
    past_its_deadline: ("coordinator lost", "judge", ""), judged: ("judged", "", ""), ended: ("judged", "", ""),
    damaged: ("unreadable", "", ""),
}  # fmt: skip


@pytest.mark.parametrize("made", STATES)
def test_a_run_is_in_one_state(tmp_path: Path, made: Callable[[FolderStore], None]) -> None:
    store = FolderStore(tmp_path)
    made(store)
    found = state_of(store, LIVE, NOW)
    assert (found.name, found.step, found.stop) == STATES[made]
    assert found.since == (NOW - GONE_S if found.name == "coordinator lost" else None)
    assert found.going_on == (found.name in ("starting", "running", "stopping"))
    assert found.over == (not found.going_on and found.step != "continue")


@pytest.mark.parametrize("seconds", [14, 16])
def test_a_coordinator_that_is_killed_is_lost_after_its_lease(tmp_path: Path, seconds: int) -> None:
    store = FolderStore(tmp_path)
    loading(store)
    found = state_of(store, LIVE, NOW + seconds)
    assert (found.name, found.since) == (("running", None) if seconds < 15 else ("coordinator lost", NOW))


@pytest.mark.parametrize("made", [prepared, loading, stop_asked, lost, lost_on_fargate])
def test_all_faces_use_the_same_word(tmp_path: Path, made: Callable[[FolderStore], None]) -> None:
    store = FolderStore(tmp_path)
    made(store)
    name, step, _ = STATES[made]
    browser = client(store)
    lists = browser.get("/api/v1/runs/running?every=true").json()
    one, live = (browser.get(f"/api/v1/runs/{LIVE}{part}").json() for part in ("", "/live"))
    watched = Tools(store, desk_of(store, "Ada"), Person(subject="a", name="Ada", role="admin"), At()).watch_run(LIVE)
    (listed,) = json.loads(runs_table.as_json(listing(store, NOW)))
    found = [lists[0], one, live, watched]
    assert [(each["state"], each["step"]) for each in found] == [(name, step)] * 4
    assert len({each["since"] for each in found}) == 1
    assert listed["state"] == name
    assert name in parsed(browser.get(f"/runs/{LIVE}").content).xpath("//title")[0].text
    for address in ("/", "/runs"):
        page = parsed(browser.get(address).content)
        assert name in page.xpath("string(//main)")
        acts = {"": "", "judge": "/judge", "continue": "/take-over"}
        assert page.xpath(f"//form[contains(@action, '{LIVE}')]/@action") == [f"/runs/{LIVE}{acts[step]}"] * bool(step)


def test_the_entity_tag_changes_with_what_may_be_done() -> None:
    tags = {RunState(name="coordinator lost", step=step).etag for step in ("judge", "continue")}
    assert len(tags) == 2
