"""What CloudWatch measured of the system under test, period by period."""

import math
from collections.abc import Iterator, Sequence

from toril.criteria import Criterion, criteria_of
from toril.criteria.server import KNOWN_TIMES
from toril.records import JudgedCriterion, MetricQuery, MetricSeries
from toril.reports.bundle import Bundle
from toril.reports.charts import marks
from toril.reports.charts.lines import Chart, chart, column, line
from toril.text import plain
from toril.verdict.servers import query_of

DIGITS = 4  # after the point
MOMENT_S = 0.001  # after the end of a period, where a gap begins
SHOWN = {
    "Seconds": ("ms", 1000.0), "Milliseconds": ("ms", 1.0), "Microseconds": ("ms", 0.001),
    "Percent": ("%", 1.0), "Count/Second": ("/s", 1.0), "Bytes": ("B", 1.0), "Bytes/Second": ("B/s", 1.0),
}  # fmt: skip


def server(bundle: Bundle) -> list[Chart]:
    """A chart for each query that was answered."""
    if bundle.metrics is None:
        return []
    return [_chart(bundle, query) for query in bundle.metrics.queries if query.points]


def _chart(bundle: Bundle, query: MetricSeries) -> Chart:
    rules = [(rule, item) for rule, item in _rules(bundle) if rule.server and query_of(rule.server).key == query.key]
    unit, factor = unit_of(query, [rule for rule, _ in rules])
    x, values = _steps(sorted(query.points), query.period_s)
    dimensions = ", ".join(f"{name} {value}" for name, value in sorted(query.dimensions.items()))
    limits = [
        {**mark, "at": mark["at"] / (1000 if rule.unit == "us" else 1)}
        for rule, item in rules
        for mark in marks.of_rules([item])
    ]
    return chart(
        f"{plain(query.metric, 60)}, {plain(query.statistic, 20)}",
        unit,
        line(
            plain(query.statistic, 20),
            "first steps filled",
            [None if value is None else value * factor for value in values],
            digits=DIGITS,
        ),
        marks=limits,
        note=plain(f"{query.namespace}{', ' if dimensions else ''}{dimensions}; every {query.period_s} s", 160),
        x=column(x),
    )


def _steps(points: Sequence[tuple[float, float]], period_s: int) -> tuple[list[float | None], list[float | None]]:
    """Where each value begins; it holds to the end of its period, and a period without one is a gap."""
    x: list[float | None] = []
    values: list[float | None] = []
    for place, (at, value) in enumerate(points):
        x.append(at)
        values.append(value)
        end = at + period_s
        following = points[place + 1][0] if place + 1 < len(points) else math.inf
        if following > end + MOMENT_S:
            x += [end] if following == math.inf else [end, end + MOMENT_S]
            values += [value] if following == math.inf else [value, None]
    return x, values


def unit_of(query: MetricQuery, rules: Sequence[Criterion] = ()) -> tuple[str, float]:
    """The unit that is shown and its factor: as the criteria on it have it, CloudWatch, or what is known of AWS."""
    for rule in rules:
        if rule.unit == "us" and rule.server:
            return "ms", rule.server.factor / 1000
        if rule.unit == "%":
            return "%", 1.0
    return SHOWN.get(query.unit or KNOWN_TIMES.get((query.namespace, query.metric), ""), ("", 1.0))


def _rules(bundle: Bundle) -> Iterator[tuple[Criterion, JudgedCriterion]]:
    """The plan's criteria on servers, each with its entry in the verdict."""
    judged = {item.where: item for item in bundle.verdict.criteria}
    for criterion in criteria_of(bundle.plan.criteria):
        if criterion.server is not None and criterion.where in judged:
            yield criterion, judged[criterion.where]
