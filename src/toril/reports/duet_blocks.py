"""Builds the table and the charts of a duet's comparison."""

from toril import text
from toril.records import ComparedArm, ComparedMetric, Comparison
from toril.reports.blocks import MISSING, Cell, Charts, Check, Column, Row, Table
from toril.reports.bundle import Bundle
from toril.text import plain

COLUMNS = (
    Column("base and head", "name"),
    Column("change, 95 % interval", strong=True),
    *(Column(title) for title in ("base", "head", "detectable")),
    Column("pairs", rank=2),
)
FOOTNOTE = (
    "Each bound of a change holds with 95 % confidence. “detectable” is the smallest change that this run can find. "
    "All other figures are of head alone."
)


def duet_table(duet: Bundle, *, trusted: bool, caveat: str) -> Table | None:
    """Returns head against base, worse figures first; None for a run of one address.

    An unreliable regression is `inconclusive`, not `failed`; `caveat` is the reason. A change without proof in either
    direction is `unproven`.
    """
    found = duet.verdict.comparison
    if found is None:
        return None
    outcome = {"passed": "passed", "failed": "failed" if trusted else "inconclusive"}.get(found.outcome, "unproven")
    message = plain(found.message, 500).rstrip(".")
    arms = (_arm(name, found.arms.get(name) or ComparedArm()) for name in ("base", "head"))
    metrics = sorted(found.metrics, key=lambda metric: {"failed": 0, "passed": 2}.get(metric.outcome, 1))
    pairs = f"{text.plural(found.blocks or 0, 'pair')} of blocks of {text.span(found.block_s or 0)}"
    return Table(
        id="duet",
        title="Base and head",
        noun="figure",
        columns=COLUMNS,
        rows=tuple(_metric_row(metric, place, trusted=trusted) for place, metric in enumerate(metrics)),
        about=f"{pairs}, margin {text.percent(100 * (found.margin or 0))}",
        message=caveat or message if outcome == "inconclusive" else message,
        outcome=outcome,
        footnotes=(*arms, FOOTNOTE),
        opened="all",
        sortable=False,
    )


def _arm(name: str, arm: ComparedArm) -> str:
    failed = f", {text.share(arm.failures, arm.samples)} failed" if arm.failures else ""
    return f"{name} {plain(arm.address, 120)}: {text.number(arm.samples)} requests compared{failed}"


def _metric_row(metric: ComparedMetric, place: int, *, trusted: bool) -> Row:
    shares, label = metric.unit == "share", plain(metric.label)
    name = "failures" if shares and not label else f"{plain(metric.metric)} of {label or 'all requests'}"
    outcome = metric.outcome if metric.outcome in ("passed", "failed") else "unproven"
    low, high = (_change(end, shares) for end in (metric.low, metric.high))
    unit = " " + high.rpartition(" ")[2]
    bounds = "too few pairs" if MISSING in (low, high) else f"{low.removesuffix(unit)} … {high}"
    message = plain(metric.message, 500)
    return Row(
        (
            Cell(name),
            Cell(_change(metric.change, shares), small=(bounds,)),
            Cell(_value(metric.base, shares)),
            Cell(_value(metric.head, shares)),
            Cell(_change(metric.detectable, shares).removeprefix("+")),
            Cell(MISSING if metric.blocks is None else text.number(metric.blocks)),
        ),
        outcome=outcome,
        note=message if outcome != "passed" else "",
        weight=place,
        check=Check(
            name=f"{name} against base",
            outcome=outcome if outcome != "failed" or trusted else "inconclusive",
            message=message,
            group="duet",
            code="regression" if outcome == "failed" and trusted else "inconclusive",
            title="slower than base",
        ),
    )


def _value(value: float | None, shares: bool) -> str:
    if value is None:
        return MISSING
    return text.percent(100 * value) if shares else text.time(value)


def _change(value: float | None, shares: bool) -> str:
    """Returns a change in per cent, or in points for shares."""
    if value is None:
        return MISSING
    shown = text.signed_percent(100 * value)
    return shown.replace(" %", " points") if shares else shown


def pairs_charts(found: Comparison) -> Charts | None:
    """Returns a chart of each figure's pairs, in order of time; None without stored pairs (older versions)."""
    raise NotImplementedError
