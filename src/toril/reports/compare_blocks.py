"""Turns a comparison of two runs into the blocks of its report, and into blocks for the page of the head."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from toril import text
from toril.records.summary import Scaling
from toril.reports.blocks import (
    MISSING,
    Block,
    Cell,
    Column,
    Headline,
    NoteBlock,
    Report,
    Row,
    ShownCriterion,
    Table,
    Tone,
)
from toril.reports.bundle import Bundle
from toril.reports.comparison import CONCLUSION, OF_METRICS, ComparedFigure, ComparedPart, RunComparison
from toril.reports.differences import cautions
from toril.reports.run_tables import scaling_table
from toril.text import plain
from toril.verdict.capacity.model import point_of_run, scaling_of

Side = Literal["base", "head"]
SIDES: tuple[Side, ...] = ("base", "head")
USUAL = ("rps", "p50", "p95", "p99")  # shown of every label; other figures only if they differ
MOST_PARTS = 120
MARK = "† more than 1 % of these requests failed in one of the runs; the figures include their times"
METRICS_NOTE = NoteBlock(
    "own-metrics",
    "Checks and rates have intervals, as failed requests do. Values of trends, gauges and counters have none: their "
    "difference may be noise.",
    "detail",
)
CONCLUSION_NOTE = NoteBlock("conclusion", CONCLUSION, "detail")
FIGURE_COLUMNS = (Column("base"), Column("head"), Column("difference"), Column("in %"), Column("finding", "text"))


def report_of(comparison: RunComparison) -> Report:
    """Returns the comparison as a report."""
    suites = dict.fromkeys((comparison.base.suite, comparison.head.suite))
    differing = any(part.differing for part in comparison.parts)
    headline = Headline(
        suite=" and ".join(suites), text=comparison.headline, brief="two runs compared", neutral=not differing
    )
    everything = _figure_table("overall", "All requests", "figure", [comparison.overall])
    blocks: list[Block | None] = [_sides(comparison), *_differences(comparison), everything, _criteria(comparison)]
    blocks += [
        _figure_table(f"compared-{noun}s", f"{noun.capitalize()}s", noun, parts)
        for noun, parts in (("label", comparison.labels), ("location", comparison.locations))
        if len(parts) > (noun == "location")
    ]
    marked = any(part.marked for part in comparison.parts)
    blocks += _metrics(comparison)
    blocks += [_load(comparison), NoteBlock("failed-requests", MARK, "caution") if marked else None, CONCLUSION_NOTE]
    return Report(headline=headline, blocks=tuple(block for block in blocks if block is not None))


@dataclass(frozen=True, slots=True)
class ScaledRun:
    """A run at one rate. Its figures are None if it is left out."""

    run_id: str
    rps: float | None
    in_progress: float | None
    mean_us: float | None
    left_out: str  # why; empty: it counts


def scaling_of_runs(bundles: Sequence[Bundle]) -> tuple[list[ScaledRun], Scaling]:
    """Returns runs by load, and how a service scales over them. Runs with unreliable figures do not count."""
    points = [(None if cautions(bundle) else point_of_run(bundle.summary)) for bundle in bundles]
    scaling = scaling_of([point for point in points if point is not None])
    runs = list[ScaledRun]()
    for bundle, point in sorted(zip(bundles, points, strict=True), key=lambda pair: pair[1] or (0.0,)):
        if point is None:
            why = "; ".join(cautions(bundle)) or "no requests, or failed ones"
            runs.append(ScaledRun(bundle.plan.run_id, None, None, None, why))
        else:
            runs.append(ScaledRun(bundle.plan.run_id, point[1], point[0], point[0] / point[1] * 1e6, ""))
    return runs, scaling or Scaling(message="no run has usable figures")


def scaling_document(bundles: Sequence[Bundle]) -> dict[str, Any]:
    """Returns the runs and the law as plain data (`toril.scaling/1`)."""
    runs, scaling = scaling_of_runs(bundles)
    return {"schema": "toril.scaling/1", "runs": [asdict(run) for run in runs], "scaling": scaling.to_dict()}


def scaling_report(bundles: Sequence[Bundle]) -> Report:
    """Returns how a service scales over runs at several rates."""
    runs, scaling = scaling_of_runs(bundles)
    rows = list[Row]()
    for run in runs:
        figures = (text.quantity(run.rps, "/s"), text.quantity(run.in_progress, ""), text.quantity(run.mean_us, "us"))
        rows.append(Row(tuple(map(Cell, (plain(run.run_id), *figures, run.left_out))), weight=len(rows)))
    titles = ("rate", "in progress", "mean response time")
    columns = (Column("run", "name", code=True), *map(Column, titles), Column("left out because", "text"))
    blocks: list[Block] = [Table(id="rates", title="Rates", noun="run", columns=columns, rows=tuple(rows))]
    if scaling.limit_rps is None:
        blocks.append(NoteBlock("scaling", f"no forecast: {scaling.message}", "caution", cause=scaling.refused))
        words = "These runs do not show how the service scales"
    else:
        blocks.append(scaling_table(scaling, "scalability", "/s"))
        limit = scaling.limit_rps
        ends = f"{text.quantity(limit.low, '/s')} … {text.quantity(limit.high, '/s')}"
        words = f"The highest rate of the service is about {text.quantity(limit.value, '/s')} ({ends})"
    suites = " and ".join(dict.fromkeys(plain(bundle.plan.suite) for bundle in bundles))
    brief = f"{text.plural(len(bundles), 'run')} compared"
    return Report(headline=Headline(suite=suites, text=words, brief=brief, neutral=True), blocks=tuple(blocks))


def page_blocks(comparison: RunComparison) -> Sequence[Block]:
    """Returns the comparison as blocks of the head's page."""
    differences, criteria, load = _differences(comparison), _criteria(comparison), _load(comparison)
    blocks = [_page_table(comparison), *_metrics(comparison), *differences, criteria, load, CONCLUSION_NOTE]
    return [block for block in blocks if block is not None]


