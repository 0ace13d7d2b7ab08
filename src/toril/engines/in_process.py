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
from collections.abc import Callable, Iterable, Iterator, Mapping
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
SPIN_S = 0.002  # sleep is not exact: the last part is a busy wait
MOST_CHARS = 20_000  # a failed assertion may quote a whole response
WATCHED_S = 0.1
IDLE_S = 0.2  # a connection is idle from here on; services keep idle ones for a second or more
KEPT_SHARE = 0.9  # of the time for which a service kept an idle connection: clocks and the way there differ
IDLE_CLOSED = "IdleConnectionClosed"  # the code of a request whose idle connection was closed as it was sent
IDLE_CLOSED_TEXT = "the service closed the idle connection just when the request was sent"
ESTABLISHED = 1  # a TCP connection that neither side has closed
VALUE_SCALE = 1000  # of what scripts measure: toril.timeline.intervals
MOST_VALUE = (1 << 40) / VALUE_SCALE
MOST_TAG_VALUES = 51  # of one tag; further ones count as OTHER. A run with more than 50 is inconclusive
MOST_TAG_CHARS = 100
MOST_LABEL_CHARS = 850  # before a tag: the recorder cuts labels of more than 1,000 characters
OTHER = "…"

measure = None  # in an engine's process: records (kind, name, value, ok) of `toril.metrics`


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
        for ago in range(1, int(late_s) + 1):  # seconds in which the program stood still
            self._report(second - ago, round(late_s * 1e6), round(late_s * 1e6))

    def flush(self) -> None:
        """Report the current second before it is over."""
        if self._late:
            late = sorted(max(0, round(late_s * 1e6)) for late_s in self._late)
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


def wait_at_gate(folder, sleep=time.sleep, watch=lambda: None) -> float:
    """Report this process as parked, and wait for the time in the gate's file; returns that time.

    `watch` is called several times a second while the gate is closed.
    """
    (folder / "parked").touch()
    gate = folder / "gate"
    while not gate.exists():
        watch()
        sleep(GATE_POLL_S)
    at = float(gate.read_text())
    sleep(max(0.0, at - time.time() - SPIN_S))
    while time.time() < at:
        pass
    return at


def scaled(value: float) -> int:
    """Returns a measured value as an integer in rows; an impossible one is -1, which makes the row unreadable."""
    return round(value * VALUE_SCALE) if 0 <= value < MOST_VALUE else -1  # NaN is neither


def tags_here():
    """Returns the tags that the script has set for the requests of this greenlet or thread."""
    metrics = sys.modules.get("toril.metrics")
    return metrics.TAGS.get() if metrics else {}


class RequestTags:
    """The labels of requests with the tags that the suite names."""

    def __init__(self, names: Iterable[str]) -> None:
        self._values: dict[str, set[str]] = {name: set() for name in names}

    def labels(self, label: str, tags: Mapping[str, object]) -> Iterator[str]:
        """Yields a label for each tag of a request, such as `checkout{tenant=big}`; an empty value is no tag."""
        for name, values in self._values.items():
            value = str(tags.get(name) or "")
            if value and value not in values:
                if len(values) >= MOST_TAG_VALUES or len(value) > MOST_TAG_CHARS:
                    value = OTHER
                else:
                    values.add(value)
            if value:
                yield f"{label[:MOST_LABEL_CHARS]}{{{name}={value}}}"


class RowWriter:
    """Writes samples for `readers.RowFile`: buffered rows of fixed size, and their names before them.

    A request with some of `tags` has a second row for each. What a script measures before the load counts at its begin.
    """

    def __init__(self, folder: Path, tags: Iterable[str] = ()) -> None:
        self._tags = RequestTags(tags)
        self._early: list[tuple[str, str, float, bool]] | None = []  # measured before the load; None after its begin
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
        tags: Mapping[str, object] | None = None,
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
        for tagged in self._tags.labels(label, tags) if tags else ():
            self.sample(started_s, response_us, ttfb_us, size, tagged, "tagged", outcome)

    def measured(self, kind: str, name: str, value: float, ok: bool) -> None:
        """Write what the script has measured now, see `toril.metrics`."""
        if self._early is None:
            self.sample(time.time(), scaled(value), -1, 0, name, kind, ("", "", ok))
        else:
            self._early.append((kind, name, value, ok))

    def begin(self, at: float) -> None:
        """The load begins."""
        early, self._early = self._early or [], None
        for kind, name, value, ok in early:
            self.sample(at, scaled(value), -1, 0, name, kind, ("", "", ok))

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
        self.outcomes: set[str] = set()
        self._lock = threading.Lock()
        self._file = path.open("w", encoding="ascii")

    def write(self, *, name, suite, outcome, started_s, took_s, message="", trace="") -> None:
        texts = {"name": name, "suite": suite, "message": message, "trace": trace}
        case = {key: str(text)[-MOST_CHARS:] for key, text in texts.items()}
        self.outcomes.add(outcome)
        case |= {"outcome": outcome, "started_s": started_s, "duration_us": max(0, round(took_s * 1e6))}
        with self._lock:
            self._file.write(json.dumps(case) + "\n")
            self._file.flush()


