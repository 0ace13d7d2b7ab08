"""Every report of a run by the name that `--report` and `--format` take.

`terminal.show`, `plan_text.show`, `runs_table.show` and `live.view` draw onto a Rich console, in its width and colours.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from toril.errors import OptionError
from toril.reports import annotations, github, html, json, junit, outputs, terminal
from toril.reports.bundle import Bundle
from toril.reports.exports import csv, hdr, parquet
from toril.reports.first_failures import pictures_of
from toril.reports.runs_table import RunRow

__all__ = ["EXPORTS", "FORMATS", "TABLES", "Bundle", "Format", "RunRow", "check", "pictures_of", "pieces", "render"]

TABLES = ("cells", "buckets", "outcomes")  # of csv and parquet


@dataclass(frozen=True, slots=True)
class Format:
    """One format: the file name's extension, and what makes the report."""

    extension: str
    report: Callable[[Bundle], bytes] | None = None
    export: Callable[[Bundle], Iterator[bytes]] | None = None
    tables: Callable[[Bundle, str], Iterator[bytes]] | None = None  # an export of one of TABLES
    timeline: bool = False  # it reads `Bundle.timeline`


FORMATS: Mapping[str, Format] = {
    "terminal": Format("txt", terminal.report),
    "json": Format("json", json.report),
    "junit": Format("xml", junit.report),
    "html": Format("html", html.report, timeline=True),
    "github": Format("md", github.report),
    "annotations": Format("annotations.txt", annotations.report),
    "outputs": Format("env", outputs.report),
    "hdr": Format("hlog", export=hdr.log, timeline=True),
    "hgrm": Format("hgrm", export=hdr.distribution, timeline=True),
    "csv": Format("csv", tables=csv.stream, timeline=True),
    "parquet": Format("parquet", tables=parquet.stream, timeline=True),
}
EXPORTS = tuple(name for name, format in FORMATS.items() if format.report is None)


def check(name: str, *, table: str = TABLES[0], onto_terminal: bool = False) -> Literal[True]:
    """OptionError unless that report can be made here: checked before a run, so that a typo costs no load."""
    if name not in FORMATS:
        base, _, of = name.partition("-")
        if of in TABLES and base in FORMATS:
            raise OptionError(
                f"there is no report format {name!r}; use toril report --format {base} --table {of}",
                code="unknown-format",
            )
        raise OptionError(
            f"there is no report format {name!r}; choose one of {', '.join(FORMATS)}", code="unknown-format"
        )
    if table not in TABLES:
        raise OptionError(f"there is no table {table!r}; choose one of {', '.join(TABLES)}", code="unknown-table")
    if table != TABLES[0] and FORMATS[name].tables is None:
        raise OptionError(f"--table {table}: {name} has no tables; use csv or parquet", code="unknown-table")
    if name == "parquet":
        parquet.available()
        if onto_terminal:
            raise OptionError(
                f"{name} is not text; add --out run.{FORMATS[name].extension}, or send it into a pipe",
                code="binary-on-terminal",
            )
    return True


def render(name: str, bundle: Bundle, table: str = TABLES[0]) -> bytes:
    """The report in that format; OptionError for a format that does not exist."""
    return b"".join(pieces(name, bundle, table))


def pieces(name: str, bundle: Bundle, table: str = TABLES[0]) -> Iterator[bytes]:
    """The same, piece by piece where it can be large."""
    check(name, table=table)
    match FORMATS[name]:
        case Format(report=report) if report is not None:
            yield report(bundle)
        case Format(export=export) if export is not None:
            yield from export(bundle)
        case Format(tables=tables) if tables is not None:
            yield from tables(bundle, table)
