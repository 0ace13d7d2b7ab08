"""Workers with a bug that the simulation must find."""

from collections.abc import Iterator

from toril.records import Start
from toril.worker import life
from toril.worker.attempt import Attempt


class Heedless(Attempt):
    """Ignores leases: continues even if its run has no owner."""

    def _events(self) -> Iterator[life.Event]:
        for event in super()._events():
            if not (isinstance(event, life.StopSeen) and event.stop.cause == "lost" and "lease" in event.stop.message):
                yield event


class Eager(Attempt):
    """Accepts every start, even with other attempts."""

    def _events(self) -> Iterator[life.Event]:
        for event in super()._events():
            if isinstance(event, life.StartSeen):
                mine = {self.worker: self.attempt}
                event = life.StartSeen(Start(at=event.start.at, attempts=mine))
            yield event


class Timeless(Attempt):
    """Accepts every start, even an old one."""

    def _events(self) -> Iterator[life.Event]:
        for event in super()._events():
            if isinstance(event, life.StartSeen):
                at = max(event.start.at, self.clock.now())
                event = life.StartSeen(Start(at=at, attempts=event.start.attempts))
            yield event
