"""Keeps the first failures and the slowest requests of an engine's process, with their responses.

An engine's own process loads it by path (`in_process.load_module`), so that it imports nothing of toril. It writes one
JSON object a line into the file `exchanges` of the execution's folder, unmasked: only the worker reads it, and masks it
(`worker/evidence.py`). A line has the fields of `EMPTY`; a line `{"left_out": n}` counts the exchanges beyond a limit.
Of failures beyond a limit, the file has lines without bodies (`why` is "head"): the worker hides their credentials in
messages, and shows nothing else of them.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,attr-defined,assignment,method-assign,type-arg,union-attr"

import base64
import http.client
import json
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

MOST_KINDS = 300  # combinations of label, code and message of which failures are kept
MOST_BYTES = 20 << 20  # of the file
MOST_BYTES_A_SECOND = 2 << 20  # not of a try
MOST_HEADS = 1000  # failures beyond a limit; as many as the different messages of an engine (`in_process.MESSAGES`)
MOST_BYTES_OF_HEADS = 4 << 20  # of the file, besides MOST_BYTES
HEAD = "head"
LEAST_OF_BODY = 16 << 10
NEVER = 1 << 62

EMPTY = {
    "why": "failure", "label": "", "kind": "request", "ok": True, "rc": "", "error": "", "started_s": 0.0,
    "response_us": 0, "ttfb_us": None, "connect_us": None, "method": "", "url": "", "request_headers": [],
    "request": None, "request_bytes": 0, "status": None, "response_headers": [], "response": None,
    "response_bytes": 0, "asserted": [], "variables": [], "connection": "", "remote": "", "hops": 0, "notes": [],
}  # fmt: skip


def line(why, kind, label, outcome, started_s, response_us, ttfb_us=None, **more) -> dict[str, object]:
    """Returns an exchange with the fields of its sample; `outcome` is (rc, message, ok)."""
    rc, message, ok = outcome
    own = {"why": why, "kind": kind, "label": label, "rc": rc, "error": message, "ok": ok, "started_s": started_s}
    return {**EMPTY, **own, "response_us": response_us, "ttfb_us": ttfb_us, **more}


def assertion(name, expected, message) -> dict[str, object]:
    """Returns an item of `asserted`; the message is empty if the assertion holds."""
    return {"name": name, "ok": not message, "expected": expected, "message": message}


class Keeper:
    """Decides which requests of one process are kept, and writes them. Threads may share it.

    `settings` is a `Keeping` record as a mapping; None keeps nothing.
    """

    def __init__(self, folder: Path, settings: dict | None) -> None:
        self.on = settings is not None
        wanted = settings or {"failures": 0, "body_bytes": 0, "slowest": (), "everything": False}
        self.everything: bool = wanted["everything"]
        self.most_of_body = max(LEAST_OF_BODY, 4 * wanted["body_bytes"])
        self._most: int = wanted["failures"]
        self._failures: dict[tuple[str, str, str], int] = {}
        self._beyond: set[tuple[str, str, str]] = set()  # failures of which only the head is kept
        self._slowest = dict.fromkeys(wanted["slowest"], -1)  # response times by label
        self._slowest_of_all = self._slowest.pop("", NEVER)
        self._held: dict[str, Callable[[], dict]] = {}
        self._lock = threading.Lock()
        self._written = self._second = self._in_second = self._written_heads = 0
        self._left_out = self._reported = 0
        self._pending: list[bytes] = []
        self._path = folder / "exchanges"

    def wants(self, label: str, rc: str, message: str, ok: bool, response_us: int) -> str:
        """Returns why this request must be kept: "failure", "slowest", "tried" or "head"; "" if it must not."""
        if self.everything:
            return "tried"
        slowest = response_us > self._slowest.get(label, NEVER)
        if slowest:
            self._slowest[label] = response_us
        if response_us > self._slowest_of_all:
            self._slowest_of_all, slowest = response_us, True
        if not ok and self._most:
            kind = (label, rc, message)
            kept = self._failures.get(kind, 0)
            if kept < self._most and (kept or len(self._failures) < MOST_KINDS):
                self._failures[kind] = kept + 1
                return "failure"
            if not kept and kind not in self._beyond and len(self._beyond) < MOST_HEADS:
                self._beyond.add(kind)
                return "failure" if slowest else HEAD
        return "slowest" if slowest else ""

    def keep(self, why: str, label: str, build: Callable[[], dict]) -> None:
        """Keep what `build` returns: for a slowest request at the next `flush`, if it still is one; for others now."""
        with self._lock:
            if why == "slowest":
                self._held[label] = build
            else:
                self._add(build)

    def flush(self) -> None:
        """Write to the disk."""
        with self._lock:
            held, self._held = self._held, {}
            for build in held.values():
                self._add(build)
            if self._left_out != self._reported:
                self._reported = self._left_out
                self._pending.append(b'{"left_out": %d}\n' % self._left_out)
            if not self._pending:
                return
            pending, self._pending = self._pending, []
            try:
                with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as file:
                    file.writelines(pending)
            except OSError:  # the disk is full: measurements matter more
                self.on = self.everything = False

    def _add(self, build) -> None:
        try:
            line = build()
            if line.get("why") == HEAD:
                self._add_head(line)
                return
            data = json.dumps(line).encode() + b"\n"
        except Exception:  # a response of the script's own class may raise any
            self._left_out += 1
            return
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._written += len(data)
        self._in_second += len(data)
        if self._written > MOST_BYTES or (self._in_second > MOST_BYTES_A_SECOND and not self.everything):
            self._written -= len(data)
            self._add_head(line)
        else:
            self._pending.append(data)

    def _add_head(self, line: dict) -> None:
        """Write a failure beyond a limit without its bodies, and count it."""
        self._left_out += 1
        if line.get("ok", True):
            return
        data = json.dumps({**line, "why": HEAD, "request": None, "response": None}).encode() + b"\n"
        if self._written_heads + len(data) <= MOST_BYTES_OF_HEADS:
            self._written_heads += len(data)
            self._pending.append(data)


class Sent(threading.local):
    """The connection of this thread's last request, and its head if `http.client` sent it."""

    head = b""
    connected_at = 0.0  # seconds since the epoch
    unconnected_at = 0.0  # begin of the last attempt, if it failed
    connect_us: int | None = None
    remote = ""

    def connected(self, sock, took_s: float | None = None) -> None:
        """Note a new connection."""
        self.connected_at = time.time()
        self.connect_us = None if took_s is None else max(0, round(took_s * 1e6))
        try:
            peer = sock.getpeername()
        except OSError:
            peer = ""
        self.remote = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else ""

    def connection_since(self, sent_at: float) -> dict[str, object]:
        """Returns the fields of an exchange about the connection of a request sent at this time; {} without one."""
        if self.unconnected_at >= sent_at:
            return {}
        if self.connected_at < sent_at:
            return {"connection": "reused"}
        return {"connection": "new", "remote": self.remote, "connect_us": self.connect_us}

    def watch_requests(self) -> None:
        """Give each request of the library requests, once sent, the bytes of its head and its connection."""
        from requests.adapters import HTTPAdapter  # imported here, since the worker does not need it

        send_output, send = http.client.HTTPConnection._send_output, HTTPAdapter.send

        def noting(connection, *args, **kwargs):
            head = tuple(connection._buffer)
            try:
                return send_output(connection, *args, **kwargs)
            finally:
                if connection.sock is not None:
                    self.head = b"\r\n".join(head)
                    if connection.sock is not getattr(connection, "toril_sock", None):
                        connection.toril_sock = connection.sock
                        self.connected(connection.sock)

        def giving(adapter, request, *args, **kwargs):
            self.head, began = b"", time.time()
            try:
                return send(adapter, request, *args, **kwargs)
            finally:
                request.toril_sent = self.head, self.connection_since(began) if self.head else {}

        http.client.HTTPConnection._send_output, HTTPAdapter.send = noting, giving


