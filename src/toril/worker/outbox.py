"""What a worker and the store exchange: the run's records come in, the attempt's files go out, in order.

Nothing here knows engines or bzt: with a simulated store and clock the same code is a simulated worker's.
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

    def look(self) -> Iterator[life.Event]:
        """What is new in the store, when it is time to look; the stop before the start that it may call off.

        A store that does not answer is no reason to end: that comes when nobody has owned the run for too long.
        """
        if self.taken and not self._told_taken:
            self._told_taken = True
            yield life.Failed(self.taken)
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
                yield life.Failed(str(error))
                return
            if not self.trouble:
                log.warning("%s", error)
            self.trouble = str(error)
        yield from self._orphaned(self._now())  # a store in trouble takes its time

    def _records(self) -> Iterator[life.Event]:
        if not self._stopped:
            stop = find_record(self.store, Stop, run_key(self.plan.run_id, "stop.json"))
            if stop is not None:
                self._stopped = True
                yield life.Stopped(stop)
        if not self._started:
            start = find_record(self.store, Start, run_key(self.plan.run_id, "start.json"))
            if start is not None:
                self._started = True
                yield life.Started(start)
        if self._started and not self._stopped and self.plan.adjustable:
            for rate in next_rates(self.store, self.plan.run_id, self._rates):
                self._rates = rate.number
                yield life.RateSet(rate)

    def _look_at_lease(self, now: float) -> None:
        pace = self.plan.pace
        if pace.orphaned_after_s is None or now < self._lease_looked_at + pace.lease_renew_s:
            return
        self._lease_looked_at = now
        found = self.store.find(run_key(self.plan.run_id, "lease.json"))
        if found != self._lease:
            self._lease, self._lease_changed_at = found, now

    def _orphaned(self, now: float) -> Iterator[life.Event]:
        patience_s = self.plan.pace.orphaned_after_s
        if patience_s is not None and now - self._lease_changed_at > patience_s and not self._stopped:
            self._stopped = True
            why = f"nobody has renewed the lease of the run for {patience_s:.0f} s"
            message = f"{why}; {self.trouble}" if self.trouble else why
            yield life.Stopped(Stop(at=now, cause="lost", message=message))

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


STEP_S = 0.1
RETRY_S = 1.0


class Outbox:
    """What the worker's loop uses: looking and delivering, at once in a folder, in a thread for a bucket."""

    def __init__(self, client: StoreClient, *, beside: bool) -> None:
        self.client = client
        self._events: queue.SimpleQueue[life.Event] = queue.SimpleQueue()
        self._out: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._delivered = False
        self._thread = threading.Thread(target=self._work, name="outbox", daemon=True) if beside else None
        if self._thread is not None:
            self._thread.start()

    def events(self) -> Iterator[life.Event]:
        """What has come from the store since the last call."""
        if self._thread is None:
            yield from self.client.look()
        while not self._events.empty():
            yield self._events.get()

    def send(self, name: str, data: bytes) -> None:
        """Hand over a file of this attempt."""
        if self._thread is None:
            self.client.send(name, data)
            self.client.deliver()
        else:
            self._out.put((name, data))

    def end(self, within_s: float) -> bool:
        """Deliver what is left; False when it could not be within that time."""
        if self._thread is None:
            return self.client.deliver()
        self._ending.set()
        self._thread.join(within_s)
        if not self._delivered:
            log.error("The last files could not be written: %s", self.client.trouble or "the store did not answer")
        return self._delivered

    def _work(self) -> None:
        retry_at = 0.0
        try:
            while not self._ending.is_set():
                for event in self.client.look():
                    self._events.put(event)
                if time.monotonic() >= retry_at and not self._deliver():
                    retry_at = time.monotonic() + RETRY_S
                self._ending.wait(STEP_S)
            while not self._deliver():
                time.sleep(RETRY_S)
            self._delivered = True
        except Exception as error:  # the loop has to know of it, wherever it happened
            log.exception("The store")
            self._events.put(life.Failed(f"{type(error).__name__}: {error}"))

    def _deliver(self) -> bool:
        self._take_in()
        return self.client.deliver()

    def _take_in(self) -> None:
        while not self._out.empty():
            self.client.send(*self._out.get())
