"""Shows the stored runs, one per row: as a table, JSON or CSV; and the stored suites as a table."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from toril import text
from toril.records.console import SuiteVersion
from toril.records.document import document
from toril.records.history import IndexRow, ListedRun
from toril.records.summary import LabelFigures, ResponseTimes
from toril.reports import terminal
from toril.reports.blocks import MISSING, Cell, Column, Row, Table
from toril.reports.run_tables import failed_share, interval_of, time_of
from toril.text import plain

MOST_CODES = 3  # of a run's reasons
COLUMNS = (
    Column("run", "name", whole=True),  # users copy it
    Column("verdict", "text", whole=True),
    Column("started", "name", rank=2),
    Column("workers", rank=2),
    Column("load", rank=2),
    Column("requests"),
    Column("failed"),
    Column("p95"),
)
OF_SUITES = (
    Column("suite", "name", whole=True),
    Column("version"),
    Column("saved", "name"),
    Column("by", "name"),
    Column("files"),
    Column("comment", "name", rank=2),
)


def as_json(runs: Sequence[ListedRun]) -> bytes:
    """Returns the list as JSON: an object for each run."""
    return document(list(map(_members, runs)))


def as_csv(runs: Sequence[ListedRun]) -> bytes:
    """Returns the list as a table with a head, without formulas."""
    head = _members(ListedRun(IndexRow(run_id="", suite="", started_at=0, outcome="passed"), "passed"))
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\r\n")
    table.writerow(head)
    table.writerows([_field(value) for value in _members(run).values()] for run in runs)
    return buffer.getvalue().encode("utf-8", "backslashreplace")


def _members(run: ListedRun) -> dict[str, Any]:
    row = replace(run.row).to_dict()  # with all fields, also those that are missing in its file
    for name in ("schema", "revision", "outcome"):
        del row[name]
    return {"run_id": row.pop("run_id"), "state": run.state, **row, "started_at": _iso(run.row), "deleted": run.deleted}


def _iso(row: IndexRow) -> str | None:
    return datetime.fromtimestamp(row.started_at, UTC).isoformat(timespec="seconds") if row.started_at else None


def _field(value: Any) -> Any:
    from toril.reports.exports.csv import safe  # imports numpy

    if isinstance(value, dict):
        value = [f"{key}={item}" for key, item in value.items()]
    if isinstance(value, list):
        value = " ".join(value)
    return safe(value) if isinstance(value, str) else value


def show(console: Console, rows: Sequence[ListedRun]) -> None:
    """Prints the list in the given order."""
    if not rows:
        console.print(Text("No run to show. Start one with `toril run SUITE`, or ask for others."))
        return
    table = Table(id="runs", title="Runs", noun="run", columns=COLUMNS, rows=tuple(map(_row, rows)))
    terminal.show_table(console, table)


def _row(run: ListedRun) -> Row:
    row = run.row
    tags = tuple(f"{plain(key, 24)}={plain(value, 48)}" for key, value in row.tags.items())
    figures = [Cell(MISSING)] * 4
    if run.judged:
        times = ResponseTimes(p95=row.p95_us, interval={"p95": (row.p95_low_us, row.p95_high_us)})
        total = LabelFigures(samples=row.samples, failures=row.failures, response_us=times)
        interval = tuple(filter(None, [interval_of(total, "p95")]))
        figures = [
            Cell(text.span(row.duration_s or 0)),
            Cell(text.number(row.samples)),
            Cell(failed_share(total)),
            Cell(time_of(total, "p95"), small=interval),
        ]
    state = run.state if row.kind == "run" else f"{run.state} ({row.kind})"
    codes = [plain(code, 40) for code in row.reasons if run.judged and run.state != "passed"]
    more = (f"and {len(codes) - MOST_CODES} more",) * (len(codes) > MOST_CODES)
    small = (*(f"[{code}]" for code in codes[:MOST_CODES]), *more, *(("files deleted",) if run.deleted else ()))
    shown, outcome = (state, run.state) if run.judged else (f"· {state}", "")
    verdict = Cell(shown, small=small, outcome=outcome, tone="dim")
    started = Cell(f"{datetime.fromtimestamp(row.started_at, UTC):%Y-%m-%d %H:%M}" if row.started_at else MISSING)
    return Row((Cell(plain(row.run_id), small=tags), verdict, started, Cell(text.number(row.workers)), *figures))


def show_suites(console: Console, versions: Sequence[SuiteVersion], *, of_one: bool) -> None:
    """Prints the list. `of_one`: it has the versions of one suite."""
    if not versions:
        console.print(Text("This store has no suites. Save one with `toril suite push SUITE`, or in the console."))
        return
    rows = tuple(map(_suite, versions))
    title, noun = ("Versions", "version") if of_one else ("Suites", "suite")
    terminal.show_table(console, Table(id="suites", title=title, noun=noun, columns=OF_SUITES, rows=rows))


def _suite(version: SuiteVersion) -> Row:
    saved = f"{datetime.fromtimestamp(version.at, UTC):%Y-%m-%d %H:%M}"
    cells = (version.suite, text.number(version.number), saved, version.by, text.number(len(version.files)))
    return Row(tuple(Cell(plain(cell)) for cell in (*cells, version.comment)))
