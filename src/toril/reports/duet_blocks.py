"""Builds the tables and the charts of comparisons: of a duet's arms, and of a run with earlier ones."""

from collections import defaultdict
from collections.abc import Callable
from itertools import zip_longest
from operator import attrgetter
from statistics import fmean
from typing import Any

from toril import text
from toril.criteria.service import short_name
from toril.records import ComparedArm, ComparedMetric, ComparedPair, Comparison, MetricSeries
from toril.records.verdict import EarlierMetric, EarlierRuns
from toril.reports.blocks import Cell, Charts, Check, Column, Row, Sketch, Sketches, Table
from toril.reports.bundle import Bundle
from toril.reports.charts.lines import Chart, chart, line
from toril.text import plain

COLUMNS = (
    Column("base and head", "name"),
    Column("change, 95 % bounds", strong=True),
    *(Column(title) for title in ("base", "head", "detectable")),
    Column("pairs", rank=2),
)
EARLIER_COLUMNS = (
    Column("earlier runs", "name"),
    Column("change", strong=True),
    *(Column(title) for title in ("this run", "expected", "detectable")),
)
FOOTNOTE = (
    "Each bound of a change holds with at least 95 % confidence, over all interim analyses. “detectable”: a change so "
    "far beyond the margin fails four of five such runs. All other figures are of head alone."
)
SCALES = {"us": ("ms", 0.001), "share": ("%", 100.0)}  # of charts, by unit
MOST_CHARTS = 6  # figures with charts of their pairs; the others are in the table


def duet_table(duet: Bundle, *, trusted: bool, caveat: str) -> Table | None:
    """Returns head against base, worse figures first; None for a run of one address.

    An unreliable regression is `inconclusive`, not `failed`; `caveat` is the reason. A change without proof in either
    direction is `unproven`.
    """
    shown = duet.verdict.comparison
    if shown is None:
        return None
    outcome = {"passed": "passed", "failed": "failed" if trusted else "inconclusive"}.get(shown.outcome, "unproven")
    message = plain(shown.message, 500).rstrip(".")
    arms = (_arm(name, shown.arms.get(name) or ComparedArm()) for name in ("base", "head"))
    notes = zip(duet.verdict.note_codes, duet.verdict.notes, strict=False)
    alarms = [plain(note, 500) for code, note in notes if code == "aa-rate"]
    metrics = sorted(shown.metrics, key=_severity)
    planned = "" if shown.most in (None, shown.blocks) else f" of at most {text.number(shown.most or 0)}"
    pairs = f"{text.plural(shown.blocks or 0, 'pair')}{planned} of slices of {text.span(shown.block_s or 0)}"
    void = f", {text.number(shown.voided)} void" if shown.voided else ""
    expected = f", {text.quantity(shown.expected, 'share')} detectable before the run" if shown.expected else ""
    return Table(
        id="duet",
        title="Base and base" if shown.aa else "Base and head",
        noun="figure",
        columns=COLUMNS,
        rows=tuple(_metric_row(metric, place, trusted=trusted) for place, metric in enumerate(metrics)),
        about=f"{pairs}{void}, margin {text.percent(100 * (shown.margin or 0))}{expected}",
        message=caveat or message if outcome == "inconclusive" else message,
        outcome=outcome,
        footnotes=(*alarms, *arms, FOOTNOTE),
        opened="all",
        sortable=False,
    )


def _arm(name: str, arm: ComparedArm) -> str:
    failed = f", {text.share(arm.failures, arm.samples)} failed" if arm.failures else ""
    return f"{name} {plain(arm.address, 120)}: {text.number(arm.samples)} requests compared{failed}"


def _metric_row(metric: ComparedMetric, place: int, *, trusted: bool) -> Row:
    name, unit = _name(metric), metric.unit
    outcome = metric.outcome if metric.outcome in ("passed", "failed") else "unproven"
    judged = "inconclusive" if outcome == "failed" and not trusted else outcome
    bounds = "too few pairs" if None in (metric.low, metric.high) else bounds_of(metric.low, metric.high, unit)
    host = () if metric.host is None else (f"base's host: {text.change(metric.host, unit)}",)
    message = plain(metric.message, 500)
    return Row(
        (
            Cell(name),
            Cell(text.change(metric.change, unit), small=(bounds, *host)),
            Cell(text.quantity(metric.base, unit)),
            Cell(text.quantity(metric.head, unit)),
            Cell(text.extent(metric.detectable, unit)),
            Cell(text.quantity(metric.blocks, "")),
        ),
        outcome=outcome,
        note=message if outcome != "passed" or host else "",
        weight=place,
        check=_check(metric, judged, "regression" if judged == "failed" else "inconclusive", "duet", "base"),
    )


