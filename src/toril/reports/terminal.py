"""The verdict as a person reads it: the outcome first, then why, then the figures."""

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from toril.reports import capacity, cases, drawing, duet, screen, selection, view, vouching, wording
from toril.reports.bundle import Bundle
from toril.reports.figures_table import between, figures
from toril.reports.sparkline import sparkline

MOST_LABELS, MOST_CRITERIA, MOST_REASONS, MOST_ERRORS = 40, 100, 20, 8
LINE_WIDTH = 40  # of a load curve
ORDER = {"failed": 0, "inconclusive": 1, "triggered": 2, "passed": 3}


def report(bundle: Bundle) -> bytes:
    """The verdict as plain text."""
    return screen.as_text(lambda console: show(console, bundle)).encode()


def show(console: Console, bundle: Bundle) -> None:
    """Print the verdict; the console decides on width and colour."""
    console.print(_parts(bundle, console.width))


def _parts(bundle: Bundle, width: int) -> Group:
    parts: list[RenderableType] = [_banner(bundle)]
    if bundle.outcome != "passed" and view.further_reasons(bundle):
        reasons = view.further_reasons(bundle)
        parts += [Text(), *(_indented(f"• {message}") for _, message in reasons[:MOST_REASONS])]
        if len(reasons) > MOST_REASONS:
            parts.append(_indented(f"… and {wording.number(len(reasons) - MOST_REASONS)} more: --format json", "dim"))
    compared = duet.told(bundle)
    if compared is not None:
        parts += [_duet(compared, width), *(_indented(arm, style="dim") for arm in compared.arms)]
    for search in capacity.told(bundle):
        parts.append(_search(search, width))
    if view.criteria(bundle):
        parts.append(_criteria(bundle, width))
    if bundle.plan.functional:
        parts += [cases.on_terminal(bundle), Text()]
        parts += [_indented(f"note: {note}", style="yellow") for note in view.notes(bundle)]
        parts.append(_indented(f"run {wording.plain(bundle.plan.run_id)}", style="dim"))
        return Group(*parts)
    rows, left_out = selection.labels(bundle, MOST_LABELS)
    parts.append(figures("label", rows, width, _more(left_out, "label")))
    locations = view.locations(bundle)
    if len(locations) > 1:
        left_out = len(locations[MOST_LABELS:])
        parts.append(figures("location", locations[:MOST_LABELS], width, _more(left_out, "location")))
    parts += [*_courses(bundle), Text()]
    if view.failures_note(bundle):
        parts.append(_indented(view.failures_note(bundle), style="yellow"))
    errors = list(view.errors(bundle))
    if errors:
        parts += [_errors(errors)]
    parts += _vouching(bundle)
    parts += [_indented(f"note: {note}", style="yellow") for note in view.notes(bundle)]
    sure = " · with each percentile its 95 % interval" if any(row.intervals_us for row in rows) else ""
    run = f"run {wording.plain(bundle.plan.run_id)} · {view.window(bundle)}{sure}"
    parts.append(_indented(run, style="dim"))
    return Group(*parts)


def _more(left_out: int, noun: str) -> str:
    """What a table leaves out, and where it is to be found."""
    if not left_out:
        return ""
    return f"and {wording.plural(left_out, f'more {noun}')}: --format csv"


def _courses(bundle: Bundle) -> list[RenderableType]:
    """Load curves as planned above what was achieved, on one scale."""
    found: list[RenderableType] = []
    for course in drawing.courses(bundle):
        highest = max(*course.planned, *course.achieved, 0.0)
        for what, values in (("planned", course.planned), ("achieved", course.achieved)):
            most = f"at most {wording.number(round(max(values, default=0.0), 1))}/s"
            of = f" · {wording.plain(course.execution)}" if what == "planned" else ""
            line = sparkline(values, LINE_WIDTH, highest)
            found.append(_indented(f"{what:8}  {line}  {most}{of}"))
    return [Text(), *found] if found else []


def _vouching(bundle: Bundle) -> list[RenderableType]:
    lines: list[RenderableType] = [_indented(line, style="yellow") for line in vouching.saturated(bundle)]
    if vouching.health(bundle):
        lines.append(_indented(vouching.health(bundle), style="dim"))
    if bundle.cost:
        lines.append(_indented(bundle.cost, style="dim"))
    if vouching.not_judged(bundle):
        lines.append(_indented(f"not judged: {' · '.join(vouching.not_judged(bundle))}", style="dim"))
    return lines


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
    sure = between(view.overall(bundle), "p95", " … ")
    facts = [
        Text.assemble((f"{name} ", "dim"), (value, "bold"), (f" ({sure})" if name == "p95" and sure else "", "dim"))
        for name, value in view.facts(bundle)
    ]
    return Panel(
        Group(title, Text(), Text(view.headline(bundle), style=f"bold {colour}"), Columns(facts, padding=(0, 3))),
        box=box.HEAVY,
        border_style=colour,
        padding=(1, 2),
    )


