"""The stop criteria, followed while the run goes on."""

from toril.criteria.evaluation import breach, show, view_of, with_own_message
from toril.criteria.result import CriterionResult
from toril.criteria.windows import Watch
from toril.grammar import parse_criterion
from toril.records import Plan
from toril.timeline import Timeline


class LiveCriteria:
    """Sees every second once, when no worker will add to it any more, and remembers only the windows.

    A second costs each criterion O(1) amortised, and what it decides is what the verdict will decide at the end.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._next = 0
        parsed = [(planned, parse_criterion(planned.source, planned.where)) for planned in plan.criteria]
        self._watches = [
            (planned, Watch(criterion))
            for planned, criterion in parsed
            if criterion.stop and criterion.logic != "total"
        ]

    def advance(self, timeline: Timeline, complete_to_second: int | None) -> list[CriterionResult]:
        """The stop criteria that first came true in the seconds up to this one; those that fail the run come first."""
        if complete_to_second is None or complete_to_second < self._next:
            return []
        seconds = range(self._next, complete_to_second + 1)
        self._next = complete_to_second + 1
        stops = []
        for planned, watch in self._watches:
            if watch.fired is not None:
                continue
            view = view_of(watch.criterion, planned.executions, timeline, self._plan)
            if any(show(watch, view, second) for second in seconds):
                blank = CriterionResult(criterion=watch.criterion, where=planned.where, executions=planned.executions)
                stops.append(with_own_message(breach(blank, watch)))
        return sorted(stops, key=lambda result: not result.criterion.fail)
