"""The lease: a run has one owner at a time, even if the clocks of the machines differ."""

import socket
import subprocess
import sys
import time

import pytest

from tests.clocks import ShiftedClock, SteppedClock
from tests.troubled import TroubledStore
from toril.coordinator.lease import LeaseKeeper, LeaseLostError, LeaseWatch, is_live, read_lease
from toril.errors import StoreError
from toril.plan import FARGATE_TIMINGS
from toril.records import Lease

RUN = "20260101T000000Z-shop-0001"


@pytest.fixture
def store(tmp_path):
    return TroubledStore(tmp_path)


def keeper(store, clock, owner):
    return LeaseKeeper(store, RUN, clock, FARGATE_TIMINGS, owner)


def owner_of(store) -> Lease:
    lease = read_lease(store, RUN)
    assert lease is not None
    return lease


def test_a_run_without_an_owner_is_taken_at_once(store):
    clock = SteppedClock()
    began = clock.now()
    assert keeper(store, clock, "first").take() == 1
    assert clock.now() == began
    assert owner_of(store).owner == "first"


@pytest.mark.parametrize("ahead_s", [-600.0, 0.0, 600.0])
def test_an_owner_that_renews_keeps_the_run_despite_a_wrong_clock(store, ahead_s):
    clock = SteppedClock()
    first = keeper(store, ShiftedClock(clock, ahead_s), "first")
    first.take()
    clock.meanwhile = lambda now: first.renew()
    with pytest.raises(LeaseLostError, match="controlled by first"):
        keeper(store, clock, "second").take()
    assert owner_of(store).owner == "first"


@pytest.mark.parametrize("ahead_s", [-600.0, 0.0, 600.0])
def test_a_dead_owner_loses_the_run_after_the_lease_has_expired(store, ahead_s):
    clock = SteppedClock()
    keeper(store, ShiftedClock(clock, ahead_s), "first").take()
    began = clock.now()
    assert keeper(store, clock, "second").take() == 2
    assert (
        FARGATE_TIMINGS.lease_expires_s
        <= clock.now() - began
        <= FARGATE_TIMINGS.lease_expires_s + FARGATE_TIMINGS.lease_renew_s
    )
    assert owner_of(store).owner == "second"


def test_a_suspended_owner_notices_that_another_one_has_the_run(store):
    clock = SteppedClock()
    first, second = keeper(store, clock, "first"), keeper(store, clock, "second")
    first.take()
    second.take()
    clock.sleep(FARGATE_TIMINGS.lease_renew_s)
    with pytest.raises(LeaseLostError, match="controlled by second"):
        first.renew()
    second.renew()
    assert owner_of(store).owner == "second"


def test_of_two_waiting_owners_one_gets_the_run(store):
    clock = SteppedClock()
    keeper(store, clock, "gone").take()
    second, third = keeper(store, clock, "second"), keeper(store, clock, "third")
    clock.meanwhile = lambda now: None
    outcomes: list[str] = []

    def third_takes(now):
        if now >= began + FARGATE_TIMINGS.lease_expires_s - 1 and not outcomes:
            outcomes.append("third tries")
            clock.meanwhile = lambda now: None
            third.take()

    began = clock.now()
    clock.meanwhile = third_takes
    with pytest.raises(LeaseLostError, match="controlled by third"):
        second.take()
    assert owner_of(store).owner == "third"


def test_an_ended_lease_can_be_taken_at_once(store):
    clock = SteppedClock()
    first = keeper(store, clock, "first")
    first.take()
    first.renew(ended=True)
    began = clock.now()
    assert keeper(store, clock, "second").take() == 2
    assert clock.now() == began


def test_a_lease_is_written_once_per_renewal_interval(store):
    clock = SteppedClock()
    first = keeper(store, clock, "first")
    first.take()
    for _ in range(600):
        clock.sleep(0.1)
        first.renew()
    assert 60 / FARGATE_TIMINGS.lease_renew_s - 1 <= store.asked["swap"] - 1 <= 60 / FARGATE_TIMINGS.lease_renew_s


def test_a_clock_that_is_set_back_does_not_prevent_a_renewal(store):
    clock = SteppedClock()
    first = keeper(store, clock, "first")
    first.take()
    clock.at -= 3600
    first.renew()
    assert owner_of(store).renewed_at == clock.now()


def test_an_owner_whose_renewal_had_no_answer_still_owns_the_run(store):
    clock = SteppedClock()
    first = keeper(store, clock, "first")
    first.take()
    clock.sleep(FARGATE_TIMINGS.lease_renew_s)
    store.loses = lambda operation, key: operation == "swap"
    with pytest.raises(StoreError):
        first.renew()
    store.loses = lambda operation, key: False
    clock.sleep(0.1)
    first.renew()
    assert owner_of(store).renewed_at == clock.now()


@pytest.mark.parametrize("ahead_s", [-600.0, 600.0])
def test_a_watcher_with_a_wrong_clock_recognises_a_live_owner(store, ahead_s):
    clock = SteppedClock()
    first = keeper(store, ShiftedClock(clock, ahead_s), "first")
    first.take()
    watch = LeaseWatch()
    for _ in range(100):
        clock.sleep(1)
        first.renew()
        assert watch.is_live(read_lease(store, RUN), clock.now())
    last = clock.now()
    while watch.is_live(read_lease(store, RUN), clock.now()):
        clock.sleep(1)
    assert (
        FARGATE_TIMINGS.lease_expires_s
        <= clock.now() - last
        <= FARGATE_TIMINGS.lease_expires_s + FARGATE_TIMINGS.lease_renew_s + 1
    )
    assert not watch.is_live(None, clock.now())


def test_with_equal_clocks_the_age_of_a_lease_decides(store):
    clock = SteppedClock()
    first = keeper(store, clock, "first")
    first.take()
    assert is_live(read_lease(store, RUN), clock.now() + FARGATE_TIMINGS.lease_expires_s)
    assert not is_live(read_lease(store, RUN), clock.now() + FARGATE_TIMINGS.lease_expires_s + 1)
    first.renew(ended=True)
    assert not is_live(read_lease(store, RUN), clock.now())
    assert not is_live(None, clock.now())


def test_a_suspended_owner_is_live_while_its_process_exists():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        now = time.time()
        lease = Lease(owner="o", pid=process.pid, host=socket.gethostname(), renewed_at=now)
        later = now + 8 * 3600
        assert is_live(lease, later)
        assert not is_live(lease.model_copy(update={"ended": True}), later)
        assert not is_live(lease.model_copy(update={"host": "elsewhere"}), later)
        before = now - 3600  # another process had this id
        assert not is_live(lease.model_copy(update={"renewed_at": before}), later)
        process.kill()
        process.wait()
        assert not is_live(lease, later)
    for pid in (-1, 0, 2**70):
        assert not is_live(lease.model_copy(update={"pid": pid}), later)
