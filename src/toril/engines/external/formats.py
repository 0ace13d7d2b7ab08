"""Reads the results of other tools as records. The first line of a file decides about its format:

| format | times | resolution |
|---|---|---|
| JTL as CSV (JMeter, Taurus) | start; with a column `method` (Locust under Taurus) completion | 1 ms |
| JTL as XML | start | 1 ms |
| Gatling's log, if it is text (up to 3.10) | start | 1 ms |
| k6's CSV | completion | 1 µs |
| vegeta's CSV and JSON | start | 1 µs |
| phout (Yandex.Tank, Phantom, Pandora) | start | 1 µs |
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from lxml import etree

from toril.engines.gatling.log import GatlingReader
from toril.engines.jmeter.records import TRANSACTION, short_code
from toril.engines.k6.csv import HEADER as K6_HEADER
from toril.engines.k6.csv import K6Reader
from toril.engines.readers import CsvTail, GrowingFile, LineReader, RecordReader, Sampled
from toril.errors import UserError

DELIMITERS = ",;\t|"
JTL = (
    *("timeStamp", "elapsed", "label", "responseCode", "responseMessage", "success", "failureMessage", "bytes"),
    *("Latency", "Connect", "IdleTime", "allThreads", "dataType", "method"),
)
ATTRIBUTES = {  # of JTL's columns in XML
    "timeStamp": "ts", "elapsed": "t", "label": "lb", "responseCode": "rc", "responseMessage": "rm", "success": "s",
    "bytes": "by", "Latency": "lt", "Connect": "ct", "IdleTime": "it", "allThreads": "na",
}  # fmt: skip
PHOUT = re.compile(rb"\d+\.\d{3}\t[^\t]*(\t\d+){10}$")
VEGETA = re.compile(rb"\d{16,20},\d{1,3},\d+,\d+,\d+,")


class UnknownFormatError(UserError):
    """The file has no supported format; the message completes a sentence whose subject is the file."""


def reader_of(path: Path) -> RecordReader | None:
    """Returns a reader for this file; None while its first line is incomplete. UnknownFormatError for other formats."""
    with path.open("rb") as file:
        first, whole, _ = file.read(1 << 16).partition(b"\n")
    first = first.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r")
    if not whole and len(first) < 1 << 16:
        return None
    lowered = first.lower()
    if first.startswith((b"<?xml", b"<testResults")):
        return XmlReader(path)
    if first.startswith(K6_HEADER.encode()):
        return K6Reader(path)
    if b"timestamp" in lowered and b"elapsed" in lowered:
        return _jtl_reader(path, first.decode(errors="replace"))
    if first.startswith(b"RUN\t"):
        return GatlingReader(path)
    if VEGETA.match(first):
        return LineReader(path, vegeta_csv)
    if first.startswith(b'{"attack":'):
        return LineReader(path, vegeta_json)
    if PHOUT.match(first):
        return LineReader(path, phout)
    shown = first[:80].decode(errors="replace")
    raise UnknownFormatError(
        f"has an unknown format: it begins with `{shown}`. Supported: JTL, phout, and files of k6, vegeta and Gatling",
        code="unknown-format",
    )


def _jtl_reader(path: Path, header: str) -> RecordReader:
    delimiter = max(DELIMITERS, key=header.count)
    columns = next(csv.reader([header], delimiter=delimiter))
    if lacking := [name for name in ("timeStamp", "elapsed", "success") if name not in columns]:
        raise UnknownFormatError(
            f"is a JTL without the column {', '.join(lacking)}. Let its tool write it", code="missing-column"
        )
    return CsvReader(path, delimiter)


class JtlReader(RecordReader):
    """JMeter's samples, each with the columns `JTL`."""

    def _record(self, row: Mapping[str, str]) -> Sampled:
        elapsed_ms, at_ms = int(row["elapsed"]), int(row["timeStamp"])
        if row["success"].lower() not in ("true", "false"):
            raise ValueError(f"{row['success']!r} is neither true nor false")
        if row["allThreads"]:
            self.users = int(row["allThreads"])
        connect_ms, latency_ms = int(row["Connect"] or -1), int(row["Latency"] or 0)
        ok, message = row["success"].lower() == "true", row["responseMessage"]
        transaction = not row["dataType"] and TRANSACTION.fullmatch(message)
        return Sampled(
            started_s=(at_ms - elapsed_ms if row["method"] else at_ms) / 1000,
            response_us=elapsed_ms * 1000,
            label=row["label"],
            ok=ok,
            rc=short_code(row["responseCode"]),
            message="" if ok else row["failureMessage"] or message or "unknown error",
            ttfb_us=latency_ms * 1000 if latency_ms and not transaction else -1,
            connect_us=connect_ms * 1000 if connect_ms >= 0 and not transaction else -1,
            bytes=int(row["bytes"] or 0),
            kind="transaction" if transaction else "request",
            idle_us=int(row["IdleTime"] or 0) * 1000,
        )


