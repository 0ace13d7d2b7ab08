"""The lease of a run: a record that its one coordinator renews every few seconds by compare-and-swap."""

import os
import secrets
import socket

import psutil

from toril.clock import Clock
from toril.errors import InfrastructureError, StoreError
from toril.records import Lease, Pace, run_key
from toril.store import Reader, Store
from toril.store.records import find_record


class LeaseLostError(InfrastructureError):
    """Another process owns the run, so this one must not act on it."""


class LeaseKeeper:
    """Takes the lease of one run, and renews it while its coordinator is running."""

    def __init__(self, store: Store, run_id: str, clock: Clock, pace: Pace, owner: str | None = None) -> None:
        self._store, self._run_id, self._clock, self._pace = store, run_id, clock, pace
        self._key = run_key(run_id, "lease.json")
        self._host = socket.gethostname()
        self.owner = owner or f"{self._host}:{os.getpid()}:{secrets.token_hex(4)}"
        self._version: str | None = None
        self._epoch = 0
        self._renewed_at = float("-inf")

    def take(self) -> int:
        """Takes the run. Returns the epoch, which counts the coordinators; LeaseLostError while another one is running.

        The clocks of two machines may differ. So another coordinator counts as dead only if its lease does not change
        for its whole validity, measured by this machine's clock.
        """
        version = self._store.find_version(self._key)
        if version is not None:
            lease, self._version = Lease.from_json(version[0], self._key), version[1]
            self._epoch = lease.epoch
            if not lease.ended:
                self._wait_for_expiry(lease)
        self._epoch += 1
        self._write(self._clock.now(), ended=False)
        return self._epoch

    def _wait_for_expiry(self, lease: Lease) -> None:
        """Waits until the lease has expired; LeaseLostError as soon as it changes."""
        expires_at = self._clock.now() + lease.expires_s
        while self._clock.now() < expires_at:
            self._clock.sleep(min(self._pace.lease_renew_s, lease.expires_s))
            again = self._store.find_version(self._key)
            if again is None or again[1] != self._version:
                raise self._lost()

    def renew(self, *, ended: bool = False) -> None:
        """Writes the lease unless it is fresh; `ended`: the coordinator gives it up."""
        now = self._clock.now()
        fresh = 0 <= now - self._renewed_at < self._pace.lease_renew_s  # negative if the clock was set back
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
        """Whether the stored lease is this coordinator's, because only the store's answer was lost."""
        version = self._store.find_version(self._key)
        if version is None or Lease.from_json(version[0], self._key).owner != self.owner:
            return False
        self._version = version[1]
        return True

    def _lost(self) -> LeaseLostError:
        try:
            lease = read_lease(self._store, self._run_id)
        except StoreError:
            lease = None
        owner = "another process" if lease is None else lease.owner
        text = f"run {self._run_id} is controlled by {owner}; use `toril watch {self._run_id}` to follow it"
        return LeaseLostError(text, code="run-owned")


def read_lease(store: Reader, run_id: str) -> Lease | None:
    """Returns the run's lease; None if it was never taken."""
    return find_record(store, Lease, run_key(run_id, "lease.json"))


class LeaseWatch:
    """Observes from another machine whether a run has a coordinator: a renewed lease changes."""

    def __init__(self) -> None:
        self._seen: Lease | None = None
        self._changed_at = 0.0

    def is_live(self, lease: Lease | None, now: float) -> bool:
        """Returns whether the coordinator still renews the lease, which was just read; the first counts as fresh."""
        if lease is None or lease.ended:
            return False
        if lease != self._seen:
            self._seen, self._changed_at = lease, now
        return now - self._changed_at <= lease.expires_s


def is_live(lease: Lease | None, now: float) -> bool:
    """Returns whether a coordinator holds the run: by its lease's time, or because its process runs on this machine.

    After a suspend, a machine's coordinator continues with a lease that has expired.
    """
    if lease is None or lease.ended:
        return False
    return now - lease.renewed_at <= lease.expires_s or _runs_here(lease)


def _runs_here(lease: Lease) -> bool:
    """Whether the coordinator is another process of this machine, and not a later one with the same process id."""
    if lease.host != socket.gethostname() or lease.pid == os.getpid():
        return False
    try:
        owner = psutil.Process(lease.pid)
        return owner.status() != psutil.STATUS_ZOMBIE and owner.create_time() <= lease.renewed_at + lease.expires_s
    except (psutil.Error, ValueError, OverflowError):
        return False
