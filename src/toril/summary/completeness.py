"""Which planned measurements are present, and how long a run and its parts lasted."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from toril.records import EngineReport, Exit, Plan, Rate, Step, Stop
from toril.records.summary import FaultTimes
from toril.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """The facts that decide whether the measurements of a run are complete and valid."""

    planned: tuple[str, ...]  # the workers of the plan
    reported: tuple[str, ...] = ()  # workers that left their exit.json and were not lost
    lost: tuple[tuple[str, str], ...] = ()  # worker and reason: ended without a report, failed, was never ready
    damaged: tuple[str, ...] = ()  # sentences, one for each interval file that is missing or cannot be read
    exits: Mapping[str, Exit] = field(default_factory=dict)  # worker → its exit.json
    stop: Stop | None = None  # the early end of the load
    started_at: float | None = None  # the time of the start signal; None if there was none
    clock_s: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # worker → offset, uncertainty
    rates: tuple[Rate, ...] = ()  # rate changes during the run, in order
    faults: tuple[FaultTimes, ...] = ()  # all of the plan, in order
    failed_steps: Mapping[Step, str] = field(default_factory=dict)  # step → reason

    @property
    def stopped_at_s(self) -> float | None:
        """The early end of the load, in seconds since the start signal; None if it was not stopped."""
        if self.stop is None or self.started_at is None:
            return None
        return max(0.0, self.stop.at - self.started_at)

    def load_s(self, last_second: int | None) -> float:
        """Returns the seconds from the start signal to the last sample.

        Exact if its worker reported the time, else to the end of its second.
        """
        if last_second is None:
            return 0.0
        reported = [left.last_sample_s for left in self.exits.values() if left.last_sample_s is not None]
        exact = max(reported, default=-1.0)
        return exact if math.floor(exact) >= last_second else float(last_second + 1)

    @property
    def unreadable_records(self) -> int:
        """The number of engine records that workers could not read."""
        return sum(record.unreadable_records for record in self.exits.values())

    def reports(self, execution: str) -> list[EngineReport]:
        """Returns the engines' reports on an execution."""
        return [left.executions[execution] for left in self.exits.values() if execution in left.executions]

    @property
    def intended_end_s(self) -> float | None:
        """The end of the load by a criterion, a search or a duet's decision, in seconds; it makes no data missing."""
        ends = ("criterion", "search", "decided")
        return self.stopped_at_s if self.stop is not None and self.stop.cause in ends else None

    def queued_s(self, execution: str) -> float:
        """Returns the longest wait for the execution's turn on any worker, in seconds."""
        return max((report.queued_s for report in self.reports(execution)), default=0.0)

    @property
    def lateness_s(self) -> dict[tuple[str, str], float]:
        """By worker and execution: the delay of the first user, or of the schedule, in seconds."""
        return {
            (worker, execution): late
            for worker, record in self.exits.items()
            for execution, late in record.first_sample_lateness_s.items()
        }

    def latest(self, rate: Rate) -> tuple[str, float] | None:
        """Returns the worker that applied a rate change last, and its delay in seconds; None if none reported it."""
        seen = [
            (worker, record.rate_lateness_s[rate.number])
            for worker, record in self.exits.items()
            if rate.number in record.rate_lateness_s
        ]
        return max(seen, key=lambda ended: ended[1], default=None)


def last_measured(timeline: Timeline) -> int | None:
    """Returns the last second with samples, else the last one that any worker reported; None if there is none."""
    seconds = [*timeline.select().seconds, *timeline.select(kind="transaction").seconds]
    return max(seconds, default=timeline.last_second)


def lasted_s(plan: Plan, timeline: Timeline, completeness: Completeness) -> float:
    """Returns the seconds from the start signal to the last sample, or to the end of the load if that is later.

    A service that hangs does not shorten the load: the users wait until their planned end, or until a stop.
    """
    ends = [0.0]
    for execution in plan.executions:
        ended = [report.ended_s for report in completeness.reports(execution.name) if report.ended_s is not None]
        waits = timeline.select(executions=(execution.name,)).total.unfinished
        if math.isfinite(execution.steady_to_s) and (ended or waits):
            ends.append(execution.steady_to_s if waits else min(execution.steady_to_s, max(ended)))
    end_s = min(max(ends), math.inf if completeness.stopped_at_s is None else completeness.stopped_at_s)
    return round(max(completeness.load_s(last_measured(timeline)), end_s), 3)


def planned_s(
    plan: Plan,
    timeline: Timeline,
    completeness: Completeness,
    executions: Collection[str] = (),
    label: str = "",
    within: tuple[float, float] | None = None,
) -> float:
    """Returns the length of `planned_spans` in seconds, by which rates are divided.

    `within`: only the part inside this span counts, whatever seconds `Timeline.between` cut.
    """
    known, (low, high) = timeline if within is None else timeline.whole, within or (0.0, math.inf)
    spans = planned_spans(plan, known, completeness, executions, label)
    return sum((max(0.0, min(end_s, high) - max(start_s, low)) for start_s, end_s in spans), 0.0)


def planned_spans(
    plan: Plan, timeline: Timeline, completeness: Completeness, executions: Collection[str] = (), label: str = ""
) -> list[tuple[float, float]]:
    """Returns the planned time of a label's requests.

    This is the time of the executions that send the label (of the given ones, or of all), to their planned end or a
    stop. Without a planned end, the last sample is the end. Time without a planned execution does not count. With
    `ramp-up-exclude`, only steady state counts.
    """
    chosen, senders, spans = plan.chosen(executions), timeline.senders(label), []
    for execution in [execution for execution in chosen if execution.name in senders] or chosen:
        start_s, end_s = execution.steady_from_s if plan.ramp_up_exclude else execution.delay_s, execution.steady_to_s
        if math.isinf(end_s):
            end_s = completeness.load_s(max(timeline.select(executions=(execution.name,)).seconds, default=None))
        if completeness.stopped_at_s is not None:
            end_s = min(end_s, completeness.stopped_at_s)
        spans.append((start_s, end_s))
    return united(spans)


def judged_window(plan: Plan, duration_s: float, executions: Collection[str] = ()) -> tuple[float, float]:
    """Returns start and end of the run of `duration_s`, or of its steady state, in seconds since the start signal."""
    chosen = plan.chosen(executions)
    if not plan.ramp_up_exclude or not chosen:
        return 0.0, float(duration_s)
    start_s = min(execution.steady_from_s for execution in chosen)
    return start_s, max(start_s, min(float(duration_s), max(execution.steady_to_s for execution in chosen)))


def united(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns the union of the time spans, in order and disjoint, without empty ones.

    >>> united([(5, 7), (0, 2), (1, 3), (9, 8)])
    [(0, 3), (5, 7)]
    """
    union: list[tuple[float, float]] = []
    for start_s, end_s in sorted(span for span in spans if span[0] < span[1]):
        if union and start_s <= union[-1][1]:
            union[-1] = union[-1][0], max(union[-1][1], end_s)
        else:
            union.append((start_s, end_s))
    return union