class CsvReader(JtlReader):
    """A JTL as CSV; the delimiter comes from its header."""

    def __init__(self, path: Path, delimiter: str) -> None:
        self._tail = CsvTail(path, JTL, delimiter=delimiter)
        super().__init__(self._tail)

    def _records(self, final: bool) -> Iterator[Sequence[Sampled]]:
        for columns in self._tail.read(final):
            rows = (dict(zip(JTL, row, strict=True)) for row in zip(*columns, strict=True))
            yield list(self._readable(self._record, rows))


class XmlReader(JtlReader):
    """A JTL as XML: the outermost samples, without the samples inside them."""

    def __init__(self, path: Path) -> None:
        super().__init__(GrowingFile(path))
        self._lost = False
        self._open, self._rest = 0, b""  # open elements; the bytes after the last `>`
        self._parser = etree.XMLPullParser(events=("start", "end"), resolve_entities=False, no_network=True)

    def _records(self, final: bool) -> Iterator[Sequence[Sampled]]:
        for chunk in self._file.chunks():
            if self._lost:
                return
            self._rest = (self._rest + chunk).rpartition(b">")[2]
            yield list(self._readable(self._record, map(self._row, self._samples(chunk))))
        if final and not self._lost and (self._open > 1 or self._rest.strip()):
            self._file.unreadable += 1  # half a sample

    def _samples(self, chunk: bytes) -> Iterator[Any]:
        """Yields complete samples; everything after malformed XML is lost and counts as one record."""
        try:
            self._parser.feed(chunk)
        except etree.XMLSyntaxError:
            self._lost = True
            self._file.unreadable += 1
        element: Any
        for event, element in self._parser.read_events():
            self._open += 1 if event == "start" else -1
            if event == "end" and element.getparent() is not None and element.getparent().tag == "testResults":
                yield element
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]

    def _row(self, element: Any) -> dict[str, str]:
        failures = (
            result.findtext("failureMessage") or ""
            for result in element.findall("assertionResult")
            if "true" in (result.findtext("failure"), result.findtext("error"))
        )
        row = {name: element.get(attribute) or "" for name, attribute in ATTRIBUTES.items()}
        data_type = "" if element.tag == "sample" else "text"
        return {**row, "failureMessage": next(failures, ""), "dataType": data_type, "method": ""}


def vegeta_csv(line: str) -> Sampled:
    """`vegeta encode --to csv`, without a header; times in ns."""
    at_ns, code, latency_ns, _, received, error, _, attack, _, method, url, *_ = next(csv.reader([line]))
    return _of_vegeta(int(at_ns) / 1e9, int(latency_ns), code, error, attack or f"{method} {url}", int(received))


def vegeta_json(line: str) -> Sampled:
    """`vegeta encode --to json`."""
    row = json.loads(line)
    at_s = datetime.fromisoformat(row["timestamp"]).timestamp()
    label = str(row["attack"] or f"{row['method']} {row['url']}")
    return _of_vegeta(at_s, int(row["latency"]), str(row["code"]), str(row["error"]), label, int(row["bytes_in"]))


def _of_vegeta(at_s: float, latency_ns: int, code: str, error: str, label: str, received: int) -> Sampled:
    ok = not error and 200 <= int(code) < 400  # as vegeta's own reports
    return Sampled(
        started_s=at_s,
        response_us=round(latency_ns / 1000),
        label=label,
        ok=ok,
        rc=code if code != "0" else "error",
        message="" if ok else error or f"status {code}",
        bytes=received,
    )


def phout(line: str) -> Sampled:
    """time, tag, µs of the whole, connecting, sending, waiting, receiving, in the loop; sizes; errno; status."""
    at_s, tag, whole, connect, send, wait, _, _, _, received, errno, status = line.split("\t")
    failed = errno != "0" or not 100 <= int(status) < 400
    return Sampled(
        started_s=float(at_s),
        response_us=int(whole),
        label=tag.partition("#")[0] or "(no tag)",
        ok=not failed,
        rc=status if status != "0" else f"errno {errno}",
        message="" if not failed else f"status {status}" if errno == "0" else f"error {errno} of the connection",
        ttfb_us=int(connect) + int(send) + int(wait),
        connect_us=int(connect),
        bytes=int(received),
    )
