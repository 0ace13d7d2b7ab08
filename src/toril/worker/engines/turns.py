"""The load time of one arm, which stands still between its turns. Wrappers of engines load this file by its path.

It imports nothing of toril. `tools/vegeta/turns.go` and `tools/jmeter/Turns.java` compute the same.
"""

from collections.abc import Sequence


class Turns:
    """The turns of one arm. Times of the run are seconds since the gate; own times count its turns only."""

    def __init__(self, spans: Sequence[tuple[float, float]]) -> None:
        """`spans` are begin and end of each turn, in order of time."""
        self.spans = tuple(spans)

    def own_s(self, at: float) -> float:
        """Returns the own time at a time of the run."""
        raise NotImplementedError

    def at(self, own_s: float) -> float:
        """Returns the time of the run at an own time; infinity behind the last turn."""
        raise NotImplementedError

    def wait_s(self, at: float) -> float:
        """Returns the seconds until a request may begin: 0 within a turn, infinity behind the last one."""
        raise NotImplementedError
