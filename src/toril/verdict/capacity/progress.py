"""The progress of a capacity search: judges its stages in order, from the run's records."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from toril.criteria import conditions_of
from toril.load.search import HIGHEST_RATE, UNSTEADY, SearchResult, Stage, StageOutcome, next_stage
from toril.records import Plan, PlannedExecution, Rate, Search, rates_of
from toril.records.summary import Capacity, CapacityStage
from toril.text import exact
from toril.timeline import Timeline
from toril.verdict.capacity.model import scaling_of_stages
from toril.verdict.capacity.stages import ANSWERS, FAILURES, GENERATORS, RECOVERY, SAMPLES, StageJudge

STOPPED = "stopped"  # reason for the end: the load ended before the search
FLUSH_MARGIN_S = 1  # extra seconds to wait for workers that flush slowly


@dataclass(slots=True)
class SearchProgress:
    """The search for one execution's capacity. Each stage is judged once."""

    plan: Plan
    execution: PlannedExecution
    stages: list[CapacityStage] = field(default_factory=list)
    found: SearchResult | None = None

    @property
    def search(self) -> Search:
        assert self.execution.search is not None  # noqa: S101 - an execution without a search has no progress
        return self.execution.search

    def advance(self, rates: Sequence[Rate], started_at: float, timeline: Timeline, complete_to: float) -> Stage | None:
        """Judges the complete stages; returns the stage that must start now, if any. Sets `found` at the end."""
        own = [rate for rate in rates_of(rates, self.execution.name) if rate.cause == "search"]
        while self.found is None:
            follows = next_stage(self.search.range, [_outcome(stage) for stage in self.stages])
            if isinstance(follows, SearchResult):
                self.found = follows
                break
            number = len(self.stages)
            if number > len(own):
                return follows
            rps, at_s = follows.rps, self.execution.delay_s
            if number:
                rps, at_s = own[number - 1].rps, round(own[number - 1].at - started_at, 6)
            judge = StageJudge(self.plan, self.execution, self.search, timeline)
            result = judge.judge(Stage(rps, follows.kind), at_s, complete_to)
            if result is None:
                break
            self.stages.append(result)
        return None

    def ended(self) -> SearchResult:
        """Returns the result; for an unfinished search, its bounds so far."""
        if self.found is not None:
            return self.found
        held = [stage.rps for stage in self.stages if stage.outcome == "held"]
        breached = [stage.rps for stage in self.stages if stage.outcome == "breached"]
        low = min(breached, default=math.inf)
        below = [rps for rps in held if rps < low]
        return SearchResult(max(below, default=None), None if math.isinf(low) else low, STOPPED, exact=False)

    def result(self) -> Capacity:
        """Returns its entry of `capacity` in the summary."""
        search, ended = self.search, self.ended()
        return Capacity(
            held_rps=ended.held_rps,
            breached_rps=ended.breached_rps,
            limited_by=ended.limited_by,
            exact=ended.exact,
            message=self.message(),
            from_rps=search.from_rps,
            to_rps=search.to_rps,
            until=tuple(criterion.text for criterion in conditions_of(search, self.execution.name)),
            precision=search.precision,
            unit=self.execution.rate_unit if self.execution.model == "arrivals" else None,
            stages=tuple(self.stages),
            scaling=scaling_of_stages(self.stages),
        )

    def message(self) -> str:
        """Returns the result as a sentence without a period."""
        ended, name = self.ended(), self.execution.name
        last = self.stages[-1].message if self.stages else ""
        held, breached = (exact(rps or 0.0, self.execution.rate_unit) for rps in (ended.held_rps, ended.breached_rps))
        if ended.held_rps is None:
            if ended.exact:
                return f"{name} did not sustain {breached}, the lowest rate: {describe_limit(ended.limited_by)}"
            return f"the capacity of {name} is unknown: {_why(ended.limited_by, last)}"
        above = "" if ended.breached_rps is None else f", but not {breached}"
        if ended.exact:
            return f"{name} sustained {held}{above}: {describe_limit(ended.limited_by)}"
        return f"{name} sustained at least {held}{above}: {_why(ended.limited_by, last)}"


def finished_searches(
    plan: Plan, rates: Sequence[Rate], started_at: float | None, timeline: Timeline
) -> list[SearchProgress]:
    """Returns the searches of an ended run, from its records and measurements alone."""
    searches = []
    for execution in plan.searched:
        search = SearchProgress(plan, execution)
        if started_at is not None:
            last = timeline.last_second
            search.advance(rates, started_at, timeline, -1 if last is None else last)
        searches.append(search)
    return searches


def _outcome(stage: CapacityStage) -> StageOutcome:
    return StageOutcome(Stage(stage.rps, stage.kind), stage.outcome, stage.why)


def describe_limit(limited_by: str) -> str:
    """Returns the limit of the rate, for people."""
    return {ANSWERS: "responses fell behind", FAILURES: "requests failed"}.get(limited_by, limited_by)


def _why(limited_by: str, message: str) -> str:
    reasons = {
        HIGHEST_RATE: "this is the highest rate of the search",
        UNSTEADY: "higher rates held only once",
        STOPPED: "the load ended before the search",
        GENERATORS: "the load generators were saturated",
        SAMPLES: "too few samples",
        RECOVERY: "the service did not recover from a higher rate",
    }
    why = reasons.get(limited_by, limited_by)
    return f"{why} ({message})" if message and limited_by in (GENERATORS, SAMPLES, RECOVERY) else why
