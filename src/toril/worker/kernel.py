"""What only Linux tells of a process: how long its threads waited for a CPU, and what it has open."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import psutil

PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Opened:
    """What one process has open."""

    files: int  # file descriptors of all kinds, sockets among them
    sockets: int | None  # None: not counted this time
    limit: int | None  # of file descriptors


def waits(pid: int, proc: Path = PROC) -> dict[int, int] | None:
    """By thread: for how long it could have run but got no CPU, in ns since its beginning; None where nobody counts."""
    found = {}
    try:
        with os.scandir(proc / str(pid) / "task") as tasks:
            for task in tasks:
                with contextlib.suppress(OSError, ValueError):
                    ran, waited, _ = map(int, Path(task.path, "schedstat").read_bytes().split())
                    if ran:  # a kernel that does not count says 0
                        found[int(task.name)] = waited
    except OSError:
        return None
    return found or None


def opened(process: psutil.Process, most: int) -> Opened | None:
    """What it has open; sockets are told apart only among at most so many, since that takes a call for each."""
    try:
        if not psutil.LINUX:
            return Opened(process.num_fds(), None, None)
        with os.scandir(f"/proc/{process.pid}/fd") as found:
            paths = [entry.path for entry in found]
        limit, _ = process.rlimit(psutil.RLIMIT_NOFILE)
        return Opened(len(paths), _sockets(paths) if len(paths) <= most else None, limit if limit > 0 else None)
    except (OSError, psutil.Error):
        return None


def _sockets(paths: list[str]) -> int:
    count = 0
    for path in paths:
        with contextlib.suppress(OSError):
            count += os.readlink(path).startswith("socket:")  # noqa: PTH115 - many: a Path for each is half the time
    return count


def ports() -> int | None:
    """How many ports the kernel can give to connections that are opened here."""
    with contextlib.suppress(OSError, ValueError):
        first, last = map(int, PORTS.read_text().split())
        return last - first + 1
    return None


def cores_of(pid: int, most: float) -> float:
    """How many cores a process may use at once, of so many that there are for it and others."""
    if hasattr(os, "sched_getaffinity"):
        with contextlib.suppress(OSError):
            return min(float(len(os.sched_getaffinity(pid))), most)
    return most