def worse(figure: ComparedFigure) -> bool:
    """Returns whether head is worse: fewer requests, or more of anything else. More true values are neither."""
    return bool(figure.delta and figure.key != "true" and (figure.delta < 0) == (figure.key == "rps"))


def shown(figure: ComparedFigure, side: Side) -> str:
    """Returns the value of one run as text."""
    return _in_words(figure)(figure.base if side == "base" else figure.head)


def shown_delta(figure: ComparedFigure) -> str:
    """Returns the signed difference at the resolution of the records: `+3.20 ms`."""
    return text.difference(figure.delta, figure.unit, figure.resolution)


def shown_relative(figure: ComparedFigure) -> str:
    """Returns the difference relative to base: `+12 %`; empty if undefined or for a percentage."""
    return "" if figure.relative is None or figure.unit == "%" else text.signed_percent(100 * figure.relative)


def _in_words(figure: ComparedFigure) -> Callable[[float | None], str]:
    return lambda value: text.quantity(value, figure.unit, figure.resolution if figure.unit == "us" else 1)


def _interval(figure: ComparedFigure, side: Side) -> str:
    ends, value = figure.base_interval if side == "base" else figure.head_interval, shown(figure, side)
    return "" if ends is None or value == MISSING else text.interval(ends, value, _in_words(figure))


def _sides(comparison: RunComparison) -> Table:
    rows = tuple(
        Row(
            (
                Cell(name),
                Cell(side.outcome, outcome=side.outcome),
                Cell(side.run_id),
                Cell(" ".join(f"{key}={text.shortened(value, 40)}" for key, value in side.tags)),
            )
        )
        for name, side in (("base", comparison.base), ("head", comparison.head))
    )
    columns = (
        Column("", "name"),
        Column("verdict", "text"),
        Column("run", "text", code=True, whole=True),
        Column("tags", "text"),
    )
    return Table(id="sides", title="Runs", noun="run", columns=columns, rows=rows, opened="all", sortable=False)


def _differences(comparison: RunComparison) -> Iterable[NoteBlock]:
    return [NoteBlock("difference", f"limits the comparison: {line}", "caution") for line in comparison.differences]


def _criteria(comparison: RunComparison) -> Table | None:
    pairs = sorted(comparison.criteria, key=lambda pair: not pair.changed)
    rows = tuple(
        Row((Cell(pair.text), _rule(pair.base), _rule(pair.head)), is_total=pair.changed, weight=place)
        for place, pair in enumerate(pairs)
    )
    columns = (Column("fails when", "name", code=True), *map(Column, SIDES))
    if not rows:
        return None
    return Table(
        id="compared-criteria", title="Criteria of both runs", noun="criterion", columns=columns, rows=rows,
        sortable=False,
    )  # fmt: skip


def _rule(rule: ShownCriterion | None) -> Cell:
    return Cell("missing", tone="dim") if rule is None else Cell(rule.observed, outcome=rule.outcome)


def _metrics(comparison: RunComparison) -> Sequence[Block]:
    if not comparison.metrics:
        return []
    return [_figure_table("compared-metrics", "Checks and own metrics", "metric", comparison.metrics), METRICS_NOTE]


def _load(comparison: RunComparison) -> Table | None:
    if not comparison.load:
        return None
    cells = [
        (figure.title, shown(figure, "base"), shown(figure, "head"), shown_delta(figure)) for figure in comparison.load
    ]
    return Table(
        id="compared-load",
        title="Load of both runs",
        noun="figure",
        columns=(Column("load", "name"), *map(Column, SIDES), Column("difference")),
        rows=tuple(Row((*map(Cell, others), Cell(change, tone="dim"))) for *others, change in cells),
        sortable=False,
    )


