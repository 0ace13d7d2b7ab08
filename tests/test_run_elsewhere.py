"""Whole runs with workers that outlive their coordinator, simulated in one process: owners and verdicts."""

import pytest

from tests.launchers.fake import Script
from tests.launchers.scene import Scene
from tests.measured import execution
from tests.tiers import by_day
from toril.coordinator.lease import LeaseLostError
from toril.errors import InfrastructureError, StoreError
from toril.plan import FARGATE_TIMINGS
from toril.records import End, Exit, Lease, Start
from toril.runs.coordination import PATIENCE_S
from toril.store import FolderStore
from toril.store.records import read_launch


@pytest.fixture
def scene(tmp_path):
    return lambda **how: Scene(tmp_path, **how)


def test_a_run_goes_from_launch_to_verdict_and_cleans_up(scene):
    one = scene()
    assert one.run().bundle.outcome == "passed"
    assert one.launcher.closed
    assert not one.launcher.released
    assert one.lease().ended
    assert len(one.launcher.launched) == 2


def test_a_worker_that_did_not_start_is_replaced_and_the_run_passes(scene):
    one = scene(scripts={"local-1 #1": Script(begins=False)})
    assert one.run().bundle.outcome == "passed"
    launch = read_launch(one.store, one.plan.run_id)
    assert launch is not None
    start = Start.from_json(one.store.get(one.key("start.json")), "start.json")
    assert start.attempts["local-1"] == launch.attempts["local-1"][1]


def interrupted(one):
    """A signal ends the first attempt of local-1 after 5 s, and the launcher reports nothing."""

    def ends() -> None:
        launch = read_launch(one.store, one.plan.run_id)
        assert launch is not None
        attempt = launch.attempts["local-1"][0]
        ended = Exit(
            worker="local-1", attempt=attempt, at=one.clock.now(), outcome="stopped", message="SIGTERM", signals=1
        )
        one.store.put(one.key(f"workers/local-1/{attempt}/exit.json"), ended.to_json())

    one.at(5, ends)
    return one


def test_a_worker_that_a_signal_ended_before_the_start_is_replaced_although_no_reason_arrives(scene):
    one = interrupted(scene(scripts={"local-1 #1": Script(ready_after_s=float("inf"))}))
    assert one.run().bundle.outcome == "passed"


def test_a_worker_that_a_signal_ended_under_load_is_lost_although_no_reason_arrives(scene):
    one = interrupted(scene())
    one.plan = one.plan.model_copy(update={"executions": (execution(hold_for_s=120.0, concurrency=None),)})
    assert one.run().bundle.outcome == "inconclusive"
    assert "SIGTERM" in one.reasons()["lost-worker"]


def test_a_run_whose_workers_never_start_gets_a_verdict_nevertheless(scene):
    one = scene(scripts={"local-1": Script(begins=False)})
    with pytest.raises(InfrastructureError, match="could not start: worker local-1: no capacity"):
        one.run()
    assert one.verdict()["outcome"] == "inconclusive"
    assert one.launcher.closed
    assert one.lease().ended


def test_a_worker_of_another_version_is_rejected_with_a_reason_and_stopped(scene):
    one = scene(quorum=0.5, scripts={"local-2": Script(version="999.0")})
    assert one.run().bundle.outcome == "inconclusive"
    assert "its image has toril 999.0" in one.reasons()["lost-worker"]
    assert "local-2" in one.launcher.terminated


@pytest.mark.parametrize("quorum", [1.0, 0.5])
def test_a_lost_worker_makes_the_run_inconclusive_with_the_launchers_reason(scene, quorum):
    one = scene(quorum=quorum, scripts={"local-1": Script(gone_after_s=5)})
    assert one.run().bundle.outcome == "inconclusive"
    assert "OutOfMemoryError" in one.reasons()["lost-worker"]
    noted = any(note.code == "lost-worker" for note in one.view.notes)
    assert noted == (quorum < 1)  # with a quorum of 1 the run ends immediately


def test_a_worker_that_ignores_all_signals_is_lost_and_the_run_gets_a_verdict(scene):
    one = scene(scripts={"local-1": Script(obeys=False), "local-2": Script(gone_after_s=2)})
    one.plan = one.plan.model_copy(update={"executions": (execution(hold_for_s=3000.0, concurrency=None),)})
    assert one.run().bundle.outcome == "inconclusive"
    assert one.launcher.killed == ["local-1"]
    assert one.launcher.closed
    end = End.from_json(one.store.get(one.key("end.json")), "end.json")
    assert "local-1" in end.lost


@pytest.mark.parametrize("ahead_s", [-30.0, 25.0, 30.0])
def test_a_wrong_worker_clock_makes_the_run_inconclusive(scene, ahead_s):
    one = scene(scripts={"local-1": Script(ahead_s=ahead_s)})
    assert one.run().bundle.outcome == "inconclusive"
    assert f"the clock of worker local-1 is off by {ahead_s:+.2f} s" in one.reasons()["unsure-clock"]


# Failures of the store


def test_a_start_that_the_store_rejects_gets_a_later_time(scene):
    one = scene()
    one.store.fails = lambda operation, key: operation == "put_once" and key.endswith("start.json")
    one.at(40, one.store.up)
    up_at = one.clock.now() + 40
    assert one.run().bundle.outcome == "passed"
    start = Start.from_json(one.store.get(one.key("start.json")), "start.json")
    assert up_at <= start.at - FARGATE_TIMINGS.start_lead_s <= up_at + 1  # no worker may read it after that time


def test_a_start_whose_answer_was_lost_stays_valid(scene):
    one = scene()
    one.store.loses = lambda operation, key: key.endswith("start.json")
    assert one.run().bundle.outcome == "passed"


