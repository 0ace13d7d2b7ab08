"""Renders blocks for a terminal: outcome, reasons, figures; no line is wider than the screen."""

import re
from collections.abc import Iterator, Sequence

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table as Grid
from rich.text import Text

from toril import text
from toril.explain import coded, command_of
from toril.reports import screen
from toril.reports.blocks import (
    Block,
    Cell,
    Charts,
    Column,
    Criteria,
    ExchangeList,
    Facts,
    Failures,
    Findings,
    Headline,
    NoteBlock,
    ProbableCause,
    Report,
    Row,
    Sketches,
    Table,
    criteria_table,
    mark_of,
)
from toril.reports.curves import sparkline

MOST_ROWS = {"label": 40, "location": 40, "criterion": 100, "test case": 100, "kind": 8}  # by noun
MOST_REASONS, MOST_OTHER_ROWS = 20, 40
MOST_EXCHANGES = 8
SKETCH_WIDTH = 40
LAYOUTS = ((2, " … "), (1, " … "), (1, "…"))  # largest rank of columns, and the separator in an interval
LONGEST_NAME, ROOM_FOR_NAME, ROOM_FOR_TEXT = 64, 24, 20
GAP = 2  # characters between two columns
INDENT = 3
TONES = {"dim": "dim", "some": "yellow", "bad": "red", "differs": "bold green"}
NOTES = {"caution": "yellow", "note": "yellow", "detail": "dim"}


def render(report: Report) -> bytes:
    """Returns the report as plain text."""
    return screen.as_text(lambda console: show(console, report)).encode()


def show(console: Console, report: Report) -> None:
    """Prints the report in the width and colour of the console."""
    console.print(Group(*_parts(report, console.width)))


def show_table(console: Console, table: Table) -> None:
    """Prints one table."""
    console.print(Group(*table_parts(table, console.width)))


def _parts(report: Report, width: int) -> Iterator[RenderableType]:
    headline = report.headline
    facts = next((block for block in report.blocks if isinstance(block, Facts) and block.id == "facts"), None)
    yield _banner(headline, facts)
    reasons = headline.own_reasons
    if reasons:
        yield Text()
        yield from (_indented(f"• {coded(reason.message, reason.code)}") for reason in reasons[:MOST_REASONS])
        if len(reasons) > MOST_REASONS:
            yield _indented(f"… and {text.number(len(reasons) - MOST_REASONS)} more; see --format json", "dim")
    before: Block | None = None
    for block in report.blocks:
        if isinstance(block, NoteBlock) and not isinstance(before, NoteBlock) and block.tone in NOTES:
            yield Text()
        yield from _block(block, width, headline)
        before = block
    if codes := headline.codes:
        yield Text()
        yield _indented(f"cause and fix: {command_of(*codes)}", "dim")


def _block(block: Block, width: int, headline: Headline) -> Iterator[RenderableType]:
    match block:
        case Criteria():
            yield from table_parts(criteria_table(block), width)
        case Table() if not block.page_only:
            if block.message and block.message not in headline.text:
                yield Text()
                yield _indented(f"{block.title}: {block.message}", _bold(block.outcome))
            yield from table_parts(block, width)
        case Sketches():
            yield Text()
            for line in block.lines:
                drawn = sparkline(line.values, SKETCH_WIDTH, line.highest)
                yield _indented(f"{line.name:8}  {drawn}  at most {line.peak}")
        case ExchangeList() if block.failures:
            yield Text()
            for group in block.failures[:MOST_EXCHANGES]:
                first = group.exchanges[0]
                named = re.search(rf"(?<!\w){re.escape(group.label)}(?!\w)", first.title)
                label = "" if named else f"{group.label}: "
                yield _indented(f"{label}{first.title} ({first.place})", "yellow")
                yield Padding(_indented(first.brief, "dim"), (0, 0, 0, 2))
            yield _indented("Requests with their responses: --format html", "dim")
        case Findings():
            yield Text()
            yield _indented("Findings", "bold")
            yield from (_indented(f"• {coded(finding.text, finding.code)}") for finding in block.findings)
        case ProbableCause():
            yield Text()
            yield _indented("Probable cause", "bold")
            yield from (_indented(f"• {line.text}") for line in block.lines)
        case Failures():
            yield Text()
            for failure in block.failures:
                yield _indented(f"first failure: {failure.label}: {failure.message} ({failure.place})", "yellow")
        case NoteBlock() if block.tone in NOTES:
            prefix = "note: " if block.tone == "note" else ""
            yield _indented(f"{prefix}{coded(block.text, block.cause)}", NOTES[block.tone])
        case Facts(id="about"):
            yield _indented(" · ".join(f"{fact.name} {fact.value}" for fact in block.facts), "dim")
        case Table() | NoteBlock() | Facts() | Charts() | ExchangeList():
            pass


