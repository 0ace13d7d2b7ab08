"""The capacity search as a pure state machine: from the judged stages to the next one.

raise ──held──▶ raise … ──breached──▶ recover ──▶ narrow ──▶ … ──▶ confirm ──held──▶ found
  └──────────────── stages that prove nothing (void), or the highest rate held ──▶ found, a lower bound

Rates rise by half until a stage breaches. Then the search halves the gap between the highest held and the lowest
breached rate on a logarithmic scale, until the gap is as narrow as the precision. After a breach, the service recovers
at the lowest rate, since its backlog would distort the next stage. The best rate may have been luck, so it has to hold
again; if it does not, a lower rate is confirmed. A void stage, such as one with saturated load generators, is
repeated. The third void stage in a row ends the search, and so does the fifth in total.

It reads no clock and no measurements, so the same stages always give the same result.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

RAISE = 1.5
RECOVER_STEPS = 2.0  # the longest time for a recovery, in lengths of a stage
CONFIRMATIONS = 3  # attempts to hold a rate again, each at a lower one
VOIDS, IN_A_ROW = 4, 2  # repeated void stages: in total, and in a row
DIGITS = 4  # significant digits of a rate

Kind = Literal["raise", "narrow", "recover", "confirm"]
Outcome = Literal["held", "breached", "void"]


@dataclass(frozen=True, slots=True)
class SearchRange:
    """The lowest and the highest rate of a search, and its precision."""

    from_rps: float
    to_rps: float
    precision: float


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a search: some seconds at one rate."""

    rps: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """A judged stage. `why`: the breached criterion, or the cause of a void stage."""

    stage: Stage
    outcome: Outcome
    why: str = ""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a search."""

    held_rps: float | None  # the highest held rate; None: the lowest rate breached
    breached_rps: float | None  # the lowest breached rate; None: none breached
    limited_by: str  # the criterion that the lowest breached rate breached, or the reason for the end of the search
    exact: bool  # whether the limit lies between the two rates; else `held_rps` is a lower bound


HIGHEST_RATE = "to"  # reason for the end: the highest rate of the search held
UNSTEADY = "unsteady"  # reason for the end: a held rate did not hold again


def next_stage(wanted: SearchRange, judged: Sequence[StageOutcome]) -> Stage | SearchResult:
    """Returns the next stage after the judged ones, or the result.

    >>> next_stage(SearchRange(100, 500, 0.05), [StageOutcome(Stage(100, "raise"), "held")])
    Stage(rps=150.0, kind='raise')
    """
    if not judged:
        return Stage(wanted.from_rps, "raise")
    held = sorted({stage.stage.rps for stage in judged if stage.outcome == "held" and stage.stage.kind != "recover"})
    breaches = [stage for stage in judged if stage.outcome == "breached"]
    lowest = min(breaches, key=lambda stage: stage.stage.rps, default=None)
    if lowest is not None:  # a rate that did not hold again does not count as held
        held = [rps for rps in held if rps < lowest.stage.rps]
    low, last = held[-1] if held else None, judged[-1]
    if last.outcome == "void":
        in_all, in_a_row = _voids(judged)
        if last.stage.kind != "recover" and in_all <= VOIDS and in_a_row <= IN_A_ROW:
            return last.stage
        return SearchResult(low, None if lowest is None else lowest.stage.rps, last.why, exact=False)
    if lowest is None:
        return _raised(wanted, low)
    high, tries = lowest.stage.rps, sum(stage.stage.kind == "confirm" and stage.outcome != "void" for stage in judged)
    if low is None:
        return SearchResult(None, high, lowest.why, exact=True)
    if last.stage.kind == "confirm" and last.outcome == "held":
        return SearchResult(low, high, lowest.why, exact=True)
    if tries == CONFIRMATIONS:
        return SearchResult(low, high, UNSTEADY, exact=False)
    if last.outcome == "breached":
        return Stage(wanted.from_rps, "recover")
    middle = _rounded(math.sqrt(low * high))
    if not tries and high > low * (1 + wanted.precision) and low < middle < high:
        return Stage(middle, "narrow")
    return Stage(low, "confirm")


def _voids(judged: Sequence[StageOutcome]) -> tuple[int, int]:
    """Returns the number of void stages: in total, and at the end."""
    void = [stage.outcome == "void" for stage in judged]
    return sum(void), next((count for count, is_void in enumerate(reversed(void)) if not is_void), len(void))


def _raised(wanted: SearchRange, low: float | None) -> Stage | SearchResult:
    assert low is not None  # noqa: S101 - a stage that is neither void nor breached has held
    if low >= wanted.to_rps:
        return SearchResult(low, None, HIGHEST_RATE, exact=False)
    return Stage(min(wanted.to_rps, _rounded(low * RAISE)), "raise")


def most_stages(wanted: SearchRange) -> int:
    """Returns the largest number of stages, without recoveries."""
    return _raises(wanted) + _narrowings(wanted) + CONFIRMATIONS + VOIDS


def longest_s(wanted: SearchRange, step_s: float, pause_s: float) -> float:
    """Returns the longest duration in seconds; `pause_s` is the time between two stages."""
    recoveries = 1 + _narrowings(wanted) + CONFIRMATIONS - 1
    return most_stages(wanted) * (step_s + pause_s) + recoveries * (RECOVER_STEPS * step_s + pause_s)


def _raises(wanted: SearchRange) -> int:
    count, rps = 1, wanted.from_rps
    while rps < wanted.to_rps:
        count, rps = count + 1, min(wanted.to_rps, _rounded(rps * RAISE))
    return count


def _narrowings(wanted: SearchRange) -> int:
    """Returns the halvings of the widest gap; one more than in theory, since rates are rounded."""
    return max(0, math.ceil(math.log2(math.log(RAISE) / math.log(1 + wanted.precision)))) + 1


def _rounded(rps: float) -> float:
    """Returns the rate with `DIGITS` significant digits."""
    return float(f"{rps:.{DIGITS}g}")
