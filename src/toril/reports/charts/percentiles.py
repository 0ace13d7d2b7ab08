"""Builds charts of response times by percentile, on an axis of nines: 1 is 90 %, 2 is 99 %, 3 is 99.9 %."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from toril.reports.bundle import Bundle
from toril.reports.charts import marks
from toril.reports.charts.lines import DIGITS, Chart, chart, column, line
from toril.stats.quantiles import quantile_ranks

STEPS_A_NINE = 20  # points from 90 % to 99 %, and as many to 99.9 %
MOST_LINES = 8  # a reader cannot distinguish more

Buckets = Sequence[Sequence[int]]


def curve(bundle: Bundle, base: Bundle | None, label: str, name: str) -> Chart:
    """Returns the curve of a label, with criteria on its percentiles and the curve of the base run."""
    own, before = _buckets(bundle, label), _buckets(base, label)
    nines = _nines([own, before])
    return chart(
        "By percentile",
        "ms",
        *_certainty(bundle, label, nines),
        _line(base, label, nines, "base", "base"),
        _line(bundle, label, nines, name, "first"),
        marks=marks.percentiles_of(bundle, label),
        nines=column(nines, digits=DIGITS),
    )


def of_runs(runs: Mapping[str, Bundle], looks: Mapping[str, str]) -> Chart:
    """Returns one chart of all requests of several runs, by the runs' names."""
    nines = _nines([_buckets(run, "") for run in runs.values()])
    lines = [_line(run, "", nines, name, looks[name]) for name, run in runs.items()]
    return chart("Response times by percentile", "ms", *lines, nines=column(nines, digits=DIGITS))


def curves(bundle: Bundle, names: dict[str, str]) -> Chart:
    """Returns one chart of all requests and the busiest labels."""
    labels = bundle.summary.labels
    largest = sorted((name for name in names if name), key=lambda name: -labels[name].samples)
    kept = {"", *largest[: MOST_LINES - 1]}
    chosen = [name for name in names if name in kept and _buckets(bundle, name)]
    nines = _nines([_buckets(bundle, name) for name in chosen])
    looks = (f"place{place}" for place in range(MOST_LINES))
    lines = [_line(bundle, name, nines, names[name], next(looks) if name else "strong") for name in chosen]
    return chart(
        "Response times by percentile",
        "ms",
        *lines,
        marks=[mark for name in chosen for mark in marks.percentiles_of(bundle, name)],
        nines=column(nines, digits=DIGITS),
        note="all requests, and the busiest labels" if len(chosen) > 1 else "",
    )


def _line(bundle: Bundle | None, label: str, nines: Sequence[float], name: str, look: str) -> Any:
    figures = bundle.summary.labels.get(label) if bundle else None
    times = figures.response_us if figures else None
    max_us = math.inf if times is None or times.max is None else times.max
    return line(name, look, quantiles_us(_buckets(bundle, label), nines, max_us), 1000)


def quantiles_us(histogram: Buckets, nines: Sequence[float], max_us: float = math.inf) -> list[float | None]:
    """Returns the nearest-rank value at each place, at most the maximum; None beyond the last sample."""
    cumulated = list(accumulate(count for _, _, count in histogram))
    if not cumulated:
        return [None] * len(nines)
    samples = cumulated[-1]
    values: list[float | None] = []
    for nine in nines:
        rank = max(1, math.ceil(samples * (1 - 10**-nine) - 1e-9))
        known = nine <= _last(samples) + 1e-9
        values.append(min(histogram[bisect_left(cumulated, rank)][1], max_us) if known else None)
    return values


def _certainty(bundle: Bundle, label: str, nines: Sequence[float]) -> list[Any]:
    """Returns the 95 % interval of each percentile as edges of a band, with gaps where it is unbounded."""
    figures, histogram = bundle.summary.labels.get(label), _buckets(bundle, label)
    if not figures or not histogram:
        return []
    samples = sum(count for _, _, count in histogram)
    cut_us = (figures.resolution_us or 1) - 1  # a record may cut off as much of each time
    cumulated = list(accumulate(count for _, _, count in histogram))
    ranks = [quantile_ranks(100 * (1 - 10**-nine), samples) for nine in nines]
    high = [None if upper is None else histogram[bisect_left(cumulated, upper)][1] + cut_us for _, upper in ranks]
    low = [None if lower is None else histogram[bisect_left(cumulated, lower)][0] for lower, _ in ranks]
    both = [(a, b) if a is not None and b is not None else (None, None) for a, b in zip(high, low, strict=True)]
    if all(a is None for a, _ in both):
        return []
    return [
        line("95 % interval", "band", [a for a, _ in both], 1000),
        line("95 % interval, lower bound", "band low", [b for _, b in both], 1000),
    ]


def _nines(histograms: Sequence[Buckets]) -> list[float]:
    """Returns the places from the minimum to the last sample of the largest histogram, and all last places."""
    sizes = {sum(count for _, _, count in histogram) for histogram in histograms} - {0}
    ends = {_last(samples) for samples in sizes}
    longest = max(ends, default=0.0)
    return sorted({step / STEPS_A_NINE for step in range(math.floor(longest * STEPS_A_NINE) + 1)} | ends)


def _last(samples: int) -> float:
    """Returns the place of the slowest sample: the middle of its share of all samples."""
    return math.log10(2 * samples)


def _buckets(bundle: Bundle | None, label: str) -> Buckets:
    figures = bundle.summary.labels.get(label) if bundle else None
    return (figures and figures.histogram) or ()
