"""What a run means: passed, failed or inconclusive, with every reason for it.

In this order:

1. A saturated generator, a late start, a change of load that was seen late, or an unsure clock falsifies times, and the
   load with them: inconclusive. It does not excuse a breach of a criterion on failures or response codes, none on the
   generators themselves (that is what it asks about), and none on servers whose CloudWatch values are too high (they
   measured that themselves).
2. A breach fails the run, if it would stand even if every sample that was planned and is missing spoke against it.
3. Anything missing, or load that was not reached: inconclusive.
4. What is left has passed; without criteria too, and then it says that nothing was judged.

Reasons have a code that stays the same, and a message for people. Those of the outcome come first.

| code                   | makes it     | because                                                                   |
|------------------------|--------------|---------------------------------------------------------------------------|
| `breach`               | failed       | a criterion came true, and nothing that is missing could have changed it  |
| `saturated`            | inconclusive | a worker had no room left to measure with                                 |
| `late-start`           | inconclusive | a first request later than 1 s (10 % of the ramp-up if that is longer)    |
| `unsure-clock`         | inconclusive | a worker's clock is off by more than 1 s, or may be                       |
| `late-rate`            | inconclusive | a worker saw more than 1 s late that its load was to change               |
| `excused-breach`       | inconclusive | a criterion on times or load came true, but one of the four above holds   |
| `breach-may-not-stand` | inconclusive | a criterion came true, but what is missing could have prevented it        |
| `pass-may-not-stand`   | inconclusive | a criterion was kept, but what is missing could have breached it          |
| `lost-worker`          | inconclusive | a worker did not report to the end                                        |
| `damaged-file`         | inconclusive | an interval file is missing or cannot be read                             |
| `missing-samples`      | inconclusive | workers recorded more requests than their files hold                      |
| `unreadable-records`   | inconclusive | an engine wrote records that could not be read                            |
| `stopped`              | inconclusive | ended early by a person, a signal, the time limit or lost workers         |
| `ended-early`          | inconclusive | an engine ended before its time, or a worker's stop was not the run's     |
| `unreached-load`       | inconclusive | in a steady time of 30 s or more: VUs < 98 %, or throughput outside ± 5 % |
| `no-success`           | inconclusive | not one request succeeded                                                 |
| `no-samples`           | inconclusive | nothing that a criterion judges was measured                              |
| `unknown-label`        | inconclusive | the same, and nothing has the criterion's label; the nearest are named    |
| `not-measured`         | inconclusive | the engine does not record what a criterion judges                        |
| `too-few-samples`      | inconclusive | the 95 % interval of a percentile is open, and does not prove a breach    |
| `kept`                 | passed       | no criterion came true                                                    |
| `never-a-full-window`  | passed       | kept, but its timeframe is longer than what it judges: never a full one   |
| `nothing-judged`       | passed       | the suite has no criteria; the run is complete                            |

A criterion has one of these codes too, or `triggered`: it came true, but `as non-failed`. `pass-may-not-stand` is the
criterion's own only: that something is missing is a reason already. So is `never-a-full-window`: the verdict's reason
is `kept`, and says so.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from toril.criteria import Absence, CriterionResult, Gap, evaluate
from toril.grammar import GENERATOR, Criterion, parse_criterion
from toril.intervals import KINDS
from toril.rates.told import notes_on_rates, told_capacity
from toril.records import Plan, ServerMetrics
from toril.summary import Completeness, SteadyLoad, steady_load
from toril.summary.doubts import doubts_about_times
from toril.timeline import Timeline

SCHEMA = "toril.verdict/1"
Outcome = Literal["passed", "failed", "inconclusive"]
EXIT_CODES: Mapping[str, int] = {"passed": 0, "failed": 1, "inconclusive": 3}

STEADY_ENOUGH_S = 30
LEAST_USERS = 0.98
THROUGHPUT_TOLERANCE = 0.05
ENGINE_END_TOLERANCE_S = 1.0
NOTABLE_SHARE = 0.01  # of all requests without an answer …
NOTABLE_USERS = 0.1  # … or of the virtual users still waiting for one: after a long run they are few among requests
SURE_WHATEVER_THE_TIMES = frozenset({"fail", "succ", "rc", *GENERATOR})
EXCUSES: Mapping[str, str] = {  # what falsifies times, in short
    "saturated": "a generator was saturated",
    "late-start": "a worker began late",
    "unsure-clock": "a worker's clock is unsure",
    "late-rate": "a worker saw a change of the load late",
}
ABOUT_NOTHING = ("no-samples", "unknown-label")  # often only what a lost worker or an early end comes to: told after it
WORKER_OF_FILE = re.compile(r"(?:^|/)workers/([^/]+)/")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the outcome is what it is; the codes are listed above."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a run, everything that speaks for it, and every criterion."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    criteria: tuple[CriterionResult, ...]
    notes: tuple[str, ...] = ()  # what a reader has to know, and what changes no outcome

    def to_dict(self) -> dict[str, Any]:
        """The content of verdict.json."""
        return {
            "schema": SCHEMA,
            "outcome": self.outcome,
            "reasons": [{"code": reason.code, "message": reason.message} for reason in self.reasons],
            "criteria": [result.to_dict() for result in self.criteria],
            "notes": list(self.notes),
        }


def exit_code(outcome: str, fail_on: Collection[str] = ("failed", "inconclusive")) -> int:
    """The command's exit code: 0 for every outcome that does not fail a build."""
    return EXIT_CODES[outcome] if outcome in fail_on else 0


