"""Builds the charts of checks and own metrics per second, in the script's units."""

from itertools import islice

from toril.reports.bundle import Bundle
from toril.reports.charts import marks
from toril.reports.charts.course import PERCENTS
from toril.reports.charts.lines import Chart, Thinning, Values, chart, line
from toril.text import plain
from toril.timeline import Slice
from toril.timeline.intervals import VALUE_SCALE

MOST_METRICS = 24  # charts; the table has all metrics
MOST_CHECKS = 6  # with lines of their own: those that failed most
LOOKS = {"trend": PERCENTS, "gauge": {"highest": "second", "mean": "first"}, "rate": {"true": "first filled"}}


def metric_charts(bundle: Bundle, seconds: int, thin: Thinning) -> list[Chart]:
    """Returns a chart of failed checks, and one of each own metric; none without a timeline."""
    if (timeline := bundle.timeline) is None:
        return []
    checks = {name: timeline.select(name, kind="check") for name in timeline.measured("check")}
    failed = sorted(filter(lambda name: checks[name].counts[1], checks), key=lambda name: -checks[name].counts[1])
    lines = [line("all", "bad filled", thin(_columns(timeline.select(kind="check"), seconds)[0]))]
    for place, name in enumerate(failed[:MOST_CHECKS]):
        lines.append(line(plain(name, 40), f"place{place}", thin(_columns(checks[name], seconds)[0])))
    note = f"all, and the {MOST_CHECKS} that failed most" if len(failed) > MOST_CHECKS else ""
    charts = [chart("Failed checks", "%", *lines, note=note)] if checks else []
    metrics = ((shown, one) for shown, one in timeline.metrics().items() if one[1] != "check")
    for shown, (name, kind) in islice(metrics, MOST_METRICS):
        looks = LOOKS.get(kind, {"sum per second": "first"})
        columns = zip(looks.items(), _columns(timeline.select(name, kind=kind), seconds), strict=True)
        drawn = [line(title, look, thin(values[: bundle.whole_seconds])) for (title, look), values in columns]
        unit = {"counter": "/s", "rate": "%"}.get(kind, "")
        charts.append(chart(plain(shown, 60), unit, *drawn, marks=marks.of_metric(bundle, name)))
    return charts


def _columns(view: Slice, seconds: int) -> list[Values]:
    """Returns the values of each second, in the order of LOOKS; of checks the share that failed, in per cent."""
    wanted = {"trend": [float(name[1:]) for name in PERCENTS], "gauge": [100.0]}.get(view.kind or "", [])
    own, sums = view.by_second(seconds, wanted), [total / VALUE_SCALE for total in view.sums_us(seconds)]
    counts = list(zip(own.samples.tolist(), own.failures.tolist(), sums, strict=True))
    values: list[Values] = [[us and us / VALUE_SCALE for us in column] for column in own.percentiles_us]
    if view.kind == "counter":
        values.append(sums)
    elif view.kind == "gauge":
        values.append([total / samples if samples else None for samples, _, total in counts])
    elif view.kind != "trend":
        shares = [100 * failed / samples if samples else None for samples, failed, _ in counts]
        values.append([share if share is None or view.kind == "check" else 100 - share for share in shares])
    return values
