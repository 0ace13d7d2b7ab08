"""`toril watch`, `stop`, `report` and `runs` with a run on Fargate in each of its states."""

from datetime import timedelta

import pytest

from tests.clocks import ShiftedClock
from tests.launchers.fake import Script
from tests.launchers.scene import Scene, abandoned
from tests.refusals import refused
from toril.desk.runs import ask_to_stop, delete_run, prune, set_baseline
from toril.errors import StoreError
from toril.records import Keeping, Stop, worker_key
from toril.records.document import document
from toril.records.evidence import Exchange, Exchanges
from toril.records.progress import Progress, ProgressNote
from toril.runs.notes import baseline_of
from toril.runs.stored import follow, judged, listing
from toril.signals import Interrupts
from toril.store.records import read_launch


@pytest.fixture
def scene(tmp_path):
    return lambda **how: Scene(tmp_path, **how)


def state_of(one: Scene) -> str:
    (found,) = listing(one.store, one.clock.now())
    return found.state


def deadline_of(one: Scene) -> float:
    launch = read_launch(one.store, one.plan.run_id)
    assert launch is not None
    return launch.deadline


def watched(one: Scene, seconds: float, ahead_s: float = 0.0):
    """Watches a run for `seconds`. Returns the result of `follow`, and the notes."""
    interrupts = Interrupts()
    one.view.notes.clear()
    one.at(seconds, lambda: interrupts.names.append("SIGINT"))
    clock = ShiftedClock(one.clock, ahead_s)
    bundle = follow(one.store, one.plan.run_id, clock=clock, view=one.view, interrupts=interrupts)
    return bundle, one.view.notes


def during(one: Scene, second: float, look):
    """Runs a run to its end. Returns the result of `look`, called at a second of the run."""
    found = []
    one.at(second, lambda: found.append(look()))
    one.run()
    return found[0]


def unowned(scene, second: float = 15.0, **how) -> Scene:
    """A run with a dead coordinator and an expired lease."""
    one: Scene = abandoned(scene(**how), second)
    one.clock.sleep(one.plan.pace.lease_expires_s + 1)
    return one


@pytest.mark.parametrize("second", [0.5, 3.0, 20.0])
def test_a_run_with_an_owner_can_be_stopped_but_not_reported_or_deleted(scene, second):
    one = scene()

    def look():
        now = one.clock.now()
        with refused("run-not-over", "toril watch", error=StoreError):
            judged(one.store, one.plan.run_id, now)
        return state_of(one), prune(one.store, timedelta(0), now)[0], ask_to_stop(one.store, one.plan.run_id, now, "a")

    state, deleted, message = during(one, second, look)
    assert (state, deleted) == ("starting" if second < 3 else "running", [])
    assert "is ending" in message
    assert one.verdict()["outcome"] == "inconclusive"


def test_a_run_without_an_owner_can_be_taken_over(scene):
    one = unowned(scene, scripts=dict.fromkeys(("local-1", "local-2"), Script(obeys=False)))
    assert state_of(one) == "coordinator lost"
    with refused("run-not-over", "--take-over", error=StoreError):
        judged(one.store, one.plan.run_id, one.clock.now())
    assert prune(one.store, timedelta(0), one.clock.now())[0] == []
    bundle, notes = watched(one, 60)
    assert bundle is None
    assert {note.code for note in notes} >= {"without-owner"}
    assert "is ending" in ask_to_stop(one.store, one.plan.run_id, one.clock.now(), "a")
    assert "is already ending" in ask_to_stop(one.store, one.plan.run_id, one.clock.now(), "a")


def test_a_run_without_an_owner_is_judged_after_its_deadline(scene):
    one = unowned(scene)
    one.clock.at = deadline_of(one) + 1
    assert state_of(one) == "coordinator lost"
    with refused("run-over", error=StoreError):
        ask_to_stop(one.store, one.plan.run_id, one.clock.now(), "a")
    assert judged(one.store, one.plan.run_id, one.clock.now()).outcome == "passed"  # its workers finished their load
    assert state_of(one) == "passed"


def test_a_run_without_an_owner_is_deleted_after_its_deadline(scene):
    one = unowned(scene)
    one.clock.at = deadline_of(one) + 1
    assert prune(one.store, timedelta(0), one.clock.now())[0] == [one.plan.run_id]


