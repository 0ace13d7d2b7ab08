"""Clocks that advance only by calls of `sleep`."""

from collections.abc import Callable


class SteppedClock:
    """A clock whose sleep takes no time. `meanwhile` does the work that is due during the sleep."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.at = now
        self.meanwhile: Callable[[float], None] = lambda now: None

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += max(0.0, seconds)
        self.meanwhile(self.at)


class ShiftedClock:
    """Another machine's clock, which is `ahead_s` ahead."""

    def __init__(self, clock: SteppedClock, ahead_s: float) -> None:
        self._clock, self._ahead_s = clock, ahead_s

    def now(self) -> float:
        return self._clock.now() + self._ahead_s

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)
