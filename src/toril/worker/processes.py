"""Ends engines with their worker, and a local worker with its coordinator."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable

import psutil

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
PARENT_POLL_S = 0.25

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # here, since nothing may be imported after a fork


def adopt_orphans() -> None:
    """Make descendants whose parent ends this process's children, so that they can be found (Linux)."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def lead_a_group_and_die_with_parent() -> None:
    """For a child between fork and exec: its own process group, killed when the forking thread ends (Linux)."""
    os.setpgrp()
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def watch_parent(gone: Callable[[], None]) -> None:
    """Call `gone` once, in another thread, when this process's parent has ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            stop.wait(PARENT_POLL_S)
        gone()

    stop = threading.Event()
    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


def cpu_s(leader: int) -> float:
    """Returns the CPU time of a process and its descendants so far, in seconds."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(leader)
        for part in (process, *process.children(recursive=True)):
            times = part.cpu_times()
            total += times.user + times.system
    return total


def kill_group(leader: int) -> None:
    """Kill a process group, unless it has already ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def kill_all(leaders: Iterable[int]) -> int:
    """Kill these groups and every descendant of this process; returns the number of processes still running."""
    for leader in leaders:
        kill_group(leader)
    killed = 0
    children = psutil.Process().children(recursive=True)
    for process in children:
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                killed += 1
                process.kill()
    psutil.wait_procs(children, timeout=2)
    return killed
