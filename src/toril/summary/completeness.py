"""What came in of what should have, and what is known of the circumstances."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from toril.records import Exit, Plan, Rate, Stop
from toril.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """Everything but the measurements themselves that decides whether they can be trusted."""

    planned: tuple[str, ...]  # the workers of the plan
    reported: tuple[str, ...] = ()  # those that left their exit.json and were not lost
    lost: tuple[tuple[str, str], ...] = ()  # worker, why: ended without a word, failed, was never ready
    damaged: tuple[str, ...] = ()  # each an interval file that is missing or cannot be read, in words
    exits: Mapping[str, Exit] = field(default_factory=dict)  # by worker: its last word
    stop: Stop | None = None  # who ended the load early
    started_at: float | None = None  # the start signal; None when there was none
    clock_s: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # by worker: offset, uncertainty
    rates: tuple[Rate, ...] = ()  # that were set while the load went on, in order

    @property
    def complete(self) -> bool:
        """Every planned worker reported, and every file it wrote was read."""
        return not self.lost and not self.damaged and set(self.reported) >= set(self.planned)

    @property
    def stopped_at_s(self) -> float | None:
        """When the load was ended early, in seconds since the start signal."""
        if self.stop is None or self.started_at is None:
            return None
        return max(0.0, self.stop.at - self.started_at)

    def load_s(self, last_second: int | None) -> float:
        """From the start signal to the last sample: exact where its worker lived to say so, else its second's end."""
        if last_second is None:
            return 0.0
        told = [left.last_sample_s for left in self.exits.values() if left.last_sample_s is not None]
        exact = max(told, default=-1.0)
        return exact if math.floor(exact) >= last_second else float(last_second + 1)

    @property
    def unreadable_records(self) -> int:
        """Records that engines wrote and workers could not read."""
        return sum(record.unreadable_records for record in self.exits.values())

    @property
    def lateness_s(self) -> dict[tuple[str, str], float]:
        """By worker and execution: the first user, or the schedule, against the plan."""
        return {
            (worker, execution): late
            for worker, record in self.exits.items()
            for execution, late in record.first_sample_lateness_s.items()
        }

    def latest(self, rate: Rate) -> tuple[str, float] | None:
        """The worker that saw a change of its load last, and how late; None when nobody says that it did."""
        seen = [
            (worker, record.rate_lateness_s[rate.number])
            for worker, record in self.exits.items()
            if rate.number in record.rate_lateness_s
        ]
        return max(seen, key=lambda one: one[1], default=None)


def last_measured(timeline: Timeline) -> int | None:
    """The last second that has samples, else the last that anybody told something of; None when there is none."""
    seconds = [*timeline.select().seconds, *timeline.select(kind="transaction").seconds]
    return max(seconds, default=timeline.last_second)


def lasted_s(plan: Plan, timeline: Timeline, completeness: Completeness) -> float:
    """From the start signal to the last sample; where requests stayed unanswered, to the end of the load at least.

    A service that hangs does not make the load short: its users wait for it until their planned end, or until a stop.
    """
    sampled_s = completeness.load_s(last_measured(timeline))
    ends = [one.steady_to_s for one in plan.executions if timeline.select(executions=(one.name,)).total.unfinished]
    waited_s = min(max(ends, default=0.0), math.inf if completeness.stopped_at_s is None else completeness.stopped_at_s)
    return round(max(sampled_s, waited_s if math.isfinite(waited_s) else 0.0), 3)
