"""Criteria on figures that are known by the second, of several at once: the worst of them counts.

Such are the load of each execution and the health of each load generator. `for`, `within` and `over` mean the same as
for samples; the figures of a window are taken together by their mean, sum or maximum.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from toril.criteria import Criterion
from toril.verdict.result import CriterionResult, breach_in_words, fired_in, pass_in_words
from toril.verdict.windows import Found, Held, Window, breaches, margin

Combine = Literal["mean", "sum", "max", "min"]
COMBINED: dict[Combine, Callable[[Sequence[float]], float]] = {
    "mean": lambda values: math.fsum(values) / len(values),
    "sum": math.fsum,
    "max": max,
    "min": min,
}


@dataclass(frozen=True, slots=True)
class Points:
    """One figure by the second."""

    name: str  # of a worker, of an execution
    points: Sequence[tuple[int, float]] = field(default_factory=tuple)  # second, value; ascending
    total: float | None = None  # of the whole run; None where it was not measured

    @property
    def seconds(self) -> int:
        """How many seconds lie between the first and the last."""
        return self.points[-1][0] - self.points[0][0] + 1 if self.points else 0


class PointWatch:
    """Follows one such figure through the windows of a criterion."""

    def __init__(self, criterion: Criterion, combine: Combine, frame: int | None = None) -> None:
        self.found = Found(criterion)
        self._logic, self._frame = criterion.logic, frame or criterion.timeframe_s
        self._combine = COMBINED[combine]
        self._first: int | None = None
        self._held = Held(criterion, self._frame)
        self._latest: deque[tuple[int, float]] = deque()

    def see(self, second: int, value: float) -> Window | None:
        """Take the next value; the window that ends there if it is the first to breach."""
        self._first = second if self._first is None else self._first
        if self._logic == "for":
            return self.found.note(self._held.see(second, value, 1))
        earliest = second - self._frame + 1
        self._latest.append((second, value))
        while self._latest[0][0] < earliest:
            self._latest.popleft()
        if self._logic == "over" and self._first > earliest:
            return None
        values = [value for _, value in self._latest]
        return self.found.note(Window(max(earliest, self._first), second, self._combine(values), len(values)))

    def miss(self, second: int) -> None:
        """A second of which nothing is known: no series survives it."""
        self._held.miss(second)


def worst_of(
    blank: CriterionResult, series: Sequence[Points], combine: Combine, noun: str
) -> tuple[CriterionResult, str | None]:
    """The result of the series that decides, and its name; None when no window was ever full.

    `noun` says what the name is of: worker, execution.
    """
    criterion = blank.criterion
    if criterion.logic == "total":
        known = [(one.total, one) for one in series if one.total is not None]
        value, decides = max(known, key=lambda pair: margin(criterion, pair[0]))
        fired = breaches(criterion, value)
        in_words = breach_in_words if fired else pass_in_words
        told = in_words(criterion, value, None, blank.executions, f"{noun} {decides.name}")
        samples = len(decides.points)
        return replace(blank, fired=fired, observed=value, worst=value, samples=samples, message=told), decides.name
    watched = [(one.name, watched_through(criterion, one, combine)) for one in series]
    fired_first = [(found.fired, found, name) for name, found in watched if found.fired is not None]
    if fired_first:
        window, found, name = min(fired_first, key=lambda one: (one[0].to_s, -margin(criterion, one[0].value)))
        return fired_in(blank, found, f"{noun} {name}"), name
    kept = [(found.worst, name) for name, found in watched if found.worst is not None]
    if not kept:
        return blank, None
    window, name = max(kept, key=lambda one: margin(criterion, one[0].value))
    told = pass_in_words(criterion, window.value, window, blank.executions, f"{noun} {name}")
    return replace(
        blank,
        observed=window.value,
        worst=window.value,
        window=window,
        samples=window.samples,
        message=told,
    ), name


def watched_through(criterion: Criterion, series: Points, combine: Combine) -> Found:
    """All windows of one series."""
    watch = PointWatch(criterion, combine)
    for second, value in series.points:
        watch.see(second, value)
    return watch.found
