"""The worker's log, and its output without secrets."""

import atexit
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from toril.worker.engines import tail_of

ENGINE_LINES = 200


def begin(path: Path) -> None:
    """Everything that is logged from now on, from INFO: bzt's debug lines hold the values of environment variables."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)


def collected(path: Path, artifacts: Path, redacted: Callable[[str], str]) -> bytes:
    """The log so far with the engines' own logs behind it, all of it `redacted`."""
    parts = [path.read_text(errors="replace")]
    for engines in sorted(artifacts.glob("*")):
        if engines.suffix in (".err", ".log") and engines.is_file():
            tail = tail_of(engines, ENGINE_LINES)
            parts += [f"─── {engines.name}\n{tail}\n"] if tail else []
    return redacted("".join(parts)).encode()


LONGEST_LINE = 1 << 20  # bytes; a longer one is handed on in pieces
ENDS_WITHIN_S = 1.0


class Output:
    """From `begin` to the end of the process all that is written to stdout and stderr goes through `redacted`."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, int, threading.Thread]] = []

    def begin(self, redacted: Callable[[bytes], bytes]) -> None:
        for number, stream in enumerate((sys.stdout, sys.stderr), start=1):
            stream.flush()
            self._kept.append(_piped(number, redacted))
        atexit.register(self.end)  # a traceback, with the values of variables in it, comes before that

    def end(self) -> None:
        """Back to how it was, with all lines handed on that have been written."""
        atexit.unregister(self.end)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        kept, self._kept = self._kept, []
        for number, own, thread in kept:
            os.dup2(own, number)
            thread.join(ENDS_WITHIN_S)  # at once, unless somebody who was started here still has it open


def _piped(number: int, redacted: Callable[[bytes], bytes]) -> tuple[int, int, threading.Thread]:
    """The descriptor's number, a copy of what it was, and the thread that hands on what is written to it."""
    own = os.dup(number)
    reading, writing = os.pipe()
    os.dup2(writing, number)
    os.close(writing)

    def hand_on() -> None:
        with os.fdopen(reading, "rb") as lines:
            while line := lines.readline(LONGEST_LINE):
                with contextlib.suppress(OSError):  # nobody reads it any more: whoever writes must not notice
                    _write(own, redacted(line))

    thread = threading.Thread(target=hand_on, name=f"output-{number}", daemon=True)
    thread.start()
    return number, own, thread


def _write(number: int, data: bytes) -> None:
    while data:
        data = data[os.write(number, data) :]
