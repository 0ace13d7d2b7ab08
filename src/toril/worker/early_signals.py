"""Collects signals that arrive while the worker imports its modules, which takes most of a second.

This module imports only the standard library, so that `listen` can run first.
"""

import signal

ENDING = (signal.SIGINT, signal.SIGTERM)


EARLY: list[str] = []  # the names of early signals, in order


def listen() -> None:
    for ending in ENDING:
        signal.signal(ending, lambda number, frame: EARLY.append(signal.Signals(number).name))
