"""A rate over time as lines of text: what was planned before a run, and beside what was achieved after it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from toril.load.curve import Curve
from toril.records import Plan, PlannedExecution
from toril.reports import wording
from toril.reports.bundle import Bundle
from toril.reports.sparkline import STEPS
from toril.summary import rate_of
from toril.timeline.by_second import by_second

WIDTH, ROWS = 60, 4
MOST = 8  # executions that are drawn


@dataclass(frozen=True, slots=True)
class Course:
    """What one execution was to send in each second, and what of its requests were answered in it."""

    execution: str
    planned: Sequence[float]
    achieved: Sequence[float]


def has_curve(execution: PlannedExecution, rate: Curve | None = None) -> bool:
    """Whether its rate changes in another way than by a ramp-up; `rate` is the one that it had in the end."""
    rate = rate or execution.rate
    return rate is not None and len({rps for at_s, rps in rate.points if at_s >= execution.ramp_up_s}) > 1


def courses(bundle: Bundle) -> list[Course]:
    """Of each execution whose rate changed; those of several are told apart only where the measurements are there."""
    plan, seconds = bundle.plan, bundle.whole_seconds
    rates = [(one, _carried_out(bundle, one)) for one in plan.executions]
    chosen = [(one, rate) for one, rate in rates if rate is not None and has_curve(one, rate)][:MOST]
    if not chosen or not seconds:
        return []
    if len(plan.executions) == 1:
        series = bundle.summary["series"][:seconds]
        planned = [float(one.get("planned_rps") or 0) for one in series]
        return [Course(plan.executions[0].name, planned, [float(one.get("samples") or 0) for one in series])]
    if bundle.timeline is None:
        return []
    found = []
    for one, rate in chosen:
        view = bundle.timeline.select(executions=(one.name,))
        achieved = [float(count) for count in by_second(bundle.timeline, view, seconds).samples.tolist()]
        found.append(Course(one.name, rate.by_second(range(seconds), one.delay_s), achieved))
    return found


def _carried_out(bundle: Bundle, execution: PlannedExecution) -> Curve | None:
    """The rate with what was changed while the run went on."""
    changes = [
        (float(rate["at_s"]) - execution.delay_s, float(rate["rps"]))
        for rate in bundle.summary.get("rates") or ()
        if rate.get("execution") == execution.name
    ]
    return rate_of(execution, changes)


def told(plan: Plan, width: int) -> list[str]:
    """The load curves of a plan, each drawn below what it comes to."""
    lines: list[str] = []
    for execution in [one for one in plan.executions if has_curve(one)][:MOST]:
        rate = rate_of(execution)
        if rate is not None:
            total, peak = wording.number(round(rate.total)), f"{wording.number(round(rate.peak_rps, 3))}/s"
            says = f"{total} requests in {wording.span(rate.length_s)}, at most {peak}{_cut(plan, execution, rate)}"
            lines += [f"{wording.plain(execution.name)}: {says}", *drawn(rate, max(10, min(WIDTH, width - 16)))]
    return lines


def _cut(plan: Plan, execution: PlannedExecution, rate: Curve) -> str:
    """What `max-duration` leaves of it, where that is not all."""
    left_s = math.inf if plan.max_duration_s is None else plan.max_duration_s - execution.delay_s
    if left_s >= rate.length_s:
        return ""
    return f"; max-duration ends it after {wording.number(round(rate.count_to(max(0.0, left_s))))} of them"


def drawn(rate: Curve, width: int = WIDTH, rows: int = ROWS) -> list[str]:
    """The curve with its axes; of what shares a column the highest is shown, so that no spike is lost.

    >>> print("\\n".join(drawn(Curve(((0, 0), (60, 100), (60, 25), (120, 25))), width=12, rows=2)))
    100/s ┤   ▃▅█
          │▃▅████▄▄▄▄▄▄
        0 └────────────
           0 s    2 min
    """
    top, peak = f"{wording.number(round(rate.peak_rps, 3))}/s", rate.peak_rps or 1.0
    levels = [rows * len(STEPS) * rps / peak for rps in heights(rate, width)]
    lines = []
    for row in reversed(range(rows)):
        cells = (min(len(STEPS), max(0, round(level - row * len(STEPS)))) for level in levels)
        head = f"{top} ┤" if row == rows - 1 else f"{'':>{len(top)}} │"
        lines.append((head + "".join(STEPS[cell - 1] if cell else " " for cell in cells)).rstrip())
    end = wording.span(rate.length_s)
    return [*lines, f"{0:>{len(top)}} └{'─' * width}", f"{'':>{len(top)}}  0 s{end:>{max(1, width - 3)}}".rstrip()]


def heights(rate: Curve, width: int) -> list[float]:
    """The highest rate in each of so many equal parts of the time."""
    edges = [rate.length_s * place / width for place in range(width + 1)]
    found = [0.0] * width
    for (from_s, low), (to_s, high) in rate.pieces():
        first = min(width - 1, int(from_s / rate.length_s * width))
        for place in range(first, width):
            begins_s, ends_s = max(from_s, edges[place]), min(to_s, edges[place + 1])
            if edges[place] >= to_s:
                break
            if begins_s < ends_s:
                slope = (high - low) / (to_s - from_s)
                values = (low + slope * (begins_s - from_s), low + slope * (ends_s - from_s))
                found[place] = max(found[place], *values)
    return found