def versions_table(duet: Bundle) -> Table | None:
    """Returns the metrics of resources that serve one version alone, base's beside head's; None without any.

    Resources of equal metrics are paired in the suite's order.
    """
    found = defaultdict[tuple[str, ...], dict[str, list[MetricSeries]]](lambda: {"base": [], "head": []})
    for one in duet.metrics.queries if duet.metrics else ():
        if one.version and (one.points or one.answered):
            found[one.namespace, one.metric, one.statistic][one.version].append(one)
    rows = list[Row]()
    for (_, metric, statistic), sides in found.items():
        for pair in zip_longest(*sides.values()):
            base, head = map(_of_load, pair)
            change = None if base in (None, 0) or head is None else head / base - 1
            names = dict.fromkeys(short_name(one.resource or "") for one in pair if one)
            figures = [Cell(text.quantity(value, ""), value=value) for value in (base, head)]
            cells = (Cell(", ".join(names)), Cell(f"{metric} {statistic}"), *figures, Cell(text.change(change, "")))
            rows.append(Row(cells, weight=len(rows)))
    columns = (
        Column("resource", "name", code=True),
        Column("metric", "name"),
        *map(Column, ("base", "head", "change")),
    )
    about = "means of all periods, totals of sums and counts, without bounds"
    table = Table(
        id="versions", title="Service by version", noun="metric", columns=columns, rows=tuple(rows), about=about
    )
    return table if rows else None


def _of_load(series: MetricSeries | None) -> float | None:
    values = [value for _, value in series.points] if series else []
    if series and series.statistic in ("Sum", "SampleCount"):  # AWS does not publish counts of 0
        return sum(values)
    return fmean(values) if values else None


def earlier_table(earlier: EarlierRuns) -> Table:
    """Returns a run's figures beside the range that earlier runs predict, worse ones first."""
    metrics = sorted(earlier.metrics, key=_severity)
    message = plain(earlier.message, 500).rstrip(".")
    return Table(
        id="earlier",
        title="Earlier runs",
        noun="figure",
        columns=EARLIER_COLUMNS,
        rows=tuple(_earlier_row(metric, place) for place, metric in enumerate(metrics)),
        about=f"{text.plural(len(earlier.runs), 'comparable run')}, margin {text.percent(100 * earlier.margin)}",
        message="" if earlier.outcome == "passed" else message,
        outcome=earlier.outcome,
        opened="all",
        sortable=False,
    )


def _earlier_row(metric: EarlierMetric, place: int) -> Row:
    name, unit, message = _name(metric), metric.unit, plain(metric.message, 500)
    low, high = (text.quantity(end, unit) for end in (metric.low, metric.high))
    return Row(
        (
            Cell(name),
            Cell(text.change(metric.change, unit)),
            Cell(text.quantity(metric.value, unit)),
            Cell(text.quantity(metric.expected, unit), small=(f"{low} … {high}",)),
            Cell(text.extent(metric.detectable, unit)),
        ),
        outcome=metric.outcome,
        note=message if metric.outcome != "passed" else "",
        weight=place,
        check=_check(metric, metric.outcome, "slower-than-earlier", "earlier", "earlier runs"),
    )


def _check(metric: ComparedMetric | EarlierMetric, outcome: str, code: str, group: str, against: str) -> Check:
    name, message = f"{_name(metric)} against {against}", plain(metric.message, 500)
    return Check(name=name, outcome=outcome, message=message, group=group, code=code, title=f"slower than {against}")


def _severity(metric: ComparedMetric | EarlierMetric) -> int:
    return {"failed": 0, "passed": 2}.get(metric.outcome, 1)


def _name(metric: ComparedMetric | EarlierMetric) -> str:
    bare = metric.metric == "failures" and not metric.label
    return "failures" if bare else text.figure(metric.metric, metric.label)


def bounds_of(low: float | None, high: float | None, unit: str) -> str:
    """Returns the bounds of a change, with one unit."""
    ends = text.change(low, unit), text.change(high, unit)
    return f"{ends[0].removesuffix(' ' + ends[1].rpartition(' ')[2])} … {ends[1]}"