def _banner(headline: Headline, facts: Facts | None) -> Panel:
    neutral = headline.is_unjudged or (headline.neutral and not headline.outcome)
    colour = "cyan" if neutral else _colour(headline.outcome) or "yellow"
    if headline.outcome:
        badge = f"bold {'black' if colour == 'yellow' else 'white'} on {colour}"
        words = f" {mark_of(headline.outcome)} {headline.outcome.upper()} "
        title = Text.assemble((words, badge), "  ", (headline.suite, "bold"))
    else:
        title = Text.assemble((headline.suite, "bold"), f"  {headline.brief}")
    parts: list[RenderableType] = [title, Text(), Text(headline.text, style=f"bold {colour}")]
    if facts:
        shown = [
            Text.assemble(
                (f"{fact.name} ", "dim"), (fact.value, "bold"), (f" ({fact.interval})" if fact.interval else "", "dim")
            )
            for fact in facts.facts
        ]
        parts.append(Columns(shown, padding=(0, 3)))
    return Panel(Group(*parts), box=box.HEAVY, border_style=colour, padding=(1, 2))


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def table_parts(table: Table, width: int) -> Iterator[RenderableType]:
    """Yields the table in that width: all columns, fewer columns, or a paragraph per row. Numbers stay whole."""
    rows, left_out = table.top(MOST_ROWS.get(table.noun, MOST_OTHER_ROWS))
    yield _grid(table.columns, rows, width) or _paragraphs(table.columns, rows, width)
    if left_out:
        more = text.plural(left_out, f"more {table.noun}")
        yield _indented(f"and {more}; see --format {table.rest}", "dim")
    for row in rows:
        if row.note:
            yield _indented(f"{mark_of(row.outcome)} {row.note}", "dim")
    about = (table.about,) if table.message and table.about else ()
    yield from (_indented(footnote, "dim") for footnote in (*about, *table.footnotes))


def _grid(columns: Sequence[Column], rows: Sequence[Row], width: int) -> Grid | None:
    """Returns the table; None if the width is too small."""
    marked = any(row.outcome for row in rows)
    for rank, apart in LAYOUTS:
        places = [place for place, column in enumerate(columns) if column.rank <= rank]
        cells = [[_cell(columns, row, place, apart) for place in places] for row in rows]
        rooms = [
            _room(columns[place], [row[at] for row in cells], last=apart == "…") for at, place in enumerate(places)
        ]
        if sum(rooms) + GAP * (len(rooms) - 1) + (3 if marked else 0) + 1 <= width:
            break
    else:
        return None
    grid = Grid(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0))
    if marked:
        grid.add_column("", no_wrap=True)
    for place, room in zip(places, rooms, strict=True):
        column = columns[place]
        if column.kind == "number":
            grid.add_column(Text(column.title), justify="right", no_wrap=True)
        else:
            grid.add_column(Text(column.title), overflow="fold", min_width=room, no_wrap=column.whole)
    for row, shown in zip(rows, cells, strict=True):
        mark = Text(mark_of(row.outcome) if row.outcome else "", style=_bold(row.outcome))
        grid.add_row(*([mark] if marked else []), *shown)
    return grid


