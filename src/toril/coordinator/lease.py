"""Who owns a run: a record renewed every few seconds by compare-and-swap, so that there is one owner at a time."""

import os
import secrets
import socket

import psutil

from toril.clock import Clock
from toril.errors import InfrastructureError, StoreError
from toril.records import Lease, Pace, run_key
from toril.store import Store
from toril.store.records import find_record


class LeaseLostError(InfrastructureError):
    """Somebody else owns the run now; what still believes to be its coordinator has to let go of it."""


class LeaseKeeper:
    """Takes the lease of one run, and renews it while its coordinator lives."""

    def __init__(self, store: Store, run_id: str, clock: Clock, pace: Pace, owner: str | None = None) -> None:
        self._store, self._run_id, self._clock, self._pace = store, run_id, clock, pace
        self._key = run_key(run_id, "lease.json")
        self._host = socket.gethostname()
        self.owner = owner or f"{self._host}:{os.getpid()}:{secrets.token_hex(4)}"
        self._version: str | None = None
        self._epoch = 0
        self._renewed_at = float("-inf")

    def take(self) -> int:
        """Own the run from now on: the epoch, which counts its owners. LeaseLostError while another one lives.

        Clocks of machines differ, so that only this one's counts: another owner is gone when its lease has stayed
        the same for as long as it promised to renew it.
        """
        found = self._store.find_version(self._key)
        if found is not None:
            lease, self._version = Lease.from_json(found[0], self._key), found[1]
            self._epoch = lease.epoch
            if not lease.ended:
                self._outlast(lease)
        self._epoch += 1
        self._write(self._clock.now(), ended=False)
        return self._epoch

    def _outlast(self, lease: Lease) -> None:
        """Wait as long as its owner has promised to renew it by; LeaseLostError as soon as it changes."""
        patience_until = self._clock.now() + lease.expires_s
        while self._clock.now() < patience_until:
            self._clock.sleep(min(self._pace.lease_renew_s, lease.expires_s))
            again = self._store.find_version(self._key)
            if again is None or again[1] != self._version:
                raise self._lost()

    def renew(self, *, ended: bool = False) -> None:
        """Write the lease unless it is fresh enough; `ended` says that the owner needs it no longer."""
        now = self._clock.now()
        fresh = 0 <= now - self._renewed_at < self._pace.lease_renew_s  # below: the clock was put back
        if ended or not fresh:
            self._write(now, ended=ended)

    def _write(self, now: float, *, ended: bool) -> None:
        lease = Lease(
            owner=self.owner,
            pid=os.getpid(),
            host=self._host,
            renewed_at=now,
            expires_s=self._pace.lease_expires_s,
            epoch=self._epoch,
            ended=ended,
        )
        version = self._store.swap(self._key, lease.to_json(), self._version)
        if version is None and self._is_own():
            version = self._store.swap(self._key, lease.to_json(), self._version)
        if version is None:
            raise self._lost()
        self._version, self._renewed_at = version, now

    def _is_own(self) -> bool:
        """Whether what is there is this owner's all the same: it was written, and the store had no answer to it."""
        found = self._store.find_version(self._key)
        if found is None or Lease.from_json(found[0], self._key).owner != self.owner:
            return False
        self._version = found[1]
        return True

    def _lost(self) -> LeaseLostError:
        try:
            lease = read_lease(self._store, self._run_id)
        except StoreError:
            lease = None
        owner = "somebody else" if lease is None else lease.owner
        return LeaseLostError(
            f"run {self._run_id} is owned by {owner}, who carries it on; `toril watch {self._run_id}` follows it",
            code="run-owned",
        )


def read_lease(store: Store, run_id: str) -> Lease | None:
    """The run's lease, or None when nobody ever took it."""
    return find_record(store, Lease, run_key(run_id, "lease.json"))


class LeaseWatch:
    """Whether a run has an owner, as somebody with another clock can tell: a lease that is renewed changes."""

    def __init__(self) -> None:
        self._seen: Lease | None = None
        self._changed_at = 0.0

    def is_live(self, lease: Lease | None, now: float) -> bool:
        """`lease` is what was read just now; the first that is seen counts as fresh."""
        if lease is None or lease.ended:
            return False
        if lease != self._seen:
            self._seen, self._changed_at = lease, now
        return now - self._changed_at <= lease.expires_s


def is_live(lease: Lease | None, now: float) -> bool:
    """Whether some coordinator still holds the run: by clocks that agree, or since its process is on this machine.

    A machine that was suspended goes on with a lease that is long over.
    """
    if lease is None or lease.ended:
        return False
    return now - lease.renewed_at <= lease.expires_s or _is_here(lease)


def _is_here(lease: Lease) -> bool:
    """Whether the owner is another process of this machine, and not one that has got its number since."""
    if lease.host != socket.gethostname() or lease.pid == os.getpid():
        return False
    try:
        owner = psutil.Process(lease.pid)
        return owner.status() != psutil.STATUS_ZOMBIE and owner.create_time() <= lease.renewed_at + lease.expires_s
    except (psutil.Error, ValueError, OverflowError):
        return False
