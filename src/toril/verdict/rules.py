"""The rules of a pass: a pass guarantees that all of the planned load was sent and measured.

1. The run reached the planned load.
2. No unanswered request is ignored.
3. The script reports no failure of its own, and a criterion judges each failing label.

The rules apply to runs of any length and to each execution alone; in a duet to each arm, over all its blocks. A run
that breaks a rule is inconclusive: the reason has a code from the table in `toril.verdict`, and the limit.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import chain

import numpy as np

from toril.criteria import Criterion
from toril.load.model import begun
from toril.records import EngineReport, Exit, Plan, PlannedExecution, Reason
from toril.stats.histogram import lowests_of
from toril.summary import Completeness, sends_of
from toril.summary.load import height, planned_users
from toril.text import percent, plural
from toril.timeline import Slice, Stats, Timeline, Worst
from toril.timeline.intervals import Kind
from toril.verdict.validity import latest_start_s

LEAST_USERS = 0.98  # of the planned user-seconds
THROUGHPUT_TOLERANCE = 0.05
SPARE_REQUESTS = 2  # per user, or per worker in an open model: requests in flight at either end
MOST_DROPPED = 0.01  # of the due requests, but at least those of one second
ROUNDING = 1e-6  # error of the sum over the workers' fractions of users
EARLY_S, EARLY_SHARE = 1.0, 0.02  # an early end exceeds both: seconds, and a share of the execution's length
UNANSWERED_S, UNANSWERED_TIMES = 5.0, 10  # an unanswered request waited longer than both: seconds, and times p95
UNANSWERED_SPARE_S = 1.0  # beyond the graceful stop, if that is shorter: else no request could wait long enough
UNANSWERED_USERS, UNANSWERED_SENDS = 0.1, 0.01
MOST_MISSING = 0.01  # of a label's responses may lack a value that another request needs
STALLED_SHARE = 0.1  # of the planned user-seconds, or of the planned seconds
UNJUDGED_SHARE, UNJUDGED_FAILURES = 0.1, 20
STALLED_FIX = "Find out why the service hangs; an open model (`executor: vegeta`) shows its effect on all requests"
LOG_IN_PAGE = "type=.?password"  # in assertions of imported suites: pages without a field for a password
MOST_NAMED = 20  # labels, or checks, of an execution with a reason of their own
# The engines' codes of timeouts: JMeter, Locust and Apiritif, vegeta, k6, Gatling.
TIMED_OUT = frozenset(
    {
        "SocketTimeoutException", "ConnectTimeoutException", "ReadTimeout", "ConnectTimeout", "Timeout", "timeout",
        "TimeoutError", "RequestTimeoutException", "1050", "1211",
    }
)  # fmt: skip


@dataclass(frozen=True)
class MeasuredExecution:
    """One execution of a run, with its plan and its measurements."""

    planned: PlannedExecution
    plan: Plan
    timeline: Timeline
    completeness: Completeness

    @property
    def name(self) -> str:
        return self.planned.name

    def reason(self, code: str, text: str) -> Reason:
        return Reason(code, f"{self.name}: {text}")

    @cached_property
    def reports(self) -> list[EngineReport]:
        return self.completeness.reports(self.name)

    @cached_property
    def requests(self) -> Slice:
        return self.timeline.select(executions=(self.name,))

    @cached_property
    def kind(self) -> Kind:
        """The kind of its samples: transactions if the script reports nothing else."""
        others = self.timeline.select(executions=(self.name,), kind="transaction").total.samples
        return "transaction" if others and not self.requests.total.samples else "request"

    @cached_property
    def answers(self) -> Stats:
        return self.timeline.select(executions=(self.name,), kind=self.kind).total

    @cached_property
    def sent(self) -> int:
        """The requests that it sent, or the journeys that it started."""
        if self.planned.model == "arrivals":
            return sends_of(self.timeline, self.planned).total.samples
        return self.answers.samples + self.requests.total.unfinished

    @property
    def open_model(self) -> bool:
        return self.planned.by_schedule

    @property
    def cut_short(self) -> bool:
        """Whether it ended before its planned end."""
        stopped = self.completeness.stop is not None and self.completeness.intended_end_s is None
        lost = {share.worker for share in self.plan.shares} - set(self.completeness.reported)
        return stopped or bool(lost) or any(ended_early(self))

    @cached_property
    def turns(self) -> list[tuple[float, float]]:
        """Each worker's part of the load, 0 … 1, and its wait for the execution's turn, in seconds."""
        name, exits = self.name, self.completeness.exits
        queued_s = {worker: left.executions[name].queued_s for worker, left in exits.items() if name in left.executions}
        weights = [
            (share.worker, part.concurrency or part.throughput_rps or 1.0)
            for share in self.plan.shares
            for part in share.executions
            if part.execution == name
        ]
        total = math.fsum(weight for _, weight in weights)
        return [(weight / total, queued_s.get(worker, 0.0)) for worker, weight in weights]

    @property
    def end_s(self) -> float:
        """Its planned end in seconds, or an earlier end by a criterion or a search; infinite if there is neither."""
        stopped_s = self.completeness.intended_end_s
        late_s = self.completeness.queued_s(self.name)
        return min(self.planned.steady_to_s + late_s, math.inf if stopped_s is None else stopped_s)

    @property
    def bounded(self) -> bool:
        """Whether it has a planned duration and load: neither iterations nor a load shape of the script."""
        own = any(report.own_shape for report in self.reports)
        return self.planned.iterations is None and math.isfinite(self.planned.steady_to_s) and not own

    @property
    def begun(self) -> bool:
        """Whether it began before a criterion or a search ended the load."""
        stopped_s = self.completeness.intended_end_s
        if stopped_s is None:
            return True
        waits = self.plan.in_turns and all(report.ended_s is None for report in self.reports)
        return self.sent > 0 or not (waits or self.planned.delay_s + EARLY_S >= stopped_s)

    @cached_property
    def due(self) -> float | None:
        """The requests due until its end; None without a planned rate."""
        return self.due_to(self.end_s)

    def due_to(self, end_s: float) -> float | None:
        rate, planned = self.planned.planned_rate(), self.planned
        ends = [(part, min(planned.steady_to_s, end_s - late_s) - planned.delay_s) for part, late_s in self.turns]
        return None if rate is None else math.fsum(part * rate.count_to(max(0.0, since_s)) for part, since_s in ends)

    @property
    def users(self) -> int | None:
        """The planned users; if the script sets their number, the highest number of active ones. None: unknown."""
        if self.planned.concurrency and not any(report.own_shape for report in self.reports):
            return self.planned.concurrency
        return max(self.requests.virtual_users_curve((self.timeline.last_second or 0) + 1)) or None

    @cached_property
    def unanswered(self) -> dict[str, Counter[str]]:
        """Label → location → the number of unanswered requests that waited too long."""
        waiting: dict[str, Counter[str]] = {}
        for label in self.timeline.unfinished_labels():
            limit_us = self.longest_us(self.of_label(label).total)
            for (location, execution), waits in self.timeline.waits(label):
                if execution == self.name and (many := sum(n for us, n in waits.items() if us > limit_us)):
                    waiting.setdefault(label, Counter())[location] += many
        return waiting

    @property
    def longest_s(self) -> float:
        """The longest wait that is not suspicious in itself, whatever the label's response times."""
        return min(UNANSWERED_S, self.plan.graceful_stop_s + UNANSWERED_SPARE_S)

    def longest_us(self, total: Stats, longest_s: float | None = None) -> float:
        """Returns the longest wait of a request that still counts as in flight, from its label's figures."""
        least_us = 1e6 * (self.longest_s if longest_s is None else longest_s)
        return max(least_us, UNANSWERED_TIMES * total.percentile(95) if total.samples else 0.0)

    def waits(self, label: str) -> Counter[int]:
        """Returns its unfinished requests of a label by their waiting time in µs."""
        counts = (waits for (_, execution), waits in self.timeline.waits(label) if execution == self.name)
        return sum(counts, Counter[int]())

    @cached_property
    def planned_user_s(self) -> float:
        """The planned user-seconds until its end; the measured ones if the plan does not know its users or its end."""
        stop = (self.timeline.last_second or 0) + 1
        if not (self.bounded and self.planned.concurrency):
            return float(sum(self.requests.virtual_users_curve(stop)))
        late_s = self.completeness.queued_s(self.name)
        return math.fsum(planned_users(self.planned, s + 0.5 - late_s) for s in range(math.ceil(self.end_s)))

    def of_label(self, label: str, kind: Kind = "request", *, steady: bool | None = None) -> Slice:
        return self.timeline.select(label, (self.name,), steady=steady, kind=kind)


