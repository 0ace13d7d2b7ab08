"""A worker's part of a load shape: of the users that the shape asks for, this worker starts every N-th.

Locust's own process loads this file by its path, so it imports nothing of toril. `toril/load/interleave.py` computes
the same places.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any


class ShapePart:
    """One worker's part; `groups` are (weight, workers, workers before this one) of all workers by weight."""

    def __init__(self, weight: int, groups: Sequence[tuple[int, int, int]]) -> None:
        self.weight, self.groups = weight, groups
        self.part = weight / sum(size * workers for size, workers, _ in groups)
        self.due_user_s = 0.0  # what the shape asked for, at its spawn rates
        self._due, self._asked, self._rate, self._whole = 0.0, 0, 0.0, 0
        self._counted_at: float | None = None

    def users(self, whole: int) -> int:
        """Returns this worker's part of the users."""
        return bisect_left(range(whole), whole, key=self._place_of)

    def _place_of(self, own: int) -> int:
        place = 0
        for size, workers, before in self.groups:
            ahead, rest = divmod((2 * own + 1) * size - self.weight, 2 * self.weight)
            place += before * (ahead + 1) + (workers - before) * (ahead + (rest > 0))
        return place

    def divided(self, tick: Callable[[], Any], clock: Callable[[], float] = time.monotonic) -> Callable[[], Any]:
        """Returns a shape's `tick` with this worker's users and spawn rate."""

        def own_tick() -> Any:
            asked = tick()
            self.count(clock())
            if asked is None:
                return None
            users, spawn_rate, *classes = asked
            self._whole = round(users)
            self._asked, self._rate = self.users(self._whole), spawn_rate * self.part
            return (self._asked, self._rate, *classes)

        return own_tick

    def of_all(self, count: Callable[[], int]) -> Callable[[], int]:
        """Returns a shape's `get_current_user_count`, which estimates the users of all workers by those of this one."""

        def counted() -> int:
            own = count()
            return self._whole if own == self._asked else round(own / self.part)

        return counted

    def begin(self, now: float) -> None:
        """Count the due users from now on; the shape's first tick is before the gate."""
        self._counted_at, self._due, self.due_user_s = now, 0.0, 0.0

    def count(self, now: float) -> None:
        """Count the due users until now."""
        lasted_s = 0.0 if self._counted_at is None else now - self._counted_at
        away = self._asked - self._due
        changing_s = min(lasted_s, abs(away) / self._rate) if self._rate else 0.0
        reached = self._due + (1 if away > 0 else -1) * changing_s * self._rate
        self.due_user_s += changing_s * (self._due + reached) / 2 + (lasted_s - changing_s) * reached
        self._counted_at, self._due = now, reached
