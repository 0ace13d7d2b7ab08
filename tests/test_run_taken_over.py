"""Runs that lose their owner: take-over, sweep and verdict."""

import pytest

from tests.launchers.fake import Script
from tests.launchers.scene import Scene, abandoned
from toril.coordinator.lease import LeaseLostError
from toril.errors import InfrastructureError, StoreError
from toril.plan import FARGATE_TIMINGS
from toril.records import Stop
from toril.run import FOLLOWED_S, sweep
from toril.store.records import read_launch


@pytest.fixture
def scene(tmp_path):
    return lambda **how: Scene(tmp_path, **how)


@pytest.mark.parametrize("second", [0.05, 0.5, 1.5, 3.0, 10.0, 25.0, 33.9])
def test_a_run_passes_after_its_coordinator_was_killed_at_any_moment_and_replaced(scene, second):
    one = abandoned(scene(), second)
    assert one.take_over().bundle.outcome == "passed"
    assert one.launcher.closed
    assert one.lease().epoch == 2
    assert one.lease().ended


@pytest.mark.parametrize("name", ["start.json", "end.json", "summary.json", "verdict.json", "report.html"])
def test_a_run_passes_after_its_coordinator_was_killed_during_a_write_and_replaced(scene, name):
    one = abandoned(scene(), at_key=name)
    assert one.take_over().bundle.outcome == "passed"
    assert one.launcher.closed
    assert one.lease().epoch == 2
    assert one.lease().ended


def test_a_take_over_continues_with_replacements_rather_than_first_attempts(scene):
    one = abandoned(scene(scripts={"local-1 #1": Script(begins=False), "local-2": Script(ready_after_s=60)}), 10)
    assert one.take_over().bundle.outcome == "passed"
    assert one.launcher.launched == []


def test_a_take_over_starts_missing_workers_again(scene):
    one = abandoned(scene(scripts={"local-2": Script(ready_after_s=60)}), 10)
    del one.launcher.workers["local-2"]
    assert one.take_over().bundle.outcome == "passed"
    launch = read_launch(one.store, one.plan.run_id)
    assert launch is not None
    assert one.launcher.launched == [("local-2", launch.attempts["local-2"][1])]


def test_a_take_over_that_comes_too_late_starts_no_workers(scene):
    one = abandoned(scene(scripts={"local-2": Script(ready_after_s=1e9)}), 10)
    one.launcher.workers.clear()
    one.clock.at += 24 * 3600
    with pytest.raises(InfrastructureError, match="could not start"):
        one.take_over()
    assert one.launcher.launched == []
    assert one.verdict()["outcome"] == "inconclusive"


def test_a_take_over_carries_out_an_earlier_stop(scene):
    one = abandoned(scene(scripts=dict.fromkeys(("local-1", "local-2"), Script(obeys=False))), 15)
    stop = Stop(at=one.clock.now(), cause="user", message="enough")
    one.store.put(one.key("stop.json"), stop.to_json())
    for worker in one.launcher.workers.values():
        worker.script = Script()
    assert one.take_over().bundle.outcome == "inconclusive"
    assert "enough" in one.reasons()["stopped"]


def test_a_take_over_of_a_run_that_was_never_launched_ends_it(scene):
    one = scene()
    one.store.fails = lambda operation, key: key.endswith("launch.json")
    with pytest.raises(StoreError):
        one.run()
    one.store.up()
    with pytest.raises(InfrastructureError, match="run the suite again"):
        one.take_over()
    assert one.launcher.launched == []
    assert one.verdict()["outcome"] == "inconclusive"


def test_a_run_on_this_machine_cannot_be_taken_over(scene):
    one = scene()
    one.plan = one.plan.model_copy(update={"on": "local"})
    one.run()
    with pytest.raises(InfrastructureError, match="cannot be taken over"):
        one.take_over()


def test_a_run_with_a_living_owner_cannot_be_taken_over(scene):
    one = scene()
    one.run()
    renewing = one.lease().model_copy(update={"ended": False})
    one.store.put(one.key("lease.json"), renewing.to_json())
    one.at(10, lambda: one.store.put(one.key("lease.json"), renewing.model_copy(update={"pid": 7}).to_json()))
    with pytest.raises(LeaseLostError, match="is controlled by"):
        one.take_over()


# The sweep at the deadline


def owned(one, seconds: int) -> None:
    """Lets another owner renew the lease of the run for this time."""
    lease = one.lease()
    for second in range(0, seconds, 4):
        renewed = lease.model_copy(update={"owner": "another", "renewed_at": second, "ended": False})
        one.at(second, lambda renewed=renewed: one.store.put(one.key("lease.json"), renewed.to_json()))


def swept(one):
    around = {"launcher": one.launcher, "clock": one.clock, "view": one.view}
    return sweep(one.store, one.plan.run_id, stop_tasks=lambda: None, **around)


def test_the_sweep_takes_over_from_an_owner_that_dies_while_the_sweep_waits(scene):
    one = abandoned(scene(), 10)
    began = one.clock.now()
    owned(one, 60)
    assert swept(one).bundle.outcome == "inconclusive"
    assert "`toril stop --all-tasks`" in one.reasons()["stopped"]
    assert one.clock.now() - began < 60 + 2 * FARGATE_TIMINGS.lease_expires_s


def test_the_sweep_does_not_judge_a_run_that_its_owner_judges_in_the_meantime(scene):
    one = abandoned(scene(), 10)
    owned(one, 60)
    one.at(50, lambda: one.store.put(one.key("verdict.json"), b"{}"))
    assert swept(one) is None
    assert one.store.find(one.key("verdict.json")) == b"{}"


def test_a_sweep_of_a_judged_run_leaves_no_stop(scene):
    one = scene()
    one.run()
    assert swept(one) is None
    assert one.store.find(one.key("stop.json")) is None


def test_a_sweep_does_not_wait_for_an_owner_forever(scene):
    one = abandoned(scene(), 10)
    owned(one, round(2 * FOLLOWED_S))
    with pytest.raises(LeaseLostError, match="is controlled by another"):
        swept(one)
