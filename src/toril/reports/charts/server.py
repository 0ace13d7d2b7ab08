"""Builds charts of CloudWatch's metrics of the system under test, per period."""

import math
from collections.abc import Sequence
from itertools import chain, pairwise

from toril.criteria import Criterion, criteria_of
from toril.criteria.server import KNOWN_TIMES
from toril.criteria.service import short_name
from toril.records import MetricQuery, MetricSeries
from toril.reports.bundle import Bundle
from toril.reports.charts import marks
from toril.reports.charts.lines import Chart, chart, column, line
from toril.text import plain

DIGITS = 4  # after the point
MOMENT_S = 0.001  # from the end of a period to the start of a gap
SHOWN = {
    "Seconds": ("ms", 1000.0), "Milliseconds": ("ms", 1.0), "Microseconds": ("ms", 0.001),
    "Percent": ("%", 1.0), "Count/Second": ("/s", 1.0), "Bytes": ("B", 1.0), "Bytes/Second": ("B/s", 1.0),
}  # fmt: skip


def server(bundle: Bundle) -> list[Chart]:
    """Returns a chart for each query with data."""
    if bundle.metrics is None:
        return []
    return [_chart(bundle, query) for query in bundle.metrics.queries if query.points]


def _chart(bundle: Bundle, query: MetricSeries) -> Chart:
    judged = {item.where: item for item in bundle.verdict.criteria}
    rules = [
        rule
        for rule in criteria_of(bundle.plan.criteria)
        if rule.server and rule.where in judged and rule.server.key == query.key
    ]
    unit, factor = _unit_of(query, rules)
    x, values = _steps([(at, value * factor) for at, value in sorted(query.points)], query.period_s)
    about = [query.namespace] if query.resource is None else [short_name(query.resource), query.namespace]
    about += [*(f"{name} {value}" for name, value in sorted(query.dimensions.items()))]
    limits = [marks.marks([judged[rule.where]], 1000 if rule.unit == "us" else 1) for rule in rules]
    return chart(
        f"{plain(query.metric, 60)}, {plain(query.statistic, 20)}",
        unit,
        line(plain(query.statistic, 20), "first steps filled", values, digits=DIGITS),
        marks=list(chain.from_iterable(limits)),
        note=plain(f"{', '.join(about)}; every {query.period_s} s", 160),
        x=column(x),
    )


def _steps(points: Sequence[tuple[float, float]], period_s: int) -> tuple[list[float | None], list[float | None]]:
    """Returns the steps of a line: a value lasts for its period; a period without a value is a gap."""
    x: list[float | None] = []
    values: list[float | None] = []
    for (at, value), (following, _) in pairwise([*points, (math.inf, 0.0)]):
        x.append(at)
        values.append(value)
        end = at + period_s
        if following == math.inf:
            x.append(end)
            values.append(value)
        elif following > end + MOMENT_S:
            x += [end, end + MOMENT_S]
            values += [value, None]
    return x, values


def _unit_of(query: MetricQuery, rules: Sequence[Criterion]) -> tuple[str, float]:
    """Returns the shown unit and its factor: from criteria, from CloudWatch, or from the list of AWS metrics."""
    for rule in rules:
        if rule.unit == "us" and rule.server:
            return "ms", rule.server.factor / 1000
        if rule.unit == "%":
            return "%", 1.0
    return SHOWN.get(query.unit or KNOWN_TIMES.get((query.namespace, query.metric), ""), ("", 1.0))
