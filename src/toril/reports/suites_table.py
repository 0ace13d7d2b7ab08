"""Prints suites, or the versions of one suite, one per row."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from toril import text
from toril.records.console import SuiteVersion
from toril.reports import terminal
from toril.reports.blocks import Cell, Column, Row, Table
from toril.text import plain

COLUMNS = (
    Column("suite", "name", whole=True),
    Column("version"),
    Column("saved", "name"),
    Column("by", "name"),
    Column("files"),
    Column("comment", "name", rank=2),
)


def show(console: Console, found: Sequence[SuiteVersion], *, of_one: bool) -> None:
    """Prints the list. `of_one`: it has the versions of one suite."""
    if not found:
        console.print(Text("This store has no suites. Save one with `toril push SUITE`, or in the console."))
        return
    rows = tuple(map(_row, found))
    title, noun = ("Versions", "version") if of_one else ("Suites", "suite")
    terminal.show_table(console, Table(id="suites", title=title, noun=noun, columns=COLUMNS, rows=rows))


def _row(version: SuiteVersion) -> Row:
    saved = f"{datetime.fromtimestamp(version.at, UTC):%Y-%m-%d %H:%M}"
    cells = (version.suite, text.number(version.number), saved, version.by, text.number(len(version.files)))
    return Row(tuple(Cell(plain(one)) for one in (*cells, version.comment)))
