"""Reads the CSV file of `k6 run --out csv=…`, which has a row for each metric of a request, one after the other.

A request begins with its `http_reqs` row; its other rows follow at once, with the same tags. For k6 each hop of a
redirect is a request. Response times are `http_req_duration` (sending, waiting, receiving) in fractions of a
millisecond, without connecting, which has its own metric. Times are those of completion, in µs if `K6_CSV_TIME_FORMAT`
asks for them, else in seconds. Bytes exist for whole iterations only, and are not read.

A row each is a check, a group (a transaction; k6 does not tell whether a request within has failed), and a value of the
script's own metrics. The file does not tell the kinds of these.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from toril.engines.in_process import RequestTags, scaled
from toril.engines.readers import CsvTail, RecordReader, Sampled

TAGS = ("name", "url", "status", "error", "error_code", "expected_response", "method", "check", "group", "extra_tags")
COLUMNS = ("metric_name", "timestamp", "metric_value", *TAGS)
HEADER = "metric_name,timestamp,metric_value"
OF_A_REQUEST = ("http_req_duration", "http_req_connecting", "http_req_tls_handshaking", "http_req_waiting",
                "http_req_blocked", "http_req_sending", "http_req_receiving", "http_req_failed")  # fmt: skip
OTHERS = ("vus_max", "iterations", "iteration_duration", "data_sent", "data_received")
NEXT_TAG = re.compile(r"&(?=[^&=]*=)")  # k6 escapes nothing: another `&` is part of a value
NEEDED = frozenset({"http_req_duration"})
PER_SECOND = {10: 1, 13: 1e3, 16: 1e6, 19: 1e9}  # digits of a time since the epoch → its parts of a second


class K6Reader(RecordReader):
    """The records of one CSV file.

    `kind_of` returns the kind of a metric: "" if unknown, so that its values are unreadable, None for one that is not
    read. Without it no metrics are read. `tags` are the names of the tags to record. `counters` count 0 with the first
    request: for k6 a counter of rare events exists before the first event.
    """

    resolution_us = 1

    def __init__(
        self,
        path: Path,
        kind_of: Callable[[str], str | None] = lambda _: None,
        tags: Sequence[str] = (),
        counters: Sequence[str] = (),
    ) -> None:
        self._tail = CsvTail(path, (*COLUMNS, *tags))  # some tags have columns of their own
        super().__init__(self._tail)
        self._kind_of, self._tags, self._tag_names = kind_of, RequestTags(tags), tags
        self._counters = counters
        self._request: tuple[str, ...] = ()  # the http_reqs row of an incomplete request
        self._values: dict[str, float] = {}
        self.users: int | None = None
        self.first_users_at: float | None = None
        self.without_setup = False  # whether requests of `setup()` are left out: they are sent before the load
        self.dropped: list[tuple[float, int]] = []  # (time, iterations for which no virtual user was free)

    def _records(self, final: bool) -> Iterator[Sequence[Sampled]]:
        for columns in self._tail.read(final):
            yield [record for row in zip(*columns, strict=True) for record in self._row(row)]
        if final:
            yield list(self._finished())

    def _row(self, row: tuple[str, ...]) -> Iterator[Sampled]:
        """Returns the request that this row completes: a request ends when another kind of row follows."""
        name, at, value, *tags = row
        if self.without_setup and tags[8] == "::setup":
            return
        if name in OF_A_REQUEST:
            if not self._request or tags != list(self._request[3:]) or name in self._values:
                self._tail.unreadable += name in NEEDED  # a duration without its request
                return
            self._values[name] = self._number(value)
            return
        yield from self._finished()
        if name == "http_reqs":
            self._request = row
        elif name in ("vus", "dropped_iterations"):
            self._count(name, at, value)
        elif name not in OTHERS:
            yield from self._measured(name, at, value, *tags[7:9])

    def _measured(self, name: str, at: str, value: str, check: str, group: str) -> Iterator[Sampled]:
        kind = {"checks": "check", "group_duration": "transaction"}.get(name) or self._kind_of(name)
        if kind is None:
            return
        try:
            number, at_s = float(value), moment_s(at)
            response_us = round(number * 1000) if kind == "transaction" else scaled(number)
            if not kind or math.isnan(number):
                raise ValueError("unknown")
        except (ValueError, OverflowError):
            self._tail.unreadable += 1
            return
        label = {"check": check, "transaction": group.removeprefix("::")}.get(kind, name)
        if kind in ("check", "rate"):
            yield Sampled(at_s, 0, label, bool(number), kind=kind)
        else:
            yield Sampled(at_s - (kind == "transaction") * response_us / 1e6, response_us, label, True, kind=kind)

    def _finished(self) -> Iterator[Sampled]:
        row, values = self._request, self._values
        self._request, self._values = (), {}
        if not row:
            return
        _, at, _, name, url, status, error, error_code, expected, method, _, _, extra, *columns = row
        try:
            duration_us = round(values["http_req_duration"] * 1000)
            completed_s = moment_s(at)
        except (KeyError, ValueError, OverflowError):
            self._tail.unreadable += 1
            return
        answered = status not in ("", "0")
        if values.get("http_req_failed") is not None:
            ok = not values["http_req_failed"]
        elif expected:
            ok = expected == "true"
        else:  # without a callback k6 judges no status, and neither does the script
            ok = not error and not (answered and int(status) >= 400)
        sample = Sampled(
            started_s=completed_s - duration_us / 1e6,
            response_us=duration_us,
            label=name or url,
            ok=ok,
            rc=status if answered else error_code or "error",
            message="" if ok else error or f"status {status}",
            ttfb_us=round((values.get("http_req_sending", 0) + values["http_req_waiting"]) * 1000)
            if answered and "http_req_waiting" in values
            else -1,
            connect_us=round((values.get("http_req_connecting", 0) + values.get("http_req_tls_handshaking", 0)) * 1000),
            method=method,
            url=url,
        )
        yield sample
        for counter in self._counters:
            yield Sampled(completed_s, 0, counter, True, kind="counter")
        self._counters = ()
        if self._tag_names:
            tags = dict(zip(self._tag_names, columns, strict=True))
            tags |= {tag: text for tag, _, text in (pair.partition("=") for pair in NEXT_TAG.split(extra))}
            for label in self._tags.labels(sample.label, tags):
                yield sample._replace(label=label, kind="tagged")

    def _count(self, name: str, at: str, value: str) -> None:
        try:
            count, at_s = round(float(value)), moment_s(at)
        except (ValueError, OverflowError):
            self._tail.unreadable += 1
            return
        if name == "vus":
            self.users = count
            if count and self.first_users_at is None:
                self.first_users_at = at_s
        else:
            self.dropped.append((at_s, count))

    def _number(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            self._tail.unreadable += 1
            return float("nan")


def moment_s(text: str) -> float:
    """Returns seconds since the epoch from any of k6's time formats; ValueError for other texts.

    >>> moment_s("1595325560"), moment_s("1595325560123456"), moment_s("2020-07-21T09:59:20Z")
    (1595325560.0, 1595325560.123456, 1595325560.0)
    """
    if text.isdigit():
        if len(text) not in PER_SECOND:
            raise ValueError(f"{text} is not a time since the epoch")
        return int(text) / PER_SECOND[len(text)]
    return datetime.fromisoformat(text).timestamp()
