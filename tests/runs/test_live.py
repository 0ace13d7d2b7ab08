"""The progress that an owner writes and watchers read, in whole runs without time."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.console import served
from tests.launchers.scene import Scene, abandoned
from tests.tiers import examples
from toril.coordinator.progress import packed
from toril.records import RanTask, run_key
from toril.records.progress import EVERY_S, RECENT_S, Progress, Recent
from toril.runs.history import time_in
from toril.runs.live import STALE_S, RunState, changes, state_of
from toril.store import FolderStore

COLUMNS = [name for name in Recent().members() if name != "from_s"]


@pytest.fixture
def scene(tmp_path):
    return lambda **how: Scene(tmp_path, **how)


def versions_of(one):
    """Runs it. Returns each version with the time of its write."""
    found: list[tuple[float, Progress]] = []
    put = one.store.put

    def put_and_look(key, data):
        put(key, data)
        if key == one.key("progress.json"):
            found.append((one.clock.now(), Progress.from_json(data, key)))

    one.store.put = put_and_look
    one.run()
    return found


def now_of(one: Scene):
    return state_of(one.store, one.plan.run_id, one.clock.now())


def test_the_owner_writes_a_version_every_two_seconds_until_the_verdict(scene):
    one = scene()
    found = versions_of(one)
    gaps = [after - before for (before, _), (after, _) in pairwise(found[:-1])]
    assert EVERY_S <= min(gaps) <= max(gaps) < EVERY_S + 1
    versions = [version for _, version in found]
    assert [version.number for version in versions] == list(range(1, len(versions) + 1))
    assert list(dict.fromkeys(version.phase for version in versions)) == ["preparing", "running", "ended"]
    last = versions[-1]
    assert last.figures.samples == sum(last.recent.rps) == 60
    assert last.workers.ended == last.workers.ready == last.workers.planned == 2
    assert now_of(one).name == "judged"


def test_a_store_that_refuses_progress_changes_no_verdict_and_is_noted(scene):
    one = scene()
    one.store.fails = lambda operation, key: key.endswith("progress.json")
    one.run()
    assert one.verdict()["outcome"] == "passed"
    assert {note.code for note in one.view.notes} == {"progress-unwritten"}
    one.store.up()
    assert now_of(one).progress is None
    assert now_of(one).name == "judged"


def test_the_cost_of_tasks_grows_during_the_run(scene):
    one = scene()
    task = RanTask(arn="arn", region="us-east-1", capacity="FARGATE", pull_started_at=one.clock.now() - 600)
    one.launcher.tasks = lambda: {"local-1": task, "local-2": task}
    costs = [version.cost_usd or 0.0 for _, version in versions_of(one)]
    assert costs == sorted(costs)
    assert 0 < costs[0] < costs[-1]


def test_each_of_fifty_watchers_reads_two_objects_a_poll(scene):
    one = scene()
    asked = []

    def watch() -> None:
        before = one.store.asked.copy()
        states = {now_of(one).name for _ in range(50)}
        asked.append((states, one.store.asked - before))

    for second in (10, 20, 30):
        one.at(second, watch)
    one.run()
    assert asked == 3 * [({"running"}, {"find": 100})]


def test_a_watcher_of_a_busy_owner_sees_the_age_of_the_figures(scene):
    one = scene()
    old = Progress(run_id=one.plan.run_id, at=one.clock.now() - 4, phase="running")
    one.store.put(one.key("progress.json"), packed(old))
    assert (now_of(one).name, now_of(one).age_s) == ("running", 4)


def test_a_watcher_polls_soon_after_a_version_is_due_and_never_in_a_hurry(scene):
    """Whatever its clock says."""
    version = Progress(run_id="r", at=100.0)
    waits = {age_s: RunState(name="running", progress=version, age_s=age_s).again_s for age_s in (0, 1, 2, 3, 60)}
    assert waits[0] > EVERY_S > waits[1] > waits[2] == waits[3] >= 0.5
    assert waits[60] == RunState(name="running", progress=None).again_s == EVERY_S


def test_a_run_whose_owner_is_gone_has_no_owner_until_another_continues_its_numbers(scene):
    one = abandoned(scene(), 20.0)
    left = now_of(one)
    assert left.name == "running"
    one.clock.sleep(STALE_S + 1)
    assert now_of(one).name == "running"  # its lease has not expired
    one.clock.sleep(one.plan.pace.lease_expires_s)
    gone = now_of(one)
    assert (gone.name, gone.step) == ("coordinator lost", "continue")
    assert gone.age_s > one.plan.pace.lease_expires_s
    assert gone.etag != left.etag
    one.take_over()
    last = now_of(one)
    assert last.name == "judged"
    assert last.progress is not None
    assert left.progress is not None
    assert last.progress.number > left.progress.number


def recent_of(first: int, last: int) -> Recent:
    """Returns the seconds `first` to `last`, whose figures depend on the second only."""
    seconds = range(first, last + 1)
    return Recent(from_s=first, **{name: tuple(hash((name, one)) % 100 for one in seconds) for name in COLUMNS})


def applied(before: Recent | None, change: Recent) -> Recent:
    """Returns what a client has after a change."""
    if before is None or change.from_s != before.from_s + len(before.rps):
        return change
    columns = {name: (getattr(before, name) + getattr(change, name))[-RECENT_S:] for name in COLUMNS}
    end = change.from_s + len(change.rps)
    return Recent(from_s=end - len(columns["rps"]), **columns)


@examples(300)
@given(st.lists(st.integers(-1, 500), min_size=1, max_size=8))
def test_a_client_that_applies_changes_has_the_full_record(lasts):
    """Also after it missed minutes, and when a new owner begins again with the first seconds."""
    known: Recent | None = None
    for last in lasts:
        progress = Progress(run_id="r", at=0, recent=recent_of(max(0, last + 1 - RECENT_S), last))
        since = None if known is None else known.from_s + len(known.rps) - 1
        found = changes(progress, since)
        known = applied(known, Recent.from_dict(found["recent"]))
        assert known == progress.recent
        assert {**found, "recent": None} == {**progress.to_dict(), "recent": None}
        if since is not None and progress.recent.from_s - 1 <= since <= last:
            assert len(found["recent"]["rps"]) == last - since


@pytest.mark.parametrize(("age_s", "state"), [(30, "starting"), (3600, "coordinator lost")])
def test_a_new_run_that_has_no_lease_yet_is_starting(tmp_path, age_s, state):
    store, plan = FolderStore(tmp_path), served.live_plan()
    store.put(run_key(plan.run_id, "plan.json"), plan.to_json())
    now = time_in(plan.run_id) + age_s
    assert state_of(store, plan.run_id, now).name == state
