"""Parts of engines' own processes: writers of samples and test cases, lateness, and reuse of connections.

The wrappers import it as `in_process`. They add this folder to Python's path only for this import, because its modules
could hide modules of the suite. It imports nothing of toril.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,attr-defined,assignment,arg-type,union-attr"

import contextlib
import importlib.util
import json
import math
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROW = struct.Struct("<dqqqII")
COLUMNS = ("started_s", "response_us", "ttfb_us", "bytes", "label", "outcome")
USERS = 0xFFFFFFFF  # as a row's label: its bytes are the number of virtual users, or of requests in flight
LATE = 0xFFFFFFFE  # as a row's label: its response_us and ttfb_us are the maximum and the 90th percentile of lateness
NOT_SAMPLES = LATE  # labels from here on
MESSAGES = 1000  # different failures; further ones are "other"
UNWRITTEN = 74  # the exit code of a process that cannot write its rows (EX_IOERR)
PROBE_S = 0.02
GATE_POLL_S = 0.005
MOST_CHARS = 20_000  # a failed assertion may quote a whole response
WATCHED_S = 0.1
ESTABLISHED = 1  # a TCP connection that neither side has closed


class Lateness:
    """Reports the maximum and the 90th percentile of lateness, once a second.

    `probe` measures the lateness of the program's own loop: by how much a short sleep oversleeps. An engine's
    measurements err by about as much, because it sees a response and sends the next request when its loop runs.
    """

    def __init__(self, report: Callable[[float, int, int], None], clock: Callable[[], float] = time.time) -> None:
        self._report = report  # (seconds since the epoch, maximum in µs, 90th percentile in µs)
        self._clock = clock
        self._late: list[float] = []
        self._second = 0

    def add(self, late_s: float) -> None:
        second = int(self._clock())
        if second != self._second:
            self.flush()
            self._second = second
        self._late.append(late_s)

    def flush(self) -> None:
        """Report the current second before it is over."""
        if self._late:
            late = sorted(max(0, round(one * 1e6)) for one in self._late)
            self._late = []
            self._report(self._second, late[-1], late[math.ceil(0.9 * len(late)) - 1])

    def probe(self, sleep: Callable[[float], object], over: Callable[[], bool]) -> None:
        """Sleep repeatedly until `over` returns true."""
        while not over():
            before = time.perf_counter()
            sleep(PROBE_S)
            self.add(time.perf_counter() - before - PROBE_S)
        self.flush()


def load_module(path):
    """Returns the module at this path without `.py`, relative to this folder."""
    spec = importlib.util.spec_from_file_location(f"toril_{Path(path).name}", Path(__file__).parent / f"{path}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wait_at_gate(folder) -> float:
    """Report this process as parked, and wait for the time in the gate's file; returns that time."""
    (folder / "parked").touch()
    gate = folder / "gate"
    while not gate.exists():
        time.sleep(GATE_POLL_S)
    at = float(gate.read_text())
    time.sleep(max(0.0, at - time.time()))
    return at


class RowWriter:
    """Writes samples for `readers.RowFile`: buffered rows of fixed size, and their names before them."""

    def __init__(self, folder: Path) -> None:
        self._names = (folder / "names").open("w", encoding="utf-8")
        self._rows = (folder / "rows").open("wb", buffering=0)
        self._pending: list[bytes] = []
        self._labels: dict[tuple[str, str], int] = {}
        self._outcomes: dict[tuple[str, str, bool], int] = {}

    def sample(
        self,
        started_s: float,
        response_us: int,
        ttfb_us: int,
        size: int,
        label: str,
        kind: str,
        outcome: tuple[str, str, bool],
    ) -> None:
        label_id = self._labels.get((label, kind))
        if label_id is None:
            label_id = self._labels[label, kind] = len(self._labels)
            self.note("label", label, kind)
        if outcome not in self._outcomes and outcome[1] and len(self._outcomes) >= MESSAGES:
            outcome = (outcome[0], "other", outcome[2])
        outcome_id = self._outcomes.get(outcome)
        if outcome_id is None:
            outcome_id = self._outcomes[outcome] = len(self._outcomes)
            self.note("outcome", *outcome)
        self._pending.append(ROW.pack(started_s, response_us, ttfb_us, size, label_id, outcome_id))

    def users(self, now: float, count: int) -> None:
        self._pending.append(ROW.pack(now, 0, 0, count, USERS, 0))

    def late(self, second: float, max_us: int, p90_us: int) -> None:
        self._pending.append(ROW.pack(second, max_us, p90_us, 0, LATE, 0))

    def note(self, *line: object) -> None:
        """Write a line of names, see `readers.RowFile`."""
        self._names.write(json.dumps(line) + "\n")

    def flush(self) -> None:
        """Write the records. If that fails the process ends, so that lost records do not look like a short load."""
        try:
            self._names.flush()
            pending, self._pending = memoryview(b"".join(self._pending)), []
            while pending:  # a nearly full disk takes only a part
                pending = pending[self._rows.write(pending) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                sys.stderr.write(f"cannot write the records: {error}\n")
                sys.stderr.flush()
            os._exit(UNWRITTEN)

    def close(self) -> None:
        self.flush()
        self._names.close()
        self._rows.close()


class CaseWriter:
    """Writes test cases as they end, one JSON object a line, as `readers.CaseLines` expects them.

    Threads may share a writer. Each case is on the disk before `write` returns.
    """

    def __init__(self, path) -> None:
        self._lock = threading.Lock()
        self._file = path.open("w", encoding="ascii")

    def write(self, *, name, suite, outcome, started_s, took_s, message="", trace="") -> None:
        texts = {"name": name, "suite": suite, "message": message, "trace": trace}
        case = {key: str(text)[-MOST_CHARS:] for key, text in texts.items()}
        case |= {"outcome": outcome, "started_s": started_s, "duration_us": max(0, round(took_s * 1e6))}
        with self._lock:
            self._file.write(json.dumps(case) + "\n")
            self._file.flush()


class Reuse:
    """Decides whether requests may reuse a service's connections.

    Some services close connections without announcing it, and a request sent at that moment never reaches them. A retry
    would hide failures of requests that did reach the service. So the first connection to each address is watched for
    a moment. Until then, and always if the service closed it, each request has its own connection.
    """

    def __init__(self) -> None:
        self._left_open: dict[object, bool] = {}

    def allows(self, connection) -> bool:
        """Returns whether a connection may be used again after a response."""
        try:
            peer = connection.getpeername()
        except OSError:
            return False
        if peer not in self._left_open and hasattr(socket, "TCP_INFO"):
            self._left_open[peer] = False
            watched = socket.socket(fileno=os.dup(connection.fileno()))  # open after the pool has closed its own
            timer = threading.Timer(WATCHED_S, self._watch, (peer, watched))
            timer.daemon = True
            timer.start()
        return self._left_open.get(peer, True)

    def _watch(self, peer, watched) -> None:
        with contextlib.suppress(OSError), watched:
            self._left_open[peer] = watched.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED

    def install(self) -> None:
        """Make urllib3's pools check this, too, before they reuse a connection."""
        from urllib3 import connectionpool  # imported here, since the worker and pytest's process do not need it

        dropped = connectionpool.is_connection_dropped
        connectionpool.is_connection_dropped = lambda one: dropped(one) or not self.allows(one.sock)
