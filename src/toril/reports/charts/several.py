"""Builds charts of several runs over each other: load, response times, failures, percentiles."""

from collections.abc import Mapping

from toril.reports.blocks import Charts
from toril.reports.bundle import Bundle
from toril.reports.charts import KEYS
from toril.reports.charts.lines import Values, chart, line, thinning
from toril.reports.charts.percentiles import of_runs


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
        name: [100 * one.failures / one.samples if one.samples else None for one in own] for name, own in series.items()
    }
    charts = (
        over_time("p95", "ms", {name: [one.p95_us for one in own] for name, own in series.items()}, 1000),
        over_time("Requests per second", "/s", {name: [one.samples for one in own] for name, own in series.items()}),
        over_time("Failed requests", "%", failed),
        over_time("Virtual users", "", {name: [one.virtual_users for one in own] for name, own in series.items()}),
        of_runs(runs, looks),
    )
    shared = {"x": thin.x, "seconds": seconds, "step": thin.step_s, "steady": None, "breaches": [], "changes": []}
    return Charts(
        id="course",
        title="Runs over each other",
        about="time since the start signal",
        charts=[one for one in charts if one["lines"]],
        hint=KEYS,
        shared=shared,
    )
