"""Builds the data of the charts on the report page, by section; and charts of several runs over each other."""

from collections.abc import Mapping

from toril.reports.blocks import Charts
from toril.reports.bundle import Bundle
from toril.reports.charts import marks
from toril.reports.charts.by_label import by_label, chosen
from toril.reports.charts.course import course
from toril.reports.charts.generators import generators
from toril.reports.charts.lines import Values, chart, line, thinning
from toril.reports.charts.metrics import metric_charts
from toril.reports.charts.percentiles import curves, of_runs
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
    every = [part for part in (*course(bundle, base, thin), curves(bundle, names)) if part["lines"]]
    breached = [criterion.label for criterion in bundle.verdict.criteria if criterion.outcome == "failed"]
    failing = [name for name in names if name and is_notable(bundle.summary.labels[name])]
    failing.sort(key=lambda name: -bundle.summary.labels[name].failures)
    first = next((one for one in (*breached, *failing, *judged_labels(bundle.verdict)) if one and one in names), None)
    labels = by_label(bundle, base, thin, names)
    ends = f"Charts show the lowest and the highest second of every {thin.step_s} s, so that no spike is lost."
    hints = {  # and whether each applies
        KEYS: True,
        "Grey: times outside the figures, before and after the steady state.": window,
        "Red: breach of a criterion.": breaches,
        ends: thin.step_s > 1,
    }
    shared = {
        "x": thin.x,
        "seconds": seconds,
        "step": thin.step_s,
        "steady": [window.from_s, window.to_s] if window else None,
        "breaches": breaches,
        "changes": [*marks.changes(bundle), *marks.faults(bundle)],
    }
    opened = min(1, len(labels) - 1) if first is None else list(names).index(first)
    parts = (
        Charts(id="course", title="Run over time", about="time since the start signal", charts=every,
               hint=" ".join(hint for hint, applies in hints.items() if applies), shared=shared),
        Charts(id="labels", title="One label at a time", charts=labels, shared={"label": opened}),
        Charts(id="scripts", title="Checks and own metrics over time", charts=metric_charts(bundle, length, thin)),
        Charts(id="generators", title="Load generators", about="a saturated generator measures its own delays",
               charts=generators(bundle, length, thin)),
        Charts(id="server", title="Metrics of the service", about="from CloudWatch", charts=server(bundle)),
    )  # fmt: skip
    return {charts.id: charts for charts in parts if charts.charts}


def several(runs: Mapping[str, Bundle], reference: str) -> Charts:
    """Returns the charts of at most eight runs by name; the line of the reference is the strong one."""
    seconds = max((len(run.summary.series) for run in runs.values()), default=0)
    thin = thinning(seconds)
    looks = {name: "strong" if name == reference else f"place{place}" for place, name in enumerate(runs)}

    def over_time(title: str, unit: str, values: Mapping[str, Values], divisor: int = 1) -> Mapping[str, object]:
        lines = (line(name, looks[name], thin(column), divisor) for name, column in values.items())
        return chart(title, unit, *lines)

    series = {name: run.summary.series[: run.whole_seconds] for name, run in runs.items()}
    failed = {
        name: [100 * row.failures / row.samples if row.samples else None for row in own] for name, own in series.items()
    }
    charts = (
        over_time("p95", "ms", {name: [second.p95_us for second in own] for name, own in series.items()}, 1000),
        over_time("Requests per second", "/s", {name: [row.samples for row in own] for name, own in series.items()}),
        over_time("Failed requests", "%", failed),
        over_time("Virtual users", "", {name: [row.virtual_users for row in own] for name, own in series.items()}),
        of_runs(runs, looks),
    )
    shared = {"x": thin.x, "seconds": seconds, "step": thin.step_s, "steady": None, "breaches": [], "changes": []}
    return Charts(
        id="course",
        title="Runs over each other",
        about="time since the start signal",
        charts=[drawn for drawn in charts if drawn["lines"]],
        hint=KEYS,
        shared=shared,
    )