def test_watch_judges_a_run_without_an_owner_after_its_deadline(scene):
    one = unowned(scene)
    bundle, notes = watched(one, 1e6)
    assert bundle is not None
    assert bundle.outcome == "passed"
    assert one.clock.now() >= deadline_of(one)
    assert {note.code for note in notes} >= {"without-owner"}


@pytest.mark.parametrize("ahead_s", [-600.0, 0.0, 120.0])
def test_a_watcher_with_a_wrong_clock_recognises_a_live_owner_of_a_run(scene, ahead_s):
    one = scene()

    def look() -> list[ProgressNote]:
        steps = one.clock.meanwhile
        one.clock.meanwhile = lambda now: None  # the watcher's steps must not step the workers
        notes = list[ProgressNote](watched(one, 5, ahead_s)[1])
        one.clock.meanwhile = steps
        return notes

    assert not [note for note in during(one, 12, look) if note.code == "without-owner"]


def test_a_finished_run_is_shown_as_judged_and_cannot_be_stopped(scene):
    one = scene()
    one.run()
    bundle, _ = watched(one, 60)
    assert bundle is not None
    assert bundle.outcome == "passed"
    with refused("run-over", error=StoreError):
        ask_to_stop(one.store, one.plan.run_id, one.clock.now(), "a")
    assert state_of(one) == "passed"
    set_baseline(one.store, one.plan.suite, one.plan.run_id, by="Ada", at=0)
    assert prune(one.store, timedelta(0), one.clock.now() + 1) == ([one.plan.run_id], [one.plan.suite])
    assert baseline_of(one.store, one.plan.suite) is None


def test_a_deleted_run_is_no_baseline(scene):
    one = scene()
    one.run()
    set_baseline(one.store, one.plan.suite, one.plan.run_id, by="Ada", at=0)
    assert delete_run(one.store, one.plan.run_id, one.clock.now()) == [one.plan.suite]
    assert baseline_of(one.store, one.plan.suite) is None


def test_a_run_that_was_never_launched_is_over(scene):
    one = scene()
    one.store.fails = lambda operation, key: key.endswith("launch.json")
    with pytest.raises(StoreError):
        one.run()
    one.store.up()
    one.clock.sleep(one.plan.pace.lease_expires_s + 1)
    assert state_of(one) == "coordinator lost"
    assert judged(one.store, one.plan.run_id, one.clock.now()).outcome == "inconclusive"


def test_watch_shows_the_number_of_ready_workers(scene):
    one = abandoned(scene(scripts={"local-2": Script(ready_after_s=1e6)}), 10)
    shown: list[Progress] = []
    one.view.show = shown.append
    watched(one, 5)
    assert [(one.workers.ready, one.workers.planned) for one in shown][-1] == (1, 2)


def test_workers_without_an_owner_obey_a_stop(scene):
    one = unowned(scene, second=3.0)
    ask_to_stop(one.store, one.plan.run_id, one.clock.now(), "a")
    one.clock.sleep(1)
    assert all(worker.gone for worker in one.launcher.workers.values())
    assert Stop.from_json(one.store.get(one.key("stop.json")), "stop.json").cause == "user"


def test_kept_requests_of_a_lost_worker_are_stored_and_made_again_if_they_are_damaged(scene):
    one = scene(scripts={"local-1": Script(gone_after_s=15.0)})
    one.plan = one.plan.model_copy(update={"keeping": Keeping()})
    exchange = Exchange(why="failure", label="home", error="503", worker="local-1", location="local")

    def keep():
        launch = read_launch(one.store, one.plan.run_id)
        assert launch is not None
        key = worker_key(one.plan.run_id, "local-1", launch.attempts["local-1"][0], "evidence-000001")
        one.store.put(key, document(Exchanges(run_id=one.plan.run_id, worker="local-1", exchanges=(exchange,))))

    def stored():
        return judged(one.store, one.plan.run_id, one.clock.now())

    during(one, 10.0, keep)
    assert stored().evidence.exchanges == (exchange,)
    one.store.put(one.key("evidence.json"), b"{")
    assert stored().evidence is None
    assert "evidence.json is damaged" in stored().plan.warnings[-1]
    one.store.delete_many(one.key(f"{name}.json") for name in ("evidence", "summary", "verdict"))
    assert stored().evidence.exchanges == (exchange,)
