"""One attempt of a worker, from its first access to the store to exit.json, with simulated load and time."""

import pytest

from tests.clocks import SteppedClock
from tests.measured import execution, plan_of
from tests.troubled import TroubledStore
from tests.worker.loads import FakeLoad
from toril.plan import FARGATE_TIMINGS
from toril.records import Exit, Launch, Lease, Start, Stop, digest_of, run_key, worker_key
from toril.timeline.intervals import decode
from toril.worker.attempt import Attempt

WORKER, ATTEMPT = "local-1", "a1"


class Scene:
    """A run on Fargate with one worker; `coordinate` plays its coordinator."""

    def __init__(self, folder) -> None:
        plan = plan_of(executions=(execution(hold_for_s=30.0),))
        self.plan = plan.model_copy(update={"on": "fargate", "pace": FARGATE_TIMINGS, "graceful_stop_s": 4.0})
        self.store, self.clock = TroubledStore(folder), SteppedClock()
        self.load = self.new_load()
        self.began, self.renewed_at, self.owned = self.clock.now(), 0.0, True
        self.starts = True
        launch = Launch(at=self.began, deadline=self.began + 600, attempts={WORKER: (ATTEMPT, "a2")})
        self.put("launch.json", launch)

    def new_load(self) -> FakeLoad:
        load = FakeLoad(WORKER, ATTEMPT, self.clock)
        load.meanwhile = lambda state: self.coordinate()
        return load

    def run(self, attempt: str = ATTEMPT, load: FakeLoad | None = None):
        chosen = load or self.load
        return Attempt(self.store, self.plan, WORKER, attempt, chosen, self.clock).run(threaded=False)

    def coordinate(self) -> None:
        """Renew the lease, and start the worker once it is ready."""
        now, records = self.clock.now(), TroubledStore(self.store.folder)
        if self.owned and now >= self.renewed_at + FARGATE_TIMINGS.lease_renew_s:
            self.renewed_at = now
            lease = Lease(owner="o", pid=1, host="h", renewed_at=now)
            records.put(run_key(self.plan.run_id, "lease.json"), lease.to_json())
        if self.starts and records.find(self.key("ready.json")) is not None:
            start = Start(at=now + FARGATE_TIMINGS.start_lead_s, attempts={WORKER: ATTEMPT})
            records.put_once(run_key(self.plan.run_id, "start.json"), start.to_json())

    def at(self, second: float, happens) -> None:
        before, due = self.load.meanwhile, self.began + second
        done: list[bool] = []

        def meanwhile(state) -> None:
            before(state)
            if self.clock.now() >= due and not done:
                done.append(True)
                happens()

        self.load.meanwhile = meanwhile

    def put(self, name: str, record) -> None:
        TroubledStore(self.store.folder).put(run_key(self.plan.run_id, name), record.to_json())

    def stop(self, cause="user", message="enough") -> None:
        self.put("stop.json", Stop(at=self.clock.now(), cause=cause, message=message))

    def key(self, name: str, attempt: str = ATTEMPT) -> str:
        return worker_key(self.plan.run_id, WORKER, attempt, name)

    def exit(self, attempt: str = ATTEMPT) -> Exit:
        return Exit.from_json(self.store.get(self.key("exit.json", attempt)), "exit.json")

    def left(self) -> list[str]:
        """The names of the attempt's files."""
        prefix = run_key(self.plan.run_id, "workers") + "/"
        return [key.rsplit("/", 1)[1] for key in self.store.keys(prefix)]


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_a_worker_becomes_ready_starts_measures_and_writes_exit_json(scene):
    state = scene.run()
    assert (state.phase, state.outcome) == ("ended", "finished")
    record = scene.exit()
    assert (record.outcome, record.samples) == ("finished", 30)
    files = [name for name in scene.left() if name.startswith("intervals-")]
    assert len(files) == record.interval_files
    assert 30 / FARGATE_TIMINGS.flush_s <= len(files) <= 30 / FARGATE_TIMINGS.flush_s + 2
    assert decode(scene.store.get(scene.key(files[-1])), files[-1]).number == len(files)
    assert {"bzt.log", "ready.json", "exit.json"} <= set(scene.left())


def test_exit_json_has_the_digest_of_each_file(scene):
    scene.run()
    files = sorted(name for name in scene.left() if name.startswith("intervals-"))
    assert scene.exit().interval_digests == "".join(digest_of(scene.store.get(scene.key(name))) for name in files)


def test_a_foreign_file_in_the_attempts_folder_fails_the_attempt(scene):
    foreign = scene.key("intervals-000003")
    TroubledStore(scene.store.folder).put(foreign, b"foreign")
    state = scene.run()
    assert (state.outcome, scene.exit().outcome) == ("failed", "failed")
    assert foreign in scene.exit().message
    assert scene.store.get(foreign) == b"foreign"
    assert scene.clock.now() - scene.began < 30  # the load ends early