def measured(plan: Plan, timeline: Timeline, completeness: Completeness) -> list[MeasuredExecution]:
    """Returns each execution of the plan with its measurements."""
    return [MeasuredExecution(planned, plan, timeline, completeness) for planned in plan.executions]


# 1. The run reached the planned load


def unreached(execution: MeasuredExecution) -> Iterator[Reason]:
    """Yields reasons for too few users, a wrong throughput, and dropped requests.

    Yields none for a search (its stages are judged), and none for a load that was stopped, or whose workers were lost
    or ended early (these have a reason already).
    """
    if execution.planned.search is not None or not execution.begun or execution.cut_short:
        return
    yield from _users_of_script(execution)
    if not execution.bounded:
        return
    yield from _users(execution)
    yield from _throughput(execution)
    dropped, due = sum(report.dropped or 0 for report in execution.reports), execution.due
    if due:
        late_s = execution.completeness.queued_s(execution.name)
        allowed = max(MOST_DROPPED * due, due / max(1.0, execution.end_s - execution.planned.delay_s - late_s))
        if dropped > allowed:
            what = "start" if execution.planned.model == "arrivals" else "send"
            due_sends = f"{due:,.0f} due {begun(execution.planned.model)} (limit {allowed:,.0f})"
            dropped_of_due = f"the engine did not {what} {dropped:,} of {due_sends}"
            most = "`toril.engine.max-workers`" if execution.open_model else "`concurrency`"
            fix = f"raise {most} or `workers`, or lower the rate"
            yield execution.reason("dropped-sends", f"{dropped_of_due}; {fix}")


