"""Builds the charts of the load generators per second. A saturated generator measures its own delays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toril.reports.bundle import Bundle
from toril.reports.charts import marks
from toril.reports.charts.lines import Chart, Thinning, chart, line
from toril.text import plain
from toril.timeline import HealthSeries

MOST_WORKERS = 8  # with own lines; if more, the worst have lines and all share a band
WORST = 5

Column = NDArray[np.float64]
Table = Mapping[str, Column]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One resource of a generator: its field in HealthSeries, its unit and its limit."""

    field: str
    title: str
    note: str
    unit: str
    factor: float  # from the unit of the field to the shown unit
    subject: str  # of criteria on this resource
    limit: str = ""  # name of the limit in the summary
    always: bool = False  # shown even if zero
    if_judged: bool = False  # shown only with a criterion


PICTURES = (
    Picture(field="cpu", title="CPU", note="share of the worker's CPU", unit="%", factor=100, limit="cpu",
            subject="generator-cpu", always=True),
    Picture(field="core", title="Busiest core", note="busiest engine process, of one core", unit="%", factor=100,
            limit="core", subject="generator-core", always=True),
    Picture(field="waiting", title="Waiting for a CPU", note="busiest engine process, ready but not running", unit="%",
            factor=100, limit="waiting", subject="generator-waiting"),
    Picture(field="throttled", title="Throttled", note="limited by the CPU quota", unit="%", factor=100,
            limit="throttled", subject="generator-throttled"),
    Picture(field="late_p90_us", title="Late sends, p90", note="delay after the due time", unit="ms", factor=0.001,
            limit="lateness_us", subject=""),
    Picture(field="late_us", title="Late sends, max", note="delay after the due time", unit="ms", factor=0.001,
            subject="generator-lateness", if_judged=True),
    Picture(field="dropped", title="Dropped sends", note="due requests never sent", unit="/s", factor=1,
            subject=""),
    Picture(field="memory_bytes", title="Memory", note="of worker and engines", unit="MiB", factor=1 / (1 << 20),
            subject="generator-memory"),
    Picture(field="sockets", title="Open sockets", note="", unit="", factor=1,
            subject="generator-sockets", if_judged=True),
)  # fmt: skip


def generators(bundle: Bundle, seconds: int, thin: Thinning) -> list[Chart]:
    """Returns a chart for each resource; none without a timeline or health records."""
    timeline = bundle.timeline
    if timeline is None or not seconds:
        return []
    health = {worker: timeline.health_series(worker) for worker in timeline.health_workers()}
    charts = []
    for picture in PICTURES:
        table = {worker: _column(series, picture, seconds) for worker, series in health.items()}
        known = {worker: values for worker, values in table.items() if not np.isnan(values).all()}
        divisor = 1 if picture.unit == "%" else 1 / picture.factor  # criteria already use per cent
        rules = marks.of_subject(bundle, picture.subject, "", divisor) if picture.subject else []
        some = not picture.if_judged and any(np.nanmax(values) > 0 for values in known.values())
        if known and (some or picture.always or rules):
            charts.append(_draw(picture, known, [*_limit(bundle, picture), *rules], thin))
    return charts


def _draw(picture: Picture, table: Table, limits: Sequence[Any], thin: Thinning) -> Chart:
    """Returns a line per worker, or lines for the worst workers and a band for all."""
    workers = sorted(table)
    lines, note = [], picture.note
    if len(workers) > MOST_WORKERS:
        worst = sorted(workers, key=lambda worker: -float(np.nanmean(table[worker])))[:WORST]
        stacked = np.array([table[worker] for worker in workers])
        known = ~np.isnan(stacked).all(axis=0)
        for name, look, reduce in (
            ("range of all", "band", np.nanmax),
            ("range of all, lowest", "band low", np.nanmin),
            ("median", "planned dashed", np.nanmedian),
        ):
            values = np.full(stacked.shape[1], np.nan)
            values[known] = reduce(stacked[:, known], axis=0)
            lines.append(line(name, look, thin(_floats(values))))
        note = f"{note}; the highest {WORST} of {len(workers):,} workers, and the range of all".lstrip("; ")
        workers = sorted(worst)
    for place, worker in enumerate(workers):
        lines.append(line(plain(worker, 40), f"place{place}", thin(_floats(table[worker]))))
    return chart(picture.title, picture.unit, *lines, marks=limits, note=note)


def _column(series: HealthSeries, picture: Picture, seconds: int) -> Column:
    """Returns values in the shown unit; not-a-number where measurements are missing."""
    values = np.full(seconds, np.nan)
    measured: Column = getattr(series, picture.field).astype(np.float64)
    measured = np.where(measured < 0, np.nan, measured)
    inside = series.second < seconds
    values[series.second[inside]] = measured[inside] * picture.factor
    return values


def _floats(values: Column) -> list[float | None]:
    return [None if value != value else round(value, 2) for value in values.tolist()]


def _limit(bundle: Bundle, picture: Picture) -> list[dict[str, Any]]:
    """Returns the limit of saturation: the lowest one if the engines have different limits."""
    generators = bundle.summary.generators
    limits = [getattr(limit, picture.limit, None) for limit in (generators.limits if generators else {}).values()]
    known = [limit for limit in limits if limit is not None]
    if not known:
        return []
    return [{"at": min(known) * picture.factor, "text": "limit", "outcome": "limit"}]
