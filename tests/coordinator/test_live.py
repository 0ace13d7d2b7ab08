"""Merging files during a run: the requests to the store, and the result."""

import pytest

from tests.measured import execution, plan_of
from tests.troubled import TroubledStore
from toril import __version__
from toril.coordinator.fold import MAX_FILES_PER_POLL, MAX_WORKERS_PER_POLL, Fold, attempts_of
from toril.coordinator.worker_files import interval_name
from toril.plan import FARGATE_TIMINGS
from toril.records import Exit, Launch, Ready, Start, run_key, worker_key
from toril.timeline.intervals import Recorder

WORKERS = 3
STEP_S = 0.1


@pytest.fixture
def store(tmp_path):
    return TroubledStore(tmp_path)


def fleet(workers: int = WORKERS):
    plan = plan_of(workers=workers, executions=(execution(hold_for_s=600.0),))
    return plan.model_copy(update={"on": "fargate", "pace": FARGATE_TIMINGS})


def fold_of(store, plan):
    return Fold(store, plan, {share.worker: "a" for share in plan.shares})


class Writer:
    """A worker that writes an interval file at every flush, each a little later than due."""

    def __init__(self, store, plan, worker: str, phase_s: float) -> None:
        self.store, self.plan, self.worker = store, plan, worker
        self.recorder, self.second, self.due_s = Recorder(worker, "local"), 0, phase_s

    def step(self, now: float) -> None:
        if now >= self.due_s:
            self.due_s = now + self.plan.pace.flush_s
            self.write()

    def write(self) -> None:
        self.recorder.add_one("shop", completed_s=self.second + 0.5, label="home", response_us=1000)
        self.second += 1
        self.put(interval_name(self.recorder.files + 1), self.recorder.flush() or b"")

    def exit(self) -> None:
        record = Exit(worker=self.worker, attempt="a", at=0.0, outcome="finished", interval_files=self.recorder.files)
        self.put("exit.json", record.to_json())

    def put(self, name: str, data: bytes) -> None:
        self.store.put(worker_key(self.plan.run_id, self.worker, "a", name), data)


def writers_of(store, plan):
    return [Writer(store, plan, share.worker, 0.37 + 1.3 * index) for index, share in enumerate(plan.shares)]


def ready(store, plan, worker: str, attempt: str = "a", **more) -> None:
    record = Ready(**{"worker": worker, "attempt": attempt, "at": 0.0, "toril_version": __version__, "pid": 1} | more)
    store.put(worker_key(plan.run_id, worker, attempt, "ready.json"), record.to_json())


def test_files_are_merged_quickly_with_few_requests(store):
    plan = fleet()
    fold, writers, lags_s = fold_of(store, plan), writers_of(store, plan), []
    for step in range(3000):
        now = step * STEP_S
        for writer in writers:
            writer.step(now)
        fold.poll(now)
        lags_s += [
            now + plan.pace.flush_s - writer.due_s
            for writer in writers
            if fold.timeline.last_second_of(writer.worker) != writer.second - 1 and writer.second
        ]
    minutes = 3000 * STEP_S / 60
    files_a_minute = 60 / plan.pace.flush_s
    assert store.asked["find"] / WORKERS / minutes <= 1.5 * files_a_minute
    assert set(store.asked) == {"find", "put"}
    assert max(lags_s) <= plan.pace.poll_s + STEP_S + 0.05


