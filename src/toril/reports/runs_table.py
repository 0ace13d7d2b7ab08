"""The stored runs, a line each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from toril.reports import screen, view, wording
from toril.reports.figures_table import between

NAMED = 28  # characters of a usual run id
NARROW, WIDE = 76, 110  # columns of the terminal: below the first a paragraph a run, from the second all in columns


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run in the list. `state` is its outcome, or what is happening to it."""

    run_id: str
    suite: str
    state: str
    workers: int
    summary: dict[str, Any] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    duet: bool = False  # base and head in turns; the figures are head's


def render(rows: Sequence[RunRow]) -> str:
    """The list as plain text."""
    return screen.as_text(lambda console: show(console, rows))


def show(console: Console, rows: Sequence[RunRow]) -> None:
    """Print the list in the order given."""
    if not rows:
        console.print(Text("no runs in this store yet; `toril run SUITE` makes one"))
        return
    extra = max(0, max(len(row.run_id) for row in rows) - NAMED)
    if console.width < NARROW + extra:
        for row in rows:
            console.print(_name(row), no_wrap=True, overflow="ignore", crop=False)
            console.print(Padding(Text(" · ").join([_state(row), *map(Text, _facts(row))]), (0, 0, 0, 3)))
        return
    wide = console.width >= WIDE + extra
    heads = ("workers", "load", "requests", "failed", "p95") if wide else ("requests", "failed", "p95")
    table = screen.table("run", "verdict", *heads, text_columns=2)
    table.columns[0].no_wrap = table.columns[1].no_wrap = True  # people copy the one, look for the other
    for row in rows:
        load, *figures, sure = _figures(row.summary)
        if sure:
            figures[-1] += f" ({sure})" if wide else f"\n{sure}"
        name = _name(row)
        if not wide:
            name.append(f"\n{' · '.join(_facts(row)[:2])}", style="dim")
        for key, value in row.tags.items():
            name.append(f"\n{wording.plain(key, 24)}={wording.plain(value, 48)}", style="dim")
        table.add_row(name, _state(row), *([wording.number(row.workers), load] if wide else []), *figures)
    console.print(table)


def _name(row: RunRow) -> Text:
    return Text(wording.plain(row.run_id))


def _state(row: RunRow) -> Text:
    duet = " (duet)" if row.duet else ""
    return Text(f"{view.MARKS.get(row.state, '·')} {row.state}{duet}", style=screen.COLOURS.get(row.state, "dim"))


def _facts(row: RunRow) -> list[str]:
    """The figures of a run as they stand in a sentence, its tags last."""
    facts = [wording.plural(row.workers, "worker")]
    if row.summary is not None:
        load, requests, failed, p95, sure = _figures(row.summary)
        p95 += f" ({sure})" if sure else ""
        facts += [f"{load} of load", f"{requests} requests", f"{failed} failed", f"p95 {p95}"]
    return facts + [f"{wording.plain(key)}={wording.plain(value)}" for key, value in row.tags.items()]


def _figures(summary: dict[str, Any] | None) -> tuple[str, ...]:
    """Load, requests, failed, p95 and its 95 % interval (empty where there is none)."""
    if summary is None:
        return ("–",) * 4 + ("",)
    total = view.row("", summary.get("labels", {}).get("", {}))
    load = wording.span(float(summary.get("duration_s") or 0))
    p95 = total.time("p95") + total.mark
    return load, wording.number(total.samples), total.failed, p95, between(total, "p95", "…")
