"""A simulated S3 bucket, and the faults of requests to it.

Operations take effect one by one, at a time between request and answer. `Handle` is one process' store. It recognises
its own writes by their marks, like `S3Store`.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from tests.simulation.world import Crashed, Machine, World
from toril.errors import StoreError
from toril.store import Entry

Value = TypeVar("Value")

LATENCY_S = 0.1
SLOW_S = 3.0
GIVES_UP_S = 5.0  # the longest wait of a process for one operation
STRAGGLES_S = 15.0  # the longest delay of a request after its process has given up


@dataclass(frozen=True, slots=True)
class Laws:
    """The guarantees of the store. Tests remove one, to show that it is needed."""

    if_none_match: bool = True
    if_match: bool = True


@dataclass(frozen=True, slots=True)
class Troubles:
    """The probabilities of faults in a process' operations; and a time in which all operations fail."""

    refused: float = 0.0  # not executed, and the process gives up
    lost: float = 0.0  # executed, but the answer is lost, and the process gives up
    straggling: float = 0.0  # executed after the process has given up
    repeated: float = 0.0  # executed, the answer is lost, and the request is sent again
    slow: float = 0.0
    cut_off: tuple[float, float] = (0.0, 0.0)  # from, to

    @property
    def any(self) -> bool:
        return bool(self.refused or self.lost or self.straggling or self.repeated or self.slow)


ALL_LAWS, UNTROUBLED = Laws(), Troubles()


@dataclass(slots=True)
class Objects:
    """The bucket's content, and the observers of writes."""

    laws: Laws = ALL_LAWS
    values: dict[str, tuple[bytes, int]] = field(default_factory=dict)  # key → value, mark
    straggler: bool = False  # whether the current write belongs to a request that has been answered or given up
    marks: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    watchers: list[Callable[[Machine, str, str, bytes], None]] = field(default_factory=list)

    def write(self, machine: Machine, how: str, key: str, data: bytes, mark: int) -> None:
        self.values[key] = (data, mark)
        for watcher in self.watchers:
            watcher(machine, f"{how}, late" if self.straggler else how, key, data)


