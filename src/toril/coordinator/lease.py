"""Who owns a run: a record renewed every few seconds, by which others see whether its coordinator lives."""

import os
import socket

from toril.clock import Clock
from toril.records import Lease, run_key
from toril.store import Store

RENEW_S = 2.0
EXPIRES_S = 15.0  # seven renewals missed: gone, not merely slow


class LeaseKeeper:
    """Renews the lease of one run while its coordinator lives."""

    def __init__(self, store: Store, run_id: str, clock: Clock) -> None:
        self._store, self._key, self._clock = store, run_key(run_id, "lease.json"), clock
        self._renewed_at = float("-inf")

    def renew(self, *, ended: bool = False) -> None:
        """Write the lease unless it is fresh enough; `ended` says that the owner needs it no longer."""
        now = self._clock.now()
        if not ended and now - self._renewed_at < RENEW_S:
            return
        host = socket.gethostname()
        lease = Lease(owner=f"{host}:{os.getpid()}", pid=os.getpid(), host=host, renewed_at=now, ended=ended)
        self._store.put(self._key, lease.to_json())
        self._renewed_at = now


def read_lease(store: Store, run_id: str) -> Lease | None:
    """The run's lease, or None when nobody ever took it."""
    key = run_key(run_id, "lease.json")
    data = store.find(key)
    return None if data is None else Lease.from_json(data, key)


def is_live(lease: Lease | None, now: float) -> bool:
    """Whether some coordinator still holds the run."""
    return lease is not None and not lease.ended and now - lease.renewed_at <= EXPIRES_S