def judge(
    plan: Plan,
    timeline: Timeline,
    completeness: Completeness,
    summary: Mapping[str, Any],
    metrics: ServerMetrics | None = None,
) -> Verdict:
    """Judge every criterion, and the run as a whole."""
    doubts = [Reason(code, message) for code, message in doubts_about_times(plan, completeness, summary)]
    absence = _absence(plan, timeline, completeness)
    results = []
    for planned in plan.criteria:
        criterion = parse_criterion(planned.source, planned.where, planned.language)
        result = evaluate(
            criterion, planned.where, planned.executions, timeline, plan, absence, completeness, metrics,
            summary.get("capacity"),
        )  # fmt: skip
        results.append(_excused(result, doubts) if doubts else result)
    breaches = [Reason(result.code, result.message) for result in results if result.outcome == "failed"]
    left_open = [result for result in results if _leaves_open(result)]
    open_questions = [
        *doubts,
        *(Reason(result.code, result.message) for result in left_open if result.code not in ABOUT_NOTHING),
        *missing(timeline, completeness),
        *ended_early(plan, completeness, results),
        *(Reason(result.code, result.message) for result in left_open if result.code in ABOUT_NOTHING),
        *_unreached(plan, timeline, completeness),
        *_without_success(timeline),
    ]
    notes = (*told_capacity(summary), *notes_on_rates(completeness), *_unanswered(plan, timeline, results))
    if breaches:
        return Verdict("failed", (*breaches, *dict.fromkeys(open_questions)), tuple(results), notes)
    if open_questions:  # several criteria may be open for one and the same reason
        return Verdict("inconclusive", tuple(dict.fromkeys(open_questions)), tuple(results), notes)
    return Verdict("passed", (_passed(results),), tuple(results), notes)


def _excused(result: CriterionResult, doubts: list[Reason]) -> CriterionResult:
    if result.outcome != "failed" or _sure_whatever_the_times(result.criterion):
        return result
    message = f"{result.message}; excused: {EXCUSES[doubts[0].code]}, see the reasons"
    return replace(result, outcome="inconclusive", code="excused-breach", message=message)


def _sure_whatever_the_times(criterion: Criterion) -> bool:
    too_much = criterion.op in (">", ">=")
    return criterion.subject in SURE_WHATEVER_THE_TIMES or (criterion.server is not None and too_much)


def _leaves_open(result: CriterionResult) -> bool:
    """Whether the criterion keeps the run from passing; one that cannot fail does so only if it is about nothing."""
    if result.outcome != "inconclusive" or result.code == "pass-may-not-stand":
        return False
    return result.criterion.fail or result.code in ABOUT_NOTHING


