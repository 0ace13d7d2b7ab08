"""Builds the charts of single labels: response times, requests and failures per second."""

from typing import Any

from toril import text
from toril.reports.bundle import Bundle
from toril.reports.charts import marks
from toril.reports.charts.course import PERCENTS, times
from toril.reports.charts.lines import Chart, Thinning, chart, line
from toril.reports.charts.percentiles import curve
from toril.reports.labels import judged_labels, notable, slice_of
from toril.reports.run_tables import failed_share, interval_of
from toril.summary.build import PERCENTILES
from toril.text import plain
from toril.timeline import Timeline

MOST_LABELS = 32  # in the chooser: each adds about 15 kB to the page
FIGURES = {
    "min": "min",
    "mean": "mean",
    "stdev": "std. deviation",
    **{key: key.replace("_", ".") for key in PERCENTILES},
    "max": "max",
}
MOST_ERRORS = 5


def chosen(bundle: Bundle) -> list[str]:
    """Returns the labels with charts, all requests first."""
    measured = {name: figures for name, figures in bundle.summary.labels.items() if figures.samples}
    own = notable(measured, judged_labels(bundle.verdict), MOST_LABELS)
    return [*([""] if "" in measured else []), *own]


def by_label(bundle: Bundle, base: Bundle | None, thin: Thinning, names: dict[str, str]) -> list[dict[str, Any]]:
    """Returns name, figures and charts of each label; without a timeline, only the percentile chart."""
    drawn = []
    for label, name in names.items():
        charts = [] if bundle.timeline is None else _course(bundle, bundle.timeline, base, thin, label)
        charts.append(curve(bundle, base, label, names[label]))
        drawn.append(
            {
                "name": name,
                "figures": _figures(bundle, label),
                "errors": _errors(bundle, label),
                "charts": [c for c in charts if c["lines"]],
            }
        )
    return drawn


def _course(bundle: Bundle, timeline: Timeline, base: Bundle | None, thin: Thinning, label: str) -> list[Chart]:
    seconds = len(bundle.summary.series)
    own = slice_of(timeline, label).by_second(seconds, [float(p[1:]) for p in PERCENTS])
    base_p95_us, base_samples = list[int | None](), list[int]()
    if base is not None and base.timeline is not None and label in base.summary.labels:
        before = slice_of(base.timeline, label).by_second(len(base.summary.series), [95.0])
        base_p95_us, base_samples = before.percentiles_us[0], before.samples.tolist()
    return [
        times(bundle, label, own.percentiles_us, base_p95_us, thin),
        chart(
            "Requests and failures per second",
            "/s",
            line("base", "base", thin(base_samples)),
            line("requests", "first", thin(own.samples.tolist()[: bundle.whole_seconds])),
            line("failed", "bad filled", thin(own.failures.tolist())) if own.failures.any() else None,
            marks=marks.of_subject(bundle, "throughput", label),
        ),
    ]


def _figures(bundle: Bundle, label: str) -> list[list[str]]:
    """Returns the figures of a label, each as name, value and 95 % interval."""
    figures = bundle.summary.labels[label]
    times, failed, resolution_us = figures.response_us, figures.failed_response_us, figures.resolution_us or 1
    cells = [
        ["requests", text.number(figures.samples), ""],
        ["failed", failed_share(figures), ""],
        ["throughput", f"{text.number(figures.rps or 0)}/s", ""],
    ]
    for key, title in FIGURES.items():
        value = getattr(times, key, None)
        if value is not None:
            cells.append([title, text.time(value, resolution_us), interval_of(figures, key)])
    for phase, title in ((figures.ttfb_us, "first byte, mean"), (figures.connect_us, "connect, mean")):
        if phase:
            cells.append([title, text.time(phase.mean, resolution_us), ""])
    if failed and failed.p95 is not None:
        shown, ends = text.time(failed.p95, resolution_us), failed.interval.get("p95")
        sure = text.interval(ends, shown, lambda end: text.time(end, resolution_us)) if ends else ""
        cells.append(["p95 of failed", shown, sure])
    return cells


def _errors(bundle: Bundle, label: str) -> list[list[str]]:
    """Returns the most frequent errors of a label, as text and count."""
    errors = sorted(bundle.summary.labels[label].errors, key=lambda error: -error.count)
    return [
        [plain(text.error(error.rc, error.message), 120), text.number(error.count)] for error in errors[:MOST_ERRORS]
    ]
