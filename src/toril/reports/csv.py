"""The tables as CSV (RFC 4180, UTF-8), fit for spreadsheets."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np

from toril.reports.bundle import Bundle
from toril.reports.export_tables import TABLES, Batch, Texts, Type

FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")  # a spreadsheet computes what begins so; the last is our own mark


def stream(bundle: Bundle, table: str) -> Iterator[bytes]:
    """One table, piece by piece."""
    columns = TABLES[table].columns
    yield _written([tuple(columns)])
    for batch in TABLES[table].batches(bundle):
        yield _written(zip(*(_column(batch, name, kind) for name, (kind, _) in columns.items()), strict=True))


def safe(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would take it for a formula, or where it has one."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _written(rows: Any) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    # Half a character from an engine becomes `\udxxx`, as in JSON.
    return buffer.getvalue().encode("utf-8", "backslashreplace")


def _column(batch: Batch, name: str, kind: Type) -> list[Any]:
    values = batch[name]
    if isinstance(values, Texts):
        texts = [safe(text) for text in values.values]
        return [texts[code] for code in values.codes.tolist()]
    if kind == "boolean":
        return [("false", "true")[value] for value in values.tolist()]
    if kind == "time":
        distinct, codes = np.unique(values, return_inverse=True)
        times = [moment(ms) for ms in distinct.tolist()]
        return [times[code] for code in codes.tolist()]
    found: list[int] = values.tolist()
    return found


def moment(ms: int) -> str:
    """An ISO 8601 time of day in UTC, to the millisecond."""
    found = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")
