"""Collects signals that arrive while the worker imports its modules, which takes most of a second.

This module imports only the standard library, so that `listen` can run first.
"""

import signal
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)


class Early:
    """The names of early signals, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def listen(self) -> None:
        for number in ENDING:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.names.append(signal.Signals(number).name)


EARLY = Early()
