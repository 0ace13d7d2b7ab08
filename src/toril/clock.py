"""Time as a value that is handed in, so that the simulation can own it."""

import time
from typing import Protocol


class Clock(Protocol):
    """Wall-clock seconds since the epoch, and waiting."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))
