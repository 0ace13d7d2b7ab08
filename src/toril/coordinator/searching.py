"""Carries the searches of a run on: judges the stages that are over, and says which rate follows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from toril.capacity.progress import FLUSH_MARGIN_S, SearchProgress, describe_limit
from toril.capacity.stages import StageResult
from toril.records import Plan, Rate, Start, Stop
from toril.timeline import Timeline


@dataclass(slots=True)
class Searches:
    """Of all executions whose capacity is looked for. What it knows it has from the run's records and measurements."""

    plan: Plan
    searches: list[SearchProgress] = field(init=False)
    _looked: tuple[int, int] = (-1, -1)  # how far was measured at the last look, and how many rates there were

    def __post_init__(self) -> None:
        self.searches = [SearchProgress(self.plan, execution) for execution in self.plan.searched]

    def next_rate(
        self, rates: Sequence[Rate], start: Start, timeline: Timeline, complete_to: int, now: float, by: str
    ) -> Rate | None:
        """The rate that has to follow now, if one has to."""
        if self._looked == (complete_to, len(rates)):
            return None
        self._looked = complete_to, len(rates)
        for search in self.searches:
            stage = search.advance(rates, start.at, timeline, complete_to - FLUSH_MARGIN_S)
            if stage is not None:
                return Rate(
                    number=len(rates) + 1,
                    execution=search.execution.name,
                    rps=stage.rps,
                    at=start.at + math.ceil(now + self.plan.pace.start_lead_s - start.at),
                    asked_at=now,
                    cause="search",
                    by=by,
                )
        return None

    def look(self, rates: Sequence[Rate], start: Start, timeline: Timeline, complete_to: int | None) -> None:
        """Judge what can be judged, for somebody who only watches."""
        if complete_to is not None:
            self.next_rate(rates, start, timeline, complete_to, 0.0, "")

    def over(self, now: float) -> Stop | None:
        """The end of the load, when every search has come to its own."""
        if not self.searches or any(search.found is None for search in self.searches):
            return None
        return Stop(at=now, cause="search", message="; ".join(search.message() for search in self.searches))

    def notes(self) -> tuple[str, ...]:
        """What became of each stage so far."""
        return tuple(_note(search, stage) for search in self.searches for stage in search.stages)


def _note(search: SearchProgress, stage: StageResult) -> str:
    judged = stage.judged
    rate = f"{search.execution.name}: {judged.stage.rps:,.10g}/s from {stage.from_s} s to {stage.to_s} s"
    if judged.stage.kind == "recover":
        return f"{rate}: {'recovered' if judged.outcome == 'held' else 'did not recover'}"
    why = describe_limit(judged.why)
    return f"{rate}: {judged.outcome}{f' ({why})' if why else ''}"
