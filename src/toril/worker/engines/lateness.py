"""How late a program's own loop is: by how much a short sleep oversleeps, told once a second.

What an engine measures is wrong by about as much: a response is seen, and the next request sent, only when the loop
comes to it. Loaded by path into engines' own processes (`beside` in the wrappers), so that it imports nothing of toril.
"""

import math
import time
from collections.abc import Callable

PROBE_S = 0.02


class Lateness:
    """Collects how late something was, in seconds, and tells of each whole second its worst and its ninth of ten."""

    def __init__(self, tell: Callable[[float, int, int], None], clock: Callable[[], float] = time.time) -> None:
        self._tell = tell  # (seconds since the epoch, worst in µs, 90th percentile in µs)
        self._clock = clock
        self._late: list[float] = []
        self._second = 0

    def add(self, late_s: float) -> None:
        second = int(self._clock())
        if second != self._second:
            self.tell()
            self._second = second
        self._late.append(late_s)

    def tell(self) -> None:
        """What is known of a second that is not over yet, too."""
        if self._late:
            late = sorted(max(0, round(one * 1e6)) for one in self._late)
            self._late = []
            self._tell(self._second, late[-1], late[math.ceil(0.9 * len(late)) - 1])

    def probe(self, sleep: Callable[[float], object], over: Callable[[], bool]) -> None:
        """Sleep again and again, until it is over."""
        while not over():
            before = time.perf_counter()
            sleep(PROBE_S)
            self.add(time.perf_counter() - before - PROBE_S)
        self.tell()