class Handle:
    """One process' store, an implementation of `Store`."""

    def __init__(self, world: World, objects: Objects, machine: Machine, troubles: Troubles) -> None:
        self.world, self.objects, self.machine, self.troubles = world, objects, machine, troubles
        self.on_operation: Callable[[int, str], None] | None = None
        self.acknowledged: list[str] = []
        self._unanswered: dict[str, dict[int, bytes]] = {}

    # ── the protocol

    def put(self, key: str, data: bytes) -> None:
        self._send("put", key, lambda: self.objects.write(self.machine, "put", key, data, next(self.objects.marks)))

    def put_once(self, key: str, data: bytes) -> bool:
        new = self._written(key, data, None, again=False) is not None
        if new:
            self.acknowledged.append(key)
        return new

    def swap(self, key: str, data: bytes, version: str | None) -> str | None:
        return self._written(key, data, version, again=True)

    def get(self, key: str) -> bytes:
        found = self.find(key)
        if found is None:
            raise StoreError(f"{self.address(key)}: no such object", code="trouble")
        return found

    def find(self, key: str, most: int | None = None) -> bytes | None:
        return self._read("find", key, lambda: self._value(key))

    def find_many(self, keys: Iterable[str], most: int | None = None) -> dict[str, bytes]:
        wanted = list(keys)
        if not wanted:
            return {}
        found = self._read("find_many", " ".join(wanted), lambda: [(key, self._value(key)) for key in wanted])
        return {key: data for key, data in found if data is not None}

    def find_version(self, key: str) -> tuple[bytes, str] | None:
        data = self._read("find_version", key, lambda: self._value(key))
        return None if data is None else (data, _version(data))

    def keys(self, prefix: str) -> Iterator[str]:
        yield from self._read(
            "keys", prefix, lambda: sorted(key for key in self.objects.values if key.startswith(prefix))
        )

    def entries(self, prefix: str, after: str = "") -> Iterator[Entry]:
        raise NotImplementedError("the simulation has no file sizes")

    def names(self, prefix: str) -> list[str]:
        below = (key.removeprefix(prefix).split("/") for key in self.keys(prefix))
        return sorted({parts[0] for parts in below if len(parts) > 1})

    def delete(self, prefix: str) -> None:
        def effect() -> None:
            for key in [key for key in self.objects.values if key.startswith(prefix)]:
                del self.objects.values[key]

        self._send("delete", prefix, effect)

    def delete_many(self, keys: Iterable[str]) -> None:
        raise NotImplementedError("the simulation deletes folders only")

    def time(self) -> tuple[float, float]:
        return self._read("time", "", lambda: (self.world.now, 0.01))

    def address(self, key: str) -> str:
        return f"s3://simulated/{key}"

    # ── requests

    def _written(self, key: str, data: bytes, version: str | None, *, again: bool) -> str | None:
        """See `S3Store._written`."""
        mark, before = next(self.objects.marks), self._unanswered.pop(key, {})
        how = "swap" if again else "put_once"
        try:
            while True:
                if self._send(how, key, lambda: self._condition(how, key, data, version, mark)):  # noqa: B023
                    return _version(data)
                there, found = self._read("head", key, lambda: self.objects.values.get(key, (b"", 0)))
                if found == mark or before.get(found) == data:
                    return _version(there)
                if not again or found not in before:
                    return None
                version = _version(there)
                before = {one: value for one, value in before.items() if one != found}
        except StoreError:
            self._unanswered[key] = {**before, mark: data}
            raise

    def _condition(self, how: str, key: str, data: bytes, version: str | None, mark: int) -> bool:
        """Executes a conditional write. Returns whether its condition was true."""
        there = self.objects.values.get(key)
        laws = self.objects.laws
        holds = there is None if version is None else there is not None and _version(there[0]) == version
        if holds or not (laws.if_none_match if version is None and how == "put_once" else laws.if_match):
            self.objects.write(self.machine, how, key, data, mark)
            return True
        return False

    def _value(self, key: str) -> bytes | None:
        found = self.objects.values.get(key)
        return None if found is None else found[0]

    def _read(self, how: str, key: str, effect: Callable[[], Value]) -> Value:
        return self._send(how, key, effect, writes=False)

    def _send(self, how: str, key: str, effect: Callable[[], Value], *, writes: bool = True) -> Value:
        """Sends a request with its faults, and waits for the answer."""
        machine, world, chance, troubles = self.machine, self.world, self.world.chance, self.troubles
        if machine.dead:
            raise Crashed
        machine.operations += 1
        fate = self._fate(writes)
        if self.on_operation is not None:
            self.on_operation(machine.operations, "before")
        slow_s = SLOW_S if troubles.slow and chance.random() < troubles.slow else 0.0
        world.pause((LATENCY_S + slow_s) * chance.random())
        if fate in ("refused", "straggling"):
            if fate == "straggling":
                world.at(world.now + STRAGGLES_S * chance.random(), lambda: self._straggle(effect))
            self._give_up(how, key, fate)
        value = effect()
        world.log(machine.name, how, key, value)
        if self.on_operation is not None:
            self.on_operation(machine.operations, "after")
        if fate == "lost":
            self._give_up(how, key, fate)
        world.pause((LATENCY_S + slow_s) * chance.random())
        if fate == "repeated":
            world.log(machine.name, "again", how, key)
            value = self._straggle(effect)
            world.pause(LATENCY_S * chance.random())
        return value

    def _straggle(self, effect: Callable[[], Value]) -> Value:
        self.objects.straggler = True
        value = effect()
        self.objects.straggler = False
        return value

    def _fate(self, writes: bool) -> str:
        troubles = self.troubles
        chance = self.world.chance
        if troubles.cut_off[0] <= self.world.now < troubles.cut_off[1]:
            return "lost" if chance.random() < 0.2 else "refused"
        if not troubles.any:
            return ""
        drawn = chance.random()
        for name in ("refused", "lost", "straggling", "repeated"):
            drawn -= getattr(troubles, name)
            if drawn < 0:
                return name if writes or name == "refused" else ""
        return ""

    def _give_up(self, how: str, key: str, why: str) -> None:
        self.world.log(self.machine.name, how, key, "gives up:", why)
        self.world.pause(GIVES_UP_S * self.world.chance.random())
        raise StoreError(f"{self.address(key)}: no answer ({why})", code="trouble")


def _version(data: bytes) -> str:
    return data.decode("latin-1")
