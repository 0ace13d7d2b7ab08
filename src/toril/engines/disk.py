"""A worker's use of the local disk: a scratch folder, removed at its end, and record files, freed once read."""

import contextlib
import ctypes
import fcntl
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

PREFIX = "toril-worker-"
LEAST_BYTES = 4 * 2**20  # some seconds of an engine's records; on a full disk engines lose them silently
FALLOC_FL_KEEP_SIZE = 1  # linux/falloc.h
FALLOC_FL_PUNCH_HOLE = 2

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Scratch:
    """A private folder, locked while the worker lives. Creating one removes the folders of killed workers."""

    def __init__(self) -> None:
        _remove_abandoned(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        new = self.folder / "lock.new"
        self._lock = new.open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        new.rename(self.folder / "lock")  # another worker can only find it locked

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def _remove_abandoned(top: Path) -> None:
    """Remove unlocked folders of this user; other users' folders are not trusted."""
    for folder in top.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            about = folder.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
                continue
            lock = os.open(folder / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that other processes see all of it or none."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)


def is_full(folder: Path, ask: Callable[[Path], os.statvfs_result] = os.statvfs) -> bool:
    """Returns whether the disk is nearly full; False if the file system does not report blocks."""
    status = ask(folder)
    return status.f_blocks > 0 and status.f_bavail * status.f_frsize < LEAST_BYTES


def free_space(file: BinaryIO, read: int) -> None:
    """Free the disk space of a growing file's first `read` bytes; offsets stay the same (Linux only)."""
    if _libc is not None:
        mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
        _libc.fallocate(file.fileno(), mode, ctypes.c_long(0), ctypes.c_long(read))  # harmless where unsupported
