"""Browsers never outlive the process that drives them: they are in process groups where its signals do not reach.

Loaded by path into that process (`beside` in `browser/steps.py`), so that it imports nothing of toril.
"""

import contextlib
import ctypes
import os
import signal
import sys

import psutil

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
WAIT_S = 2.0


def leave_none_behind() -> None:
    """From now on the end of this process's parent is a SIGTERM, and that ends all descendants first (Linux)."""
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, frame: object) -> None:
    kill_descendants()
    os._exit(128 + number)


def kill_descendants() -> None:
    """Browsers, their drivers, and what they have started."""
    found = psutil.Process().children(recursive=True)
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=WAIT_S)