def test_a_stop_that_the_store_rejects_is_written_later_and_signals_reach_the_workers(scene):
    one = scene(scripts={"local-1": Script(gone_after_s=5), "local-2": Script(obeys=False)})
    one.store.fails = lambda operation, key: operation == "put_once" and key.endswith("stop.json")
    one.at(60, one.store.up)
    one.run()
    assert one.store.find(one.key("stop.json")) is not None
    assert one.launcher.terminated == ["local-2"]


@pytest.mark.parametrize("second", [0.5, 3.0, 10.0, 30.0])
def test_a_temporary_failure_of_the_store_does_not_harm_a_run(scene, second):
    one = scene()
    one.at(second, one.store.down)
    one.at(second + PATIENCE_S / 2, one.store.up)
    assert one.run().bundle.outcome == "passed"
    assert {note.code for note in one.view.notes} == {"trouble"}


@pytest.mark.parametrize(
    "name", by_day(["exit.json", "end.json", "summary.json", "verdict.json", "report.html"], each=3)
)
def test_a_temporary_failure_of_the_store_after_the_load_does_not_harm_a_run(scene, name):
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


def test_a_coordinator_that_loses_its_store_ends_and_says_how_to_continue(scene):
    one = scene(scripts=dict.fromkeys(("local-1", "local-2"), Script(obeys=False)))
    one.clock.meanwhile = lambda now: None  # the workers' own stores do not matter here
    one.at(15, one.store.down)
    began = one.clock.now()
    with pytest.raises(InfrastructureError, match=r"cannot be reached.*--take-over"):
        one.run()
    assert one.launcher.released
    assert not one.launcher.closed
    assert PATIENCE_S < one.clock.now() - began - 15 < PATIENCE_S + 5
    one.store.up()
    assert not one.lease().ended  # the run has not ended, so another owner may take it over


@pytest.mark.parametrize("operations", [("put", "put_once", "swap"), ("put",)])
def test_a_disk_that_fills_up_during_the_load_is_infrastructure_and_the_rest_is_judged(scene, operations):
    one = scene()
    one.plan = one.plan.model_copy(update={"on": "local"})
    one.at(25, lambda: setattr(one.store, "fails", lambda operation, key: operation in operations))
    done = one.run()
    assert done.failed_store
    assert done.unwritten
    assert one.launcher.closed
    assert done.bundle.outcome == ("passed" if operations == ("put",) else "inconclusive")  # only the verdict is lost
    assert done.bundle.summary.total.samples > 0


def test_an_interrupt_during_a_failure_of_the_store_ends_the_coordinator_immediately(scene):
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


def test_a_start_of_another_run_does_not_count(scene):
    one = scene()
    foreign = Start(at=one.clock.now(), attempts={"local-1": "never", "local-2": "issued"})
    one.store.put(one.key("start.json"), foreign.to_json())
    with pytest.raises(InfrastructureError, match=r"could not start: .*names attempts that were never issued"):
        one.run()
    assert one.verdict()["outcome"] == "inconclusive"
    assert one.launcher.closed


# Several coordinators


def test_a_coordinator_whose_run_was_taken_over_leaves_the_workers_running(scene):
    one = scene()

    def taken() -> None:
        lease = one.lease().model_copy(update={"owner": "another", "epoch": 2})
        one.store.put(one.key("lease.json"), lease.to_json())

    one.at(15, taken)
    with pytest.raises(LeaseLostError, match="controlled by another"):
        one.run()
    assert one.launcher.released
    assert not one.launcher.closed
    assert one.lease().owner == "another"
    assert one.store.find(one.key("verdict.json")) is None


def test_a_coordinator_frozen_between_two_turns_asks_its_launcher_nothing_afterwards(scene):
    """The launcher of private locations would write offers."""
    one = scene()
    lost: list[Lease] = []
    ended, sleep = one.launcher.ended, one.clock.sleep

    def asked():
        assert not lost
        return ended()

    def stands_still(seconds: float) -> None:
        sleep(seconds)
        if one.store.find(one.key("start.json")) is not None and not lost:
            lost.append(one.lease().model_copy(update={"owner": "another", "epoch": 2}))
            sleep(lost[0].expires_s)
            one.store.put(one.key("lease.json"), lost[0].to_json())

    one.launcher.ended, one.clock.sleep = asked, stands_still
    with pytest.raises(LeaseLostError, match="controlled by another"):
        one.run()
    assert lost


@pytest.mark.parametrize("name", ["end.json", "summary.json", "verdict.json"])
def test_a_coordinator_frozen_during_a_write_finds_its_run_taken_over_and_stops_writing(scene, name):
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
    with pytest.raises(LeaseLostError, match="controlled by another"):
        one.run()
    assert order[-1] == one.key(name)


def test_a_coordinator_frozen_during_the_stop_ends_no_worker_of_the_next_owner(scene):
    one = scene(scripts={"local-1": Script(gone_after_s=5)})

    def stands_still(operation: str, key: str) -> bool:
        if operation == "put_once" and key.endswith("stop.json"):
            lease = one.lease().model_copy(update={"owner": "another", "epoch": 2})
            one.clock.sleep(lease.expires_s)
            FolderStore(one.store.folder).put(one.key("lease.json"), lease.to_json())
        return False

    one.store.fails = stands_still
    with pytest.raises(LeaseLostError, match="controlled by another"):
        one.run()
    assert one.launcher.terminated == []
    assert one.launcher.released
    assert not one.launcher.closed


def test_a_coordinator_frozen_during_the_start_writes_no_stop_afterwards(scene):
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
    with pytest.raises(LeaseLostError, match="controlled by another"):
        one.run()
    assert one.store.find(one.key("start.json")) is not None
    assert one.store.find(one.key("stop.json")) is None
