"""Collects Ctrl-C and SIGTERM, so that a run can end in order."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType


@dataclass(slots=True)
class Interrupts:
    """The names of the signals so far. The first one stops the load; later ones have no effect."""

    names: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.names)


@contextmanager
def caught_interrupts() -> Iterator[Interrupts]:
    """Collects SIGINT and SIGTERM inside the block, instead of ending the process."""
    caught = Interrupts()

    def note(number: int, _frame: FrameType | None) -> None:
        caught.names.append(signal.Signals(number).name)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
