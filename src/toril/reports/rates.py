"""How sure a rate of requests is, from how it wavered within the run: batch means, the way simulations are judged.

Requests of a closed model are not independent of each other, so their count is not Poisson's; but the counts of a few
long batches of seconds nearly are independent. A ramp-up in the window makes the interval wider, never narrower.
"""

import math

import numpy as np

from toril.reports.bundle import Bundle
from toril.timeline import Timeline
from toril.timeline.by_second import by_second
from toril.timeline.intervals import Kind

BATCHES = 10
REACH = 2.262  # Student's t of nine degrees of freedom, for 95 %
SHORTEST_BATCH_S = 2
SHARED = " (transaction)"  # as the summary names a transaction whose label requests have too


def rate_interval(
    bundle: Bundle, rps: float, *, label: str = "", execution: str | None = None, location: str | None = None
) -> tuple[float, float] | None:
    """The 95 % interval of that rate, per second; None for a window under 20 s, or without the timeline."""
    timeline = bundle.timeline
    if timeline is None:
        return None
    first, end = _seconds(bundle, execution)
    size = (end - first) // BATCHES
    if size < SHORTEST_BATCH_S:
        return None
    kind, name = _kind_of(timeline, label)
    steady = True if bundle.plan.ramp_up_exclude else None
    chosen = timeline.select(name, () if execution is None else (execution,), location, steady, kind)
    counts = by_second(timeline, chosen, end).samples[first : first + size * BATCHES]
    means = counts.reshape(BATCHES, size).mean(axis=1)
    mean = float(means.mean())
    reach = REACH * float(np.std(means, ddof=1)) / math.sqrt(BATCHES) + 1 / size  # a request more or less at its edges
    return max(0.0, min(rps, mean) - reach), max(rps, mean) + reach


def _seconds(bundle: Bundle, execution: str | None) -> tuple[int, int]:
    """The whole seconds of the window that is judged: the first, and the one after the last."""
    window = bundle.summary.get("window") or {}
    start, end = float(window.get("from_s") or 0), float(window.get("to_s") or 0)
    for planned in bundle.plan.executions if bundle.plan.ramp_up_exclude else ():
        if planned.name == execution:
            start, end = planned.steady_from_s, min(end, planned.steady_to_s)
    return math.ceil(start), max(math.ceil(start), math.floor(end))


def _kind_of(timeline: Timeline, label: str) -> tuple[Kind | None, str]:
    """The kind to select, where a label has two; and the label as its samples have it."""
    name = label.removesuffix(SHARED)
    if name != label and name in timeline.labels_of_both_kinds():
        return "transaction", name
    return None, label
