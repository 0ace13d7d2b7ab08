"""A worker's part of a load shape: of the users that the shape asks for, this worker starts every N-th.

Locust's own process loads this file by its path, so it imports nothing of toril. `toril/load/interleave.py` computes
the same places.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any


class ShapePart:
    """One worker's part; `groups` are (weight, workers, workers before this one) of all workers by weight."""

    def __init__(self, weight: int, groups: Sequence[tuple[int, int, int]]) -> None:
        self.weight, self.groups = weight, groups
        self.part = weight / sum(size * workers for size, workers, _ in groups)

    def users(self, whole: int) -> int:
        """Returns this worker's part of the users."""
        return bisect_left(range(whole), whole, key=self._place_of)

    def _place_of(self, own: int) -> int:
        place = 0
        for size, workers, before in self.groups:
            ahead, rest = divmod((2 * own + 1) * size - self.weight, 2 * self.weight)
            place += before * (ahead + 1) + (workers - before) * (ahead + (rest > 0))
        return place

    def divided(self, tick: Callable[[], Any]) -> Callable[[], Any]:
        """Returns a shape's `tick` with this worker's users and spawn rate."""

        def own_tick() -> Any:
            asked = tick()
            if asked is None:
                return None
            users, spawn_rate, *classes = asked
            return (self.users(round(users)), spawn_rate * self.part, *classes)

        return own_tick