def _users(execution: MeasuredExecution) -> Iterator[Reason]:
    planned, users = execution.planned, execution.planned.concurrency
    if not users or planned.rate is not None or not execution.timeline.counts_users(execution.name):
        return
    start_s = planned.steady_from_s if planned.arm else planned.delay_s  # each block of a duet has a ramp-up
    latest_s, begun_s = latest_start_s(planned.ramp_up_s), min((late_s for _, late_s in execution.turns), default=0.0)
    first, end, early_s = math.ceil(start_s + latest_s + begun_s), math.floor(execution.end_s - 1), 1.0
    brief = first >= end
    if brief:  # no whole second is left between late starts and early ends: the highest number of users counts
        first, end, latest_s, early_s = math.floor(start_s + begun_s), math.ceil(execution.end_s), 0.0, 0.0
    active = execution.requests.virtual_users_curve(end + 1)
    if planned.arm:  # … and incomplete first and last seconds
        active = [max(active[max(0, second - 1) : second + 2], default=0) for second in range(end + 1)]

    def height_at(second: int) -> float:
        going = [turn for turn in execution.turns if second + 1 <= planned.steady_to_s + turn[1] - early_s or brief]
        return math.fsum(part * height(planned, second - latest_s - late_s) for part, late_s in going)

    wanted = [math.floor(users * height_at(second) + ROUNDING) for second in range(first, end)]
    if brief:
        active, wanted = [0] * first + [max(active, default=0)], [max(wanted, default=0)]
    if not sum(wanted):
        if brief and execution.completeness.intended_end_s is None:
            unknown = f"the load of {execution.end_s - start_s:g} s is too short to count its virtual users; extend it"
            yield execution.reason("unreached-load", unknown)
        return
    share = sum(map(min, active[first:], wanted)) / sum(wanted)
    if share < LEAST_USERS:
        active_on_average = f"on average {share * max(wanted):,.3g} of {max(wanted):,} virtual users were active"
        if brief:
            active_on_average = f"at most {active[first]:,} of {max(wanted):,} virtual users were active"
        shown, least = percent(round(100 * share, 1)), percent(100 * LEAST_USERS)
        when = f"from {first} s to {end} s ({shown}; at least {least} are required)"
        fix = "use less load or a larger generator"
        yield execution.reason("unreached-load", f"{active_on_average} {when}; {fix}")