def _duet(compared: duet.Told, width: int) -> RenderableType:
    """What is worse first; each figure in both arms, what is proven of its change, and what would have been found."""
    if width < screen.NARROW:
        lines = [Text(f"{row.mark} {row.message}", style=_colour(row.outcome)) for row in compared.rows]
        return Group(Text(), *(Padding(line, (0, 0, 0, 3)) for line in lines))
    table = screen.table("", "base and head", *duet.HEADS, text_columns=2)
    for row in compared.rows:
        name = Text(row.name, style="bold" if row.outcome != "passed" else "")
        change, *rest = row.cells
        shown = Text(change, style=f"bold {_colour(row.outcome)}")
        table.add_row(Text(row.mark, style=f"bold {_colour(row.outcome)}"), name, shown, *map(Text, rest))
    unknown = (row for row in compared.rows if row.bounds == duet.OPEN)  # why, over the whole width
    return Group(table, *(_indented(f"{row.mark} {row.message}", style="dim") for row in unknown))


def _search(search: capacity.Told, width: int) -> RenderableType:
    """Its stages in the order in which they were."""
    if width < screen.NARROW:
        lines = [Text(f"{row.mark} {row.rate}: {row.said}", style=_colour(row.outcome)) for row in search.rows]
        return Group(Text(), *(Padding(line, (0, 0, 0, 3)) for line in lines))
    *figures, observed = capacity.HEADS
    table = screen.table("", f"capacity of {search.name}", *figures, text_columns=2)
    table.add_column(Text(observed), overflow="fold", min_width=20)  # a reason may be long, and figures stay whole
    for row in search.rows:
        colour = f"bold {_colour(row.outcome)}"
        table.add_row(Text(row.mark, style=colour), Text(row.said), *map(Text, row.cells))
    return table


def _colour(outcome: str) -> str:
    return screen.COLOURS.get(outcome, "yellow")


def _criteria(bundle: Bundle, width: int) -> RenderableType:
    """Breached first, then what is open, then those that held; all of them, for each is a verdict."""
    rules = sorted(view.criteria(bundle), key=lambda rule: ORDER.get(rule.outcome, 1))
    shown, more = rules[:MOST_CRITERIA], len(rules[MOST_CRITERIA:])
    made = _criteria_blocks(shown) if width < screen.NARROW else _criteria_table(shown)
    if not more:
        return made
    return Group(made, _indented(f"and {wording.plural(more, 'more criterion')}: --format json", "dim"))


def _criteria_table(rules: list[view.Criterion]) -> Table:
    table = screen.table("", "fails when", "observed", "limit", "difference", text_columns=2)
    for rule in rules:
        colour = screen.COLOURS.get(rule.outcome, "yellow")
        table.add_row(
            Text(rule.mark, style=f"bold {colour}"),
            _rule(rule),
            Text(rule.observed, style=f"bold {colour}"),
            Text(rule.limit),
            Text(rule.difference, style=colour if rule.outcome == "failed" else "dim"),
        )
    return table


def _criteria_blocks(rules: list[view.Criterion]) -> Group:
    parts: list[RenderableType] = [Text(), Text(" fails when", style="dim")]
    for rule in rules:
        colour = screen.COLOURS.get(rule.outcome, "yellow")
        text = Text.assemble(
            (f"{rule.mark} ", f"bold {colour}"),
            (rule.text, "bold" if rule.outcome != "passed" else ""),
            "\n",
            (rule.observed, f"bold {colour}"),
            f" against {rule.limit}" + (f" ({rule.difference})" if rule.difference else ""),
        )
        parts.append(Padding(_explained(text, rule), (0, 0, 0, 3)))
    return Group(*parts)


def _rule(rule: view.Criterion) -> Text:
    return _explained(Text(rule.text, style="bold" if rule.outcome != "passed" else ""), rule)


def _explained(text: Text, rule: view.Criterion) -> Text:
    for line in (rule.detail, rule.remark):
        if line:
            text.append(f"\n{line}", style="not bold dim")
    return text


def _errors(errors: list[tuple[str, str, int]]) -> Table:
    table = screen.table("error", "code", "count", text_columns=2)
    for message, code, count in errors[:MOST_ERRORS]:
        table.add_row(Text(message), Text(wording.shortened(code, 40)), wording.number(count))
    if len(errors) > MOST_ERRORS:
        table.add_row(Text(f"… {wording.number(len(errors) - MOST_ERRORS)} more kinds", style="dim"))
    return table


def _indented(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style=style), (0, 0, 0, 2))