def _room(column: Column, cells: Sequence[Text], *, last: bool) -> int:
    """Returns the width that a column needs, in characters; texts and names can be folded."""
    widest = max((line.cell_len for cell in cells for line in cell.split("\n")), default=0)
    if column.kind == "number" or column.whole:
        return max(widest, Text(column.title).cell_len)
    longest = ROOM_FOR_TEXT if column.kind == "text" else ROOM_FOR_NAME
    words = max((len(word) for cell in cells for word in cell.plain.split() if word in TAGS), default=0)
    # rows have two lines anyway, so a name may fold once
    room = max(min(-(-widest // 2), longest // 2), words) if last else min(widest, longest)
    return max(room, min(Text(column.title).cell_len, 12))


TAGS = ("transaction", "timing", "location", "execution")  # tags have their own line, which is never folded


def _cell(columns: Sequence[Column], row: Row, place: int, apart: str) -> Text:
    """Returns the cell with its smaller lines; empty beyond the cells of a heading row."""
    if place >= len(row.cells):
        return Text()
    cell, column = row.cells[place], columns[place]
    if column.kind == "name":
        return _name(row, cell)
    shown = Text(_marked(cell), style=_style(row, cell, column))
    for line in cell.small:
        shown.append(f"\n{line.replace(' … ', apart)}", style="not bold dim")
    return shown


def _name(row: Row, cell: Cell) -> Text:
    bold = row.is_total or len(row.cells) == 1 or (row.outcome and row.outcome != "passed")
    shown = Text(text.shortened(cell.text, LONGEST_NAME), style="bold" if bold else "")
    lines = [*row.tags, *cell.small]
    if cell.cause:
        lines[-1:] = [coded("".join(lines[-1:]), cell.cause).strip()]
    for line in lines:
        shown.append(f"\n{line}", style="not bold dim")
    return shown


def _marked(cell: Cell) -> str:
    return f"{mark_of(cell.outcome)} {cell.text}" if cell.outcome else cell.text


def _style(row: Row, cell: Cell, column: Column) -> str:
    outcome = cell.outcome or (row.outcome if column.strong else "")
    if outcome:
        return _bold(outcome)
    return TONES.get(cell.tone, "bold" if column.strong else "")


def _paragraphs(columns: Sequence[Column], rows: Sequence[Row], width: int) -> Group:
    """Returns a paragraph per row, for narrow screens."""
    heading = columns[0].title
    parts: list[RenderableType] = [Text(), *([Text(f" {heading}", style="dim")] if heading else [])]
    places = [place for place, column in enumerate(columns) if column.kind != "name" and column.rank == 1]
    for apart in (" … ", "…"):
        items = [
            [_item(columns[place], row, place, apart) for place in places if place < len(row.cells)] for row in rows
        ]
        widest = max((item.cell_len for row_items in items for item in row_items), default=0)
        if INDENT + widest <= width:
            break
    for row, row_items in zip(rows, items, strict=True):
        mark = Text(f"{mark_of(row.outcome)} " if row.outcome else "", style=_bold(row.outcome))
        parts.append(Padding(mark.append_text(_name(row, row.cells[0])), (0, 0, 0, 1)))
        several = INDENT + widest + GAP <= width  # several items fit in one line
        aligned = Columns(row_items, width=widest, padding=(0, GAP)) if several else Group(*row_items)
        parts.append(Padding(aligned, (0, 0, 0, INDENT)))
    return Group(*parts)


def _item(column: Column, row: Row, place: int, apart: str) -> Text:
    cell = row.cells[place]
    item = Text.assemble((f"{column.title} ".lstrip(), "dim"), (_marked(cell), _style(row, cell, column)))
    small = ", ".join(line.replace(" … ", apart) for line in cell.small)
    return item.append(f" ({small})", style="not bold dim") if small else item


def _colour(outcome: str) -> str:
    return screen.COLOURS.get(outcome, "yellow") if outcome else ""


def _bold(outcome: str) -> str:
    return f"bold {_colour(outcome)}".strip()


def _indented(words: str, style: str = "") -> Padding:
    return Padding(Text(words, style=style), (0, 0, 0, 2))