def test_a_backlog_is_merged_evenly_over_all_workers(store):
    plan = fleet()
    writers = writers_of(store, plan)
    for writer in writers:
        for _ in range(40):
            writer.write()
    fold = fold_of(store, plan)
    for poll in range(40 // MAX_FILES_PER_POLL):
        assert fold.poll(poll * STEP_S) == WORKERS * MAX_FILES_PER_POLL
        assert {fold.timeline.last_second_of(one.worker) for one in writers} == {(poll + 1) * MAX_FILES_PER_POLL - 1}
    assert fold.poll(40 * STEP_S) == 0


def test_polls_of_a_thousand_workers_take_turns(store):
    plan = fleet(2 * MAX_WORKERS_PER_POLL)
    writers = writers_of(store, plan)
    for writer in writers:
        writer.write()
    fold = fold_of(store, plan)
    for polls in (1, 2):
        before = store.asked["find"]
        assert fold.poll(polls * STEP_S) > 0
        assert store.asked["find"] - before <= 2 * MAX_WORKERS_PER_POLL  # a file each, and a request for the next one
        merged = [one for one in writers if fold.timeline.last_second_of(one.worker) == 0]
        assert len(merged) == polls * MAX_WORKERS_PER_POLL
    assert fold.poll(3 * STEP_S) == 0


def test_the_end_of_a_worker_is_read_from_its_exit_json(store):
    plan = fleet()
    fold, writers = fold_of(store, plan), writers_of(store, plan)
    for step in range(200):
        for writer in writers:
            writer.step(step * STEP_S)
        fold.poll(step * STEP_S)
    for writer in writers:
        writer.write()
        writer.exit()
    steps = 0
    while set(fold.exits) != {writer.worker for writer in writers}:
        steps += 1
        fold.poll((200 + steps) * STEP_S)
        assert steps * STEP_S <= 2 * (plan.pace.flush_s + plan.pace.poll_s)
    fold.poll((201 + steps) * STEP_S)
    assert fold.reported_to() == {}


def test_at_the_end_of_the_load_every_exit_json_is_polled(store):
    plan = fleet()
    fold, writers = fold_of(store, plan), writers_of(store, plan)
    for writer in writers:
        writer.write()
    fold.poll(0.0)
    before = store.asked["find"]
    for step in range(1, 31):
        fold.poll(step * STEP_S, ending=True)
    assert store.asked["find"] - before <= WORKERS * (3 / plan.pace.poll_s + 1)
    writers[0].exit()
    fold.poll(4.0, ending=True)
    assert set(fold.exits) == {writers[0].worker}


def test_a_missing_file_causes_few_requests(store):
    plan = fleet(1)
    fold, (writer,) = fold_of(store, plan), writers_of(store, plan)
    for _ in range(5):
        writer.write()
    writer.exit()
    store.path(worker_key(plan.run_id, writer.worker, "a", interval_name(3))).unlink()
    for step in range(100):
        fold.poll(step * STEP_S, ending=True)
    assert store.asked["find"] <= 3 * 10 / plan.pace.poll_s
    fold.finish()
    assert fold.damaged == [f"{worker_key(plan.run_id, writer.worker, 'a', interval_name(3))} is missing"]
    assert fold.timeline.last_second_of(writer.worker) == 4


def test_before_the_start_one_listing_finds_ready_and_ended_workers(store):
    plan = fleet()
    fold = fold_of(store, plan)
    assert fold.poll_before_start() == []
    ready(store, plan, "local-1")
    writers_of(store, plan)[1].exit()
    assert fold.poll_before_start() == ["local-1"]
    assert set(fold.exits) == {"local-2"}
    before = store.asked["find"]
    assert fold.poll_before_start() == []
    assert (store.asked["keys"], store.asked["find"]) == (3, before)


def test_attempts_that_were_not_issued_are_ignored(store):
    plan = fleet(1)
    fold = fold_of(store, plan)
    ready(store, plan, "local-1", "another")
    ready(store, plan, "local-9")
    assert fold.poll_before_start() == []
    assert fold.readies == {}


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"toril_version": "999.0.0"}, "its image has toril 999.0.0"),
        (None, "damaged"),
    ],
)
def test_a_worker_with_a_bad_ready_json_is_not_ready_and_has_a_reason(store, record, why):
    plan = fleet(1)
    fold = fold_of(store, plan)
    if record is None:
        store.put(worker_key(plan.run_id, "local-1", "a", "ready.json"), b"{")
    else:
        ready(store, plan, "local-1", **record)
    assert fold.poll_before_start() == []
    assert why in fold.rejected["local-1"]


def test_a_replacement_attempt_is_followed_after_a_failed_one(store):
    plan = fleet(1)
    fold = fold_of(store, plan)
    store.put(worker_key(plan.run_id, "local-1", "a", "ready.json"), b"{")
    fold.poll_before_start()
    fold.follow("local-1", "b")
    assert fold.rejected == {}
    ready(store, plan, "local-1", "b")
    assert fold.poll_before_start() == ["local-1"]
    assert fold.readies["local-1"].attempt == "b"


def test_following_the_same_attempt_keeps_its_state(store):
    plan = fleet(1)
    fold = fold_of(store, plan)
    ready(store, plan, "local-1")
    fold.poll_before_start()
    fold.follow("local-1", "a")
    assert set(fold.readies) == {"local-1"}


# The attempts that count


def issued(store, plan) -> Launch:
    launch = Launch(at=0.0, deadline=1.0, attempts={share.worker: ("z", "m", "a") for share in plan.shares})
    store.put(run_key(plan.run_id, "launch.json"), launch.to_json())
    return launch


def test_before_a_start_the_last_issued_attempt_that_has_begun_counts(store):
    plan = fleet()
    issued(store, plan)
    ready(store, plan, "local-1", "z")
    ready(store, plan, "local-1", "m")
    ready(store, plan, "local-2", "q")
    assert attempts_of(store, plan.run_id, None) == {"local-1": "m", "local-2": "z", "local-3": "z"}


def test_a_start_counts_only_for_issued_attempts(store):
    plan = fleet()
    issued(store, plan)
    start = Start(at=1.0, attempts={"local-1": "m", "local-2": "q", "local-9": "z"})
    assert attempts_of(store, plan.run_id, start) == {"local-1": "m"}
