"""Workers with a fault that the simulation has to find."""

from collections.abc import Iterator

from toril.records import Start
from toril.worker import life
from toril.worker.attempt import Attempt


class Heedless(Attempt):
    """Knows nothing of leases: goes on whether or not somebody owns its run."""

    def _events(self) -> Iterator[life.Event]:
        for event in super()._events():
            if not (isinstance(event, life.Stopped) and event.stop.cause == "lost" and "lease" in event.stop.message):
                yield event


class Eager(Attempt):
    """Takes every start for its own."""

    def _events(self) -> Iterator[life.Event]:
        for event in super()._events():
            if isinstance(event, life.Started):
                mine = {self.worker: self.attempt}
                event = life.Started(Start(at=event.start.at, attempts=mine))
            yield event


class Timeless(Attempt):
    """Takes every start for a fresh one."""

    def _events(self) -> Iterator[life.Event]:
        for event in super()._events():
            if isinstance(event, life.Started):
                at = max(event.start.at, self.clock.now())
                event = life.Started(Start(at=at, attempts=event.start.attempts))
            yield event
