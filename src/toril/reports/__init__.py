"""Renders the reports of a run, by the name of the format in `--report` and `--format`.

`run_blocks` turns a run into blocks, and a renderer shows them: `terminal`, `markdown`, `html`, `junit`, `annotations`.
A new format needs a renderer and a line in FORMATS. `plan_text`, `runs_table` and `live` print on a Rich console.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, get_args

from toril.errors import OptionError
from toril.reports.bundle import Bundle

TABLES = ("cells", "buckets", "outcomes", "service")  # of csv and parquet
EXPORTS = ("hdr", "hgrm", "csv", "parquet")  # all measurements; can be large
ComparedFormat = Literal["terminal", "html", "json", "github"]  # formats of a comparison of two runs
COMPARED: tuple[ComparedFormat, ...] = get_args(ComparedFormat)
UNSAFE_IN_OUTPUT = re.compile(r"[^A-Za-z0-9._/-]")  # a line break would start another output


@dataclass(frozen=True, slots=True)
class Format:
    """One format of a report."""

    extension: str  # of the file
    media_type: str = "text/plain; charset=utf-8"
    renderer: str = ""  # module in this package that renders the blocks of a run
    timeline: bool = False  # whether it reads `Bundle.timeline`
    tables: bool = False  # whether it exports one of TABLES


FORMATS: Mapping[str, Format] = {
    "terminal": Format("txt", renderer="terminal"),
    "json": Format("json", "application/json"),
    "junit": Format("xml", "application/xml", renderer="junit"),
    "html": Format("html", "application/octet-stream", timeline=True),  # a console never shows it as a page of its own
    "github": Format("md", renderer="markdown"),
    "annotations": Format("annotations.txt", renderer="annotations"),
    "outputs": Format("env"),
    "hdr": Format("hlog", timeline=True),
    "hgrm": Format("hgrm", timeline=True),
    "csv": Format("csv", "text/csv", timeline=True, tables=True),
    "parquet": Format("parquet", "application/vnd.apache.parquet", timeline=True, tables=True),
}


def check(name: str, *, table: str = TABLES[0], onto_terminal: bool = False) -> Literal[True]:
    """Returns True; OptionError for an unknown or unavailable format, raised before the load starts."""
    if name not in FORMATS:
        raise OptionError(f"Unknown report format `{name}`. Choose one of {', '.join(FORMATS)}.", code="unknown-format")
    if table not in TABLES:
        raise OptionError(f"Unknown table `{table}`. Choose one of {', '.join(TABLES)}.", code="unknown-table")
    if table != TABLES[0] and not FORMATS[name].tables:
        raise OptionError(f"--table `{table}`: format {name} has no tables. Use csv or parquet.", code="unknown-table")
    if name == "parquet":
        from toril.reports.exports.parquet import available

        available()
        if onto_terminal:
            raise OptionError(
                f"{name} is a binary format. Add `--out run.{name}`, or pipe the output.", code="binary-on-terminal"
            )
    return True


def render(name: str, bundle: Bundle, table: str = TABLES[0]) -> bytes:
    """Returns the report in that format; OptionError for an unknown format."""
    return b"".join(pieces(name, bundle, table))


def pieces(name: str, bundle: Bundle, table: str = TABLES[0]) -> Iterator[bytes]:
    """Yields the report in pieces, because exports can be large."""
    check(name, table=table)
    match name:
        case "json":
            from toril.records.document import document
            from toril.secrets.masking import masked

            parts = {"verdict": bundle.verdict, "summary": bundle.summary, "evidence": bundle.evidence}
            asked = {} if bundle.cause is None else {"cause": bundle.cause}
            yield document(masked({"schema": "toril.report/1", **parts, **asked}))
        case "outputs":
            outputs = {"outcome": bundle.outcome, "run-id": bundle.plan.run_id, "suite": bundle.plan.suite}
            for key, value in outputs.items():
                yield f"{key}={UNSAFE_IN_OUTPUT.sub('-', value)}\n".encode()
        case "hdr" | "hgrm":
            from toril.reports.exports import hdr

            yield from (hdr.log if name == "hdr" else hdr.distribution)(bundle)
        case "csv" | "parquet":
            yield from import_module(f"toril.reports.exports.{name}").stream(bundle, table)
        case "html":
            yield _page(bundle)
        case _:
            from toril.reports.run_blocks import report_of

            yield import_module(f"toril.reports.{FORMATS[name].renderer}").render(report_of(bundle))


def show(bundle: Bundle) -> None:
    """Prints the report of a run on stdout, in colour on a terminal."""
    from toril.reports import terminal
    from toril.reports.run_blocks import report_of
    from toril.reports.screen import Output

    terminal.show(Output(), report_of(bundle))


def _page(bundle: Bundle, base: Bundle | None = None) -> bytes:
    """Returns the page of a run; with `base`, it compares the run and draws base's lines behind the charts."""
    from toril.reports import compare_blocks, html, measured
    from toril.reports.charts import charts_of
    from toril.reports.comparison import compare
    from toril.reports.run_blocks import report_of

    blocks = compare_blocks.page_blocks(compare(base, bundle)) if base else ()
    run = bundle.without_gaps()
    measurements = measured.encoded(run)
    if bundle.span is not None and measurements is None:
        fix = "The run has no samples, or `toril.page-size` is too small"
        raise OptionError(f"The page has no figures of windows. {fix}.", code="no-window")
    report = report_of(run, charts=charts_of(run, base and base.without_gaps()), compared=blocks)
    return html.render(report, measurements.text if measurements else "", bundle.span)


def compared(name: ComparedFormat, base: Bundle, head: Bundle) -> bytes:
    """Returns the comparison of two runs in that format."""
    from toril.records.document import document
    from toril.reports import compare_blocks, comparison, markdown, terminal

    if name == "html":
        return _page(head, base)
    comparison_read = comparison.compare(base, head)
    if name == "json":
        return document(comparison.document(comparison_read))
    report = compare_blocks.report_of(comparison_read)
    return markdown.render(report) if name == "github" else terminal.render(report)