def _users_of_script(execution: MeasuredExecution) -> Iterator[Reason]:
    """Yields a reason for fewer users than a script starts, or than its load shape asked for."""
    load, due = execution.planned.script_load, [report.due_user_s for report in execution.reports]
    if load is None or not execution.timeline.counts_users(execution.name):
        return
    if curve := execution.planned.script_users:
        delay_s = execution.planned.delay_s
        end = math.floor(min(execution.end_s, delay_s + curve.length_s))
        rates = [curve.rate_at(second - delay_s) for second in range(-2, end + 1)]  # starts may be 2 s late
        around = 4 + math.ceil(load.think_s)
        wanted = [math.floor(min(rates[n : n + around]) + ROUNDING) for n in range(end)]
        due_s, active_s = float(sum(wanted)), sum(map(min, execution.requests.virtual_users_curve(end + 1), wanted))
    else:
        due_s = max(0.0, math.fsum(one or 0.0 for one in due) - 1)
        active_s = sum(execution.requests.virtual_users_curve((execution.timeline.last_second or 0) + 1))
    if active_s < LEAST_USERS * due_s:
        share = f"{percent(round(100 * active_s / due_s, 1))} of the script's users were active"
        least = f"at least {percent(100 * LEAST_USERS)} are required"
        yield execution.reason("unreached-load", f"{share}; {least}; use less load or a larger generator")


def _throughput(execution: MeasuredExecution) -> Iterator[Reason]:
    sent, due, users = execution.sent, execution.due, execution.planned.concurrency or 1
    if not due:
        return
    later = due
    if execution.completeness.stop is not None:  # workers go on until they read it
        ends = [math.inf if report.ended_s is None else report.ended_s for report in execution.reports]
        later = execution.due_to(max(ends, default=math.inf)) or due
    spare = SPARE_REQUESTS * (len(execution.turns) if execution.open_model else users)
    if due - max(THROUGHPUT_TOLERANCE * due, spare) <= sent <= later + max(THROUGHPUT_TOLERANCE * later, spare):
        return
    least, most = (1 - THROUGHPUT_TOLERANCE) * due, (1 + THROUGHPUT_TOLERANCE) * later
    fix = ""
    if 0 < sent < due and execution.open_model:
        fix = "; use a lower rate or a larger generator"
    elif 0 < sent < due:
        needed = math.ceil(users * due / sent)
        fix = f"; use about {needed:,} virtual users instead of {users:,} at these response times"
    verb = "started" if execution.planned.model == "arrivals" else "sent"
    message = f"the engine {verb} {sent:,} {begun(execution.planned.model)}, but {due:,.0f} were due"
    allowed = f"{math.ceil(least):,} to {math.floor(most):,} are allowed"
    yield execution.reason("unreached-load", f"{message} ({allowed}){fix}")


def ended_early(execution: MeasuredExecution) -> Iterator[Reason]:
    """Yields reasons for engines that ended too early, and for users with unfinished iterations."""
    planned, stop = execution.planned, execution.completeness.stop
    for left, ended_s, end_s, least_s in early_ends(execution):
        if left.outcome == "stopped" and stop is None:
            last = "before its first sample"
            if left.last_sample_s is not None:
                of = "" if math.isinf(end_s) else f" of {end_s:.0f} s"
                last = f"and its last sample is from {left.last_sample_s:.0f} s{of}"
            yield execution.reason("ended-early", f"worker {left.worker} was stopped, {last}: {left.message}")
        else:
            early = f"ended after {ended_s:.1f} s of {end_s:.1f} s (minimum {least_s:.1f} s)"
            why = left.message or "see its log"
            yield execution.reason("ended-early", f"the engine of worker {left.worker} {early}: {why}")
    for worker, left in execution.completeness.exits.items():
        users = left.executions.get(execution.name, EngineReport()).unfinished_users
        if users and planned.iterations is not None and stop is None:
            short = f"{plural(users, 'virtual user')} ended before completing {plural(planned.iterations, 'iteration')}"
            yield execution.reason("ended-early", f"worker {worker}: {short}; see its log")


