"""The verdict as a person reads it: the outcome first, then why, then the figures."""

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from toril.reports import screen, view, wording
from toril.reports.bundle import Bundle

MOST_LABELS = 40
MOST_ERRORS = 8


def report(bundle: Bundle) -> bytes:
    """The verdict as plain text."""
    return screen.as_text(lambda console: show(console, bundle)).encode()


def show(console: Console, bundle: Bundle) -> None:
    """Print the verdict; the console decides on width and colour."""
    console.print(_parts(bundle))


def _parts(bundle: Bundle) -> Group:
    parts: list[RenderableType] = [_banner(bundle)]
    if bundle.outcome != "passed" and view.further_reasons(bundle):
        parts += [Text(), *(_indented(f"• {message}") for _, message in view.further_reasons(bundle))]
    if view.criteria(bundle):
        parts += [_criteria(bundle)]
    parts += [_figures("label", view.labels(bundle))]
    if len(view.locations(bundle)) > 1:
        parts += [_figures("location", view.locations(bundle))]
    if view.failures_note(bundle):
        parts += [_indented(view.failures_note(bundle), style="yellow")]
    errors = list(view.errors(bundle))
    if errors:
        parts += [_errors(errors)]
    parts += [_indented(f"note: {wording.plain(warning, 1000)}", style="yellow") for warning in bundle.plan.warnings]
    parts.append(_indented(f"run {wording.plain(bundle.plan.run_id)} · {view.window(bundle)}", style="dim"))
    return Group(*parts)


def _banner(bundle: Bundle) -> Panel:
    outcome = bundle.outcome
    colour = screen.COLOURS.get(outcome, "yellow")
    title = Text.assemble(
        (
            f" {view.MARKS.get(outcome, '?')} {outcome.upper()} ",
            f"bold white on {colour}" if colour != "yellow" else "bold black on yellow",
        ),
        "  ",
        (wording.plain(bundle.plan.suite), "bold"),
    )
    facts = Columns(
        [Text.assemble((f"{name} ", "dim"), (value, "bold")) for name, value in view.facts(bundle)], padding=(0, 3)
    )
    return Panel(
        Group(title, Text(), Text(view.headline(bundle), style=f"bold {colour}"), facts),
        box=box.HEAVY,
        border_style=colour,
        padding=(1, 2),
    )


def _criteria(bundle: Bundle) -> Table:
    table = screen.table("", "fails when", "observed", "limit", "difference", text_columns=2)
    for rule in view.criteria(bundle):
        colour = screen.COLOURS.get(rule.outcome, "yellow")
        text = Text(rule.text, style="bold" if rule.outcome != "passed" else "")
        for line in (rule.detail, rule.remark):
            if line:
                text.append(f"\n{line}", style="not bold dim")
        table.add_row(
            Text(rule.mark, style=f"bold {colour}"),
            text,
            Text(rule.observed, style=f"bold {colour}"),
            Text(rule.limit),
            Text(rule.difference, style=colour if rule.outcome == "failed" else "dim"),
        )
    return table


def _figures(noun: str, rows: list[view.Row]) -> Table:
    table = screen.table(noun, "requests", "failed", "req/s", "p50", "p95", "p99", "max", text_columns=1)
    for place, row in enumerate(rows[: MOST_LABELS + 1]):
        total = noun == "label" and place == 0
        name = Text(row.name + (" (transaction)" if row.kind == "transaction" else ""), style="bold" if total else "")
        table.add_row(
            name,
            wording.number(row.samples),
            Text(row.failed, style="red" if row.failures else "dim"),
            wording.number(row.rps),
            row.time("p50"),
            Text(row.time("p95") + row.mark, style="bold"),
            row.time("p99") + row.mark,
            row.time("max"),
        )
    if len(rows) > MOST_LABELS + 1:
        table.add_row(Text(f"… {wording.number(len(rows) - MOST_LABELS - 1)} more in the other reports", style="dim"))
    return table


def _errors(errors: list[tuple[str, str, int]]) -> Table:
    table = screen.table("error", "code", "count", text_columns=2)
    for message, code, count in errors[:MOST_ERRORS]:
        table.add_row(Text(message), Text(code), wording.number(count))
    if len(errors) > MOST_ERRORS:
        table.add_row(Text(f"… {wording.number(len(errors) - MOST_ERRORS)} more kinds", style="dim"))
    return table


def _indented(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style=style), (0, 0, 0, 2))
