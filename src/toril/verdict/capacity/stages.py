"""Judges one stage of a capacity search from the measurements of its seconds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from toril.criteria import conditions_of, samples_needed
from toril.load.model import begun
from toril.load.search import RECOVER_STEPS, Outcome, Stage
from toril.records import Plan, PlannedExecution, Search
from toril.records.summary import CapacityStage, StageObservation
from toril.summary import Completeness, dropped_between, saturated_between, sends_of
from toril.text import exact
from toril.timeline import Timeline, Worst
from toril.verdict.capacity.model import FAILED
from toril.verdict.evaluation import evaluate
from toril.verdict.evidence import Evidence
from toril.verdict.result import CriterionResult
from toril.verdict.rules import TIMED_OUT, MeasuredExecution, unjudged, without_success

ANSWERED = 0.95  # of the requests, as with a throughput; with fewer responses, the backlog grows
DROPPED = 0.01  # of the due requests that the generators may fail to send
STEADY = 0.98  # of the due requests were answered, so the number of requests in progress did not grow
SPARE = 2  # requests in flight at either end of a stage
CALM_S = 3  # whole seconds in which a recovered service keeps up and breaches nothing

FILLED_BY_SLOW_ANSWERS = ("sockets", "memory")  # a slow service fills them on any generator
GENERATORS, SAMPLES, RECOVERY = "generators", "samples", "recovery"  # causes of a void stage
ANSWERS, FAILURES = "answers", "failures"  # causes of a breach other than a criterion


@dataclass(frozen=True, slots=True)
class StageJudge:
    """Judges the stages of one execution's search."""

    plan: Plan
    execution: PlannedExecution
    search: Search
    timeline: Timeline

    def judge(self, stage: Stage, at_s: float, complete_to: float) -> CapacityStage | None:
        """Returns the result of a stage; None until all its decisive seconds are complete."""
        if stage.kind == "recover":
            return self._recovery(stage, at_s, complete_to)
        from_s, to_s = math.ceil(at_s + self.search.settle_s), math.floor(at_s + self.search.step_s)
        if complete_to < to_s - 1:
            return None
        part = self.timeline.between(from_s, to_s - 1)
        samples = part.select(executions=(self.execution.name,)).total.samples
        sent = sends_of(part, self.execution).total.samples
        expected = stage.rps * (to_s - from_s)
        results = self._criteria(part)
        outcome, why, message = self._outcome(part, math.ceil(at_s), to_s, self._answered(part), expected, results)
        return CapacityStage(
            rps=stage.rps,
            kind=stage.kind,
            at_s=at_s,
            from_s=from_s,
            to_s=to_s,
            outcome=outcome,
            why=why,
            message=message,
            samples=samples,
            achieved_rps=round(sent / (to_s - from_s), 3),
            in_progress=self._in_progress(part, expected, from_s, to_s),
            observed=tuple(
                StageObservation(
                    criterion=result.criterion.text,
                    value=result.observed,
                    unit=result.criterion.unit,
                    breached=result.fired,
                )
                for result in results
            ),
        )

    def _answered(self, part: Timeline) -> int:
        """Returns the responses, one for each request or journey that was due."""
        label, times = (journey.first, journey.times) if (journey := self.execution.journey) else ("", 1)
        return part.select(label, (self.execution.name,)).total.samples // times

    def _in_progress(self, part: Timeline, expected: float, from_s: int, to_s: int) -> float | None:
        """Returns the mean number of requests in progress: by Little's law, the sum of response times a second.

        None if it grew during the stage, because fewer requests were answered than were due, or if requests failed.
        """
        total = part.select(executions=(self.execution.name,)).total
        if total.failures > FAILED * total.samples:
            return None
        if self._answered(part) < min(STEADY * expected, expected - SPARE):
            return None
        total_us = sum(part.select(executions=(self.execution.name,)).sums_us(to_s)[from_s:])
        return round(total_us / 1e6 / (to_s - from_s), 6)

    def _outcome(
        self,
        part: Timeline,
        begins_s: int,
        to_s: int,
        samples: int,
        expected: float,
        results: Sequence[CriterionResult],
    ) -> tuple[Outcome, str, str]:
        window = begins_s, to_s  # with the settling time, since generators that settle late are saturated, too
        saturated = saturated_between(self.plan, self.timeline, window, self.execution.name)
        own = [saturation for saturation in saturated if saturation.what not in FILLED_BY_SLOW_ANSWERS]
        if own:
            return "void", GENERATORS, own[0].message
        breach = next((result for result in (*results, *self._at_worst(part)) if result.outcome == "failed"), None)
        if breach is not None:
            return "breached", breach.criterion.text, breach.message
        if saturated:
            return "void", GENERATORS, saturated[0].message
        dropped = dropped_between(self.plan, self.timeline, window, self.execution.name)
        if dropped > DROPPED * expected:
            unsent = f"the workers did not send {dropped:,} of {expected:,.0f} due {begun(self.execution.model)}"
            return "void", GENERATORS, unsent
        if samples < ANSWERED * expected and samples < expected - SPARE:
            few = f"{samples:,} responses to {expected:,.0f} {begun(self.execution.model)}: the service fell behind"
            return "breached", ANSWERS, few
        judged = [result.criterion for result in results]
        measured = MeasuredExecution(self.execution, self._plan, part, Completeness(planned=()))
        broken = next(chain(without_success(measured), unjudged(measured, judged)), None)
        if broken is not None:
            return "breached", FAILURES, broken.message
        for result in results:
            needed = samples_needed(result.criterion)
            if result.outcome == "inconclusive" or result.samples < needed:
                few = f"{result.criterion.text} needs {needed:,} samples, not {result.samples:,}: make `step` longer"
                return "void", SAMPLES, few
        return "held", "", ""

    def _recovery(self, stage: Stage, at_s: float, complete_to: float) -> CapacityStage | None:
        """Judges a recovery: the service has recovered in the first seconds that keep up with the lowest rate."""
        first, last_end = math.ceil(at_s), math.floor(at_s + RECOVER_STEPS * self.search.step_s)
        for end in range(first + CALM_S, last_end + 1):
            if end - 1 > complete_to:
                return None
            calm = self._calm(stage, end)
            if calm or end == last_end:
                result = CapacityStage(rps=stage.rps, kind=stage.kind, outcome="held", at_s=at_s)
                result = replace(result, from_s=end - CALM_S, to_s=end)
                late = f"no recovery within {end - first} s at {exact(stage.rps, self.execution.rate_unit)}"
                return result if calm else replace(result, outcome="void", why=RECOVERY, message=late)
        return None

    def _calm(self, stage: Stage, end: int) -> bool:
        part = self.timeline.between(end - CALM_S, end - 1)
        samples, expected = self._answered(part), stage.rps * CALM_S
        keeps_up = abs(samples - expected) <= max(SPARE, (1 - ANSWERED) * expected)
        return keeps_up and not any(result.fired for result in self._criteria(part))

    def _criteria(self, part: Timeline) -> tuple[CriterionResult, ...]:
        evidence = Evidence(self._plan, part)
        return tuple(evaluate(criterion, evidence) for criterion in conditions_of(self.search, self.execution.name))

    def _at_worst(self, part: Timeline) -> tuple[CriterionResult, ...]:
        """Judges the criteria again, with infinite times for requests that timed out."""
        if not TIMED_OUT & part.select(executions=(self.execution.name,)).total.rc.keys():
            return ()
        return self._criteria(part.at_worst(Worst(unanswered={}, at_s={}, timed_out=TIMED_OUT)))

    @property
    def _plan(self) -> Plan:
        """The plan without the exclusion of ramp-ups, since a stage has no ramp-up."""
        return self.plan.model_copy(update={"ramp_up_exclude": False})
