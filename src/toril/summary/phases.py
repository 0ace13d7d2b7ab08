"""The phases of a run's faults: before, during and after each. Whole seconds; those in part belong to `during`.

The phase before a fault begins with the load or with the end of the fault before it. The phase after it ends with the
load or with the begin of the next fault.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from toril.records import Plan
from toril.records.summary import FaultTimes, PhaseFigures
from toril.summary.completeness import Completeness, planned_s
from toril.timeline import Timeline

Phase = Literal["before", "during", "after"]
PHASES: tuple[Phase, ...] = ("before", "during", "after")


def phase_span(faults: Sequence[FaultTimes], number: int, phase: Phase) -> tuple[int, float] | None:
    """Returns the seconds of a phase, the end exclusive and infinite if it is that of the load; None if unknown."""
    edges = [0.0]
    for fault in faults:
        edges += [math.inf if fault.from_s is None else math.floor(fault.from_s)]
        edges += [math.inf if fault.to_s is None else math.ceil(fault.to_s)]
    place = 2 * number - 2 + PHASES.index(phase)
    first, end = (*edges, math.inf, math.inf)[place : place + 2] if number <= len(faults) else (0.0, 0.0)
    return (int(first), end) if first < end else None


def cut(timeline: Timeline, span: tuple[int, float]) -> Timeline:
    """Returns the timeline cut to a phase."""
    last = max(span[0], timeline.last_second or 0) if math.isinf(span[1]) else int(span[1]) - 1
    return timeline.between(span[0], last)


def phase_figures(plan: Plan, timeline: Timeline, completeness: Completeness) -> tuple[FaultTimes, ...]:
    """Returns the faults with the figures of all requests in each phase."""
    faults, found = completeness.faults, list[FaultTimes]()
    for number, fault in enumerate(faults, 1):
        spans = {phase: span for phase in PHASES if (span := phase_span(faults, number, phase))}
        figures = {phase: _figures(plan, timeline, completeness, span) for phase, span in spans.items()}
        found.append(replace(fault, figures=figures))
    return tuple(found)


def _figures(plan: Plan, timeline: Timeline, completeness: Completeness, span: tuple[int, float]) -> PhaseFigures:
    part = cut(timeline, span)
    total = part.select(steady=True if plan.ramp_up_exclude else None).total
    seconds = planned_s(plan, part, completeness, within=(float(span[0]), span[1]))
    return PhaseFigures(
        samples=total.samples,
        failures=total.failures,
        rps=round(total.samples / seconds, 3) if seconds > 0 else None,
        p95_us=total.percentile(95.0) if total.samples else None,
    )
