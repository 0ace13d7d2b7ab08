"""A whole run with workers that outlive its coordinator, in one process and with a stepped clock."""

import pytest

from tests.launchers.fake import Script
from tests.launchers.scene import Scene
from tests.measured import execution
from tests.refusals import refused
from toril.coordinator.lease import LeaseLostError
from toril.errors import InfrastructureError, StoreError
from toril.plan import FARGATE_TIMINGS
from toril.records import End, Start
from toril.runs.owner import PATIENCE_S
from toril.store import FolderStore
from toril.store.records import read_launch


@pytest.fixture
def scene(tmp_path):
    return lambda **how: Scene(tmp_path, **how)


def test_a_run_goes_from_launch_to_verdict_and_closes_the_launcher(scene):
    one = scene()
    assert one.run().bundle.outcome == "passed"
    assert one.launcher.closed
    assert not one.launcher.released
    assert one.lease().ended
    assert len(one.launcher.launched) == 2


def test_a_worker_that_failed_to_start_is_replaced_and_the_run_passes(scene):
    one = scene(scripts={"local-1 #1": Script(begins=False)})
    assert one.run().bundle.outcome == "passed"
    launch = read_launch(one.store, one.plan.run_id)
    assert launch is not None
    start = Start.from_json(one.store.get(one.key("start.json")), "start.json")
    assert start.attempts["local-1"] == launch.attempts["local-1"][1]


def test_a_run_whose_workers_fail_to_start_is_inconclusive(scene):
    one = scene(scripts={"local-1": Script(begins=False)})
    with pytest.raises(InfrastructureError, match="could not start: worker local-1: no capacity"):
        one.run()
    assert one.verdict()["outcome"] == "inconclusive"
    assert one.launcher.closed
    assert one.lease().ended


def test_a_worker_of_another_version_is_refused_and_terminated(scene):
    one = scene(quorum=0.5, scripts={"local-2": Script(version="999.0")})
    assert one.run().bundle.outcome == "inconclusive"
    assert "its image has toril 999.0" in one.reasons()["lost-worker"]
    assert "local-2" in one.launcher.terminated


@pytest.mark.parametrize("quorum", [1.0, 0.5])
def test_a_lost_worker_makes_the_run_inconclusive_with_the_launchers_reason(scene, quorum):
    one = scene(quorum=quorum, scripts={"local-1": Script(gone_after_s=5)})
    assert one.run().bundle.outcome == "inconclusive"
    assert "OutOfMemoryError" in one.reasons()["lost-worker"]
    goes_on = quorum < 1  # otherwise the run ends at once
    assert any(note.code == "lost-worker" for note in one.view.notes) == goes_on


def test_a_worker_that_ignores_stop_and_kill_is_lost_and_the_run_is_judged(scene):
    one = scene(scripts={"local-1": Script(obeys=False), "local-2": Script(gone_after_s=2)})
    one.plan = one.plan.model_copy(update={"executions": (execution(hold_for_s=3000.0, concurrency=None),)})
    assert one.run().bundle.outcome == "inconclusive"
    assert one.launcher.killed == ["local-1"]
    assert one.launcher.closed
    end = End.from_json(one.store.get(one.key("end.json")), "end.json")
    assert "170 s" in end.lost["local-1"]


@pytest.mark.parametrize("ahead_s", [-30.0, 25.0, 30.0])
def test_a_worker_with_a_wrong_clock_makes_the_run_inconclusive(scene, ahead_s):
    one = scene(scripts={"local-1": Script(ahead_s=ahead_s)})
    assert one.run().bundle.outcome == "inconclusive"
    assert f"the clock of worker local-1 is off by {ahead_s:+.2f} s" in one.reasons()["unsure-clock"]


# A failing store


def test_a_failed_write_of_the_start_is_repeated_with_a_new_time(scene):
    one = scene()
    one.store.fails = lambda operation, key: operation == "put_once" and key.endswith("start.json")
    one.at(40, one.store.up)
    up_at = one.clock.now() + 40
    assert one.run().bundle.outcome == "passed"
    start = Start.from_json(one.store.get(one.key("start.json")), "start.json")
    assert up_at <= start.at - FARGATE_TIMINGS.start_lead_s <= up_at + 1  # no worker may read a start in the past


def test_a_start_whose_answer_was_lost_is_valid(scene):
    one = scene()
    one.store.loses = lambda operation, key: key.endswith("start.json")
    assert one.run().bundle.outcome == "passed"


def test_a_failed_write_of_the_stop_is_repeated_and_workers_are_terminated_meanwhile(scene):
    one = scene(scripts={"local-1": Script(gone_after_s=5), "local-2": Script(obeys=False)})
    one.store.fails = lambda operation, key: operation == "put_once" and key.endswith("stop.json")
    one.at(60, one.store.up)
    one.run()
    assert one.store.find(one.key("stop.json")) is not None
    assert one.launcher.terminated == ["local-2"]


@pytest.mark.parametrize("second", [0.5, 3.0, 10.0, 30.0])
def test_a_temporary_store_failure_does_not_harm_a_run(scene, second):
    one = scene()
    one.at(second, one.store.down)
    one.at(second + PATIENCE_S / 2, one.store.up)
    assert one.run().bundle.outcome == "passed"
    assert {note.code for note in one.view.notes} == {"trouble"}


