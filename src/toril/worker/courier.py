"""All that a worker and the store have to say to each other: its run's records come in, its own go out, in order.

Nothing here knows of engines or of bzt: with a simulated store and clock the same code is a simulated worker's.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator

from toril.errors import StoreError
from toril.records import Exit, Launch, Plan, Ready, Start, Stop, run_key, worker_key
from toril.store import Store
from toril.store.records import find_record, next_rates
from toril.worker import machine

log = logging.getLogger("toril.worker")


class Courier:
    """One attempt's dealings with the store."""

    def __init__(self, store: Store, plan: Plan, worker: str, attempt: str, now: Callable[[], float]) -> None:
        self.store, self.plan, self.worker, self.attempt, self._now = store, plan, worker, attempt, now
        self._outbox: deque[tuple[str, bytes]] = deque()
        self._looked_at = float("-inf")
        self._started = self._stopped = False
        self._rates = 0  # how many were seen
        self._lease: bytes | None = None
        self._lease_changed_at = now()  # by this clock: the owner's may differ
        self._lease_looked_at = float("-inf")
        self._ready: bytes | None = None  # what this process said of itself, or tried to
        self._claimed = False
        self.trouble = ""  # why the store cannot be reached at the moment
        self.taken = ""  # what somebody else wrote in the place of a file of this attempt
        self._told_taken = False

    def launch(self) -> Launch | None:
        """What the launcher issued; None when there is no such record."""
        return find_record(self.store, Launch, run_key(self.plan.run_id, "launch.json"))

    def claim(self, ready: Ready) -> bool:
        """Say that this process is ready; False when another one with the same attempt did, or had its last word."""
        if self.store.find(self._key("exit.json")) is not None:
            return False
        self._ready = ready.to_json()
        self._claimed = self.store.put_once(self._key("ready.json"), self._ready)
        return self._claimed

    def may_speak(self) -> bool:
        """Whether what is left to say is this process's to say: no other one with the same attempt is ready."""
        try:
            return self._claimed or self.store.find(self._key("ready.json")) in (None, self._ready)
        except StoreError as error:
            if self.plan.on == "local":
                raise
            log.warning("%s", error)
            return False

    # ── in

    def look(self) -> Iterator[machine.Event]:
        """What is new in the store, when it is time to look; the stop before the start that it may call off.

        A store that does not answer is no reason to end: that comes when nobody has owned the run for too long.
        """
        if self.taken and not self._told_taken:
            self._told_taken = True
            yield machine.Failed(self.taken)
        now = self._now()
        if now < self._looked_at + self.plan.pace.poll_s:
            return
        self._looked_at = now
        try:
            yield from self._records()
            self._look_at_lease(now)
            self.trouble = ""
        except StoreError as error:
            if self.plan.on == "local":
                yield machine.Failed(str(error))
                return
            if not self.trouble:
                log.warning("%s", error)
            self.trouble = str(error)
        yield from self._orphaned(self._now())  # a store in trouble takes its time

    def _records(self) -> Iterator[machine.Event]:
        if not self._stopped:
            stop = find_record(self.store, Stop, run_key(self.plan.run_id, "stop.json"))
            if stop is not None:
                self._stopped = True
                yield machine.Stopped(stop)
        if not self._started:
            start = find_record(self.store, Start, run_key(self.plan.run_id, "start.json"))
            if start is not None:
                self._started = True
                yield machine.Started(start)
        if self._started and not self._stopped and self.plan.adjustable:
            for rate in next_rates(self.store, self.plan.run_id, self._rates):
                self._rates = rate.number
                yield machine.RateSet(rate)

    def _look_at_lease(self, now: float) -> None:
        pace = self.plan.pace
        if pace.orphaned_after_s is None or now < self._lease_looked_at + pace.lease_renew_s:
            return
        self._lease_looked_at = now
        found = self.store.find(run_key(self.plan.run_id, "lease.json"))
        if found != self._lease:
            self._lease, self._lease_changed_at = found, now

    def _orphaned(self, now: float) -> Iterator[machine.Event]:
        patience_s = self.plan.pace.orphaned_after_s
        if patience_s is not None and now - self._lease_changed_at > patience_s and not self._stopped:
            self._stopped = True
            why = f"nobody has renewed the lease of the run for {patience_s:.0f} s"
            message = f"{why}; {self.trouble}" if self.trouble else why
            yield machine.Stopped(Stop(at=now, cause="lost", message=message))

    # ── out

    def send(self, name: str, data: bytes) -> None:
        """Put a file of this attempt after those that are still to be delivered."""
        self._outbox.append((self._key(name), data))

    def deliver(self) -> bool:
        """Write what is to be sent, in order; False when the store would not take all of it."""
        while self._outbox:
            key, data = self._outbox[0]
            try:
                self._write(key, data)
            except StoreError as error:
                if self.plan.on == "local":
                    raise
                self.trouble = str(error)
                return False
            self._outbox.popleft()
        return True

    def last_word(self, exit_record: Exit) -> None:
        """Nothing of this attempt comes after it."""
        self._write(self._key("exit.json"), exit_record.to_json())

    def _write(self, key: str, data: bytes) -> None:
        if not self.store.put_once(key, data) and self.store.find(key, len(data)) != data:
            self.taken = self.taken or f"another process wrote {key}; this attempt's own file is lost"
            log.error("Another process wrote %s", key)

    def _key(self, name: str) -> str:
        return worker_key(self.plan.run_id, self.worker, self.attempt, name)
