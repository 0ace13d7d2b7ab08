"""Everything that the charts of the report page draw, as plain data by section."""

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

KEYS = "Focus a chart and press ← or → to read it; drag to zoom, double-click or Escape to zoom out."


def charts_of(bundle: Bundle, base: Bundle | None = None) -> dict[str, Charts]:
    """The charts by section; those without anything to draw are left out. `base` is drawn as faint lines."""
    length = len(bundle.summary.series)
    seconds = max(length, 0 if base is None else len(base.summary.series))
    thin = thinning(seconds)
    names = distinct(chosen(bundle))
    window = bundle.summary.window if bundle.plan.ramp_up_exclude else None
    breaches = marks.breaches(bundle)
    every = [one for one in (*course(bundle, base, thin), curves(bundle, names)) if one["lines"]]
    judged = [name for name in judged_labels(bundle.verdict) if name in names]
    labels = by_label(bundle, base, thin, names)
    hints = [KEYS]
    if window:
        hints.append("Grey is what the figures leave out: ramp-up, and what comes after the steady load.")
    if breaches:
        hints.append("Red is when a criterion was breached.")
    if thin.step_s > 1:
        hints.append(f"Of every {thin.step_s} s the lowest and the highest second are drawn, so that no spike is lost.")
    shared = {
        "x": thin.x,
        "seconds": seconds,
        "step": thin.step_s,
        "steady": [window.from_s, window.to_s] if window else None,
        "breaches": breaches,
        "changes": marks.changes(bundle),
    }
    first = list(names).index(judged[0]) if judged else min(1, len(labels) - 1)
    found = (
        Charts(id="course", title="Course of the run", about="time since the start signal", charts=every,
               hint=" ".join(hints), shared=shared),
        Charts(id="labels", title="One label at a time", charts=labels, shared={"label": first}),
        Charts(id="generators", title="Load generators", about="at their limit they measure themselves",
               charts=generators(bundle, length, thin)),
        Charts(id="server", title="The service’s own metrics", about="as CloudWatch keeps them", charts=server(bundle)),
    )  # fmt: skip
    return {one.id: one for one in found if one.charts}
