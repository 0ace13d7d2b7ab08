"""Every way of showing a run: pure functions from a `Bundle` to bytes, by the name that `--report` and `--format` take.

`terminal.show`, `plan_text.show`, `runs_table.show` and `live.view` draw onto a Rich console, in its width and colours.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from toril.errors import OptionError
from toril.reports import annotations, csv, github, hdr, hgrm, html, json, junit, outputs, parquet, terminal
from toril.reports.bundle import Bundle
from toril.reports.first_failures import pictures_of
from toril.reports.runs_table import RunRow

__all__ = ["EXPORTS", "EXTENSIONS", "FORMATS", "MEASURED", "Bundle", "RunRow", "pictures_of", "pieces", "render"]

EXPORTS: dict[str, Callable[[Bundle], Iterator[bytes]]] = {  # they can be large, and come piece by piece
    "hdr": hdr.stream,
    "hgrm": hgrm.stream,
    "csv": partial(csv.stream, table="cells"),
    "parquet": partial(parquet.stream, table="cells"),
    "csv-buckets": partial(csv.stream, table="buckets"),
    "csv-outcomes": partial(csv.stream, table="outcomes"),
    "parquet-buckets": partial(parquet.stream, table="buckets"),
    "parquet-outcomes": partial(parquet.stream, table="outcomes"),
}
EXTENSIONS = {
    "terminal": "txt",
    "json": "json",
    "junit": "xml",
    "html": "html",
    "github": "md",
    "annotations": "annotations.txt",
    "outputs": "env",
    "hdr": "hlog",
    "hgrm": "hgrm",
    "csv": "csv",
    "parquet": "parquet",
    "csv-buckets": "buckets.csv",
    "csv-outcomes": "outcomes.csv",
    "parquet-buckets": "buckets.parquet",
    "parquet-outcomes": "outcomes.parquet",
}
MEASURED = frozenset({"html", *EXPORTS})  # they read `Bundle.timeline`


class Formats(dict[str, Callable[[Bundle], bytes]]):
    """The report formats by name."""

    def check(self, name: str, *, onto_terminal: bool = False) -> Literal[True]:
        """OptionError unless that format can be made here: asked before a run, so that a typo costs no load."""
        if name not in self:
            raise OptionError(f"there is no report format {name!r}; choose one of {', '.join(self)}")
        if name.startswith("parquet"):
            parquet.available()
            if onto_terminal:
                raise OptionError(f"{name} is not text; add --out run.{EXTENSIONS[name]}, or send it into a pipe")
        return True


def _whole(export: Callable[[Bundle], Iterator[bytes]], bundle: Bundle) -> bytes:
    return b"".join(export(bundle))


FORMATS = Formats(
    terminal=terminal.report,
    json=json.report,
    junit=junit.report,
    html=html.report,
    github=github.report,
    annotations=annotations.report,
    outputs=outputs.report,
)
FORMATS |= {name: partial(_whole, export) for name, export in EXPORTS.items()}


def render(name: str, bundle: Bundle) -> bytes:
    """The report of that format; OptionError for a format that does not exist."""
    FORMATS.check(name)
    return FORMATS[name](bundle)


def pieces(name: str, bundle: Bundle) -> Iterator[bytes]:
    """The same, piece by piece where it can be large."""
    FORMATS.check(name)
    if name in EXPORTS:
        yield from EXPORTS[name](bundle)
    else:
        yield FORMATS[name](bundle)
