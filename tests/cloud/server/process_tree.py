"""The processes of a container without its own namespace: they inherit its name in their environment."""

import os
import signal
from contextlib import suppress
from pathlib import Path

NAME = "EMBEDDED_CLOUD_CONTAINER"


def of_container(name: str) -> list[int]:
    """Returns the process ids, independently of session and parent. A process that is ending has no environment."""
    mark = f"{NAME}={name}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # the process has ended, or belongs to another user
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found


def signal_all(name: str, number: int) -> None:
    """Signals all processes, and for SIGKILL also those that start in the meantime."""
    reached: set[int] = set()
    while new := set(of_container(name)) - reached:
        for pid in new:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        reached |= new
        if number != signal.SIGKILL:
            return
