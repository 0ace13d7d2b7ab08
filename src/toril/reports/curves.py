"""Planned and achieved rates over time, as numbers and drawn in characters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from toril import text
from toril.load.curve import Curve
from toril.load.model import begun
from toril.records import Plan, PlannedExecution
from toril.reports.bundle import Bundle
from toril.text import plain

STEPS = "▁▂▃▄▅▆▇█"
GAP = "\u00a0"  # a no-break space
WIDTH, ROWS = 60, 4  # characters of a drawn curve
SPARKLINE_WIDTH = 24
MOST = 8  # drawn executions


@dataclass(frozen=True, slots=True)
class RateCurve:
    """Requests, or journeys, of one execution in each second: planned, and completed or started."""

    execution: str
    planned: Sequence[float]
    achieved: Sequence[float]


def has_curve(execution: PlannedExecution, rate: Curve | None = None) -> bool:
    """Returns whether the rate changes after the ramp-up; `rate` includes later adjustments."""
    rate = rate or execution.rate
    return rate is not None and len({rps for at_s, rps in rate.points if at_s >= execution.ramp_up_s}) > 1


def rate_curves(bundle: Bundle) -> list[RateCurve]:
    """Returns a curve for each execution with a changing rate; several executions need the timeline."""
    plan, seconds = bundle.plan, bundle.whole_seconds
    rates = [(execution, _adjusted_rate(bundle, execution)) for execution in plan.executions]
    chosen = [(execution, rate) for execution, rate in rates if rate is not None and has_curve(execution, rate)][:MOST]
    if not chosen or not seconds:
        return []
    if len(plan.executions) == 1:
        series = bundle.summary.series[:seconds]
        names = (
            ("planned_journeys", "journeys") if plan.executions[0].model == "arrivals" else ("planned_rps", "samples")
        )
        planned, achieved = ([float(getattr(second, name) or 0) for second in series] for name in names)
        return [RateCurve(plan.executions[0].name, planned, achieved)]
    if bundle.timeline is None:
        return []
    from toril.summary import sends_of  # imports numpy

    curves = []
    for execution, rate in chosen:
        view = sends_of(bundle.timeline, execution)
        achieved = [float(count) for count in view.by_second(seconds).samples.tolist()]
        curves.append(RateCurve(execution.name, rate.by_second(range(seconds), execution.delay_s), achieved))
    return curves


def _adjusted_rate(bundle: Bundle, execution: PlannedExecution) -> Curve | None:
    """Returns the planned rate with the changes made during the run."""
    changes = [rate for rate in bundle.summary.rates or () if rate.execution == execution.name]
    return execution.planned_rate([(rate.at_s - execution.delay_s, rate.rps) for rate in changes])


def rate_of(execution: PlannedExecution, rate: float | None) -> str:
    """Returns a rate of the execution in its unit: `50/s`, or `50 journeys/s`."""
    return text.quantity(rate, execution.rate_unit)


def describe(plan: Plan, width: int) -> list[str]:
    """Returns the load curves of a plan, each drawn below its number of requests, length and peak."""
    lines: list[str] = []
    for execution in [execution for execution in plan.executions if has_curve(execution)][:MOST]:
        rate = execution.planned_rate()
        if rate is not None:
            total, peak = text.number(round(rate.total)), rate_of(execution, round(rate.peak_rps, 3))
            summed = f"{total} {begun(execution.model)} in {text.span(rate.length_s)}, at most {peak}"
            lines += [
                f"{plain(execution.name)}: {summed}{_cut(plan, execution, rate)}",
                *drawn(rate, max(10, min(WIDTH, width - 16))),
            ]
    known = [(execution.name, users) for execution in plan.executions if (users := execution.script_users)]
    for name, users in known[:MOST]:
        summed = f"users of the script in {text.span(users.length_s)}, at most {text.number(round(users.peak_rps))}"
        lines += [f"{plain(name)}: {summed}", *drawn(users, max(10, min(WIDTH, width - 16)), unit="")]
    return lines


def _cut(plan: Plan, execution: PlannedExecution, rate: Curve) -> str:
    """Returns how many requests precede `max-duration`; empty if it cuts none."""
    left_s = math.inf if plan.max_duration_s is None else plan.max_duration_s - execution.delay_s
    if left_s >= rate.length_s:
        return ""
    return (
        f"; max-duration ends it after {text.number(round(rate.count_to(max(0.0, left_s))))} {begun(execution.model)}"
    )


def drawn(rate: Curve, width: int = WIDTH, rows: int = ROWS, unit: str = "/s") -> list[str]:
    """Returns the curve with its axes; each column shows its highest value, so that no spike is lost.

    >>> print("\\n".join(drawn(Curve(((0, 0), (60, 100), (60, 25), (120, 25))), width=12, rows=2)))
    100/s ┤   ▃▅█
          │▃▅████▄▄▄▄▄▄
        0 └────────────
           0 s    2 min
    """
    top, peak = f"{text.number(round(rate.peak_rps, 3))}{unit}", rate.peak_rps or 1.0
    levels = [rows * len(STEPS) * rps / peak for rps in heights(rate, width)]
    lines = []
    for row in reversed(range(rows)):
        cells = (min(len(STEPS), max(0, round(level - row * len(STEPS)))) for level in levels)
        head = f"{top} ┤" if row == rows - 1 else f"{'':>{len(top)}} │"
        lines.append((head + "".join(STEPS[cell - 1] if cell else " " for cell in cells)).rstrip())
    end = text.span(rate.length_s)
    return [*lines, f"{0:>{len(top)}} └{'─' * width}", f"{'':>{len(top)}}  0 s{end:>{max(1, width - 3)}}".rstrip()]


def heights(rate: Curve, width: int) -> list[float]:
    """Returns the highest rate in each of `width` equal parts of the time."""
    edges_s = [rate.length_s * place / width for place in range(width + 1)]
    peaks = []
    for from_s, to_s in pairwise(edges_s):
        within = [rps for at_s, rps in rate.points if from_s < at_s < to_s]
        peaks.append(max(rate.rate_at(from_s), rate.rate_at(math.nextafter(to_s, 0)), *within))
    return peaks


def trendline(values: Sequence[float | None], hollow: Sequence[bool], width: int = WIDTH) -> str:
    """Returns the newest values, a column each, from the lowest to the highest on a logarithmic scale.

    `·` stands for a hollow value, a blank for None. A scale has at least 20 %, so that noise stays small.

    >>> trendline([40, 41, 40, 60, None, 90, 61], [False] * 5 + [True, False])
    '▁▁▁█\\xa0·█'
    """
    newest = list(zip(values, hollow, strict=True))[-width:]
    known = [value for value, left_out in newest if value is not None and not left_out]
    place = math.log if min(known, default=0.0) > 0 else float
    low, high = (place(bound(known)) for bound in (min, max)) if known else (0.0, 0.0)
    spread = max(high - low, math.log(1.2)) if place is math.log else high - low
    most = len(STEPS) - 1
    steps = [
        None if value is None or left_out else round(most * (place(value) - low) / spread) if spread else 0
        for value, left_out in newest
    ]
    marks = [GAP if value is None else "·" for value, _ in newest]
    return "".join(mark if step is None else STEPS[step] for mark, step in zip(marks, steps, strict=True))


def sparkline(values: Sequence[float | None], width: int = SPARKLINE_WIDTH, highest: float = 0.0) -> str:
    """Returns the values as at most `width` small columns; a blank stands for None.

    Each column shows its highest value, so that no spike is lost; only zero has the lowest step. `highest` sets a
    common scale for several lines.

    >>> sparkline([0, 1, 4, 8, None, 8]), sparkline([5, 5]), sparkline([None, 0, 0]), sparkline([1, 9, 2, 2], 2)
    ('▁▂▅█\\xa0█', '██', '\\xa0▁▁', '█▃')
    """
    places = min(width, len(values))
    bounds = [len(values) * place // places for place in range(places + 1)] if places else [0]
    parts = [[v for v in values[a:b] if v is not None] for a, b in pairwise(bounds)]
    tops = [max(part) if part else None for part in parts]
    highest = max([highest, *(top for top in tops if top is not None)])
    most = len(STEPS) - 1
    steps = [None if top is None else min(most, math.ceil(most * top / highest)) if top > 0 else 0 for top in tops]
    return "".join(GAP if step is None else STEPS[step] for step in steps)
