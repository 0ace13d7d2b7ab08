"""Findings on the parts of a run: a location slower than the others, a label that dominates the p99."""

import math
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from toril.records.summary import RunFinding
from toril.stats.histogram import Histogram
from toril.stats.quantiles import share_interval, student_quantile
from toril.text import percent, plain, time
from toril.verdict.findings.seen import RunData, is_longer, percentile

LEAST_SAMPLES, BLOCKS, FACTOR = 200, 10, 1.1
STUDENT = 0.9995  # confidence that the blocks show it too: samples of one second are not independent
CONSTANT = 0.7  # of the difference of medians: if the quickest requests differ by it, the cause is the network

LEAST_TAIL, LEAST_PART, TIMES_ITS_SHARE, LEAST_FALL = 30, 0.6, 1.5, 0.7
DEVIATIONS = 3.9  # 99.99 %


def slow_location(seen: RunData) -> Iterator[RunFinding]:
    """Requests of one location took longer than those of all others with the same executions."""
    steady = True if seen.plan.ramp_up_exclude else None
    alike: defaultdict[frozenset[str], list[str]] = defaultdict(list)
    for location in seen.plan.locations:
        shares = [share for share in seen.plan.shares if share.location == location]
        alike[frozenset(part.execution for share in shares for part in share.executions)].append(location)
    for group in alike.values():
        slices = {name: seen.timeline.select(location=name, steady=steady) for name in group}
        times = {name: part.total.response for name, part in slices.items()}
        if len(group) < 2 or min(histogram.total for histogram in times.values()) < LEAST_SAMPLES:
            continue
        for name in group:
            here, others = times[name], sum((times[other] for other in group if other != name), Histogram())
            if not is_longer(here, others, 50, FACTOR) or not is_longer(here, others, 95):
                continue
            ratios = []
            for block in range(BLOCKS):
                first, last = (seen.seconds * edge // BLOCKS for edge in (block, block + 1))
                parts = {name: slices[name].window(first, last - 1).response for name in group}
                elsewhere = sum((parts[other] for other in group if other != name), Histogram())
                if parts[name].total and elsewhere.total:
                    ratios.append(math.log(percentile(parts[name], 50) / percentile(elsewhere, 50)))
            if len(ratios) < BLOCKS // 2:
                continue
            error = float(np.std(ratios, ddof=1)) / math.sqrt(len(ratios))
            if np.mean(ratios) - student_quantile(STUDENT, len(ratios) - 1) * error <= math.log(FACTOR):
                continue
            low, median = (percentile(here, p) - percentile(others, p) for p in (1, 50))
            constant = low >= CONSTANT * median
            why = (
                f"The quickest requests differ as much ({time(low)}): a constant offset, like a longer way."
                if constant
                else f"The quickest requests differ by {time(max(0, low))} only, so the service is slower there."
            )
            yield RunFinding(
                code="slow-location",
                message=f"Location {plain(name)} was slower than the others: p50 {time(percentile(here, 50))} against "
                f"{time(percentile(others, 50))}, p95 {time(percentile(here, 95))} against "
                f"{time(percentile(others, 95))}. {why}",
                location=name,
                evidence={
                    "p50_us": percentile(here, 50),
                    "p50_elsewhere_us": percentile(others, 50),
                    "p95_us": percentile(here, 95),
                    "p95_elsewhere_us": percentile(others, 95),
                    "offset_of_p1_us": low,
                    "cause": "constant offset" if constant else "longer times",
                },
            )


def dominant_label(seen: RunData) -> Iterator[RunFinding]:
    """Most of the slowest 1 % of requests have one label, and p99 would be much lower without it."""
    total = seen.summary.total
    p99 = total.response_us.p99 if total.response_us else None
    labels = {
        name: np.array(figures.histogram or np.empty((0, 3)), np.int64)
        for name, figures in seen.summary.labels.items()
        if name and figures.kind == "request" and figures.samples >= 0.01 * total.samples
    }
    if p99 is None or len(labels) < 2:
        return
    beyond = {name: int(rows[rows[:, 0] > p99, 2].sum()) for name, rows in labels.items()}
    name, tail = max(beyond, key=beyond.__getitem__), sum(beyond.values())
    share = seen.summary.labels[name].samples / total.samples
    least, _ = share_interval(beyond[name], tail, DEVIATIONS)
    if tail < LEAST_TAIL or least < max(LEAST_PART, TIMES_ITS_SHARE * share):
        return
    rest = np.concatenate([rows for other, rows in labels.items() if other != name])
    rest = rest[np.argsort(rest[:, 1])]
    ends = np.cumsum(rest[:, 2])
    without = int(rest[np.searchsorted(ends, math.ceil(0.99 * ends[-1])), 1])
    if without > LEAST_FALL * p99:
        return
    yield RunFinding(
        code="dominant-label",
        message=f"{plain(name)} dominates the p99: {percent(round(100 * beyond[name] / tail))} of the slowest 1 % of "
        f"requests have this label, but only {percent(round(100 * share, 1))} of all. Without it, p99 would be "
        f"{time(without)} instead of {time(p99)}.",
        label=name,
        evidence={
            "part_of_slowest_share": round(beyond[name] / tail, 4),
            "part_of_all_share": round(share, 4),
            "p99_us": p99,
            "p99_without_us": without,
        },
    )
