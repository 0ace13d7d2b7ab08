"""The load time of one arm, which stands still between its turns. Wrappers of engines load this file by its path.

It imports nothing of toril. `tools/engine/turns.go` and `tools/jmeter/Turns.java` compute the same.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import inf


class Turns:
    """The turns of one arm. Times of the run are seconds since the gate; own times count its turns only."""

    def __init__(self, spans: Sequence[tuple[float, float]]) -> None:
        """`spans` are begin and end of each turn, in order of time."""
        self.spans = tuple(spans)
        self._begins = [begin for begin, _ in self.spans]
        self._own = [*accumulate((end - begin for begin, end in self.spans), initial=0.0)]  # at the begins

    def own_s(self, at: float) -> float:
        """Returns the own time at a time of the run."""
        turn = bisect_right(self._begins, at) - 1
        if turn < 0:
            return 0.0
        begin, end = self.spans[turn]
        return self._own[turn] + min(at, end) - begin

    def at(self, own_s: float) -> float:
        """Returns the time of the run at an own time; infinity behind the last turn."""
        turn = bisect_right(self._own, max(own_s, 0.0)) - 1
        return self._begins[turn] + max(own_s, 0.0) - self._own[turn] if turn < len(self.spans) else inf

    def wait_s(self, at: float) -> float:
        """Returns the seconds until a request may begin: 0 within a turn, infinity behind the last one."""
        turn = bisect_right(self._begins, at)
        if turn and at < self.spans[turn - 1][1]:
            return 0.0
        return self._begins[turn] - at if turn < len(self.spans) else inf
