"""A worker's exchange with the store: frequency, order, and failures."""

import pytest

from tests.clocks import SteppedClock
from tests.measured import plan_of
from tests.troubled import TroubledStore
from toril.errors import StoreError
from toril.plan import FARGATE_TIMINGS
from toril.records import Exit, Lease, Ready, Start, Stop, run_key, worker_key
from toril.worker import life
from toril.worker.outbox import StoreClient

WORKER, ATTEMPT = "local-1", "a1"
PLAN = plan_of().model_copy(update={"on": "fargate", "pace": FARGATE_TIMINGS})
START = Start(at=5.0, attempts={WORKER: ATTEMPT})
STOP = Stop(at=6.0, cause="user", message="enough")


@pytest.fixture
def store(tmp_path):
    return TroubledStore(tmp_path)


@pytest.fixture
def clock():
    return SteppedClock()


def client_of(store, clock, plan=PLAN):
    return StoreClient(store, plan, WORKER, ATTEMPT, clock.now)


def put(store, name, record):
    store.put(run_key(PLAN.run_id, name), record.to_json())


def key(name):
    return worker_key(PLAN.run_id, WORKER, ATTEMPT, name)


def ready(instance):
    return Ready(worker=WORKER, attempt=ATTEMPT, at=0.0, toril_version="0", pid=1, instance=instance)


def polled(client, clock, seconds=FARGATE_TIMINGS.poll_s):
    """Returns the events of the next `seconds`."""
    found = []
    until = clock.now() + seconds
    while clock.now() < until:
        found += client.poll()
        clock.sleep(0.1)
    return found


def test_the_store_is_polled_at_the_planned_pace(store, clock):
    polled(client_of(store, clock), clock, 60)
    polls = 60 / FARGATE_TIMINGS.poll_s
    assert store.asked["find"] <= 2 * polls + 60 / FARGATE_TIMINGS.lease_renew_s + 3
    assert set(store.asked) == {"find"}


def test_start_json_is_not_read_again_after_the_start(store, clock):
    client = client_of(store, clock)
    put(store, "start.json", START)
    assert polled(client, clock) == [life.StartSeen(START)]
    before = store.asked["find"]
    assert polled(client, clock, 60) == []
    assert store.asked["find"] - before <= 60 / FARGATE_TIMINGS.poll_s + 60 / FARGATE_TIMINGS.lease_renew_s + 3


def test_a_stop_comes_before_a_start(store, clock):
    put(store, "start.json", START)
    put(store, "stop.json", STOP)
    assert polled(client_of(store, clock), clock) == [life.StopSeen(STOP), life.StartSeen(START)]


@pytest.mark.parametrize(("name", "record"), [("stop.json", STOP), ("start.json", START)])
def test_an_unreadable_record_is_read_again_later(store, clock, name, record):
    client = client_of(store, clock)
    store.put(run_key(PLAN.run_id, name), b"{")
    assert polled(client, clock, 5) == []
    assert "damaged" in client.trouble
    put(store, name, record)
    assert len(polled(client, clock, 5)) == 1
    assert client.trouble == ""


def test_a_store_failure_fails_a_local_worker(store, clock):
    store.down()
    (event,) = client_of(store, clock, plan_of()).poll()
    assert isinstance(event, life.Failed)


def test_a_changing_lease_keeps_the_load_running_whatever_its_times(store, clock):
    client = client_of(store, clock)
    for number in range(100):
        put(store, "lease.json", Lease(owner="o", pid=number, host="h", renewed_at=-600.0))
        assert polled(client, clock, 10) == []


def test_an_unchanged_lease_expires_once(store, clock):
    client = client_of(store, clock)
    put(store, "lease.json", Lease(owner="o", pid=1, host="h", renewed_at=1e12))
    patience = FARGATE_TIMINGS.orphaned_after_s or 0.0
    assert polled(client, clock, patience) == []
    (event,) = polled(client, clock, 100)
    assert isinstance(event, life.StopSeen)
    assert event.stop.cause == "lost"


