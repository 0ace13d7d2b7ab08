"""The search for a capacity as a pure state machine: from the stages that were judged to the next one.

raise ──held──▶ raise … ──breached──▶ recover ──▶ narrow ──▶ … ──▶ confirm ──held──▶ found
  └──────────────── stages that prove nothing (void), or the highest rate held ──▶ found, at least that

Rates rise by half until a stage breaches, then the gap between the highest that held and the lowest that did not is
halved (on a logarithmic scale) until it is as narrow as the precision. After a breach the service has to recover at
the lowest rate, since what it still owes would spoil the next stage. What was the best of many stages may have been
lucky: it has to hold once more, or a lower one does. A stage that proves nothing, since the load generators had no
room, is done again; the third such stage in a row is the end, and the fifth in all.

It reads no clock and no measurements, so that judging the same stages again finds the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

RAISE = 1.5
RECOVER_STEPS = 2.0  # the longest that a service may take to recover, in lengths of a stage
CONFIRMATIONS = 3  # tries to hold a rate again, each at a lower one
VOIDS, IN_A_ROW = 4, 2  # stages that prove nothing and are done again: in all, and one after the other
DIGITS = 4  # of a rate

Kind = Literal["raise", "narrow", "recover", "confirm"]
Outcome = Literal["held", "breached", "void"]


@dataclass(frozen=True, slots=True)
class SearchRange:
    """Where a search begins, where it ends at the latest, and how near it has to come."""

    from_rps: float
    to_rps: float
    precision: float


@dataclass(frozen=True, slots=True)
class Stage:
    """Some seconds at one rate."""

    rps: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """A stage that is over. `why`: what was breached, or why it proves nothing."""

    stage: Stage
    outcome: Outcome
    why: str = ""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a search."""

    held_rps: float | None  # None: not even the lowest rate
    breached_rps: float | None  # the lowest rate that was too much; None: none was
    limited_by: str  # what the lowest rate that was too much breached; or why nothing higher is known
    exact: bool  # the service's limit lies between the two; else `held_rps` is a lower bound


TO_THE_TOP = "to"  # why nothing higher is known: nothing higher was wanted …
UNSTEADY = "unsteady"  # … or a rate that held did not hold again


def next_stage(wanted: SearchRange, judged: Sequence[StageOutcome]) -> Stage | SearchResult:
    """What follows from the stages so far.

    >>> next_stage(SearchRange(100, 500, 0.05), [StageOutcome(Stage(100, "raise"), "held")])
    Stage(rps=150.0, kind='raise')
    """
    if not judged:
        return Stage(wanted.from_rps, "raise")
    held = sorted({one.stage.rps for one in judged if one.outcome == "held" and one.stage.kind != "recover"})
    breaches = [one for one in judged if one.outcome == "breached"]
    lowest = min(breaches, key=lambda one: one.stage.rps, default=None)
    if lowest is not None:  # what held once and did not again has not held
        held = [rps for rps in held if rps < lowest.stage.rps]
    low, last = held[-1] if held else None, judged[-1]
    if last.outcome == "void":
        in_all, in_a_row = _voids(judged)
        if last.stage.kind != "recover" and in_all <= VOIDS and in_a_row <= IN_A_ROW:
            return last.stage
        return SearchResult(low, None if lowest is None else lowest.stage.rps, last.why, exact=False)
    if lowest is None:
        return _raised(wanted, low)
    high, tries = lowest.stage.rps, sum(one.stage.kind == "confirm" and one.outcome != "void" for one in judged)
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
    """Stages that proved nothing: in all, and at the end."""
    void = [one.outcome == "void" for one in judged]
    return sum(void), next((count for count, one in enumerate(reversed(void)) if not one), len(void))


def _raised(wanted: SearchRange, low: float | None) -> Stage | SearchResult:
    assert low is not None  # noqa: S101 - a stage that is neither void nor breached has held
    if low >= wanted.to_rps:
        return SearchResult(low, None, TO_THE_TOP, exact=False)
    return Stage(min(wanted.to_rps, _rounded(low * RAISE)), "raise")


def most_stages(wanted: SearchRange) -> int:
    """How many stages it may take, without those in which the service recovers."""
    return _raises(wanted) + _narrowings(wanted) + CONFIRMATIONS + VOIDS


def longest_s(wanted: SearchRange, step_s: float, pause_s: float) -> float:
    """How long it may take; `pause_s` goes by between two stages, until one is decided and the next rate is known."""
    recoveries = 1 + _narrowings(wanted) + CONFIRMATIONS - 1
    return most_stages(wanted) * (step_s + pause_s) + recoveries * (RECOVER_STEPS * step_s + pause_s)


def _raises(wanted: SearchRange) -> int:
    count, rps = 1, wanted.from_rps
    while rps < wanted.to_rps:
        count, rps = count + 1, min(wanted.to_rps, _rounded(rps * RAISE))
    return count


def _narrowings(wanted: SearchRange) -> int:
    """Halvings of the widest gap; one more than in theory, since rates are rounded."""
    return max(0, math.ceil(math.log2(math.log(RAISE) / math.log(1 + wanted.precision)))) + 1


def _rounded(rps: float) -> float:
    """The rate with `DIGITS` significant digits."""
    return float(f"{rps:.{DIGITS}g}")
