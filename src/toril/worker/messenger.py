"""A courier that goes on its way while the worker works: a bucket may take its time, and load must not wait for it."""

import logging
import queue
import threading
import time
from collections.abc import Iterator

from toril.worker import machine
from toril.worker.courier import Courier

STEP_S = 0.1
RETRY_S = 1.0

log = logging.getLogger("toril.worker")


class Messenger:
    """What the worker's loop uses: looking and delivering, at once in a folder, in a thread for a bucket."""

    def __init__(self, courier: Courier, *, beside: bool) -> None:
        self.courier = courier
        self._events: queue.SimpleQueue[machine.Event] = queue.SimpleQueue()
        self._out: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._delivered = False
        self._thread = threading.Thread(target=self._work, name="messenger", daemon=True) if beside else None
        if self._thread is not None:
            self._thread.start()

    def events(self) -> Iterator[machine.Event]:
        """What has come from the store since the last call."""
        if self._thread is None:
            yield from self.courier.look()
        while not self._events.empty():
            yield self._events.get()

    def send(self, name: str, data: bytes) -> None:
        """Hand over a file of this attempt."""
        if self._thread is None:
            self.courier.send(name, data)
            self.courier.deliver()
        else:
            self._out.put((name, data))

    def end(self, within_s: float) -> bool:
        """Deliver what is left; False when it could not be within that time."""
        if self._thread is None:
            return self.courier.deliver()
        self._ending.set()
        self._thread.join(within_s)
        if not self._delivered:
            log.error("The last files could not be written: %s", self.courier.trouble or "the store did not answer")
        return self._delivered

    def _work(self) -> None:
        retry_at = 0.0
        try:
            while not self._ending.is_set():
                for event in self.courier.look():
                    self._events.put(event)
                if time.monotonic() >= retry_at and not self._deliver():
                    retry_at = time.monotonic() + RETRY_S
                self._ending.wait(STEP_S)
            while not self._deliver():
                time.sleep(RETRY_S)
            self._delivered = True
        except Exception as error:  # the loop has to know of it, wherever it happened
            log.exception("The store")
            self._events.put(machine.Failed(f"{type(error).__name__}: {error}"))

    def _deliver(self) -> bool:
        self._take_in()
        return self.courier.deliver()

    def _take_in(self) -> None:
        while not self._out.empty():
            self.courier.send(*self._out.get())
