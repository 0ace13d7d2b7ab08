"""What CloudWatch measured of the system under test, period by period."""

from typing import Any

from toril.records import MetricSeries
from toril.reports import wording
from toril.reports.bundle import Bundle
from toril.reports.charts import marks
from toril.reports.charts.columns import column, line
from toril.reports.charts.course import Chart, chart
from toril.reports.charts.names import short

SMALLEST = 10_000  # parts of a unit that are kept
# CloudWatch's units: what is shown, and how many of it are one of theirs
UNITS = {
    "Seconds": ("ms", 1000.0), "Milliseconds": ("ms", 1.0), "Microseconds": ("ms", 0.001),
    "Percent": ("%", 1.0), "Count": ("", 1.0), "Count/Second": ("/s", 1.0),
    "Bytes": ("B", 1.0), "Bytes/Second": ("B/s", 1.0),
}  # fmt: skip
IN_SECONDS = ("TargetResponseTime",)  # metrics that come without a unit and are times


def server(bundle: Bundle) -> list[Chart]:
    """A chart for each query that was answered; the page says in words which were not."""
    if bundle.metrics is None:
        return []
    return [_chart(bundle, query) for query in bundle.metrics.queries if query.points]


def unanswered(bundle: Bundle) -> list[tuple[str, str]]:
    """Pairs of query and why there is nothing of it."""
    if bundle.metrics is None:
        return []
    return [
        (wording.plain(query.key), wording.plain(query.error or "CloudWatch has no data of this time", 500))
        for query in bundle.metrics.queries
        if query.error or not query.points
    ]


def _chart(bundle: Bundle, query: MetricSeries) -> Chart:
    unit, factor = unit_of(query)
    points = sorted(query.points)
    values: list[float | None] = [value * factor for _, value in points]
    dimensions = ", ".join(f"{name} {value}" for name, value in sorted(query.dimensions.items()))
    x: list[float | None] = [at for at, _ in points]
    if points:  # a period's value holds to its end
        x.append(points[-1][0] + query.period_s)
        values.append(values[-1])
    return chart(
        f"{short(query.metric, 60)}, {short(query.statistic, 20)}",
        unit,
        line(short(query.statistic, 20), "first steps filled", values, digits=SMALLEST),
        marks=_marks(bundle, query, factor),
        note=short(f"{query.namespace}{', ' if dimensions else ''}{dimensions}; every {query.period_s} s", 160),
        x=column(x, digits=1000),
    )


def unit_of(query: MetricSeries) -> tuple[str, float]:
    """The unit that is shown, and its factor."""
    if query.unit is None and query.metric in IN_SECONDS:
        return UNITS["Seconds"]
    return UNITS.get(query.unit or "", ("", 1.0))


def _marks(bundle: Bundle, query: MetricSeries, factor: float) -> list[dict[str, Any]]:
    """Criteria on this very query; times stand there in µs."""

    def wanted(item: Any) -> bool:
        return bool(item.get("query") == query.key)

    found = []
    for mark, item in zip(
        marks.marks(bundle, wanted), filter(wanted, bundle.verdict.get("criteria", ())), strict=False
    ):
        found.append({**mark, "at": mark["at"] / 1000 if item.get("unit") == "us" else mark["at"] * factor})
    return found
