"""A simulated world: one clock, and actors that take turns in an order decided by a seed.

An actor is a greenlet. It runs until it waits for time or for the store, so other actors act only between two of its
operations, never within one.
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from greenlet import getcurrent, greenlet

BEGIN = 1_800_000_000.0  # the true start time of a world, in seconds since the epoch


class Crashed(BaseException):
    """Raised in an actor after its machine crashed; its later operations have no effect."""


class Happened(NamedTuple):
    """An entry of the trace."""

    at: float
    who: str
    what: tuple[object, ...]


@dataclass(slots=True, eq=False)
class Machine:
    """A machine with actors, which share its clock, freeze together, and end together."""

    name: str
    ahead_s: float = 0.0  # the clock's difference from true time
    dead: bool = False
    thaws_at: float = 0.0
    operations: int = 0
    greenlets: list[greenlet] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)  # that ended its actors

    @property
    def running(self) -> bool:
        return not self.dead and any(not one.dead for one in self.greenlets)


class World:
    """The time, the random numbers, and the queue of actors."""

    def __init__(self, seed: int) -> None:
        self.now = BEGIN
        self.chance = random.Random(seed)
        self.trace: list[Happened] = []
        self._due: list[tuple[float, float, int, Machine | None, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._hub = getcurrent()
        self._of: dict[greenlet, Machine] = {}

    def log(self, who: str, *what: object) -> None:
        self.trace.append(Happened(self.now, who, what))

    def spawn(self, machine: Machine, life: Callable[[], None], *, after_s: float = 0.0) -> None:
        """Starts an actor on a machine."""
        one = greenlet(lambda: self._live(machine, life), self._hub)
        machine.greenlets.append(one)
        self._of[one] = machine
        self._at(self.now + after_s, machine, one.switch)

    def at(self, moment: float, action: Callable[[], object], machine: Machine | None = None) -> None:
        """Calls `action` later; with a machine, only if it is alive, and not before it thaws."""
        self._at(moment, machine, action)

    def pause(self, seconds: float) -> None:
        """Lets the calling actor wait while other actors run."""
        one = getcurrent()
        machine = self._of[one]
        if not machine.dead:
            self._at(self.now + seconds, machine, one.switch)
            self._hub.switch()
        if machine.dead:
            raise Crashed

    def crash(self, machine: Machine) -> None:
        """Ends a machine at once; an actor may crash its own machine only as its last operation."""
        machine.dead = True
        self.log(machine.name, "CRASHES")
        for one in machine.greenlets:
            if one and one is not getcurrent():  # false if it has not started, or has ended
                self.at(self.now, lambda one=one: one.throw(Crashed))  # type: ignore[misc]

    def freeze(self, machine: Machine, seconds: float) -> None:
        machine.thaws_at = max(machine.thaws_at, self.now + seconds)
        self.log(machine.name, f"STANDS STILL for {seconds:.0f} s")

    def run(self, until: float) -> None:
        """Runs all actions until this time; `end` then stops the remaining actors."""
        while self._due and self._due[0][0] <= until:
            moment, _, _, machine, action = heappop(self._due)
            self.now = max(self.now, moment)
            if machine is not None and machine.dead:
                continue
            if machine is not None and machine.thaws_at > self.now:
                self._at(machine.thaws_at, machine, action)
                continue
            action()

    def end(self) -> None:
        for one, machine in self._of.items():
            machine.dead = True
            if one:
                one.throw(Crashed)

    def _at(self, moment: float, machine: Machine | None, action: Callable[[], object]) -> None:
        heappush(self._due, (moment, self.chance.random(), next(self._numbers), machine, action))

    def _live(self, machine: Machine, life: Callable[[], None]) -> None:
        try:
            life()
            self.log(machine.name, "ends")
        except Crashed:
            pass
        except Exception as error:
            machine.errors.append(error)
            self.log(machine.name, f"ends: {type(error).__name__}: {error}")


class SimulatedClock:
    """A machine's own clock. `least_s`: the shortest sleep, as on a busy machine."""

    def __init__(self, world: World, machine: Machine, least_s: float = 0.0) -> None:
        self._world, self._machine, self._least_s = world, machine, least_s

    def now(self) -> float:
        return self._world.now + self._machine.ahead_s

    def sleep(self, seconds: float) -> None:
        self._world.pause(max(seconds, self._least_s) * (1 + 0.2 * self._world.chance.random()))
