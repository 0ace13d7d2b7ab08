"""Signals that arrive before the worker can obey them: importing all that it needs takes most of a second.

Imports nothing but the standard library, so that `listen` is the first thing that happens.
"""

import signal
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)


class Early:
    """The names of those that came, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def listen(self) -> None:
        for number in ENDING:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.names.append(signal.Signals(number).name)


EARLY = Early()