def early_ends(execution: MeasuredExecution) -> Iterator[tuple[Exit, float, float, float]]:
    """Yields for each worker whose engine ended early: its exit, its end, the expected and the earliest allowed end.

    Yields none for a load that was stopped by anything but a criterion or a search: it has a reason already.
    """
    planned, known = execution.planned, execution.completeness
    if known.started_at is None or (known.stop is not None and known.intended_end_s is None):
        return
    for share in execution.plan.shares:
        left = known.exits.get(share.worker)
        if left is None or not any(part.execution == execution.name for part in share.executions):
            continue
        report = left.executions.get(execution.name, EngineReport(ended_s=max(0.0, left.at - known.started_at)))
        end_s = min(planned.steady_to_s + report.queued_s, math.inf if known.stop is None else execution.end_s)
        ended_s, least_s = report.ended_s, end_s - EARLY_S
        if left.outcome == "stopped" and known.stop is None:
            # stopped by a signal or a lost lease: the worker may have hung before, so its last sample counts
            ended_s = left.last_sample_s or 0.0
        elif not execution.bounded:
            continue
        else:
            least_s = min(least_s, end_s - EARLY_SHARE * (planned.ramp_up_s + planned.hold_for_s))
        if ended_s is not None and ended_s < least_s:
            yield left, ended_s, end_s, least_s


def without_success(execution: MeasuredExecution) -> Iterator[Reason]:
    total = execution.answers
    if total.samples > total.failures or not execution.begun:
        return
    every = f"every {execution.kind} failed" if total.samples else "no request got a response"
    if total.samples == 1:
        every = f"the only {execution.kind} failed"
    errors = total.errors.most_common(1)
    why = f" (most often: {' '.join(errors[0][0]).strip()})" if errors else ""
    fix = "at least one must succeed: check the address and the service"
    yield execution.reason("no-success", f"{every}{why}; {fix}")


# 2. No unanswered request is ignored


def worst_of(loads: Sequence[MeasuredExecution]) -> Worst | None:
    """Returns the worst case by which criteria are judged again; None if every request was answered in time."""
    unanswered: dict[str, dict[tuple[str, str], int]] = {}
    for execution in loads:
        for label, places in execution.unanswered.items():
            of_label = unanswered.setdefault(label, {})
            of_label.update({(location, execution.name): count for location, count in places.items()})
    timed_out = any(TIMED_OUT & execution.requests.total.rc.keys() for execution in loads)
    if not unanswered and not timed_out:
        return None
    stop = (loads[0].timeline.last_second or 0) + 1 if loads else 0  # they count in the last whole second of the load
    ends = {
        load.name: max(0, (stop if math.isinf(load.end_s) else min(stop, math.floor(load.end_s))) - 1) for load in loads
    }
    return Worst(unanswered=unanswered, at_s=ends, timed_out=TIMED_OUT)


def unanswered(execution: MeasuredExecution) -> Iterator[Reason]:
    """Yields reasons for too many unanswered requests; none for a search, whose stages are judged."""
    by_label = execution.unanswered
    count, users = sum(map(Counter.total, by_label.values())), None if execution.open_model else execution.users
    if execution.planned.search is not None or not count:
        return
    where = ", ".join(f"`{label}`" for label in list(by_label)[:3] if label)
    of = f" ({where})" if where else ""
    limit = f"max({execution.longest_s:g} s, 10 × p95)"
    waited = f"{plural(count, 'request')}{of} got no response and waited longer than {limit}"
    fix = "Find out why the service hangs, or set a longer `graceful-stop` or a `timeout`"
    due, allowed = execution.due or execution.sent, ""
    if execution.planned.model == "arrivals":  # its due are journeys, each of several requests
        due = execution.answers.samples + execution.requests.total.unfinished
    if users and count >= UNANSWERED_USERS * users:
        allowed = f"with {users:,} virtual users, fewer than {UNANSWERED_USERS * users:,.1f} are allowed"
    elif not users and count > UNANSWERED_SENDS * due:
        allowed = f"at most {UNANSWERED_SENDS * due:,.0f} of {due:,.0f} are allowed"
    if allowed:
        yield execution.reason("unanswered", f"{waited}; {allowed}. {fix}")
        return
    for label in by_label:
        total = execution.of_label(label).total
        if label and not total.samples:
            none = f"none of {plural(total.unfinished, 'request')} of `{label}` got a response"
            yield execution.reason("unanswered", f"{none}. {fix}")


