"""The outbox's thread: the worker's loop never waits for the store, and the end waits for a limited time."""

import threading
import time

import pytest

from tests.measured import plan_of
from tests.troubled import TroubledStore
from toril.plan import FARGATE_TIMINGS
from toril.records import Stop, run_key, worker_key
from toril.worker import life
from toril.worker.outbox import Outbox, StoreClient

PLAN = plan_of().model_copy(update={"on": "fargate", "pace": FARGATE_TIMINGS.model_copy(update={"poll_s": 0.0})})
GENEROUS_S = 5.0


class Stuck(TroubledStore):
    """A store that blocks until the test sets `free`."""

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self.free, self.reached = threading.Event(), threading.Event()
        self.fails = self._wait

    def _wait(self, operation: str, key: str) -> bool:
        self.reached.set()
        assert self.free.wait(60)
        return False


def outbox_of(store, *, threaded=True, plan=PLAN):
    return Outbox(StoreClient(store, plan, "local-1", "a", time.time), threaded=threaded)


def key(name):
    return worker_key(PLAN.run_id, "local-1", "a", name)


def until(condition):
    limit = time.monotonic() + GENEROUS_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


@pytest.fixture
def stuck(tmp_path):
    store = Stuck(tmp_path)
    yield store
    store.free.set()


def test_a_blocked_store_delays_neither_events_nor_files(stuck):
    outbox = outbox_of(stuck)
    assert stuck.reached.wait(GENEROUS_S)
    began = time.monotonic()
    for number in range(1000):
        outbox.send(f"file-{number:04d}", b"x")
        assert list(outbox.events()) == []
    assert time.monotonic() - began < GENEROUS_S
    stuck.free.set()
    assert outbox.end(60)
    assert [one.rsplit("-", 1)[1] for one in stuck.keys("runs/")] == [f"{number:04d}" for number in range(1000)]


def test_the_end_waits_for_a_blocked_store_for_a_limited_time(stuck, caplog):
    outbox = outbox_of(stuck)
    outbox.send("file", b"x")
    assert stuck.reached.wait(GENEROUS_S)
    began = time.monotonic()
    assert not outbox.end(0.2)
    assert 0.2 <= time.monotonic() - began < GENEROUS_S
    assert "Cannot write the last files: the store did not answer" in caplog.text


def test_the_end_gives_up_on_a_failing_store_with_the_reason(tmp_path, caplog):
    store = TroubledStore(tmp_path)
    store.fails = lambda operation, key: operation == "put_once"
    outbox = outbox_of(store)
    outbox.send("file", b"x")
    assert not outbox.end(0.5)
    assert "file cannot be reached" in caplog.text


def test_files_sent_just_before_the_end_are_delivered(tmp_path):
    store = TroubledStore(tmp_path)
    outbox = outbox_of(store)
    for name in ("one", "two", "three"):
        outbox.send(name, name.encode())
    assert outbox.end(60)
    assert sorted(store.keys("runs/")) == sorted(key(name) for name in ("one", "two", "three"))


def test_files_keep_their_order_after_a_failure(tmp_path):
    store, written = TroubledStore(tmp_path), []

    def fails_first(operation: str, key: str) -> bool:
        if operation == "put_once":
            written.append(key.rsplit("/", 1)[1])
        return len(written) == 1

    store.fails = fails_first
    outbox = outbox_of(store)
    for name in ("a", "b", "c"):
        outbox.send(name, b"x")
    assert outbox.end(60)
    assert written == ["a", "a", "b", "c"]


def test_events_of_the_store_reach_the_loop(tmp_path):
    store = TroubledStore(tmp_path)
    outbox = outbox_of(store)
    stop = Stop(at=1.0, cause="user", message="enough")
    store.put(run_key(PLAN.run_id, "stop.json"), stop.to_json())
    found: list[life.Event] = []

    def received() -> bool:
        found.extend(outbox.events())
        return bool(found)

    until(received)
    assert found == [life.StopSeen(stop)]
    assert outbox.end(60)


def test_an_unexpected_error_reaches_the_loop_and_ends_the_delivery(tmp_path, caplog):
    store = TroubledStore(tmp_path)

    def fails(operation: str, key: str) -> bool:
        raise RuntimeError("a bug")

    store.fails = fails
    outbox = outbox_of(store)
    found: list[life.Event] = []

    def received() -> bool:
        found.extend(outbox.events())
        return bool(found)

    until(received)
    assert found == [life.Failed("RuntimeError: a bug")]
    outbox.send("file", b"x")
    assert not outbox.end(60)


def test_files_are_written_to_a_folder_at_once(tmp_path):
    store = TroubledStore(tmp_path)
    outbox = outbox_of(store, threaded=False, plan=plan_of())
    outbox.send("one", b"1")
    assert list(store.keys("runs/")) == [key("one")]
    assert outbox.end(0.0)
