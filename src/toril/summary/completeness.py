"""Which of the planned measurements are there, and how long a run and its parts lasted."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from toril.records import EngineReport, Exit, Plan, Rate, Stop
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
    def stopped_at_s(self) -> float | None:
        """When the load was ended early, in seconds since the start signal."""
        if self.stop is None or self.started_at is None:
            return None
        return max(0.0, self.stop.at - self.started_at)

    def load_s(self, last_second: int | None) -> float:
        """From the start signal to the last sample: exact where its worker reported the time, else its second's end."""
        if last_second is None:
            return 0.0
        reported = [left.last_sample_s for left in self.exits.values() if left.last_sample_s is not None]
        exact = max(reported, default=-1.0)
        return exact if math.floor(exact) >= last_second else float(last_second + 1)

    @property
    def unreadable_records(self) -> int:
        """Records that engines wrote and workers could not read."""
        return sum(record.unreadable_records for record in self.exits.values())

    def reports(self, execution: str) -> list[EngineReport]:
        """The reports of the workers' engines on it."""
        return [left.executions[execution] for left in self.exits.values() if execution in left.executions]

    @property
    def rightly_ended_s(self) -> float | None:
        """When a criterion or a search ended the load, which is a planned end: all planned until then is there."""
        return self.stopped_at_s if self.stop is not None and self.stop.cause in ("criterion", "search") else None

    def queued_s(self, execution: str) -> float:
        """How long it waited for its turn, on the worker where it waited longest."""
        return max((report.queued_s for report in self.reports(execution)), default=0.0)

    @property
    def lateness_s(self) -> dict[tuple[str, str], float]:
        """By worker and execution: the first user, or the schedule, against the plan."""
        return {
            (worker, execution): late
            for worker, record in self.exits.items()
            for execution, late in record.first_sample_lateness_s.items()
        }

    def latest(self, rate: Rate) -> tuple[str, float] | None:
        """The worker that saw a change of its load last, and how late; None when no worker reported it."""
        seen = [
            (worker, record.rate_lateness_s[rate.number])
            for worker, record in self.exits.items()
            if rate.number in record.rate_lateness_s
        ]
        return max(seen, key=lambda one: one[1], default=None)


def last_measured(timeline: Timeline) -> int | None:
    """The last second that has samples, else the last that any worker reported; None when there is none."""
    seconds = [*timeline.select().seconds, *timeline.select(kind="transaction").seconds]
    return max(seconds, default=timeline.last_second)


def lasted_s(plan: Plan, timeline: Timeline, completeness: Completeness) -> float:
    """From the start signal to the last sample, and to the end of the load at least.

    A service that hangs does not make the load short: its users wait for it until their planned end, or until a stop.
    """
    ends = [0.0]
    for one in plan.executions:
        ended = [report.ended_s for report in completeness.reports(one.name) if report.ended_s is not None]
        waits = timeline.select(executions=(one.name,)).total.unfinished
        if math.isfinite(one.steady_to_s) and (ended or waits):
            ends.append(one.steady_to_s if waits else min(one.steady_to_s, max(ended)))
    end_s = min(max(ends), math.inf if completeness.stopped_at_s is None else completeness.stopped_at_s)
    return round(max(completeness.load_s(last_measured(timeline)), end_s), 3)


def planned_s(
    plan: Plan, timeline: Timeline, completeness: Completeness, executions: Collection[str] = (), label: str = ""
) -> float:
    """For how many seconds a label's requests were planned: what rates are divided by.

    That is the time of the executions that send them (of those named, or of all), each to its planned end or to where
    it was stopped; without a planned end, to its last sample. Time that is planned for none of them does not count.
    With `ramp-up-exclude` it is their steady time.
    """
    chosen, senders, spans = plan.chosen(executions), timeline.senders(label), []
    for one in [one for one in chosen if one.name in senders] or chosen:
        start_s, end_s = one.steady_from_s if plan.ramp_up_exclude else one.delay_s, one.steady_to_s
        if math.isinf(end_s):
            end_s = completeness.load_s(max(timeline.select(executions=(one.name,)).seconds, default=None))
        if completeness.stopped_at_s is not None:
            end_s = min(end_s, completeness.stopped_at_s)
        spans.append((start_s, end_s))
    return sum((end_s - start_s for start_s, end_s in united(spans)), 0.0)


def judged_window(plan: Plan, duration_s: float, executions: Collection[str] = ()) -> tuple[float, float]:
    """From and to, in seconds since the start signal: the whole run of `duration_s`, or its steady time."""
    chosen = plan.chosen(executions)
    if not plan.ramp_up_exclude or not chosen:
        return 0.0, float(duration_s)
    start_s = min(one.steady_from_s for one in chosen)
    return start_s, max(start_s, min(float(duration_s), max(one.steady_to_s for one in chosen)))


def united(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The spans of time that some cover together, in order and apart from each other; empty ones vanish.

    >>> united([(5, 7), (0, 2), (1, 3), (9, 8)])
    [(0, 3), (5, 7)]
    """
    found: list[tuple[float, float]] = []
    for start_s, end_s in sorted(span for span in spans if span[0] < span[1]):
        if found and start_s <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end_s)
        else:
            found.append((start_s, end_s))
    return found