def stalled(execution: MeasuredExecution) -> Iterator[Reason]:
    """Yields a reason for users that waited for responses instead of sending: their percentiles forget an outage.

    An open model goes on sending. A search is judged by its stages.
    """
    if execution.open_model or execution.planned.search is not None or any(unanswered(execution)):
        return
    limits_us: dict[str, float] = {}
    waited_us: Counter[int] = Counter()
    for label in dict.fromkeys(_slow_labels(execution)):
        total = execution.of_label(label, execution.kind).total
        limit_us = limits_us[label] = execution.longest_us(total, UNANSWERED_S)
        times_us = lowests_of(total.response.buckets)
        for us, count in zip(times_us.tolist(), total.response.counts.tolist(), strict=True) if label else ():
            waited_us[us] += count * (us > limit_us)
        for us, count in execution.waits(label).items():
            waited_us[us] += count * (us > limit_us)
    waited_us = +waited_us
    if not waited_us:
        return
    waited_s, longest_s = sum(us * count for us, count in waited_us.items()) / 1e6, max(waited_us) / 1e6
    allowed = STALLED_SHARE * execution.planned_user_s
    if waited_s > allowed > 0:
        what = f"users waited {waited_s:,.0f} user-seconds for responses that took longer than max(5 s, 10 × p95)"
        limit = f"at most {allowed:,.0f} of {execution.planned_user_s:,.0f} are allowed"
        yield execution.reason("stalled", f"{what}, up to {longest_s:,.0f} s; {limit}. {STALLED_FIX}")
        return
    seconds = _stalled_seconds(execution, limits_us)
    length_s = min(execution.end_s, (execution.timeline.last_second or 0) + 1) - execution.planned.delay_s
    if seconds > STALLED_SHARE * length_s:
        what = f"in {seconds} of {length_s:,.0f} s every request in flight had waited longer than max(5 s, 10 × p95)"
        yield execution.reason(
            "stalled", f"{what}; at most {STALLED_SHARE * length_s:,.1f} s are allowed. {STALLED_FIX}"
        )


def _slow_labels(execution: MeasuredExecution) -> Iterator[str]:
    """Yields the labels with a request that took, or waited, longer than any request may without a reason."""
    limit_us = 1e6 * UNANSWERED_S
    if execution.answers.max_us > limit_us:
        yield from (
            label
            for label in execution.timeline.labels()
            if label and execution.of_label(label, execution.kind).total.max_us > limit_us
        )
    yield from (
        label for label in execution.timeline.unfinished_labels() if max(execution.waits(label), default=0) > limit_us
    )


def _stalled_seconds(execution: MeasuredExecution, limits_us: Mapping[str, float]) -> int:
    """Returns the planned seconds in which every request in flight had waited longer than its label's limit."""
    stop = math.floor(min(execution.end_s, (execution.timeline.last_second or 0) + 1))
    view = execution.timeline.select(executions=(execution.name,), kind=execution.kind)
    every, old = view.in_flight(stop), np.zeros(stop, np.int64)
    for label in filter(None, limits_us):
        old += execution.of_label(label, execution.kind).in_flight(stop, limits_us[label])
    first = math.ceil(execution.planned.delay_s)
    return int(((old > 0) & (old == every))[first:].sum())


# 3. The script's own reports


def script_failures(execution: MeasuredExecution, criteria: Collection[Criterion]) -> Iterator[Reason]:
    """Yields reasons for failures that only the script reports, and for failing labels that no criterion judges.

    `criteria`: those that judge this execution, and can fail the run.
    """
    yield from script_errors(execution, criteria)
    searched = execution.planned.search is not None  # each of its stages is judged
    yield from _first(execution, () if searched else unjudged(execution, criteria), "more label")
    yield from failed_checks(execution, criteria)


def _first(execution: MeasuredExecution, reasons: Iterable[Reason], noun: str) -> Iterator[Reason]:
    """Yields MOST_NAMED reasons, and one for the number of others with the same code."""
    every = list(reasons)
    yield from every[:MOST_NAMED]
    for code, count in Counter(reason.code for reason in every[MOST_NAMED:]).items():
        yield execution.reason(code, f"the same is true of {plural(count, noun)}")