def test_a_foreign_log_fails_the_attempt_too(scene):
    TroubledStore(scene.store.folder).put(scene.key("bzt.log"), b"foreign")
    assert scene.run().outcome == "failed"
    assert scene.exit().outcome == "failed"


def test_a_foreign_exit_json_fails_the_worker(scene):
    def write_foreign_exit(operation: str, key: str) -> bool:
        if operation == "put_once" and key.endswith("bzt.log"):
            TroubledStore(scene.store.folder).put(scene.key("exit.json"), b"{}")
        return False

    scene.store.fails = write_foreign_exit
    assert scene.run().outcome == "failed"
    assert scene.store.get(scene.key("exit.json")) == b"{}"


def test_the_number_of_store_requests_is_bounded(scene):
    scene.run()
    minutes = (scene.clock.now() - scene.began) / 60
    a_minute = 60 * (
        1 / FARGATE_TIMINGS.poll_s + 1 / FARGATE_TIMINGS.lease_renew_s + 1 / FARGATE_TIMINGS.poll_s
    )  # stop, lease, start
    assert scene.store.asked["find"] <= a_minute * minutes + 10
    assert scene.store.asked["put_once"] == len(scene.left())


def test_exit_json_is_written_last(scene):
    written = []

    def noted(operation: str, key: str) -> bool:
        if operation == "put_once":
            written.append(key.rsplit("/", 1)[1])
        return False

    scene.store.fails = noted
    scene.run()
    intervals = [name for name in written if name.startswith("intervals-")]
    assert written == ["ready.json", *sorted(intervals), "bzt.log", "exit.json"]


def test_exit_json_has_the_end_of_the_load_despite_a_slow_delivery(scene):
    scene.load.lasts_s = 5.0

    def slow(operation: str, key: str) -> bool:
        if key.endswith("bzt.log"):
            scene.clock.sleep(40.0)
        return False

    scene.store.fails = slow
    scene.run()
    assert scene.exit().outcome == "finished"
    assert scene.exit().at - scene.load.opened_at < 6.0


# Attempts that must not run


def test_an_attempt_that_was_not_issued_prepares_nothing(scene):
    state = scene.run("another")
    assert (state.phase, state.outcome) == ("ended", "failed")
    assert "did not issue this attempt" in state.message
    assert not scene.load.prepared


def test_a_task_without_launch_json_prepares_nothing(scene):
    scene.store.path(run_key(scene.plan.run_id, "launch.json")).unlink()
    state = scene.run()
    assert "no launch.json" in state.message
    assert not scene.load.prepared


def test_after_the_deadline_nothing_is_prepared(scene):
    scene.clock.at += 601
    state = scene.run()
    assert (state.outcome, state.message) == ("stale", "the run's deadline has passed")
    assert not scene.load.prepared


def test_a_load_ends_before_the_deadline(scene):
    scene.load.lasts_s, scene.load.planned_s, scene.load.step_s = 1e6, None, 1.0
    state = scene.run()
    assert (state.outcome, state.message) == ("stopped", "the run's deadline has passed")
    assert scene.clock.now() <= scene.began + 600


def test_a_stop_takes_precedence_over_a_start(scene):
    scene.starts = False

    def both() -> None:
        scene.put("start.json", Start(at=scene.clock.now(), attempts={WORKER: ATTEMPT}))
        scene.stop()

    scene.at(5, both)
    state = scene.run()
    assert (state.outcome, state.message) == ("stopped", "stopped before the start: enough")
    assert scene.load.opened_at is None


def test_an_old_start_is_found_before_preparation(scene):
    scene.put("start.json", Start(at=scene.began - 60, attempts={WORKER: ATTEMPT}))
    state = scene.run()
    assert state.outcome == "stale"
    assert not scene.load.prepared


def test_a_start_without_this_attempt_ends_the_worker_as_stale(scene):
    scene.put("start.json", Start(at=scene.began, attempts={WORKER: "a2"}))
    scene.run()
    assert (scene.exit().outcome, scene.exit().message) == ("stale", "start.json does not list this attempt")


# One attempt, two tasks


def test_the_later_of_two_tasks_with_one_attempt_writes_no_file(scene):
    twin = scene.new_load()
    outcomes = []
    scene.at(12, lambda: outcomes.append(scene.run(load=twin)))
    scene.run()
    assert [state.outcome for state in outcomes] == ["superseded"]
    assert twin.opened_at is None
    assert scene.exit().outcome == "finished"
    assert scene.exit().samples == 30
    assert sorted(scene.left()) == sorted(
        ["ready.json", "bzt.log", "exit.json", *(f"intervals-{n + 1:06d}" for n in range(scene.exit().interval_files))]
    )


