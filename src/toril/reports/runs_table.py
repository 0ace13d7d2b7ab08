"""Prints the stored runs, one per row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from toril import text
from toril.records.summary import Summary
from toril.reports import terminal
from toril.reports.blocks import MISSING, Cell, Column, Row, Table
from toril.reports.run_tables import failed_share, interval_of, time_of
from toril.text import plain

OUTCOMES = ("passed", "failed", "inconclusive")
COLUMNS = (
    Column("run", "name", whole=True),  # users copy it
    Column("verdict", "text", whole=True),
    Column("workers", rank=2),
    Column("load", rank=2),
    Column("requests"),
    Column("failed"),
    Column("p95"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run in the list. `state` is its outcome, or its phase if it has none yet."""

    run_id: str
    suite: str
    state: str
    workers: int
    summary: Summary | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    duet: bool = False  # base and head in turns; the figures are of head


def show(console: Console, rows: Sequence[RunRow]) -> None:
    """Prints the list in the given order."""
    if not rows:
        console.print(Text("This store has no runs. Start one with `toril run SUITE`."))
        return
    table = Table(id="runs", title="Runs", noun="run", columns=COLUMNS, rows=tuple(map(_row, rows)))
    terminal.show_table(console, table)


def _row(row: RunRow) -> Row:
    tags = tuple(f"{plain(key, 24)}={plain(value, 48)}" for key, value in row.tags.items())
    figures = [Cell(MISSING)] * 4
    if row.summary is not None:
        total, load = row.summary.total, text.span(row.summary.duration_s or 0)
        interval = tuple(filter(None, [interval_of(total, "p95")]))
        figures = [
            Cell(load),
            Cell(text.number(total.samples)),
            Cell(failed_share(total)),
            Cell(time_of(total, "p95"), small=interval),
        ]
    state = f"{row.state}{' (duet)' if row.duet else ''}"
    judged = row.state in OUTCOMES
    verdict = Cell(state if judged else f"· {state}", outcome=row.state if judged else "", tone="dim")
    return Row((Cell(plain(row.run_id), small=tags), verdict, Cell(text.number(row.workers)), *figures))