@pytest.mark.parametrize("name", ["exit.json", "end.json", "summary.json", "verdict.json", "report.html"])
def test_a_temporary_store_failure_after_the_load_does_not_harm_a_run(scene, name):
    one, since = scene(), []

    def fails(operation: str, key: str) -> bool:
        if key.endswith(name) and operation in ("put", "find"):
            since.append(one.clock.now())
        return bool(since) and one.clock.now() < since[0] + PATIENCE_S / 2

    one.store.fails = fails
    assert one.run().unwritten == ()
    assert one.verdict()["outcome"] == "passed"
    assert one.store.find(one.key("report.html")) is not None
    assert one.launcher.sweep_cancelled


def test_the_sweep_stays_planned_until_the_verdict_is_stored(scene):
    one = scene()
    one.store.fails = lambda operation, key: operation == "put" and key.endswith("verdict.json")
    assert one.run().unwritten != ()
    assert one.launcher.closed
    assert not one.launcher.sweep_cancelled


def test_a_coordinator_without_a_store_leaves_its_run_with_the_fix(scene):
    one = scene(scripts=dict.fromkeys(("local-1", "local-2"), Script(obeys=False)))
    one.clock.meanwhile = lambda now: None  # stops the workers, which have their own stores
    one.at(15, one.store.down)
    began = one.clock.now()
    with refused("cut-off", "--take-over", error=InfrastructureError):
        one.run()
    assert one.launcher.released
    assert not one.launcher.closed
    assert PATIENCE_S < one.clock.now() - began - 15 < PATIENCE_S + 5
    one.store.up()
    assert not one.lease().ended  # another owner may take the run over


def test_an_interrupt_during_a_store_failure_ends_the_run_at_once(scene):
    one = scene()
    one.clock.meanwhile = lambda now: None
    one.at(15, one.store.down)
    one.at(20, lambda: one.interrupts.names.append("SIGINT"))
    began = one.clock.now()
    with pytest.raises(StoreError):
        one.run()
    assert one.clock.now() - began < 21
    assert one.launcher.closed
    assert not one.launcher.released


def test_a_start_of_another_run_is_refused(scene):
    one = scene()
    foreign = Start(at=one.clock.now(), attempts={"local-1": "never", "local-2": "issued"})
    one.store.put(one.key("start.json"), foreign.to_json())
    with refused("not-started", "start.json", error=InfrastructureError):
        one.run()
    assert one.verdict()["outcome"] == "inconclusive"
    assert one.launcher.closed


# Several coordinators


def test_a_coordinator_that_lost_its_run_leaves_the_workers_running(scene):
    one = scene()

    def taken() -> None:
        lease = one.lease().model_copy(update={"owner": "another", "epoch": 2})
        one.store.put(one.key("lease.json"), lease.to_json())

    one.at(15, taken)
    with pytest.raises(LeaseLostError, match="owned by another"):
        one.run()
    assert one.launcher.released
    assert not one.launcher.closed
    assert one.lease().owner == "another"
    assert one.store.find(one.key("verdict.json")) is None


@pytest.mark.parametrize("name", ["end.json", "summary.json", "verdict.json"])
def test_a_coordinator_that_paused_and_lost_its_run_writes_no_more_files(scene, name):
    one, order = scene(), []

    def stands_still(operation: str, key: str) -> bool:
        if operation == "put":
            order.append(key)
        if operation == "put" and key.endswith(name):
            lease = one.lease().model_copy(update={"owner": "another", "epoch": 2})
            one.clock.sleep(lease.expires_s)
            FolderStore(one.store.folder).put(one.key("lease.json"), lease.to_json())
        return False

    one.store.fails = stands_still
    with pytest.raises(LeaseLostError, match="owned by another"):
        one.run()
    assert order[-1] == one.key(name)


def test_a_coordinator_that_paused_before_the_stop_ends_no_worker_of_another_owner(scene):
    one = scene(scripts={"local-1": Script(gone_after_s=5)})

    def stands_still(operation: str, key: str) -> bool:
        if operation == "put_once" and key.endswith("stop.json"):
            lease = one.lease().model_copy(update={"owner": "another", "epoch": 2})
            one.clock.sleep(lease.expires_s)
            FolderStore(one.store.folder).put(one.key("lease.json"), lease.to_json())
        return False

    one.store.fails = stands_still
    with pytest.raises(LeaseLostError, match="owned by another"):
        one.run()
    assert one.launcher.terminated == []
    assert one.launcher.released
    assert not one.launcher.closed


def test_a_coordinator_that_paused_before_the_start_writes_no_stop(scene):
    one = scene()
    one.plan = one.plan.model_copy(update={"pace": FARGATE_TIMINGS.model_copy(update={"poll_s": 0.0})})
    ended = one.launcher.ended

    def all_are_ready_and_somebody_wants_it_to_end():
        if sum(key.endswith("ready.json") for key in FolderStore(one.store.folder).keys("runs/")) == 2:
            one.interrupts.names.append("SIGTERM")
        return ended()

    def stands_still(operation: str, key: str) -> bool:
        if operation == "put_once" and key.endswith("start.json"):
            lease = one.lease().model_copy(update={"owner": "another", "epoch": 2})
            one.clock.sleep(lease.expires_s)
            FolderStore(one.store.folder).put(one.key("lease.json"), lease.to_json())
        return False

    one.launcher.ended = all_are_ready_and_somebody_wants_it_to_end
    one.store.fails = stands_still
    with pytest.raises(LeaseLostError, match="owned by another"):
        one.run()
    assert one.store.find(one.key("start.json")) is not None
    assert one.store.find(one.key("stop.json")) is None
