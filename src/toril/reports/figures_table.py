"""Labels or locations with their figures, each percentile over its 95 % interval; blocks where a table has no room."""

from collections.abc import Sequence
from itertools import zip_longest

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from toril.reports import screen, view, wording

LAYOUTS = ((("p50", "p90", "p95", "p99", "p99_9"), " … "), (("p50", "p95", "p99"), " … "), (("p50", "p95", "p99"), "…"))
LONGEST_NAME, ROOM_FOR_NAME = 64, 24
KIND = "transaction"
GAP = 2  # columns between two of a table
INDENT = 3
LINES = ((0, 1, 2), (3, 4), (5, 6))  # of a block: counts, then percentiles and the maximum


def figures(noun: str, rows: Sequence[view.Row], width: int, more: str = "") -> RenderableType:
    """The rows in that width; `more` says what is left out. The first row of labels is all requests."""
    names = [_name(row, bold=noun == "label" and place == 0) for place, row in enumerate(rows)]
    longest = max((name.cell_len for name in names), default=0)
    kinds = max((len(KIND) for row in rows if row.kind == KIND), default=0)
    for percentiles, apart in LAYOUTS:
        cells = [_cells(row, percentiles, apart) for row in rows]
        heads = ["requests", "failed", "req/s", *(key.replace("_", ".") for key in percentiles), "max"]
        last = (percentiles, apart) == LAYOUTS[-1]
        # rows are two lines high, so a name may fold once at no cost
        room = max(min(-(-longest // 2), ROOM_FOR_NAME // 2), kinds) if last else min(longest, ROOM_FOR_NAME)
        room = max(len(noun), room)
        if screen.widths(heads, cells, GAP) + room + GAP <= width:
            break
    else:
        return _blocks(noun, rows, names, width, more)
    table = screen.table(noun, *heads, text_columns=1)
    for name, row_cells in zip(names, cells, strict=True):
        table.add_row(_over_its_kind(name) if last else name, *row_cells)
    return Group(table, Padding(Text(more, style="dim"), (0, 0, 0, 1))) if more else table


def _cells(row: view.Row, percentiles: Sequence[str], apart: str) -> list[Text]:
    return [
        Text(wording.number(row.samples)),
        _failed(row),
        Text(wording.number(row.rps)),
        *(_percentile(row, key, apart) for key in percentiles),
        Text(row.time("max")),
    ]


def between(row: view.Row, key: str, apart: str) -> str:
    """The 95 % interval of a percentile, without its unit; empty where nothing is known of it."""
    if row.times_us.get(key) is None or key not in row.intervals_us:
        return ""
    return wording.interval(
        row.intervals_us[key], row.time(key), lambda end: wording.time(end, row.resolution_us), apart
    )


def _percentile(row: view.Row, key: str, apart: str) -> Text:
    text = Text(row.time(key) + row.mark, style="bold" if key == "p95" else "")
    sure = between(row, key, apart)
    return text.append(f"\n{sure}", style="not bold dim") if sure else text


def _blocks(noun: str, rows: Sequence[view.Row], names: Sequence[Text], width: int, more: str) -> RenderableType:
    """A paragraph a row: as readable in 30 columns as in 70; lines with common columns where they fit."""
    parts: list[RenderableType] = [Text(), Text(f" {noun}s", style="dim")]
    for apart in (" … ", "…"):
        items = [_items(row, apart) for row in rows]
        widest = [max(item.cell_len for item in column) for column in zip(*items, strict=True)]
        columns = [max(widest[place] for place in column if place is not None) + GAP for column in zip_longest(*LINES)]
        aligned = INDENT + sum(columns) <= width
        if aligned:
            break
    for name, found in zip(names, items, strict=True):
        parts.append(Padding(name, (0, 0, 0, 1)))
        shown = [_line(found, columns, line) for line in LINES] if aligned else [Columns(found, padding=(0, GAP))]
        parts += [Padding(one, (0, 0, 0, INDENT)) for one in shown]
    if more:
        parts.append(Padding(Text(more, style="dim"), (0, 0, 0, 1)))
    return Group(*parts)


def _items(row: view.Row, apart: str) -> list[Text]:
    items = [
        Text(wording.plural(row.samples, "timing" if row.kind == "timing" else "request")),
        Text.assemble("failed ", _failed(row)),
        Text(f"{wording.number(row.rps)}/s"),
    ]
    for key in ("p50", "p95", "p99"):
        item = Text.assemble((f"{key} ", "dim"), (row.time(key) + row.mark, "bold" if key == "p95" else ""))
        sure = between(row, key, apart)
        items.append(item.append(f" ({sure})", style="dim") if sure else item)
    items.append(Text.assemble(("max ", "dim"), row.time("max")))
    return items


def _line(items: Sequence[Text], columns: Sequence[int], places: Sequence[int]) -> Text:
    text = Text()
    for place, room in zip(places, columns, strict=False):
        text.append_text(items[place]).append(" " * (room - items[place].cell_len))
    text.rstrip()
    return text


def _name(row: view.Row, *, bold: bool) -> Text:
    kind = f" ({KIND})" if row.kind == KIND and not row.name.endswith(f" ({KIND})") else ""
    return Text(wording.shortened(row.name, LONGEST_NAME) + kind, style="bold" if bold else "")


def _over_its_kind(name: Text) -> Text:
    """The kind in a line of its own and without its brackets, so that it stays whole in a narrow column."""
    start, kind, _ = name.plain.rpartition(f" ({KIND})")
    return Text.assemble((start, name.style), f"\n{KIND}") if kind else name


def _failed(row: view.Row) -> Text:
    return Text(row.failed, style="red" if row.failures else "dim")