def test_a_new_owner_in_time_renews_the_lease(store, clock):
    client = client_of(store, clock)
    put(store, "lease.json", Lease(owner="first", pid=1, host="h", renewed_at=0.0))
    assert polled(client, clock, 170) == []
    put(store, "lease.json", Lease(owner="second", pid=1, host="h", renewed_at=0.0, epoch=2))
    assert polled(client, clock, 170) == []


def test_a_machine_that_slept_reads_the_lease_before_it_gives_up(store, clock):
    client = client_of(store, clock)
    put(store, "lease.json", Lease(owner="o", pid=1, host="h", renewed_at=0.0))
    polled(client, clock, 10)
    clock.at += 3600
    put(store, "lease.json", Lease(owner="o", pid=1, host="h", renewed_at=3600.0))
    assert polled(client, clock, 10) == []


def test_a_short_store_failure_has_no_effect(store, clock):
    client = client_of(store, clock)
    put(store, "lease.json", Lease(owner="o", pid=1, host="h", renewed_at=0.0))
    polled(client, clock, 10)
    store.down()
    assert polled(client, clock, 150) == []
    store.up()
    put(store, "lease.json", Lease(owner="o", pid=1, host="h", renewed_at=1.0))
    assert polled(client, clock, 150) == []


# Outgoing files


def test_files_are_delivered_in_order(store, clock):
    client = client_of(store, clock)
    store.fails = lambda operation, key: key.endswith("one")
    for name in ("one", "two", "three"):
        client.send(name, name.encode())
        assert not client.deliver()
    assert list(store.keys("runs/")) == []
    assert "one cannot be reached" in client.trouble
    store.up()
    assert client.deliver()
    assert sorted(store.keys("runs/")) == sorted(key(name) for name in ("one", "two", "three"))


def test_a_foreign_file_stays_unchanged_and_fails_the_attempt(store, clock):
    client = client_of(store, clock)
    store.put(key("one"), b"first")
    client.send("one", b"second")
    client.send("two", b"2")
    assert client.deliver()
    assert (store.get(key("one")), store.get(key("two"))) == (b"first", b"2")
    assert [type(event) for event in client.poll()].count(life.Failed) == 1
    assert life.Failed not in [type(event) for event in client.poll()]


def test_an_identical_file_is_not_a_conflict(store, clock):
    client = client_of(store, clock)
    store.put(key("one"), b"first")
    client.send("one", b"first")
    assert client.deliver()
    assert not client.conflict


def test_a_write_error_is_raised_in_a_local_run(store, clock):
    client = client_of(store, clock, plan_of())
    store.down()
    client.send("one", b"1")
    with pytest.raises(StoreError):
        client.deliver()


def test_one_of_two_processes_with_one_attempt_is_ready_and_may_write(store, clock):
    first, second = client_of(store, clock), client_of(store, clock)
    assert first.may_write()
    assert first.claim(ready("1"))
    assert not second.claim(ready("2"))
    assert first.may_write()
    assert not second.may_write()


def test_no_process_becomes_ready_after_exit_json(store, clock):
    client = client_of(store, clock)
    client.write_exit(Exit(worker=WORKER, attempt=ATTEMPT, at=0.0, outcome="failed"))
    assert not client_of(store, clock).claim(ready("2"))
    assert store.find(key("ready.json")) is None


def test_a_process_whose_claim_got_no_response_may_write(store, clock):
    client = client_of(store, clock)
    store.loses = lambda operation, key: key.endswith("ready.json")
    with pytest.raises(StoreError):
        client.claim(ready("1"))
    assert client.may_write()
    assert not client_of(store, clock).may_write()


def test_a_ready_process_may_write_although_the_store_is_down(store, clock):
    client = client_of(store, clock)
    client.claim(ready("1"))
    store.down()
    assert client.may_write()
    assert not client_of(store, clock).may_write()
