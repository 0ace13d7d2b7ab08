"""Shows a running load test: a table on a terminal, or one line every few seconds elsewhere."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from toril import text
from toril.clock import Clock, SystemClock
from toril.coordinator.progress import Figures, LiveFigures
from toril.errors import Note
from toril.reports import screen
from toril.reports.blocks import mark_of
from toril.text import plain

LINE_EVERY_S = 5.0


@contextmanager
def view(console: Console, *, quiet: bool = False, clock: Clock | None = None) -> Iterator["LiveView"]:
    """Shows progress on `console` (stderr) inside the context; nothing if `quiet`."""
    live = None
    if console.is_terminal and not quiet and os.environ.get("GITHUB_ACTIONS") != "true":  # its log is no terminal
        live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False)
    with live or nullcontext():
        yield LiveView(console, clock or SystemClock(), live, quiet=quiet)


class LiveView:
    """Shows the newest figures."""

    def __init__(self, console: Console, clock: Clock, live: Live | None, *, quiet: bool) -> None:
        self._console = console
        self._clock = clock
        self._live = live
        self._quiet = quiet
        self._next_line_at = 0.0
        self._last_phase = ""
        self._shown: set[Note] = set()

    def show(self, figures: LiveFigures) -> None:
        """Shows these figures, and each note once."""
        if self._quiet:
            return
        for note in figures.notes:
            if note not in self._shown:
                self._shown.add(note)
                self._console.print(Text(f"! {plain(note.message, 1000)}", style="yellow"))
        if self._live is not None:
            self._live.update(table(figures), refresh=True)
        elif figures.phase != self._last_phase or self._clock.now() >= self._next_line_at:
            self._next_line_at, self._last_phase = self._clock.now() + LINE_EVERY_S, figures.phase
            self._console.print(Text(line(figures)), soft_wrap=True)


def line(figures: LiveFigures) -> str:
    """Returns the figures in one line, for logs."""
    if figures.phase == "preparing":
        return f"preparing: {figures.workers_ready} of {text.plural(figures.workers_planned, 'worker')} ready"
    if figures.phase == "waiting":
        return f"waiting for {figures.waiting}"
    planned = f"/{figures.planned_s:.0f}" if figures.planned_s else ""
    parts = [
        f"{figures.phase} {figures.elapsed_s:.0f}{planned} s",
        f"{_users(figures, '/')} {'VUs' if figures.planned_users else 'in flight'}",
        f"{text.number(round(figures.rps, 1))} req/s",
        f"p50 {text.time(figures.p50_us)}",
        f"p95 {text.time(figures.p95_us)}",
        f"p99 {text.time(figures.p99_us)}",
        f"{text.number(figures.samples)} requests",
        f"{text.number(figures.failures)} failed",
    ]
    if figures.turn:
        parts.insert(1, figures.turn)
    if figures.criteria:
        breached = sum(outcome == "failed" for outcome, _ in figures.criteria)
        parts.append(f"{breached} of {text.plural(len(figures.criteria), 'criterion')} breached")
    return ", ".join(parts)


def _users(figures: LiveFigures, between: str) -> str:
    """Returns active and planned users; an open model has requests in flight and no planned users."""
    return f"{figures.virtual_users}" + (f"{between}{figures.planned_users}" if figures.planned_users else "")


def table(figures: LiveFigures) -> RenderableType:
    """Returns the live table: progress, then a row per location and the total."""
    head = Text.assemble((figures.phase, "bold cyan"), "  ", (plain(figures.run_id), "dim"))
    if figures.phase == "preparing":
        head.append(f"  {figures.workers_ready} of {text.plural(figures.workers_planned, 'worker')} ready")
        return Group(head, _bar(figures.workers_ready, figures.workers_planned))
    if figures.phase == "waiting":
        head.append(f"  for {figures.waiting}")
        return head
    head.append(f"  {text.span(round(figures.elapsed_s))}")
    if figures.planned_s:
        head.append(f" of {text.span(figures.planned_s)}")
    if figures.turn:
        head.append(f"  {figures.turn}", style="bold")
    grid = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("location", overflow="fold", min_width=8)
    for title in ("users", "req/s", "p50", "p95", "p99", "requests", "failed"):
        grid.add_column(title, justify="right", no_wrap=True, min_width=7)
    if len(figures.locations) > 1:
        for location in figures.locations:
            _add(grid, plain(location.location), f"{location.virtual_users}", location, "")
        grid.add_section()
    _add(grid, "all", _users(figures, " of "), figures, "bold")
    parts: list[RenderableType] = [head, _bar(figures.elapsed_s, figures.planned_s), grid]
    for outcome, message in figures.criteria:
        shown, style = f"{mark_of(outcome)} {plain(message)}", screen.COLOURS.get(outcome, "dim")
        parts.append(Text(shown, style=style, no_wrap=True, overflow="ellipsis"))
    if figures.lag_s >= 1:
        parts.append(Text(f"newest sample {text.span(figures.lag_s)} ago", style="dim"))
    return Group(*parts)


def _add(grid: Table, name: str, users: str, figures: Figures, style: str) -> None:
    grid.add_row(
        Text(name, style=style),
        Text(users, style=style),
        Text(text.number(round(figures.rps, 1)), style=style),
        text.time(figures.p50_us),
        Text(text.time(figures.p95_us), style="bold"),
        text.time(figures.p99_us),
        text.number(figures.samples),
        Text(text.number(figures.failures), style="bold red" if figures.failures else "dim"),
    )


def _bar(done: float, of: float) -> RenderableType:
    """Returns a progress bar; it pulses if the end is unknown."""
    return ProgressBar(total=of or 1, completed=min(done, of or 1), width=60, pulse=not of, complete_style="cyan")
