"""The users of a duet in Locust's process. They send within the turns of their arm only.

Outside of the turns, the clock of a user stands still (`engines/turns.py`), so that think times continue in the next
turn, as if nothing had interrupted the arm. If the process has both arms, each user of head has a twin: a user of the
same class for base. `wrapper.py` loads this file by its path, so that it imports nothing of toril.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import time
from collections.abc import Callable
from math import inf
from typing import Any

import gevent
from gevent.pool import Group

BASE = 1  # the arm of twins
SHORT_S = 1e-6  # not worth a sleep
LOOK_S = 0.5  # between looks of a paused user at the end of the load


class Arms:
    """The arms of this process, and their users; none without a duet.

    `turns` are those of each arm, `base_host` the address of twins. `check_end` raises an exception in a user's
    greenlet if the load is ending. `sleep` is that of greenlets.
    """

    def __init__(
        self,
        turns: dict[int, Any],
        base_host: str,
        check_end: Callable[[], None],
        sleep: Callable[[float], None],
    ) -> None:
        self.turns, self.base_host, self.check_end, self.sleep = turns, base_host, check_end, sleep
        self.opened_at = 0.0  # when the gate opened
        self.twins = Group()  # not among the runner's users, which it counts
        self._arm = max(turns, default=0)  # of users that are no twins
        self._twin_of: dict[type, type] = {}

    def turns_of(self, user):
        """Returns the turns of a user's arm; None without a duet, or for code that belongs to no user."""
        return self.turns.get(getattr(user, "toril_arm", self._arm)) if user is not None else None

    def begins(self, user) -> None:
        """Start a user's clock. Twins ramp up in the warm-up of their own arm."""
        if turns := self.turns_of(user):
            now = time.time() - self.opened_at
            user.toril_paused_s = now - min(now, turns.own_s(turns.spans[0][1]))

    def add_twin(self, user) -> None:
        """Start a user of base like this one, if the process has both arms."""
        if len(self.turns) < 2 or hasattr(user, "toril_arm"):
            return
        kind: Any = type(user)
        if kind not in self._twin_of:
            own = {"abstract": True, "host": self.base_host, "toril_arm": BASE, "__module__": kind.__module__}
            self._twin_of[kind] = type(kind)(kind.__name__, (kind,), {**getattr(kind, "toril_of_base", {}), **own})
        self._twin_of[kind](user.environment).start(self.twins)

    def pause(self, user, seconds: float = 0.0) -> None:
        """Sleep by the user's clock, and then until a turn of its arm."""
        turns = self.turns_of(user)
        if turns is None:
            gevent.sleep(seconds)
            return
        now = time.time() - self.opened_at
        own_s = now - user.toril_paused_s + seconds
        while (left := max(turns.at(own_s) - now, turns.wait_s(now))) > SHORT_S:
            self.check_end()
            self.sleep(min(left, LOOK_S))
            now = time.time() - self.opened_at
        user.toril_paused_s = now - turns.own_s(now)

    def think(self, task_set, seconds: float) -> None:
        """Replaces Locust's sleep between tasks."""
        self.pause(task_set.user, seconds)
        gevent.sleep(0)  # others run even if this user does not think

    def in_own_time(self, user, began: float) -> tuple[float, float]:
        """Returns a begin within a turn of the user's arm, and the seconds that the user has been paused since.

        Transactions, and requests of a script's own protocol, may begin while another arm has its turn.
        """
        turns = self.turns_of(user)
        if turns is None:
            return began, 0.0
        began -= self.opened_at
        own_s = turns.own_s(began)
        paused_s = max(0.0, user.toril_paused_s - (began - own_s))
        within = turns.wait_s(began) in (0, inf)
        return self.opened_at + (began if within else turns.at(own_s)), paused_s
