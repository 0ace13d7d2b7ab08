"""Everything that the charts of the report page draw, as plain data."""

from typing import Any

from toril.reports.bundle import Bundle
from toril.reports.charts import marks
from toril.reports.charts.by_label import by_label, chosen
from toril.reports.charts.columns import column
from toril.reports.charts.course import course
from toril.reports.charts.curve import curves
from toril.reports.charts.generators import generators
from toril.reports.charts.names import distinct, short, span
from toril.reports.charts.server import server, unanswered
from toril.reports.charts.thinning import thinning

__all__ = ["charts", "distinct", "short", "span", "unanswered"]


def charts(bundle: Bundle, base: Bundle | None = None) -> dict[str, Any]:
    """`x`: seconds since the start signal; the charts by section; for each label that can be chosen its own."""
    length = len(bundle.summary.get("series", ()))
    seconds = max(length, 0 if base is None else len(base.summary.get("series", ())))
    thin = thinning(seconds)
    names = distinct(chosen(bundle))
    found = bundle.summary.get("window") or {}
    excluded = bundle.plan.ramp_up_exclude and found.get("from_s") is not None
    every = [one for one in (*course(bundle, base, thin), curves(bundle, names)) if one["lines"]]
    judged = [name for name in marks.judged_labels(bundle) if name in names]
    labels = by_label(bundle, base, thin, names)
    return {
        "x": column(thin.x),
        "seconds": seconds,
        "step": thin.step_s,
        "steady": [found["from_s"], found["to_s"]] if excluded else None,
        "breaches": marks.breaches(bundle),
        "changes": marks.changes(bundle),
        "course": every,
        "labels": labels,
        "label": list(names).index(judged[0]) if judged else min(1, len(labels) - 1),
        "generators": generators(bundle, length, thin),
        "server": server(bundle),
    }
