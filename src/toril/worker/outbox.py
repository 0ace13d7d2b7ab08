"""A worker's exchange with the store: it reads the run's records and writes the attempt's files, in order.

This module does not depend on engines or bzt, so that simulated workers use the same code.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from toril.errors import StoreError
from toril.records import Exit, Launch, Plan, Ready, Start, Stop, run_key, worker_key
from toril.store import Store
from toril.store.records import find_record, next_rates
from toril.worker import life

log = logging.getLogger("toril.worker")


class StoreClient:
    """One attempt's access to the store."""

    def __init__(self, store: Store, plan: Plan, worker: str, attempt: str, now: Callable[[], float]) -> None:
        self.store, self.plan, self.worker, self.attempt, self._now = store, plan, worker, attempt, now
        self._outbox: deque[tuple[str, bytes]] = deque()
        self._polled_at = float("-inf")
        self._started = self._stopped = False
        self._rates = 0  # number of the last rate
        self._lease: bytes | None = None
        self._lease_changed_at = now()  # by this clock: the coordinator's may differ
        self._lease_read_at = float("-inf")
        self._ready: bytes | None = None  # this process's ready.json
        self._claimed = False
        self.trouble = ""  # why the store is unreachable at present
        self.conflict = ""  # the error after another process wrote a file of this attempt
        self._conflict_reported = False

    def launch(self) -> Launch | None:
        """Returns the launcher's record; None without one."""
        return find_record(self.store, Launch, run_key(self.plan.run_id, "launch.json"))

    def claim(self, ready: Ready) -> bool:
        """Write ready.json; returns False if another process with the same attempt is ready or has ended."""
        if self.store.find(self._key("exit.json")) is not None:
            return False
        self._ready = ready.to_json()
        self._claimed = self.store.put_once(self._key("ready.json"), self._ready)
        return self._claimed

    def may_write(self) -> bool:
        """Returns whether this process may write the attempt's files: no other process has claimed the attempt."""
        try:
            return self._claimed or self.store.find(self._key("ready.json")) in (None, self._ready)
        except StoreError as error:
            if self.plan.on == "local":
                raise
            log.warning("%s", error)
            return False

    def poll(self) -> Iterator[life.Event]:
        """Returns events of new records if a poll is due; a stop comes before the start that it may cancel.

        An unreachable store does not end the load; an expired lease does.
        """
        if self.conflict and not self._conflict_reported:
            self._conflict_reported = True
            yield life.Failed(self.conflict)
        now = self._now()
        if now < self._polled_at + self.plan.pace.poll_s:
            return
        self._polled_at = now
        try:
            yield from self._records()
            self._read_lease(now)
            self.trouble = ""
        except StoreError as error:
            if self.plan.on == "local":
                yield life.Failed(str(error))
                return
            if not self.trouble:
                log.warning("%s", error)
            self.trouble = str(error)
        yield from self._orphaned(self._now())  # read the clock again: the store may be slow

    def _records(self) -> Iterator[life.Event]:
        if not self._stopped:
            stop = find_record(self.store, Stop, run_key(self.plan.run_id, "stop.json"))
            if stop is not None:
                self._stopped = True
                yield life.StopSeen(stop)
        if not self._started:
            start = find_record(self.store, Start, run_key(self.plan.run_id, "start.json"))
            if start is not None:
                self._started = True
                yield life.StartSeen(start)
        if self._started and not self._stopped and self.plan.adjustable:
            for rate in next_rates(self.store, self.plan.run_id, self._rates):
                self._rates = rate.number
                yield life.RateSet(rate)

    def _read_lease(self, now: float) -> None:
        pace = self.plan.pace
        if pace.orphaned_after_s is None or now < self._lease_read_at + pace.lease_renew_s:
            return
        self._lease_read_at = now
        data = self.store.find(run_key(self.plan.run_id, "lease.json"))
        if data != self._lease:
            self._lease, self._lease_changed_at = data, now

    def _orphaned(self, now: float) -> Iterator[life.Event]:
        patience_s = self.plan.pace.orphaned_after_s
        if patience_s is not None and now - self._lease_changed_at > patience_s and not self._stopped:
            self._stopped = True
            why = f"no coordinator has renewed the run's lease for {patience_s:.0f} s"
            message = f"{why}; {self.trouble}" if self.trouble else why
            yield life.StopSeen(Stop(at=now, cause="lost", message=message))

    def send(self, name: str, data: bytes) -> None:
        """Queue a file of this attempt."""
        self._outbox.append((self._key(name), data))

    def deliver(self) -> bool:
        """Write the queued files in order; returns False if the store did not accept all of them."""
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

    def write_exit(self, exit_record: Exit) -> None:
        """Write exit.json, the attempt's last file."""
        self._write(self._key("exit.json"), exit_record.to_json())

    def _write(self, key: str, data: bytes) -> None:
        if not self.store.put_once(key, data) and self.store.find(key, len(data)) != data:
            self.conflict = self.conflict or f"another process wrote {key}; this attempt's own file is lost"
            log.error("Another process wrote %s", key)

    def _key(self, name: str) -> str:
        return worker_key(self.plan.run_id, self.worker, self.attempt, name)


STEP_S = 0.1
RETRY_S = 1.0


class Outbox:
    """The worker loop's access to the store: direct for a folder, in a thread (`threaded`) for a slow bucket."""

    def __init__(self, client: StoreClient, *, threaded: bool) -> None:
        self.client = client
        self._events: queue.SimpleQueue[life.Event] = queue.SimpleQueue()
        self._out: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._delivered = False
        self._thread = threading.Thread(target=self._work, name="outbox", daemon=True) if threaded else None
        if self._thread is not None:
            self._thread.start()

    def events(self) -> Iterator[life.Event]:
        """Returns events from the store since the last call."""
        if self._thread is None:
            yield from self.client.poll()
        while not self._events.empty():
            yield self._events.get()

    def send(self, name: str, data: bytes) -> None:
        """Send a file of this attempt."""
        if self._thread is None:
            self.client.send(name, data)
            self.client.deliver()
        else:
            self._out.put((name, data))

    def end(self, within_s: float) -> bool:
        """Deliver the rest; returns False if the time was too short."""
        if self._thread is None:
            return self.client.deliver()
        self._ending.set()
        self._thread.join(within_s)
        if not self._delivered:
            log.error("Cannot write the last files: %s", self.client.trouble or "the store did not answer")
        return self._delivered

    def _work(self) -> None:
        retry_at = 0.0
        try:
            while not self._ending.is_set():
                for event in self.client.poll():
                    self._events.put(event)
                if time.monotonic() >= retry_at and not self._deliver():
                    retry_at = time.monotonic() + RETRY_S
                self._ending.wait(STEP_S)
            while not self._deliver():
                time.sleep(RETRY_S)
            self._delivered = True
        except Exception as error:  # reported to the loop
            log.exception("The exchange with the store failed")
            self._events.put(life.Failed(f"{type(error).__name__}: {error}"))

    def _deliver(self) -> bool:
        while not self._out.empty():
            self.client.send(*self._out.get())
        return self.client.deliver()
