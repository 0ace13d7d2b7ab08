"""Clocks that stand still until somebody sleeps."""

from collections.abc import Callable


class SteppedClock:
    """Sleeping takes no time; what is due meanwhile is done by `meanwhile`."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.at = now
        self.meanwhile: Callable[[float], None] = lambda now: None

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += max(0.0, seconds)
        self.meanwhile(self.at)


class ShiftedClock:
    """Another machine's: the same time, so many seconds ahead."""

    def __init__(self, clock: SteppedClock, ahead_s: float) -> None:
        self._clock, self._ahead_s = clock, ahead_s

    def now(self) -> float:
        return self._clock.now() + self._ahead_s

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)
