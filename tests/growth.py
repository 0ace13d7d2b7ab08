"""Checks whether CPU time grows linearly or quadratically with the length of a text."""

import time
from collections.abc import Callable

SHORT, LONG = 10_000, 80_000  # characters
MOST = 4  # ratio of the times per character of a long and a short text; quadratic work has the ratio 8
UNNOTICED_S = 0.1


def is_linear(work: Callable[[str], object], piece: str, beginning: str = "") -> bool:
    """Whether a long text takes about the same CPU time per character as a short one."""
    short_s, long_s = (_spent_s(work, beginning + piece * (length // len(piece))) for length in (SHORT, LONG))
    return long_s <= UNNOTICED_S or long_s / LONG <= MOST * short_s / SHORT


def _spent_s(work: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    work(text)
    return time.process_time() - began