def report_uncaught(report: Callable[[BaseException], None]) -> None:
    """Call `report` with each exception that a thread leaves uncaught."""
    default = threading.excepthook

    def hook(args) -> None:
        default(args)
        if isinstance(args.exc_value, Exception):
            report(args.exc_value)

    threading.excepthook = hook


def report_exit(folder, cases, code, ended) -> None:
    """Report an exit code of a test runner that no test case explains; the file marks a complete run, too."""
    unexplained = code and cases.outcomes and not cases.outcomes & {"failed", "broken"} and not ended
    (folder / "done").write_text(f"ended with exit code {int(code)}, but no test failed" if unexplained else "")


class Reuse:
    """Decides whether requests may reuse a service's connections. A request never does so after its first failure.

    Some services close connections without announcing it, and a request sent at that moment never reaches them. A retry
    would hide failures of requests that did reach the service. So the first connection to each address is watched for
    a moment. Until then, and always if the service closed it, each request has its own connection.

    An idle connection is checked before its use. After the service was seen to close one, none is used that has been
    idle for about as long.
    """

    def __init__(self) -> None:
        self._left_open: dict[object, bool] = {}
        self._idle: dict[int, tuple[float, object]] = {}  # descriptor → since when it is idle, and its peer
        self._survived_s: dict[object, float] = {}  # peer → the longest time after which an idle connection was open
        self._kept_s: dict[object, float] = {}  # peer → the shortest one after which it was closed
        self._used = threading.local()  # peer and idle time of the connection of this thread's request

    def begin(self) -> None:
        """A request of this thread begins."""
        self._used.idle = None

    def give(self, connection) -> None:
        """Note that a connection is idle from now on."""
        with contextlib.suppress(OSError):
            self._idle[connection.fileno()] = time.monotonic(), connection.getpeername()

    def take(self, connection, *, is_open: bool) -> bool:
        """Returns whether a request may use an idle connection."""
        since, peer = self._idle.pop(connection.fileno(), (None, None))
        if since is None:
            return False
        idle_s = time.monotonic() - since
        if not is_open:
            self._learn(peer, idle_s)
            return False
        if idle_s >= KEPT_SHARE * self._kept_s.get(peer, math.inf) or not self._stays_open(peer, connection):
            return False
        self._survived_s[peer] = max(idle_s, self._survived_s.get(peer, 0.0))
        self._used.idle = peer, idle_s
        return True

    def lost(self, error) -> bool:
        """Returns whether the service closed the idle connection of this thread's request as it was sent."""
        peer, idle_s = getattr(self._used, "idle", None) or (None, 0.0)
        if idle_s < IDLE_S or not is_closed(error):
            return False
        self._survived_s.pop(peer, None)  # the check came just before the end
        self._learn(peer, idle_s)
        return True

    def _learn(self, peer, idle_s) -> None:
        """Note after which time a service closes idle connections. One that was busy before has another reason."""
        if idle_s >= max(IDLE_S, KEPT_SHARE * self._survived_s.get(peer, 0.0)):
            self._kept_s[peer] = min(idle_s, self._kept_s.get(peer, math.inf))

    def _stays_open(self, peer, connection) -> bool:
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

        dropped, put = connectionpool.is_connection_dropped, connectionpool.HTTPConnectionPool._put_conn

        def put_and_give(pool, connection) -> None:
            if connection is not None and connection.sock is not None:
                self.give(connection.sock)
            put(pool, connection)

        connectionpool.HTTPConnectionPool._put_conn = put_and_give
        connectionpool.is_connection_dropped = lambda connection: (
            connection.sock is None or not self.take(connection.sock, is_open=not dropped(connection))
        )


def is_closed(error) -> bool:
    """Returns whether a request failed because its connection was closed before the first byte of a response."""
    while error.args and isinstance(error.args[0], Exception):  # requests wraps urllib3's
        error = error.args[0]
    reasons = [error, *error.args]  # urllib3 has the socket's as a second argument
    return any(isinstance(why, ConnectionError) or type(why).__name__ == "HTTPConnectionClosed" for why in reasons)