def script_errors(execution: MeasuredExecution, criteria: Collection[Criterion]) -> Iterator[Reason]:
    """Yields reasons for failures that only the script reports; a functional suite has no criteria."""
    for statement in dict.fromkeys(report.script_failed for report in execution.reports if report.script_failed):
        yield execution.reason("script-failed", statement)
    errors: Counter[str] = Counter()
    for report in execution.reports:
        errors.update(report.script_errors)
    open_ones = [
        (label, count)
        for label, count in errors.most_common()
        if not (total := execution.of_label(label, "transaction").total).failures
        or uncovered(execution, criteria, label, total, "transaction")
    ]
    for label, count in open_ones[:MOST_NAMED]:
        shown = execution.timeline.select(label, (execution.name,), kind="transaction").total.errors.most_common(1)
        why = f": {shown[0][0][0]}" if shown and shown[0][0][0] else ""
        message = f"the script itself failed in `{label}` {plural(count, 'time')}, without a failed request{why}"
        named = f"{label} (transaction)" if label in execution.timeline.labels_of_both_kinds() else label
        fix = "" if execution.plan.functional else f", or add a criterion: {criterion_on(named)}"
        yield execution.reason("script-errors", f"{message}. Correct the script{fix}")
    if others := len(open_ones[MOST_NAMED:]):
        yield execution.reason("script-errors", f"the script itself failed in {plural(others, 'more label')}")


def missing_values(execution: MeasuredExecution) -> Iterator[Reason]:
    """Yields reasons for labels whose responses lack a value that another request needs, whatever the criteria."""
    missing: Counter[tuple[str, str]] = Counter()
    for missing_value in chain.from_iterable(report.missing_values for report in execution.reports):
        missing[missing_value.label, missing_value.variable] += missing_value.responses
    counts = [(label, name, count, execution.of_label(label).total.samples) for (label, name), count in missing.items()]
    lacking = sorted((lack for lack in counts if lack[2] > MOST_MISSING * lack[3]), key=lambda lack: -lack[2])
    for label, name, count, samples in lacking[:MOST_NAMED]:
        lack = f"{count:,} of {plural(samples, 'response')} of `{label}` lack `{name}`, which another request needs"
        limit = f"at most {math.floor(MOST_MISSING * samples):,} may"
        fix = "Correct its extractor, or give it a `default`"
        yield execution.reason("missing-value", f"{lack}; {limit}. {fix}")
    if others := len(lacking[MOST_NAMED:]):
        yield execution.reason("missing-value", f"responses lack {plural(others, 'more value')}")


def unjudged(execution: MeasuredExecution, criteria: Collection[Criterion]) -> Iterator[Reason]:
    """Yields a reason for each failing label that no criterion judges."""
    total = execution.answers
    if not total.failures or total.failures == total.samples:  # the latter is the reason `no-success`
        return
    for label in in_order(filter(None, execution.timeline.labels(failed=True)), [execution]):
        total = _judged_total(execution, label, execution.kind)
        failures = total.failures
        if not failures:
            continue
        all_failed = failures == total.samples
        left = uncovered(execution, criteria, label, total, execution.kind, named=all_failed)
        if left.total() <= UNJUDGED_SHARE * total.samples:
            continue
        (message, rc), _ = next(error for error in total.errors.most_common() if error[0][1] in left)
        why = message if rc in message or not rc else f"{message}, code {rc}" if message else f"code {rc}"
        why += ": a log-in page" if LOG_IN_PAGE in message else ""
        if all_failed:
            every = "the only request" if failures == 1 else f"all {failures:,} requests"
            fix = f"Correct the request, or add a criterion on this label: {criterion_on(label)}"
            yield execution.reason("dead-label", f"{every} of `{label}` failed ({why}). {fix}")
        elif left.total() >= UNJUDGED_FAILURES:
            allowed = max(UNJUDGED_FAILURES - 1, math.floor(UNJUDGED_SHARE * total.samples))
            failed = f"{left.total():,} of {total.samples:,} requests of `{label}` failed ({why})"
            limit = f"at most {allowed:,} may fail without a criterion on these failures"
            yield execution.reason("unjudged-failures", f"{failed}; {limit}. Add one, such as `fail>1%`")