def _figure_table(id: str, title: str, noun: str, parts: Sequence[ComparedPart]) -> Table:
    """Returns a row for each figure; of a label, only the usual figures and those that differ."""
    whole = noun == "figure"
    rows: list[Row] = []
    for weight, part in _ranked(parts):
        if not whole:
            rows.append(Row((Cell(part.name, small=_only_in(part)),), tags=_tags(part), weight=weight))
        rows += [
            Row((Cell(figure.title), *_figure_cells(part, figure)), weight=weight)
            for figure in part.figures
            if whole or (not part.only_in and (part.kind in OF_METRICS or _worth_a_line(figure)))
        ]
    return Table(
        id=id,
        title=title,
        noun=noun,
        columns=(Column(title.lower() if whole else noun, "name"), *FIGURE_COLUMNS),
        rows=tuple(rows),
        opened="all" if whole else "",
        left_out=max(0, len(parts) - MOST_PARTS),
        sortable=False,
    )


def _ranked(parts: Sequence[ComparedPart]) -> list[tuple[int, ComparedPart]]:
    """Returns the parts with most differences, then the busiest, each with its rank, in their original order."""
    ranked = sorted(parts, key=lambda part: (-len(part.differing), -part.base_samples - part.head_samples, part.name))
    ranks = {id(part): place for place, part in enumerate(ranked[:MOST_PARTS])}
    return [(ranks[id(part)], part) for part in parts if id(part) in ranks]


def _worth_a_line(figure: ComparedFigure) -> bool:
    failed = figure.key == "failures" and bool(figure.base or figure.head)
    return figure.key in USUAL or figure.finding == "differs" or failed


def _only_in(part: ComparedPart) -> tuple[str, ...]:
    if part.only_in is None:
        return ()
    noun = "value" if part.kind in OF_METRICS else "request"
    return (f"only in {part.only_in}, {text.plural(part.base_samples + part.head_samples, noun)}",)


def _tags(part: ComparedPart) -> tuple[str, ...]:
    return (part.kind,) if part.kind not in ("all", "label") else ()


def _figure_cells(part: ComparedPart, figure: ComparedFigure) -> Iterable[Cell]:
    mark = " †" if part.marked and figure.unit == "us" else ""
    finding: str = figure.finding
    if finding == "unknown":
        finding = "too few" if figure.base_interval is not None and figure.head_interval is not None else ""
    tone: Tone = "dim" if finding != "differs" else "bad" if worse(figure) else "differs"
    for side in SIDES:
        interval = _interval(figure, side)
        yield Cell(shown(figure, side) + mark, small=(interval,) if interval else ())
    yield Cell(shown_delta(figure), tone=tone)
    yield Cell(shown_relative(figure), tone=tone)
    yield Cell(finding, tone=tone)


def _page_table(comparison: RunComparison) -> Table:
    """Returns a row for each part; each cell has head's value and below it base's value and the change."""
    others = [parts for parts in (comparison.locations, comparison.executions) if len(parts) > 1]
    parts = [comparison.overall, *(part for _, part in _ranked(comparison.labels))]
    parts += [part for parts in others for part in parts]
    titles = [figure.title for figure in comparison.overall.figures]
    return Table(
        id="comparison",
        title="Comparison",
        noun="label",
        columns=(Column("label", "name"), Column("requests"), *(Column(title) for title in titles)),
        rows=tuple(_page_row(part) for part in parts),
        about=f"with {comparison.base.run_id}",
        message=comparison.headline,
        left_out=max(0, len(comparison.labels) - MOST_PARTS),
    )


def _page_row(part: ComparedPart) -> Row:
    requests = Cell(
        text.number(part.head_samples),
        small=(f"base {text.number(part.base_samples)}",),
        value=part.head_samples,
    )
    name = Cell(part.name, small=_only_in(part))
    cells = (name, requests, *(_page_cell(part, figure) for figure in part.figures))
    return Row(cells, tags=_tags(part), is_total=part.kind == "all")


def _page_cell(part: ComparedPart, figure: ComparedFigure) -> Cell:
    differs, percentile = figure.finding == "differs", figure.key.startswith("p")
    change = shown_relative(figure) or shown_delta(figure)
    if differs and figure.delta:
        change = f"{'▲' if figure.delta > 0 else '▼'} {change}, differs"
    small = [
        _interval(figure, "head") if percentile else "",
        f"base {shown(figure, 'base')}",
        _interval(figure, "base") if percentile else "",
        change if figure.delta is not None else "",
    ]
    return Cell(
        shown(figure, "head") + (" †" if part.marked and percentile else ""),
        small=tuple(filter(None, small)),
        value=-1 if figure.head is None else figure.head,
        tone="differs" if differs else "",
    )
