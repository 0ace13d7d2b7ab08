"""Builds the data of the charts on the report page, by section."""

from toril.reports.blocks import Charts
from toril.reports.bundle import Bundle
from toril.reports.charts import marks
from toril.reports.charts.by_label import by_label, chosen
from toril.reports.charts.course import course
from toril.reports.charts.generators import generators
from toril.reports.charts.lines import thinning
from toril.reports.charts.percentiles import curves
from toril.reports.charts.server import server
from toril.reports.labels import distinct, judged_labels
from toril.reports.run_tables import is_notable

KEYS = "Focus a chart and press ← or → to read values. Drag to zoom; double-click or press Escape to zoom out."


def charts_of(bundle: Bundle, base: Bundle | None = None) -> dict[str, Charts]:
    """Returns the non-empty charts by section. Charts show `base` as faint lines."""
    length = len(bundle.summary.series)
    seconds = max(length, 0 if base is None else len(base.summary.series))
    thin = thinning(seconds)
    names = distinct(chosen(bundle))
    window = bundle.summary.window if bundle.plan.ramp_up_exclude else None
    breaches = marks.breaches(bundle)
    every = [one for one in (*course(bundle, base, thin), curves(bundle, names)) if one["lines"]]
    breached = [one.label for one in bundle.verdict.criteria if one.outcome == "failed"]
    failing = [name for name in names if name and is_notable(bundle.summary.labels[name])]
    failing.sort(key=lambda name: -bundle.summary.labels[name].failures)
    first = next((one for one in (*breached, *failing, *judged_labels(bundle.verdict)) if one and one in names), None)
    labels = by_label(bundle, base, thin, names)
    hints = [KEYS]
    if window:
        hints.append("Grey: times outside the figures, before and after the steady state.")
    if breaches:
        hints.append("Red: breach of a criterion.")
    if thin.step_s > 1:
        hints.append(
            f"Charts show the lowest and the highest second of every {thin.step_s} s, so that no spike is lost."
        )
    shared = {
        "x": thin.x,
        "seconds": seconds,
        "step": thin.step_s,
        "steady": [window.from_s, window.to_s] if window else None,
        "breaches": breaches,
        "changes": marks.changes(bundle),
    }
    opened = min(1, len(labels) - 1) if first is None else list(names).index(first)
    found = (
        Charts(id="course", title="Run over time", about="time since the start signal", charts=every,
               hint=" ".join(hints), shared=shared),
        Charts(id="labels", title="One label at a time", charts=labels, shared={"label": opened}),
        Charts(id="generators", title="Load generators", about="a saturated generator measures its own delays",
               charts=generators(bundle, length, thin)),
        Charts(id="server", title="Metrics of the service", about="from CloudWatch", charts=server(bundle)),
    )  # fmt: skip
    return {one.id: one for one in found if one.charts}
