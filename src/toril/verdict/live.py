"""Follows the stop criteria during the run."""

import math
from collections.abc import Mapping
from dataclasses import replace

from toril.criteria import Criterion, criteria_of
from toril.records import Plan
from toril.timeline import Timeline
from toril.verdict.evaluation import evaluate, with_own_message
from toril.verdict.evidence import Evidence, Gap, MissingData, planned_seconds, seconds_of_health, view_of
from toril.verdict.generators import health_points
from toril.verdict.load import load_points
from toril.verdict.result import CriterionResult, in_window, series_of, settled
from toril.verdict.windows import Points, PointWatch, SampleWatch


class LiveCriteria:
    """The stop criteria and their windows.

    Reads each second once, when it is complete. A second costs each criterion O(1) amortised. The final verdict gives
    the same results.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan = _known_of(plan)
        self._followed: list[_Samples | _Series] = []
        for criterion in criteria_of(plan.criteria):
            in_turns = plan.in_turns and criterion.metric.source == "load"  # turns are known only at the end of the run
            if criterion.stop and criterion.logic != "total" and not in_turns:
                by_second = criterion.metric.source in ("load", "generators")
                self._followed.append(_Series(plan, criterion) if by_second else _Samples(plan, criterion))

    def follow(self, plan: Plan) -> None:
        """Replaces the plan after a rate change."""
        self._plan = plan = _known_of(plan)
        for watched in self._followed:
            watched.plan = plan

    def advance(self, timeline: Timeline, complete_to_second: int | None) -> list[CriterionResult]:
        """Returns the criteria that first triggered in the seconds up to this one; those that fail the run first."""
        if complete_to_second is None:
            return []
        results = [watched.advance(timeline, complete_to_second) for watched in self._followed if not watched.fired]
        stops = [with_own_message(settled(result, stands=True)) for result in results if result is not None]
        return sorted(stops, key=lambda result: not result.criterion.fail)

    def standing(self, timeline: Timeline, last_seconds: Mapping[str, int]) -> list[CriterionResult]:
        """Returns the triggered criteria that later reports of slow workers cannot undo.

        `last_seconds`: the last second that each running worker has reported. Thus a hung worker delays no stop.
        """
        gaps = tuple(Gap(worker, max(0, last), math.inf) for worker, last in last_seconds.items())
        evidence, results = Evidence(self._plan, timeline, MissingData(self._plan, gaps)), []
        for watched in self._followed:
            failing = replace(watched.criterion, fail=True)  # the outcome is then `failed` only if it is final
            result = evaluate(failing, evidence)
            if result.outcome == "failed":
                results.append(replace(result, criterion=watched.criterion))
        return sorted(results, key=lambda result: not result.criterion.fail)


def _known_of(plan: Plan) -> Plan:
    """Returns the plan without the ends of executions in turns, which are known only at the end of the run."""
    if not plan.in_turns:
        return plan
    endless = (execution.model_copy(update={"hold_for_s": math.inf}) for execution in plan.executions)
    return plan.model_copy(update={"executions": tuple(endless)})


class _Samples:
    """A criterion on samples."""

    def __init__(self, plan: Plan, criterion: Criterion) -> None:
        self.plan, self.criterion = plan, criterion
        self._watch = SampleWatch(criterion)
        self._next = 0

    @property
    def fired(self) -> bool:
        return self._watch.fired is not None

    def advance(self, timeline: Timeline, last: int) -> CriterionResult | None:
        planned = planned_seconds(self.plan, self.criterion, timeline)
        view = view_of(self.criterion, timeline, self.plan)
        if last == planned.stop == timeline.last_second:
            last -= 1  # it may be incomplete; judge it when the next second is present
        seconds = range(self._next, last + 1)
        self._next = max(self._next, last + 1)
        if any(self._watch.follow(view, second, planned) for second in seconds):
            return in_window(CriterionResult(criterion=self.criterion), self._watch)
        return None


class _Series:
    """A criterion on figures of several workers or executions."""

    def __init__(self, plan: Plan, criterion: Criterion) -> None:
        self.plan, self.criterion, self.fired = plan, criterion, False
        self._watches: dict[str, PointWatch] = {}  # by worker or execution

    def advance(self, timeline: Timeline, last: int) -> CriterionResult | None:
        criterion = self.criterion
        known = [-1 if watch.last_second is None else watch.last_second for watch in self._watches.values()]
        fired = []
        for points in self._points(timeline, min(known, default=-1) + 1, last):
            watch = self._watches.setdefault(points.name, PointWatch(criterion))
            for second, value in points.points:
                new = watch.last_second is None or second > watch.last_second
                if new and watch.add(second, value) is not None:
                    fired.append((points.name, watch))
        if not fired:
            return None
        self.fired = True
        blank = CriterionResult(criterion=criterion)
        results = [in_window(blank, watch, series_of(criterion, name)) for name, watch in fired]
        return min(results, key=lambda result: (result.at_s or 0, -abs((result.observed or 0) - criterion.threshold)))

    def _points(self, timeline: Timeline, first: int, last: int) -> list[Points]:
        if self.criterion.subject == "load":
            return load_points(self.criterion, self.plan, timeline, first, last)
        from_s, to_s = seconds_of_health(self.plan, self.criterion.executions)
        return health_points(self.criterion, self.plan, timeline, max(from_s, first), min(to_s, last))
