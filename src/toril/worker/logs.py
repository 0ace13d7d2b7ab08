"""The worker's log, and the redaction of its output."""

import atexit
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from toril.engines import tail_of

ENGINE_LINES = 200
LONGEST_LINE = 1 << 20  # bytes; longer lines are passed on in pieces
ENDS_WITHIN_S = 1.0


def begin(path: Path) -> None:
    """Log to this file from INFO on: bzt's debug lines hold the values of environment variables."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)


def collected(path: Path, artifacts: Path, redacted: Callable[[str], str], hiding: Callable[[str], str]) -> bytes:
    """Returns the log so far and the tails of the engines' own logs, without secrets.

    `redacted` removes secrets that span lines. `hiding` takes one line, as a whole log would cost it more.
    """
    parts = [path.read_text(errors="replace")]
    for engines in sorted(artifacts.glob("*")):
        if engines.suffix in (".err", ".log") and engines.is_file():
            tail = tail_of(engines, ENGINE_LINES)
            parts += [f"─── {engines.name}\n{tail}\n"] if tail else []
    lines = redacted("".join(parts)).split("\n")
    return "\n".join(map(hiding, lines)).encode()


class RedactedOutput:
    """Passes this process's stdout and stderr through `redacted`, from `begin` on."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, int, threading.Thread]] = []

    def begin(self, redacted: Callable[[bytes], bytes]) -> None:
        for number, stream in enumerate((sys.stdout, sys.stderr), start=1):
            stream.flush()
            self._kept.append(_piped(number, redacted))
        atexit.register(self.end)  # runs after a last traceback, which may show secrets

    def end(self) -> None:
        """Restore stdout and stderr after the last lines."""
        atexit.unregister(self.end)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        kept, self._kept = self._kept, []
        for number, own, thread in kept:
            os.dup2(own, number)
            thread.join(ENDS_WITHIN_S)  # returns at once, unless a child process keeps the pipe open


def _piped(number: int, redacted: Callable[[bytes], bytes]) -> tuple[int, int, threading.Thread]:
    """Returns the descriptor's number, a copy of the original, and the thread that passes its lines on."""
    own = os.dup(number)
    reading, writing = os.pipe()
    os.dup2(writing, number)
    os.close(writing)

    def pass_on() -> None:
        with os.fdopen(reading, "rb") as lines:
            while line := lines.readline(LONGEST_LINE):
                with contextlib.suppress(OSError):  # without a reader, the writer must not fail
                    data = redacted(line)
                    while data:
                        data = data[os.write(own, data) :]

    thread = threading.Thread(target=pass_on, name=f"output-{number}", daemon=True)
    thread.start()
    return number, own, thread
