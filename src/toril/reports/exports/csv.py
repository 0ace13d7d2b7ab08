"""Exports the tables as CSV (RFC 4180, UTF-8), safe for spreadsheets."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np

from toril.reports.bundle import Bundle
from toril.reports.exports.tables import TABLES, TextColumn, Type, measured

ROWS_AT_ONCE = 20_000  # in memory as Python objects
# Start of a formula in a cell, for any separator of a spreadsheet. Matches `'` too, because `safe` inserts it.
FORMULA = re.compile("(?:^(?=[\\t\\r\\n])|(?:^|(?<=[;|\\t\\r\\n]))(?=[\\s\"]*[=+@'\uff1d\uff0b\uff0d\uff20-]))")


def stream(bundle: Bundle, table: str) -> Iterator[bytes]:
    """Yields one table in pieces."""
    measured(bundle)
    columns = TABLES[table].columns
    yield _written([tuple(columns)])
    for batch in TABLES[table].batches(bundle):
        for first in range(0, batch["time"].size, ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            yield _written(zip(*(_column(batch[name], kind, rows) for name, (kind, _) in columns.items()), strict=True))


def safe(text: str) -> str:
    """Returns the text with an apostrophe before each formula or apostrophe."""
    return FORMULA.sub("'", text)


def _written(rows: Any) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    # A lone surrogate from an engine becomes `\udxxx`, as in JSON.
    return buffer.getvalue().encode("utf-8", "backslashreplace")


def _column(values: Any, kind: Type, rows: slice) -> list[Any]:
    if isinstance(values, TextColumn):
        used, codes = np.unique(values.codes[rows], return_inverse=True)
        texts = [safe(values.values[code]) for code in used.tolist()]
        return [texts[code] for code in codes.tolist()]
    values = values[rows]
    if kind == "boolean":
        return [("false", "true")[value] for value in values.tolist()]
    if kind == "time":
        distinct, codes = np.unique(values, return_inverse=True)
        times = [moment(ms) for ms in distinct.tolist()]
        return [times[code] for code in codes.tolist()]
    numbers: list[float] = values.tolist()
    return numbers


def moment(ms: int) -> str:
    """Returns an ISO 8601 time in UTC, to the millisecond."""
    at = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