def test_a_task_that_starts_late_writes_nothing_for_the_running_one(scene):
    twin = scene.new_load()
    scene.load.lasts_s = scene.load.planned_s = 60.0
    outcomes = []
    scene.at(45, lambda: outcomes.append(scene.run(load=twin)))
    scene.run()
    assert [state.outcome for state in outcomes] == ["stale"]
    assert (scene.exit().outcome, scene.exit().samples) == ("finished", 60)


def test_a_task_that_cannot_prepare_writes_nothing_for_the_ready_one(scene):
    twin = scene.new_load()
    twin.fails = "no space left"
    scene.at(3, lambda: scene.run(load=twin))
    scene.run()
    assert scene.exit().outcome == "finished"


def test_a_task_writes_nothing_after_its_twin_has_ended(scene):
    twin = scene.new_load()
    twin.fails = "no space left"
    scene.run(load=twin)
    assert (scene.exit().outcome, scene.exit().message) == ("failed", "no space left")
    assert scene.run().outcome == "superseded"
    assert "ready.json" not in scene.left()


def test_one_of_two_tasks_that_become_ready_together_runs(scene):
    twin = scene.new_load()
    outcomes = []
    twin.meanwhile = lambda state: None

    def other_first() -> None:
        scene.load.before_ready = lambda: None
        Attempt(scene.store, scene.plan, WORKER, ATTEMPT, twin, scene.clock)._claim()

    scene.load.before_ready = other_first
    scene.starts = False
    outcomes.append(scene.run().outcome)
    assert outcomes == ["superseded"]
    assert scene.left() == ["ready.json"]


# Failures


def test_an_expired_lease_ends_the_load_with_the_reason(scene):
    scene.load.lasts_s, scene.load.planned_s, scene.load.step_s = 1e6, None, 0.5
    scene.at(60, lambda: setattr(scene, "owned", False))
    state = scene.run()
    assert (state.outcome, state.message) == ("stopped", "no coordinator has renewed the run's lease for 180 s")
    patience = FARGATE_TIMINGS.orphaned_after_s or 0.0
    assert patience <= scene.clock.now() - scene.began - 60 <= patience + 2 * FARGATE_TIMINGS.lease_renew_s + 5
    assert scene.exit().outcome == "stopped"


def test_a_parked_worker_without_a_coordinator_does_not_wait_forever(scene):
    scene.owned = scene.starts = False
    state = scene.run()
    assert state.message.startswith("stopped before the start: no coordinator has renewed the run's lease")
    assert scene.load.opened_at is None


def test_files_are_delivered_in_order_after_a_store_failure(scene):
    written = []

    def broken(operation: str, key: str) -> bool:
        return True

    def noted(operation: str, key: str) -> bool:
        if operation == "put_once":
            written.append(key.rsplit("/", 1)[1])
        return False

    scene.at(12, lambda: setattr(scene.store, "fails", broken))
    scene.at(30, lambda: setattr(scene.store, "fails", noted))
    state = scene.run()
    assert state.outcome == "finished"
    assert scene.exit().samples == 30
    assert written == [*sorted(name for name in written if name.startswith("intervals-")), "bzt.log", "exit.json"]
    read = [decode(scene.store.get(scene.key(name)), name) for name in scene.left() if name.startswith("intervals-")]
    assert [one.number for one in read] == list(range(1, scene.exit().interval_files + 1))


def test_a_long_store_failure_ends_the_load_and_is_reported(scene):
    scene.load.lasts_s, scene.load.planned_s, scene.load.step_s = 1e6, None, 0.5
    scene.at(20, scene.store.down)
    scene.at(20 + 200, scene.store.up)
    state = scene.run()
    assert "no coordinator has renewed the run's lease" in state.message
    assert "cannot be reached" in state.message


def test_a_worker_that_cannot_deliver_its_files_writes_no_exit_json(scene):
    scene.store.fails = lambda operation, key: "intervals" in key
    assert scene.run().outcome == "finished"
    assert scene.left() == ["ready.json"]


def test_a_signal_ends_the_load_and_partial_results_are_kept(scene):
    scene.at(20, lambda: scene.load.pending_signals.append("SIGTERM"))
    state = scene.run()
    assert (state.outcome, state.signals) == ("stopped", 1)
    assert 0 < scene.exit().samples < 30
    assert scene.clock.now() - scene.began <= 26


@pytest.mark.parametrize("ahead_s", [-20.0, 20.0])
def test_a_start_is_accepted_despite_a_small_clock_difference(scene, ahead_s):
    scene.starts = False
    start = Start(at=scene.began + 5 - ahead_s, attempts={WORKER: ATTEMPT})
    scene.at(1, lambda: scene.put("start.json", start))
    assert scene.run().outcome == "finished"
