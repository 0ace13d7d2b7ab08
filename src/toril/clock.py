"""Clocks, which callers pass in so that tests can control time; and the loop that retries failed calls."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random, SystemRandom
from typing import Protocol, TypeVar

Value = TypeVar("Value")

SYSTEM_RANDOM = SystemRandom()


class Clock(Protocol):
    """Returns seconds since the epoch (unless a parameter says otherwise), and waits."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))


class MonotonicClock(SystemClock):
    """Seconds since the machine started, unaffected by changes of its time."""

    def now(self) -> float:
        return time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits that double from `first_s` to `longest_s`, each shortened at random by up to the fraction `jitter`.

    Without jitter, clients that failed at the same time would retry at the same time.
    """

    first_s: float
    longest_s: float
    jitter: float = 0.0

    def wait_s(self, failures: int, random: Random = SYSTEM_RANDOM) -> float:
        """Returns the wait after that many failures in a row."""
        doubled_s = self.first_s * 2.0 ** min(failures - 1, 30)
        return min(self.longest_s, doubled_s) * random.uniform(1 - self.jitter, 1)


def retry(act: Callable[[], Value], after: Callable[[Exception, int], float | None], clock: Clock) -> Value:
    """Returns the result of `act`, which is called again after failures.

    `after` gets the error and the number of failures so far. It returns the wait before the next call in seconds, or
    None to give up and raise the error.
    """
    failures = 0
    while True:
        try:
            return act()
        except Exception as error:
            failures += 1
            wait_s = after(error, failures)
            if wait_s is None:
                raise
        clock.sleep(wait_s)
