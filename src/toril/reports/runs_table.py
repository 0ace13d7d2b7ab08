"""The stored runs, a line each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.text import Text

from toril.reports import screen, view, wording


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run in the list. `state` is its outcome, or what is happening to it."""

    run_id: str
    suite: str
    state: str
    workers: int
    summary: dict[str, Any] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def render(rows: Sequence[RunRow]) -> str:
    """The list as plain text."""
    return screen.as_text(lambda console: show(console, rows))


def show(console: Console, rows: Sequence[RunRow]) -> None:
    """Print the list in the order given."""
    if not rows:
        console.print(Text("no runs in this store yet; `toril run SUITE` makes one"))
        return
    table = screen.table("run", "verdict", "workers", "load", "requests", "failed", "p95", text_columns=2)
    table.columns[0].no_wrap = True  # people copy it
    for row in rows:
        name = Text(wording.plain(row.run_id))
        if row.tags:
            name.append(
                "\n" + " ".join(f"{wording.plain(k)}={wording.plain(v)}" for k, v in row.tags.items()), style="dim"
            )
        mark = f"{view.MARKS.get(row.state, '·')} {row.state}"
        table.add_row(
            name,
            Text(mark, style=screen.COLOURS.get(row.state, "dim")),
            wording.number(row.workers),
            *_figures(row.summary),
        )
    console.print(table)


def _figures(summary: dict[str, Any] | None) -> tuple[str, ...]:
    if summary is None:
        return ("–",) * 4
    total = view.row("", summary.get("labels", {}).get("", {}))
    load = wording.span(float(summary.get("duration_s") or 0))
    return load, wording.number(total.samples), total.failed, total.time("p95") + total.mark
