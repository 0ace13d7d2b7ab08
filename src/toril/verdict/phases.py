"""Criteria on the phases of faults: before, during and after; and the time until the service has recovered.

`recovery-time` compares the figures of windows of 10 whole seconds of planned time: p95 of response times, share of
failed requests, successful requests per second. The steady state before the fault, in its last ten minutes, gives the
range:

- p95 is at most 1.1 times the highest
- the share of failures is at most one percentage point above the highest
- successes per second are at least 0.9 times the lowest

The service has recovered at the first second of the phase after the fault from which on each window within 20 s is in
range. The recovery time is counted from the end of the fault. A service that has not recovered at the end of that
phase is in breach, however short the phase is.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

from toril.criteria import STABLE_S, WINDOW_S, Criterion
from toril.summary import cut, phase_span
from toril.verdict.evidence import Evidence, planned_seconds, view_of
from toril.verdict.result import CriterionResult, settled, undecided, with_value

BEFORE_S = 600  # of the phase before a fault, at its end
MORE_TIME, MORE_FAILURES, FEWER_SUCCESSES = 1.1, 0.01, 0.9
RANKS = ("passed", "inconclusive", "triggered", "failed")

Figures = tuple[float, float, float]  # p95 in µs, share of failures, negative successes per second: less is better


def in_phase(criterion: Criterion, evidence: Evidence) -> Evidence | None:
    """Returns the evidence of the criterion's phase, all of it without one; None if the phase is unknown or empty."""
    if criterion.phase is None or criterion.metric.source == "faults":
        return evidence
    span = phase_span(evidence.completeness.faults, criterion.fault or 0, criterion.phase)
    if span is None:
        return None
    return replace(evidence, timeline=cut(evidence.timeline, span), within=(float(span[0]), span[1]))


def judge_recovery(blank: CriterionResult, evidence: Evidence) -> CriterionResult:
    """Returns the result of the fault from which the service recovered last; inconclusive if one cannot be judged."""
    numbers = range(1, len(evidence.completeness.faults) + 1)
    results = [_after(blank, evidence, number) for number in numbers if blank.criterion.fault in (None, number)]
    return max(
        results or [undecided(blank, "not-measured", "the run has no such fault")],
        key=lambda result: (RANKS.index(result.outcome), result.observed or 0.0),
    )


def _after(blank: CriterionResult, evidence: Evidence, number: int) -> CriterionResult:
    """Returns the result of one fault."""
    faults, name = evidence.completeness.faults, f"fault-{number}"
    before, after = (phase_span(faults, number, phase) for phase in ("before", "after"))
    if before is None or after is None:
        return undecided(blank, "not-measured", f"{name} has no load before and after it")
    usual = dict(_windows(blank.criterion, evidence, (max(before[0], int(before[1]) - BEFORE_S), before[1])))
    if not any(any(figures) for figures in usual.values()):
        what = f"there is no window of {WINDOW_S} s with samples in steady state before {name}"
        return undecided(blank, "no-samples", what)
    worst_us, worst_share, least = (max(values) for values in zip(*usual.values(), strict=True))
    limits = MORE_TIME * worst_us, MORE_FAILURES + worst_share, FEWER_SUCCESSES * least
    windows = list(_windows(blank.criterion, evidence, after))
    held, at = 0, None
    for begin, figures in windows:
        in_range = all(value <= limit for value, limit in zip(figures, limits, strict=True))
        held = held + 1 if in_range else 0
        if held > STABLE_S - WINDOW_S:
            at = begin - (STABLE_S - WINDOW_S)
            break
    counted = replace(blank, samples=windows[-1][0] + WINDOW_S - after[0] if windows else 0)
    text = f"{blank.criterion.text}: not recovered from {name} at the end of the phase, after {counted.samples} s"
    result = replace(counted, fired=True, message=text)
    if at is not None:
        result = with_value(counted, round(1e6 * (at - (faults[number - 1].to_s or 0.0))), of=name)
    needed_s, missing = math.inf if at is None else at + STABLE_S, evidence.missing
    absent = missing and (missing.lost_records or any(one.from_s <= needed_s for one in missing.gaps))
    return settled(result, stands=not absent)


def _windows(criterion: Criterion, evidence: Evidence, span: tuple[int, float]) -> Iterator[tuple[int, Figures]]:
    """Yields the windows of planned time in a span, by their first second."""
    steady, stopped_s = evidence.plan.model_copy(update={"ramp_up_exclude": True}), evidence.completeness.stopped_at_s
    planned = planned_seconds(steady, criterion, evidence.timeline, stopped_s)
    view = view_of(criterion, evidence.timeline, evidence.plan)
    for begin in range(span[0], int(min(span[1], planned.stop)) - WINDOW_S + 1):
        if begin in planned and begin + WINDOW_S - 1 in planned:
            stats = view.window(begin, begin + WINDOW_S - 1)
            p95_us, share = (stats.percentile(95.0), stats.failures / stats.samples) if stats.samples else (0.0, 0.0)
            yield begin, (p95_us, share, (stats.failures - stats.samples) / WINDOW_S)