# ── Pairs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _change(pair: ComparedPair, shares: bool) -> float | None:
    """Returns the change in one pair; a difference for shares."""
    if pair.base is None or pair.head is None or not (pair.base or shares):
        return None
    return pair.head - pair.base if shares else pair.head / pair.base - 1


def _sign(metric: ComparedMetric) -> int:
    return -1 if metric.unit == "/s" else 1  # less throughput is worse


def pairs_sketches(comparison: Comparison) -> Sketches | None:
    """Returns the changes of each figure's pairs, drawn in characters; None without stored pairs."""
    lines = tuple(filter(None, (_sketch(metric, comparison) for metric in comparison.metrics)))
    return Sketches(lines) if lines else None


def _sketch(metric: ComparedMetric, comparison: Comparison) -> Sketch | None:
    shares, margin = metric.unit == "share", comparison.margin if metric.margin is None else metric.margin
    used = [pair for pair in metric.pairs if not comparison.look or pair.block <= comparison.look]
    changes = [None if pair.void else _change(pair, shares) for pair in used]
    known = [change for change in changes if change is not None]
    if not known:
        return None
    worse = sum(_sign(metric) * change > (margin or 0) for change in known)
    limit = text.extent(margin, metric.unit)
    peak = f"{text.change(max(known), metric.unit)}; {worse} of {text.plural(len(known), 'pair')} worse than {limit}"
    return Sketch(_name(metric), [None if change is None else change - min(known) for change in changes], peak)


def pairs_charts(comparison: Comparison) -> Charts | None:
    """Returns charts of the pairs of each figure, in order of time; None without stored pairs (older versions)."""
    worst = sorted(comparison.metrics, key=_severity)
    chosen = [metric for metric in worst if metric.pairs][:MOST_CHARTS]
    if not chosen:
        return None
    last = max(pair.block for metric in chosen for pair in metric.pairs)
    ticks = [str(block) for block in range(1, last + 1)]
    return Charts(
        id="pairs",
        title="Pairs of blocks",
        about="in order of time; void pairs are hollow",
        charts=[chart for metric in chosen for chart in _pair_charts(metric, comparison, last)],
        shared={"blocks": {"names": [f"pair {tick}" for tick in ticks], "ticks": ticks}},
    )


def _pair_charts(metric: ComparedMetric, comparison: Comparison, last: int) -> tuple[Chart, Chart]:
    """Returns the chart of both arms and the chart of the change."""
    by_block = {pair.block: pair for pair in metric.pairs}
    pairs = [by_block.get(block) for block in range(1, last + 1)]
    shares, margin = metric.unit == "share", comparison.margin if metric.margin is None else metric.margin
    unit, factor = SCALES.get(metric.unit, (metric.unit, 1.0))

    def dots(name: str, ink: str, read: Callable[[ComparedPair], float | None], factor: float, void: bool) -> Any:
        values = [read(pair) if pair and pair.void == void else None for pair in pairs]
        scaled = [None if value is None else factor * value for value in values]
        return line(f"{name}, void" if void else name, f"{ink} {'hollow' if void else 'dots'}", scaled)

    arms = (("base", "planned"), ("head", "first"))
    values = [dots(name, ink, attrgetter(name), factor, void) for void in (False, True) for name, ink in arms]
    changes = [dots("change", "first", lambda pair: _change(pair, shares), 100, void) for void in (False, True)]
    bounds = [] if None in (metric.low, metric.high) else [("band", metric.high), ("band low", metric.low)]
    band = [line("95 % bounds", look, [100 * (end or 0)] * last) for look, end in bounds]
    limit = {"text": f"limit {text.extent(margin, metric.unit)}", "outcome": "limit"}
    cuts = [{"at": comparison.look - 0.5, "text": "decided"}] if comparison.decided and comparison.look else []
    shown: dict[str, Any] = {"axis": "blocks", "cuts": cuts}
    return (
        chart(_name(metric), unit, *values, log=not shares, joins=[[0, 1], [2, 3]], **shown),
        chart(
            f"Change of {_name(metric)}",
            "" if shares else "%",
            *band,
            *changes,
            marks=[] if margin is None else [{**limit, "at": _sign(metric) * 100 * margin}],
            note="in points" if shares else "",
            signed=True,
            **shown,
        ),
    )
