"""Two runs side by side on a terminal: what was found, why it may mean little, then every figure."""

from collections.abc import Iterable, Sequence
from typing import Literal

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from toril.reports import screen, view, wording
from toril.reports.compare_figures import Figure, Part
from toril.reports.comparison import Comparison, CriterionPair, Side

MOST_PARTS, LONGEST_NAME = 20, 48
USUAL = ("rps", "p50", "p95", "p99")  # shown of every label; others where they differ
GAP = 2


def report(comparison: Comparison) -> bytes:
    """The comparison as plain text."""
    return screen.as_text(lambda console: show(console, comparison)).encode()


def show(console: Console, comparison: Comparison) -> None:
    """Print the comparison; the console decides on width and colour."""
    parts: list[RenderableType] = [_banner(comparison)]
    if comparison.differences:
        parts += [Text(), _indented("hard to compare, because", "yellow")]
        parts += [_indented(f"• {text}", "yellow") for text in comparison.differences]
    parts.append(_simple("load", comparison.load, console.width))
    if comparison.criteria:
        parts.append(_criteria(comparison.criteria))
    parts.append(_figures("all requests", [comparison.overall], console.width, everything=True))
    for noun, found in (("labels", comparison.labels), ("locations", comparison.locations)):
        if found and (noun == "labels" or len(found) > 1):
            chosen = notable(found, MOST_PARTS)
            parts.append(_figures(noun, chosen, console.width))
            if len(found) > len(chosen):
                left_out = wording.number(len(found) - len(chosen))
                parts.append(_indented(f"and {left_out} more {noun}: --format json", "dim"))
    parts.append(Text())
    if comparison.failures_note:
        parts.append(_indented(comparison.failures_note, "yellow"))
    parts.append(_indented(comparison.conclusion, "dim"))
    console.print(Group(*parts))


def notable(parts: Sequence[Part], most: int) -> list[Part]:
    """Those in which most differs, then the busiest, in their own order."""
    ranked = sorted(parts, key=lambda part: (-len(part.differing), -part.base_samples - part.head_samples, part.name))
    chosen = {id(part) for part in ranked[:most]}
    return [part for part in parts if id(part) in chosen]


def figures_of(part: Part, *, everything: bool = False) -> list[Figure]:
    """What is worth a line: all of it, or the usual, failures where there are any, and what differs."""
    return [
        figure
        for figure in part.figures
        if everything
        or figure.key in USUAL
        or figure.finding == "differs"
        or (figure.key == "failures" and (figure.base or figure.head))
    ]


def worse(figure: Figure) -> bool:
    """Whether head is the worse of the two: more of anything but requests."""
    return bool(figure.delta and (figure.delta < 0) == (figure.key == "rps"))


def _banner(comparison: Comparison) -> Panel:
    suites = dict.fromkeys((comparison.base.suite, comparison.head.suite))
    differing = any(part.differing for part in comparison.parts)
    colour = "yellow" if differing else "cyan"
    lines = [
        Text.assemble((" and ".join(suites), "bold"), "  two runs compared"),
        Text(),
        *(_side(name, side) for name, side in (("base", comparison.base), ("head", comparison.head))),
        Text(),
        Text(comparison.headline, style=f"bold {colour}"),
    ]
    return Panel(Group(*lines), box=box.HEAVY, border_style=colour, padding=(1, 2))


def _side(name: str, side: Side) -> Text:
    colour = screen.COLOURS.get(side.outcome, "yellow")
    text = Text.assemble(
        (f"{name}  ", "dim"),
        (f"{view.MARKS.get(side.outcome, '?')} {side.outcome}", f"bold {colour}"),
        f"  {side.run_id}",
    )
    if side.tags:
        text.append("  " + " ".join(f"{key}={wording.shortened(value, 40)}" for key, value in side.tags), style="dim")
    return text


def _criteria(pairs: Iterable[CriterionPair]) -> RenderableType:
    table = screen.table("fails when", "base", "head", text_columns=1)
    for pair in sorted(pairs, key=lambda pair: not pair.changed):
        table.add_row(Text(pair.text, style="bold" if pair.changed else ""), _rule(pair.base), _rule(pair.head))
    return table


