"""The stop criteria, followed while the run goes on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from toril.criteria import GENERATOR, Criterion, parse_criterion
from toril.records import Plan
from toril.timeline import Timeline
from toril.verdict.absence import Absence, Gap
from toril.verdict.evaluation import evaluate, with_own_message
from toril.verdict.generators import combined_by, health_points
from toril.verdict.load import load_points
from toril.verdict.result import CriterionResult, fired_in, settled
from toril.verdict.samples import show
from toril.verdict.scope import seconds_of_health, seconds_of_rate, view_of
from toril.verdict.series import Combine, Points, PointWatch
from toril.verdict.windows import Watch, looked_at


class LiveCriteria:
    """Sees every second once, when no worker will add to it any more, and remembers only the windows.

    A second costs each criterion O(1) amortised, and what it decides is what the verdict will decide at the end.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        parsed = [(one, parse_criterion(one.source, one.where, one.language)) for one in plan.criteria]
        self._followed: list[_Samples | _Series] = []
        for planned, criterion in parsed:
            in_turns = plan.in_turns and criterion.subject == "load"  # whose turn it is nobody knows until the end
            if criterion.stop and criterion.logic != "total" and not in_turns:
                blank = CriterionResult(criterion=criterion, where=planned.where, executions=planned.executions)
                by_second = criterion.subject == "load" or criterion.subject in GENERATOR
                self._followed.append(_Series(plan, blank) if by_second else _Samples(plan, blank))

    def follow(self, plan: Plan) -> None:
        """Go on by a plan that was changed while it was carried out."""
        self._plan = plan
        for one in self._followed:
            one.plan = plan

    def advance(self, timeline: Timeline, complete_to_second: int | None) -> list[CriterionResult]:
        """The stop criteria that first came true in the seconds up to this one; those that fail the run come first."""
        if complete_to_second is None:
            return []
        found = [one.advance(timeline, complete_to_second) for one in self._followed if not one.fired]
        stops = [with_own_message(settled(result, stands=True)) for result in found if result is not None]
        return sorted(stops, key=lambda result: not result.criterion.fail)

    def standing(self, timeline: Timeline, told: Mapping[str, int]) -> list[CriterionResult]:
        """The stop criteria that have come true whatever the workers will still tell of the seconds they lag behind.

        `told` is the last second that each running worker has said anything of. So nobody waits for one that is stuck.
        """
        gaps = tuple(Gap(worker, max(0, last), math.inf) for worker, last in told.items())
        absence, found = Absence(self._plan, gaps), []
        for one in self._followed:
            criterion = replace(one.blank.criterion, fail=True)  # so that its outcome tells whether it stands
            result = evaluate(criterion, one.blank.where, one.blank.executions, timeline, self._plan, absence)
            if result.outcome == "failed":
                found.append(replace(result, criterion=one.blank.criterion))
        return sorted(found, key=lambda result: not result.criterion.fail)


class _Samples:
    """A criterion on samples."""

    def __init__(self, plan: Plan, blank: CriterionResult) -> None:
        self.plan, self.blank = plan, blank
        self._watch = Watch(blank.criterion)
        self._next = 0

    @property
    def fired(self) -> bool:
        return self._watch.fired is not None

    def advance(self, timeline: Timeline, last: int) -> CriterionResult | None:
        criterion, executions = self.blank.criterion, self.blank.executions
        planned = seconds_of_rate(self.plan, criterion, executions, timeline)
        view = view_of(criterion, executions, timeline, self.plan)
        if last == planned.stop == timeline.last_second and not looked_at(
            criterion, planned, last, view.second(last).samples
        ):
            last -= 1  # it may have been cut, and is looked at when another has come after it
        seconds = range(self._next, last + 1)
        self._next = max(self._next, last + 1)
        if any(show(self._watch, view, second, planned) for second in seconds):
            return fired_in(self.blank, self._watch.found)
        return None


@dataclass(slots=True)
class _Series:
    """A criterion on figures of several workers or executions."""

    plan: Plan
    blank: CriterionResult
    fired: bool = False
    _watches: dict[str, PointWatch] = field(default_factory=dict)
    _next: dict[str, int] = field(default_factory=dict)  # by worker or execution

    def advance(self, timeline: Timeline, last: int) -> CriterionResult | None:
        criterion = self.blank.criterion
        combine: Combine = "mean" if criterion.subject == "load" else combined_by(criterion)
        noun = "execution" if criterion.subject == "load" else "worker"
        fired = []
        for one in _points(criterion, self.blank, self.plan, timeline, min(self._next.values(), default=0), last):
            watch = self._watches.setdefault(one.name, PointWatch(criterion, combine))
            first = self._next.get(one.name, 0)
            for second, value in one.points:
                if second >= first and watch.see(second, value) is not None:
                    fired.append((one.name, watch))
            self._next[one.name] = max([first, *(second + 1 for second, _ in one.points[-1:])])
        if not fired:
            return None
        self.fired = True
        results = [fired_in(self.blank, watch.found, f"{noun} {name}") for name, watch in fired]
        return min(results, key=lambda result: (result.at_s or 0, -abs((result.observed or 0) - criterion.threshold)))


def _points(
    criterion: Criterion, blank: CriterionResult, plan: Plan, timeline: Timeline, first: int, last: int
) -> list[Points]:
    if criterion.subject == "load":
        return load_points(criterion, blank.executions, plan, timeline, first, last)
    from_s, to_s = seconds_of_health(plan, blank.executions)
    return health_points(criterion, blank.executions, plan, timeline, max(from_s, first), min(to_s, last))