UNSENT = "Nothing was sent: there was no connection."


def requests_fields(request, response, most: int) -> dict[str, object]:
    """Returns an exchange's fields of a request of the library requests; `response` may be None."""
    head, connection = getattr(request, "toril_sent", (b"", {}))
    fields = {**request_fields(head, str(request.url), request.body, most, str(request.method)), **connection}
    if response is None or response.status_code is None:
        return fields
    raw = getattr(response.raw, "headers", None) or response.headers
    body = STREAMED if response._content is False else response._content
    answer = response_fields(response.status_code, raw.items(), body, most)
    return merged(fields, answer, hops=len(response.history))


STREAMED = object()  # stands for a body that the script reads itself


def merged(*parts, **more) -> dict[str, object]:
    """Returns the fields of all parts, with the notes of each."""
    fields = {name: value for part in (*parts, more) for name, value in part.items()}
    return {**fields, "notes": [note for part in (*parts, more) for note in part.get("notes", ())]}


def request_fields(head: bytes, url: str, body, most: int, method: str = "") -> dict[str, object]:
    """Returns an exchange's fields of a request: its address, its body, and its head as sent; empty if it was not."""
    if not head:
        return {"method": method, "url": url, "notes": [UNSENT]}
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target = [*first.split(" ", 2), ""][:2]
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{target}" if target.startswith("/") else target
    named = [line.partition(":") for line in lines if line]
    fields = {"method": method, "url": where, "request_headers": [[name, text.strip(" ")] for name, _, text in named]}
    return {**fields, **_body("request", body, most)}


def response_fields(status: int | None, headers, body, most: int) -> dict[str, object]:
    """Returns an exchange's fields of a response; `headers` are pairs."""
    named = [[str(name), str(value)] for name, value in headers]
    return {"status": status or None, "response_headers": named, **_body("response", body, most)}


def _body(name: str, body, most: int) -> dict[str, object]:
    if body is not None and not isinstance(body, str | bytes | bytearray | memoryview):
        return {"notes": [f"The {name}'s body was streamed, and is not shown."]}
    data, size = capped(body, most)
    return {name: data, f"{name}_bytes": size}


def capped(data, most: int) -> tuple[str | None, int]:
    """Returns the first bytes in base64, and the size of all; (None, 0) without data."""
    if not data:
        return None, 0
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    return base64.b64encode(data[:most]).decode(), len(data)


_random = random.Random()  # noqa: S311 - the script may seed the module's own


def traceparent() -> str:
    """Returns a new W3C trace context of a sampled request.

    >>> [len(part) for part in traceparent().split("-")]
    [2, 32, 16, 2]
    """
    return f"00-{_random.getrandbits(128) or 1:032x}-{_random.getrandbits(64) or 1:016x}-01"