def _passed(results: list[CriterionResult]) -> Reason:
    if not results:
        return Reason("nothing-judged", "the run is complete, but the suite has no criteria: nothing was judged")
    triggered = sum(result.outcome == "triggered" for result in results)
    idle = sum(result.code == "never-a-full-window" for result in results)
    message = "every criterion held"
    if triggered:
        message = f"{len(results) - triggered} of {len(results)} criteria held; {triggered} came true as non-failed"
    if idle:
        message += (
            f"; {idle} of them could not have come true, because the timeframe is longer than what there was to judge"
        )
    return Reason("kept", message)


def _unanswered(plan: Plan, timeline: Timeline, results: list[CriterionResult]) -> Iterator[str]:
    """Of a service that hangs only what it answered before is judged: nobody should have to find that out."""
    total = timeline.select().total
    users = sum(execution.concurrency or 0 for execution in plan.executions)
    if not total.unfinished > NOTABLE_SHARE * (total.samples + total.unfinished) and not (
        users and total.unfinished >= NOTABLE_USERS * users
    ):
        return
    text = (
        f"{total.unfinished:,} request{'s' if total.unfinished > 1 else ''} had no answer yet when the run ended: "
        "neither samples nor failures, and in no criterion on times or failures"
    )
    if not any(result.criterion.subject == "throughput" for result in results):
        text += "; `toril: {criteria: ['throughput<…/s for 10s']}` judges whether answers keep coming"
    yield text


# What is missing


def _absence(plan: Plan, timeline: Timeline, completeness: Completeness) -> Absence:
    """Everything that was planned and is not there."""
    unbounded = any(math.isinf(execution.steady_to_s) for execution in plan.executions)
    planned_end_s = math.inf if unbounded else plan.duration_s
    stopped_s, rightly = completeness.stopped_at_s, _ended_rightly(completeness)
    end_s = stopped_s if rightly and stopped_s is not None else math.inf
    known_end_s = min(planned_end_s, end_s)
    if math.isinf(known_end_s):  # as long as the others took
        known_end_s = (timeline.last_second or 0) + 1
    last = max(0, math.ceil(known_end_s) - 1)
    gaps = [Gap(worker, timeline.last_second_of(worker) or 0, last) for worker, _ in _lost(completeness)]
    workers = [share.worker for share in plan.shares]
    never_read = _samples_never_read(timeline, completeness)
    uncounted = any(timeline.select(kind=kind).total.samples for kind in KINDS[1:])  # nobody counts these apart
    if never_read is None or uncounted:
        for file in completeness.damaged:  # which seconds it was about, nobody can tell
            named = WORKER_OF_FILE.search(file)
            gaps += [Gap(worker, 0, last) for worker in ([named[1]] if named else workers)]
    if completeness.stop is not None and not rightly:
        gaps += [Gap(worker, math.floor(stopped_s or 0) + 1, planned_end_s) for worker in workers]
    return Absence(plan, tuple(gaps), _unreadable(timeline, completeness) + (never_read or 0), end_s)


def missing(timeline: Timeline, completeness: Completeness) -> Iterator[Reason]:
    for worker, reason in _lost(completeness):
        yield Reason("lost-worker", f"worker {worker} was lost: {reason}")
    for file in completeness.damaged:
        yield Reason("damaged-file", file)
    never_read = _samples_never_read(timeline, completeness)
    if never_read and not completeness.damaged:
        yield Reason("missing-samples", f"{never_read:,} requests that workers recorded are in none of their files")
    unreadable = _unreadable(timeline, completeness)
    if unreadable:
        yield Reason("unreadable-records", f"{unreadable:,} records of the engines could not be read")


def _lost(completeness: Completeness) -> list[tuple[str, str]]:
    heard = {*completeness.reported, *(worker for worker, _ in completeness.lost)}
    silent = [(worker, "nothing was heard of it") for worker in completeness.planned if worker not in heard]
    return [*completeness.lost, *silent]


def _samples_never_read(timeline: Timeline, completeness: Completeness) -> int | None:
    """How many requests are in files that could not be read; None unless every worker says how many it wrote."""
    if not set(completeness.exits) >= set(completeness.planned):
        return None
    written = sum(left.samples for left in completeness.exits.values())
    read = timeline.select().total.samples
    return written - read if written >= read else None


