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
        self._ending.set()
        if self._thread is not None:
            self._thread.join(within_s)
            if self._thread.is_alive():
                return False
        give_up_at = time.monotonic() + within_s
        while not self.courier.deliver():
            if time.monotonic() > give_up_at:
                log.error("The last files could not be written: %s", self.courier.trouble)
                return False
            time.sleep(RETRY_S)
        return True

    def _work(self) -> None:
        retry_at = 0.0
        while not self._ending.is_set():
            try:
                for event in self.courier.look():
                    self._events.put(event)
                self._take_in()
                if time.monotonic() >= retry_at and not self.courier.deliver():
                    retry_at = time.monotonic() + RETRY_S
            except Exception as error:  # the loop has to know of it, wherever it happened
                log.exception("The store")
                self._events.put(machine.Failed(f"{type(error).__name__}: {error}"))
                return
            self._ending.wait(STEP_S)
        self._take_in()

    def _take_in(self) -> None:
        while not self._out.empty():
            self.courier.send(*self._out.get())