def _rule(rule: view.Criterion | None) -> Text:
    if rule is None:
        return Text("not there", style="dim")
    return Text(f"{rule.mark} {rule.observed}", style=screen.COLOURS.get(rule.outcome, "yellow"))


def _simple(title: str, figures: Sequence[Figure], width: int) -> RenderableType:
    """Figures that have no intervals."""
    rows = [[Text(figure.shown("base")), Text(figure.shown("head")), _delta(figure)] for figure in figures]
    table = screen.table(title, "base", "head", "difference", text_columns=1)
    for figure, cells in zip(figures, rows, strict=True):
        table.add_row(Text(figure.title), *cells)
    return table


def _figures(title: str, parts: Sequence[Part], width: int, *, everything: bool = False) -> RenderableType:
    heads = ["base", "head", "difference", "", ""]
    for apart in (" … ", "…"):
        groups = [
            (part, [(one, _cells(one, apart, marked=part.marked)) for one in figures_of(part, everything=everything)])
            for part in parts
        ]
        cells = [found for _, rows in groups for _, found in rows]
        if screen.widths(heads, cells, GAP) + max(len(title), 12) + GAP <= width:
            break
    else:
        return _blocks(title, parts, everything=everything)
    table = screen.table(title, *heads, text_columns=1)
    for part, rows in groups:
        if not everything:
            table.add_row(_name(part))
        for figure, found in [] if part.only_in else rows:
            table.add_row(Text(figure.title if everything else f"  {figure.title}"), *found)
    return table


def _cells(figure: Figure, apart: str, *, marked: bool) -> list[Text]:
    return [
        _value(figure, "base", apart, marked=marked),
        _value(figure, "head", apart, marked=marked),
        _delta(figure),
        Text(figure.shown_relative, style=_style(figure)),
        Text(finding(figure), style=_style(figure)),
    ]


def _blocks(title: str, parts: Sequence[Part], *, everything: bool) -> RenderableType:
    lines: list[RenderableType] = [Text(), Text(f" {title}", style="dim")]
    for part in parts:
        if not everything:
            lines.append(Padding(_name(part), (0, 0, 0, 1)))
        for figure in [] if part.only_in else figures_of(part, everything=everything):
            text = Text.assemble((f"{figure.title} ", "dim"), figure.shown("base"), _sure(figure, "base"))
            text.append(" → ").append(figure.shown("head"), style="bold").append(_sure(figure, "head"))
            change = " ".join(filter(None, (figure.shown_delta, figure.shown_relative, finding(figure))))
            lines.append(Padding(text.append(f"  {change}", style=_style(figure)), (0, 0, 0, 3)))
    return Group(*lines)


def _value(figure: Figure, side: Literal["base", "head"], apart: str, *, marked: bool) -> Text:
    text = Text(figure.shown(side) + (" †" if marked and figure.unit == "us" else ""))
    interval = figure.shown_interval(side, apart)
    return text.append(f"\n{interval}", style="dim") if interval else text


def _sure(figure: Figure, side: Literal["base", "head"]) -> Text:
    interval = figure.shown_interval(side)
    return Text(f" ({interval})" if interval else "", style="dim")


def _delta(figure: Figure) -> Text:
    return Text(figure.shown_delta, style=_style(figure))


def finding(figure: Figure) -> str:
    if figure.finding != "unknown":
        return figure.finding
    return "" if figure.base_interval is None or figure.head_interval is None else "too few"


def _style(figure: Figure) -> str:
    if figure.finding != "differs":
        return "dim"
    return "bold red" if worse(figure) else "bold green"


def _name(part: Part) -> Text:
    text = Text(wording.shortened(part.name, LONGEST_NAME), style="bold")
    if part.kind == "transaction" and not part.name.endswith("(transaction)"):
        text.append(" (transaction)")
    if part.only_in:
        samples = part.base_samples if part.only_in == "base" else part.head_samples
        text.append(f"  in {part.only_in} only, {wording.plural(samples, 'request')}", style="not bold yellow")
    return text


def _indented(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style=style), (0, 0, 0, 2))