def _unreadable(timeline: Timeline, completeness: Completeness) -> int:
    return max(timeline.unreadable, completeness.unreadable_records)


def _without_success(timeline: Timeline) -> Iterator[Reason]:
    total, what = timeline.select().total, "requests"
    if not total.samples:  # a script may report its transactions only
        total, what = timeline.select(kind="transaction").total, "transactions"
    if total.samples == total.failures:
        every = f"all {total.samples:,} {what} failed" if total.samples else "not one request was measured"
        errors = total.errors.most_common(1)
        yield Reason("no-success", every + (f"; most often: {' '.join(errors[0][0]).strip()}" if errors else ""))


# Load that was not as planned


def _ended_rightly(completeness: Completeness) -> bool:
    """Whether a criterion of the user's or a search ended the load: then all that was planned until then is there."""
    return completeness.stop is not None and completeness.stop.cause in ("criterion", "search")


def ended_early(plan: Plan, completeness: Completeness, results: Sequence[CriterionResult] = ()) -> Iterator[Reason]:
    stop, stopped_s = completeness.stop, completeness.stopped_at_s
    if stop is not None:
        came_true = stop.cause == "search" or any(result.fired and result.criterion.stop for result in results)
        if not _ended_rightly(completeness) or not came_true:
            when = "before it began" if stopped_s is None else f"after {stopped_s:.0f} s"
            yield Reason("stopped", f"the load was ended early, {when}: {stop.message}")
        return
    planned = {execution.name: execution for execution in plan.executions}
    for share in plan.shares:
        left = completeness.exits.get(share.worker)
        parts = [planned[part.execution] for part in share.executions if part.execution in planned]
        if left is None or completeness.started_at is None:
            continue
        end_s = max((part.steady_to_s for part in parts), default=0.0)
        if left.outcome == "stopped" and (left.last_sample_s or 0.0) + ENGINE_END_TOLERANCE_S < end_s:
            # by a signal, or because it saw no owner; when it left says little, since it may have stood still before
            heard = "nothing" if left.last_sample_s is None else f"nothing after {left.last_sample_s:.0f} s"
            of = "" if math.isinf(end_s) else f" of {end_s:.0f} s"
            yield Reason("ended-early", f"worker {share.worker} was stopped, and measured {heard}{of}: {left.message}")
            continue
        if any(part.iterations is not None for part in parts):
            continue
        lasted_s = left.at - completeness.started_at
        if lasted_s + ENGINE_END_TOLERANCE_S < end_s < math.inf:
            what = f"worker {share.worker} ended by itself after {lasted_s:.0f} s of {end_s:.0f} s"
            yield Reason("ended-early", f"{what}{': ' + left.message if left.message else ''}")


def _unreached(plan: Plan, timeline: Timeline, completeness: Completeness) -> Iterator[Reason]:
    if completeness.started_at is None:
        return  # that there was no load at all is said already
    # of a search each stage is judged by itself, and what the service could not bear is what it was after
    left_out = {one.name for one in plan.executions if one.iterations is not None or one.search is not None}
    for load in steady_load(plan, timeline, completeness.stopped_at_s):
        if load.steady_s >= STEADY_ENOUGH_S and load.execution not in left_out:
            yield from _below_plan(load)


def _below_plan(load: SteadyLoad) -> Iterator[Reason]:
    when = f"from {load.from_s} s to {load.to_s} s"
    users, rps = load.achieved_users, load.achieved_rps
    if load.requested_users and users is not None and users < LEAST_USERS * load.requested_users:
        reached = f"reached {users:,.1f} of {load.requested_users:,} virtual users"
        yield Reason("unreached-load", f"{load.execution} {reached} {when}; at least {LEAST_USERS:.0%} are asked for")
    if load.due_rps and rps is not None and abs(rps / load.due_rps - 1) > THROUGHPUT_TOLERANCE:
        reached = f"made {rps:,.1f} of {load.due_rps:,.1f} requests per second"
        yield Reason("unreached-load", f"{load.execution} {reached} {when}; ± {THROUGHPUT_TOLERANCE:.0%} are allowed")
