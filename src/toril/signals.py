"""Ctrl-C and SIGTERM as a question that the run asks in its own time."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType


@dataclass(slots=True)
class Interrupts:
    """Which signals came; the first one stops the load, repeats change nothing."""

    names: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.names)


@contextmanager
def caught_interrupts() -> Iterator[Interrupts]:
    """While inside, SIGINT and SIGTERM are noted and not obeyed."""
    caught = Interrupts()

    def note(number: int, _frame: FrameType | None) -> None:
        caught.names.append(signal.Signals(number).name)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
