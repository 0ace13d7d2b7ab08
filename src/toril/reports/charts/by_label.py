"""What is drawn of one label at a time: its response times, requests and failures second by second."""

from typing import Any

from toril.reports import view, wording
from toril.reports.bundle import Bundle
from toril.reports.charts import marks
from toril.reports.charts.columns import line
from toril.reports.charts.course import chart
from toril.reports.charts.curve import curve
from toril.reports.charts.names import short, span
from toril.reports.charts.thinning import Thinning
from toril.summary.build import PERCENTILES, SHARED
from toril.timeline import Slice, Timeline
from toril.timeline.by_second import NOTHING, by_second

MOST_LABELS = 32  # that can be chosen: every one adds some 10 kB to the page
FIGURES = {
    "min": "min",
    "mean": "mean",
    "stdev": "std. deviation",
    **{key: key.replace("_", ".") for key in PERCENTILES},
    "max": "max",
}
MOST_ERRORS = 5
PERCENTS = {"p99": "third", "p95": "second", "p50": "first"}  # the last one is drawn over the others


def chosen(bundle: Bundle) -> list[str]:
    """The labels that have charts: those that criteria name, the most frequent, those that failed most."""
    labels = {name: figures for name, figures in bundle.summary.get("labels", {}).items() if figures.get("samples")}
    judged = [name for name in marks.judged_labels(bundle) if name in labels][: MOST_LABELS // 2]
    frequent = sorted(labels, key=lambda name: (-labels[name]["samples"], name))
    failing = sorted(
        (name for name in labels if name and labels[name].get("failures")),
        key=lambda name: (-labels[name]["failures"] / labels[name]["samples"], name),
    )
    wanted = ["", *judged, *frequent[: MOST_LABELS - MOST_LABELS // 8], *failing[: MOST_LABELS // 8], *frequent]
    return list(dict.fromkeys(name for name in wanted if name in labels))[: MOST_LABELS + 1]


def by_label(bundle: Bundle, base: Bundle | None, thin: Thinning, names: dict[str, str]) -> list[dict[str, Any]]:
    """For each label its name and charts. Without a timeline only the curve of its percentiles is known."""
    found = []
    for label, name in names.items():
        charts = [] if bundle.timeline is None else _course(bundle, bundle.timeline, base, thin, label)
        charts.append(curve(bundle, base, label, names[label]))
        found.append(
            {
                "name": name,
                "figures": _figures(bundle, label),
                "errors": _errors(bundle, label),
                "charts": [c for c in charts if c["lines"]],
            }
        )
    return found


def _course(
    bundle: Bundle, timeline: Timeline, base: Bundle | None, thin: Thinning, label: str
) -> list[dict[str, Any]]:
    seconds = len(bundle.summary.get("series", ()))
    own = by_second(timeline, _slice(timeline, label), seconds, [float(p[1:]) for p in PERCENTS])
    percentiles = [[None if v == NOTHING else v for v in column.tolist()] for column in own.percentiles_us]
    before = None
    if base is not None and base.timeline is not None and label in base.summary.get("labels", {}):
        before = by_second(base.timeline, _slice(base.timeline, label), len(base.summary.get("series", ())), [95.0])
    p95_before = [] if before is None else [None if v == NOTHING else v for v in before.percentiles_us[0].tolist()]
    return [
        chart(
            "Response times",
            "ms",
            line("base p95", "base", thin(p95_before), 1000),
            *(
                line(key, look, thin(values), 1000)
                for (key, look), values in zip(PERCENTS.items(), percentiles, strict=True)
            ),
            marks=marks.times_of(bundle, label),
        ),
        chart(
            "Requests and failures per second",
            "/s",
            line("base", "base", thin([] if before is None else before.samples.tolist())),
            line("requests", "first", thin(own.samples.tolist()[: bundle.whole_seconds])),
            line("failed", "bad filled", thin(own.failures.tolist())) if own.failures.any() else None,
            marks=marks.of_subjects(bundle, "throughput", label=label),
        ),
    ]


def _slice(timeline: Timeline, label: str) -> Slice:
    """As the summary names labels: a transaction that shares its label with requests has a name of its own."""
    plain = label.removesuffix(SHARED)
    if plain != label and plain in timeline.labels_of_both_kinds():
        return timeline.select(plain, kind="transaction")
    return timeline.select(label)


def _figures(bundle: Bundle, label: str) -> list[list[str]]:
    """What there is to say of the label beside its charts, as name, value and 95 % interval."""
    figures = bundle.summary["labels"][label]
    row = view.row(label, figures)
    found = [
        ["requests", wording.number(row.samples), ""],
        ["failed", row.failed, ""],
        ["throughput", f"{wording.number(row.rps)}/s", ""],
    ]
    found += [
        [title, row.time(key), span(row.intervals_us.get(key), row.resolution_us)]
        for key, title in FIGURES.items()
        if row.times_us.get(key) is not None
    ]
    for key, title in (("ttfb_us", "first byte, mean"), ("connect_us", "connect, mean")):
        if figures.get(key):
            found.append([title, wording.time(figures[key]["mean"], row.resolution_us), ""])
    failed = figures.get("failed_response_us") or {}
    if failed.get("p95") is not None:
        low, high = (failed.get("interval") or {}).get("p95") or (None, None)
        found.append(
            ["p95 of failed", wording.time(failed["p95"], row.resolution_us), span((low, high), row.resolution_us)]
        )
    return found


def _errors(bundle: Bundle, label: str) -> list[list[str]]:
    """The most frequent errors of the label, as text and count."""
    found = sorted(bundle.summary["labels"][label].get("errors", ()), key=lambda error: -int(error.get("count", 0)))
    return [
        [short(f"{error.get('rc', '')} {error.get('message', '')}".strip(), 120), wording.number(int(error["count"]))]
        for error in found[:MOST_ERRORS]
    ]
