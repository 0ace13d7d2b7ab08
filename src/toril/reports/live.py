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
from toril.explain import coded
from toril.records.progress import FiguresNow, Progress, ProgressNote
from toril.reports import screen
from toril.reports.blocks import mark_of
from toril.text import plain

LINE_EVERY_S = 5.0
OLD_S = 15.0  # of the newest sample; a line then shows its age


@contextmanager
def view(console: Console, *, quiet: bool = False, clock: Clock | None = None) -> Iterator["LiveView"]:
    """Shows progress on `console` (stderr) inside the context; nothing if `quiet`."""
    live = None
    if console.is_terminal and not quiet and os.environ.get("GITHUB_ACTIONS") != "true":  # its log is no terminal
        live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False)
    with live or nullcontext():
        yield LiveView(console, clock or SystemClock(), live, quiet=quiet)


class LiveView:
    """Shows the newest progress."""

    def __init__(self, console: Console, clock: Clock, live: Live | None, *, quiet: bool) -> None:
        self._console = console
        self._clock = clock
        self._live = live
        self._quiet = quiet
        self._next_line_at = 0.0
        self._last_phase = ""
        self._shown: set[ProgressNote] = set()

    def show(self, progress: Progress) -> None:
        """Shows these figures, and each note once."""
        if self._quiet:
            return
        for note in progress.notes:
            if note not in self._shown:
                self._shown.add(note)
                self._console.print(Text(f"! {coded(plain(note.message, 1000), note.code)}", style="yellow"))
        if self._live is not None:
            self._live.update(table(progress), refresh=True)
        elif progress.phase != self._last_phase or self._clock.now() >= self._next_line_at:
            self._next_line_at, self._last_phase = self._clock.now() + LINE_EVERY_S, progress.phase
            self._console.print(Text(line(progress)), soft_wrap=True)


def line(progress: Progress) -> str:
    """Returns the figures in one line, for logs."""
    if progress.phase == "preparing":
        return f"{progress.state}: {progress.workers.ready} of {text.plural(progress.workers.planned, 'worker')} ready"
    if progress.phase == "waiting":
        return f"waiting for {progress.waiting}"
    figures = progress.figures
    planned = f"/{progress.planned_s:.0f}" if progress.planned_s else ""
    parts = [
        f"{progress.state} {progress.elapsed_s:.0f}{planned} s",
        f"{_users(progress, '/')} {'VUs' if progress.planned_users else 'in flight'}",
        f"{text.number(round(figures.rps, 1))} req/s",
        *(
            f"{text.number(round(rate.achieved_rps, 1))} of {text.quantity(rate.rps, rate.unit)}"
            for rate in progress.rates
            if rate.unit != "/s"
        ),
        f"p50 {text.time(figures.p50_us)}",
        f"p95 {text.time(figures.p95_us)}",
        f"p99 {text.time(figures.p99_us)}",
        f"{text.number(figures.samples)} requests",
        f"{text.number(figures.failures)} failed",
        *(f"{one.now} of checks held" for one in progress.metrics[:1] if one.kind == "check"),
    ]
    if progress.turn:
        parts.insert(1, progress.turn)
    if progress.criteria:
        breached = sum(criterion.outcome == "failed" for criterion in progress.criteria)
        parts.append(f"{breached} of {text.plural(len(progress.criteria), 'criterion')} breached")
    if progress.lag_s >= OLD_S:
        parts.append(f"newest sample {text.span(progress.lag_s)} ago")
    return ", ".join(parts)


def _users(progress: Progress, between: str) -> str:
    """Returns active and planned users; an open model has requests in flight and no planned users."""
    planned = f"{between}{progress.planned_users}" if progress.planned_users else ""
    return f"{progress.figures.virtual_users}{planned}"


def table(progress: Progress) -> RenderableType:
    """Returns the live table: progress, then a row per location and the total."""
    word = progress.phase if progress.phase == "waiting" else progress.state
    head = Text.assemble((word, "bold cyan"), "  ", (plain(progress.run_id), "dim"))
    if progress.phase == "preparing":
        head.append(f"  {progress.workers.ready} of {text.plural(progress.workers.planned, 'worker')} ready")
        return Group(head, _bar(progress.workers.ready, progress.workers.planned))
    if progress.phase == "waiting":
        head.append(f"  for {progress.waiting}")
        return head
    head.append(f"  {text.span(round(progress.elapsed_s))}")
    if progress.planned_s:
        head.append(f" of {text.span(progress.planned_s)}")
    if progress.turn:
        head.append(f"  {progress.turn}", style="bold")
    grid = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("location", overflow="fold", min_width=8)
    for title in ("users", "req/s", "p50", "p95", "p99", "requests", "failed"):
        grid.add_column(title, justify="right", no_wrap=True, min_width=7)
    if len(progress.locations) > 1:
        for location in progress.locations:
            _add(grid, plain(location.location), f"{location.figures.virtual_users}", location.figures, "")
        grid.add_section()
    _add(grid, "all", _users(progress, " of "), progress.figures, "bold")
    parts: list[RenderableType] = [head, _bar(progress.elapsed_s, progress.planned_s), grid]
    if progress.metrics:
        words = " · ".join(f"{plain(one.name, 40)} {one.now}" for one in progress.metrics)
        parts.append(Text(words, style="dim", no_wrap=True, overflow="ellipsis"))
    for rule in progress.criteria:
        shown, style = f"{mark_of(rule.outcome)} {plain(rule.message)}", screen.COLOURS.get(rule.outcome, "dim")
        parts.append(Text(shown, style=style, no_wrap=True, overflow="ellipsis"))
    if progress.lag_s >= 1:
        parts.append(Text(f"newest sample {text.span(progress.lag_s)} ago", style="dim"))
    return Group(*parts)


def _add(grid: Table, name: str, users: str, figures: FiguresNow, style: str) -> None:
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
