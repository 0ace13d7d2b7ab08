"""Whether time grows with the length of a text, or with its square."""

import time
from collections.abc import Callable

SHORT, LONG = 25_000, 200_000  # characters
MOST = 4  # times as much time for each character of a long text; a square takes 8 times as much
UNNOTICED_S = 0.1


def is_linear(work: Callable[[str], object], piece: str, beginning: str = "") -> bool:
    """Whether the work on a long text takes hardly more CPU time for each character than on a short one."""
    short_s, long_s = (_spent_s(work, beginning + piece * (length // len(piece))) for length in (SHORT, LONG))
    return long_s <= UNNOTICED_S or long_s / LONG <= MOST * short_s / SHORT


def _spent_s(work: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    work(text)
    return time.process_time() - began
