"""The rows of data sources in the form that tools/engine reads."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from toril.errors import SuiteError

SNIFFED = 65_536  # first characters, which decide about the delimiter
DELIMITERS = ",;\t|"


def sources_of(written: Sequence[Any], find: Callable[[str], str], own: Sequence[str]) -> list[dict[str, Any]]:
    """Returns data sources as columns and rows; those of `own` (paths) hold this worker's rows only."""
    sources = []
    for entry in written:
        source = {"path": entry} if isinstance(entry, str) else entry
        rows = list(_rows(Path(find(str(source["path"]))), source))
        names = source.get("variable-names")
        if names:
            columns = [name.strip() for name in (names.split(",") if isinstance(names, str) else map(str, names))]
        elif rows:
            columns = [name.strip() for name in rows.pop(0)]
        if not rows:
            raise SuiteError(f"data-sources: `{source['path']}` has no rows. Add at least one", code="too-few-rows")
        short = next((index for index, row in enumerate(rows) if len(row) < len(columns)), None)
        if short is not None:
            raise SuiteError(
                f"data-sources: row {short + 1} of `{source['path']}` has {len(rows[short])} values for "
                f"{len(columns)} variables ({', '.join(columns)[:200]}). Complete the row",
                code="short-row",
            )
        sources.append({"columns": columns, "rows": rows, "own": str(source["path"]) in own})
        sources[-1] |= {"loop": bool(source.get("loop", True)), "random_order": bool(source.get("random-order"))}
    return sources


def _rows(path: Path, source: Mapping[str, Any]) -> Iterator[list[str]]:
    encoding = str(source.get("encoding") or "utf-8-sig")
    try:
        with path.open(encoding=encoding, newline="") as file:
            text = file.read()
    except (UnicodeError, LookupError) as error:
        raise SuiteError(
            f"data-sources: `{source['path']}` is not {encoding.removesuffix('-sig')} ({error}). Set its encoding, "
            "e.g. `encoding: latin-1`",
            code="wrong-encoding",
        ) from error
    delimiter = str(source.get("delimiter") or "")
    if delimiter.lower() in ("tab", "\\t"):
        delimiter = "\t"
    if not delimiter:
        first = text[:SNIFFED].partition("\n")[0]
        delimiter = max(DELIMITERS, key=first.count)
    lines = io.StringIO(text, newline="")  # line ends as csv defines them, not as Unicode does
    quoted = source.get("quoted") is not False
    try:
        rows = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
        yield from (row for row in rows if row)
    except csv.Error as error:
        raise SuiteError(
            f"data-sources: `{source['path']}` is not valid CSV ({error}). Correct the file", code="not-csv"
        ) from error