def failed_checks(execution: MeasuredExecution, criteria: Collection[Criterion]) -> Iterator[Reason]:
    """Yields a reason for each check that did not always hold, and that no criterion judges."""
    every, failing = [criterion for criterion in criteria if criterion.subject == "check-rate"], list[Reason]()
    for name in execution.timeline.measured("check"):
        total = _judged_total(execution, name, "check")
        judging = [criterion for criterion in every if criterion.label in ("", name)]
        if total.failures and not _everywhere(execution, judging):
            failed = f"check `{name}` failed {total.failures:,} of {plural(total.samples, 'time')}"
            fix = f"Add a criterion if some may fail, such as `check-rate of {name}<99%` in `toril.criteria`"
            failing.append(execution.reason("failed-checks", f"{failed}, and no criterion judges it. {fix}"))
    yield from _first(execution, failing, "more check")


def _judged_total(execution: MeasuredExecution, label: str, kind: Kind) -> Stats:
    """Returns the total; of an excluded ramp-up, whose failures are a note, only if there is nothing else."""
    steady = execution.of_label(label, kind, steady=True).total if execution.plan.ramp_up_exclude else None
    return steady if steady is not None and steady.samples else execution.of_label(label, kind).total


def _everywhere(execution: MeasuredExecution, criteria: Iterable[Criterion]) -> bool:
    """Whether criteria judge all locations of the execution."""
    places = {criterion.location for criterion in criteria}
    return None in places or places >= {share.location for share in execution.plan.shares}


def in_order(labels: Iterable[str], executions: Iterable[MeasuredExecution]) -> list[str]:
    """Returns labels in the order of the suite, so that a refused log-in precedes what follows from it."""
    order = {label: number for number, label in enumerate(label for one in executions for label in one.planned.labels)}
    return sorted(labels, key=lambda label: order.get(label, len(order)))


def criterion_on(label: str) -> str:
    """Returns an example of a criterion on the failures of the label, as a suite writes it."""
    if re.fullmatch(r"[\w /.{}-]+", label):
        return f"`fail of {label}>5%`"
    return f"`{{subject: fail, label: {label!r}, condition: '>', threshold: 5%}}`"


def uncovered(
    execution: MeasuredExecution,
    criteria: Collection[Criterion],
    label: str,
    total: Stats,
    kind: Kind,
    *,
    named: bool = False,
) -> Counter[str]:
    """Returns the failures that no criterion covers in all locations, by response code.

    A criterion on failures covers all failures of its label, or of all labels unless it must be `named`. A criterion on
    response codes covers the codes that it matches, or all others if it requires a share of them.
    """
    own: Kind = execution.timeline.kind_of(label)
    judging = [
        criterion
        for criterion in criteria
        if criterion.metric.is_share
        and not criterion.metric.kinds
        and criterion.label in ((label,) if named else ("", label))
        and (criterion.kind or (own if criterion.label else "request")) == kind
    ]
    codes = total.failed.rc.items()
    return Counter(
        {rc: count for rc, count in codes if not _everywhere(execution, [one for one in judging if _covers(one, rc)])}
    )


def _covers(criterion: Criterion, rc: str) -> bool:
    if criterion.subject != "rc":
        return True
    requires = bool(criterion.percent) and criterion.op in ("<", "<=")
    return fnmatchcase(rc, criterion.rc_pattern or "*") != requires


# Notes: conditions that may be intended


def notes_of(execution: MeasuredExecution, criteria: Collection[Criterion]) -> Iterator[Reason]:
    """Yields notes on the execution, which do not change the outcome."""
    for note in dict.fromkeys(report.note for report in execution.reports if report.note):
        yield execution.reason("engine-note", note)
    total = execution.requests.total
    if execution.plan.ramp_up_exclude:
        early = total.failures - execution.timeline.select(executions=(execution.name,), steady=True).total.failures
        checks = execution.of_label("", "check").total.failures
        early_checks = checks - execution.of_label("", "check", steady=True).total.failures
        for count, what in ((early, "request"), (early_checks, "check")):
            if count:
                excluded = f"{plural(count, what)} failed outside the steady state; criteria do not count them"
                yield execution.reason("excluded-failures", excluded)


def criteria_of(execution: MeasuredExecution, judged: Iterable[Criterion]) -> list[Criterion]:
    """Returns the criteria that can fail the run and judge this execution."""
    return [rule for rule in judged if rule.fail and (not rule.executions or execution.name in rule.executions)]
