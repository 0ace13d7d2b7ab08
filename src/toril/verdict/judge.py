"""Judges a run: every criterion, what falsifies times, what is missing, and the rules of a pass."""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from toril.criteria import GENERATOR, Criterion, parse_criterion
from toril.records import Outcome, Plan, PlannedCriterion, Reason, ServerMetrics, Verdict
from toril.records.summary import Generators, Summary
from toril.summary import Completeness
from toril.timeline import Timeline
from toril.timeline.intervals import KINDS
from toril.verdict import rules
from toril.verdict.absence import Absence, Gap
from toril.verdict.evaluation import evaluate
from toril.verdict.result import CriterionResult
from toril.verdict.rules import Claim
from toril.verdict.scope import view_of
from toril.verdict.told import notes_on_rates, told_capacity
from toril.verdict.validity import doubts_about_times

EXIT_CODES: Mapping[str, int] = {"passed": 0, "failed": 1, "inconclusive": 3}

NOTABLE_SHARE = 0.01  # of all requests without an answer …
NOTABLE_USERS = 0.1  # … or of the virtual users still waiting for one: after a long run they are few among requests
COUNTS_OF_ANSWERS = frozenset({"hits", "throughput", "bytes", "concurrency"})  # which unfinished requests don't change
SURE_WHATEVER_THE_TIMES = frozenset({"fail", "succ", "rc", *GENERATOR})
EXCUSES: Mapping[str, str] = {  # what falsifies times, in short
    "saturated": "a generator was saturated",
    "late-start": "a worker began late",
    "unsure-clock": "a worker's clock is unsure",
    "late-rate": "a worker saw a change of the load late",
}
ABOUT_NOTHING = ("no-samples", "unknown-label")  # often only what a lost worker or an early end comes to: told after it
WORKER_OF_FILE = re.compile(r"(?:^|/)workers/([^/]+)/")


def exit_code(outcome: str, fail_on: Collection[str] = ("failed", "inconclusive")) -> int:
    """The command's exit code: 0 for every outcome that does not fail a build."""
    return EXIT_CODES[outcome] if outcome in fail_on else 0


def judge(
    plan: Plan,
    timeline: Timeline,
    completeness: Completeness,
    summary: Summary,
    metrics: ServerMetrics | None = None,
    elsewhere: Sequence[PlannedCriterion] = (),
) -> Verdict:
    """Judge every criterion, and the run as a whole. `elsewhere` are criteria that ask about failures in its stead."""
    doubts = [
        Reason(code, message)
        for code, message in doubts_about_times(plan, completeness, summary.generators or Generators())
    ]
    claims, plan = rules.claims(plan, timeline, completeness), completeness.in_turn(plan)
    absence = _absence(plan, timeline, completeness, claims)
    worst = rules.worst_of(claims)
    at_worst = None if worst is None else timeline.at_worst(worst)
    results: list[CriterionResult] = []
    judged: list[tuple[Criterion, Sequence[str]]] = [
        (parse_criterion(one.source, one.where, one.language), one.executions) for one in elsewhere
    ]
    unanswered: list[Reason] = []
    for planned in plan.criteria:
        criterion = parse_criterion(planned.source, planned.where, planned.language)

        def result_of(
            timeline: Timeline, absence: Absence, criterion: Criterion = criterion, planned: PlannedCriterion = planned
        ) -> CriterionResult:
            return evaluate(
                criterion, planned.where, planned.executions, timeline, plan, absence, completeness, metrics,
                summary.capacity,
            )  # fmt: skip

        result = result_of(timeline, absence)
        on_samples = result.counted == "sample"
        if result.outcome == "failed" and on_samples:
            unfinished = view_of(criterion, planned.executions, timeline, plan).total.unfinished
            if unfinished and criterion.logic == "total" and criterion.subject not in COUNTS_OF_ANSWERS:
                result = result_of(timeline, replace(absence, lost_records=absence.lost_records + unfinished))
        elif at_worst is not None and not result.fired and criterion.fail and on_samples:
            endless = view_of(criterion, planned.executions, at_worst, plan).total.endless
            unanswered += _fails_at_worst(result, result_of(at_worst, absence), endless)
        results.append(_excused(result, doubts) if doubts else result)
        if result.code != "never-a-full-window":
            judged.append((criterion, planned.executions))
    breaches = [Reason(result.code, result.message) for result in results if result.outcome == "failed"]
    left_open = [result for result in results if _leaves_open(result)]
    deciding = {claim.name: rules.criteria_of(claim, judged) for claim in claims}
    open_questions = [
        *doubts,
        *(Reason(result.code, result.message) for result in left_open if result.code not in ABOUT_NOTHING),
        *missing(timeline, completeness),
        *stopped(completeness, results),
        *_of_each(claims, rules.ended_early),
        *(Reason(result.code, result.message) for result in left_open if result.code in ABOUT_NOTHING),
    ]
    if completeness.started_at is not None:  # that there was no load at all is a reason already
        open_questions += _of_each(claims, rules.unreached)
    open_questions += [
        *unanswered,
        *_of_each(claims, rules.unanswered),
        *_of_each(claims, rules.without_success),
        *_of_each(claims, lambda claim: rules.of_scripts(claim, deciding[claim.name])),
    ]
    notes = (
        *told_capacity(summary),
        *notes_on_rates(completeness),
        *_unfinished(plan, timeline, results),
        *(note for claim in claims for note in rules.notes_of(claim, deciding[claim.name])),
    )
    outcome: Outcome = "failed" if breaches else "inconclusive" if open_questions else "passed"
    # Several criteria may be open for the same reason, which is reported once.
    reasons = (*breaches, *dict.fromkeys(open_questions)) or (_passed(results),)
    criteria = tuple(result.record() for result in results)
    return Verdict(outcome=outcome, reasons=reasons, criteria=criteria, notes=notes)


def _of_each(claims: Sequence[Claim], rule: Callable[[Claim], Iterator[Reason]]) -> list[Reason]:
    return [reason for claim in claims for reason in rule(claim)]


def _fails_at_worst(result: CriterionResult, again: CriterionResult, endless: int) -> Iterator[Reason]:
    """A criterion that holds only if requests without an answer are left out."""
    if again.fired:
        yield Reason(
            "unanswered",
            f"`{result.criterion.text}` holds only without the {endless:,} requests that timed out, or were never "
            f"answered and waited longer than max(5 s, 10 × p95). With them as slow as can be: {again.message}",
        )


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


def _unfinished(plan: Plan, timeline: Timeline, results: list[CriterionResult]) -> Iterator[str]:
    """Unfinished requests that are many; those that waited too long are a reason."""
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


def _absence(plan: Plan, timeline: Timeline, completeness: Completeness, claims: Sequence[Claim]) -> Absence:
    """Everything that was planned and is not there."""
    unbounded = any(math.isinf(execution.steady_to_s) for execution in plan.executions)
    planned_end_s = math.inf if unbounded else plan.duration_s
    stopped_s, rightly_s = completeness.stopped_at_s, completeness.rightly_ended_s
    end_s = math.inf if rightly_s is None else rightly_s
    known_end_s = min(planned_end_s, end_s)
    if math.isinf(known_end_s):  # as long as the others took
        known_end_s = (timeline.last_second or 0) + 1
    last = max(0, math.ceil(known_end_s) - 1)
    gaps = [Gap(worker, timeline.last_second_of(worker) or 0, last) for worker, _ in _lost(completeness)]
    workers = [share.worker for share in plan.shares]
    never_read = _samples_never_read(timeline, completeness)
    uncounted = any(timeline.select(kind=kind).total.samples for kind in KINDS[1:])  # nobody counts these apart
    if never_read is None or never_read < 0 or uncounted:
        for file in completeness.damaged:  # which seconds it was about, nobody can tell
            named = WORKER_OF_FILE.search(file)
            gaps += [Gap(worker, 0, last) for worker in ([named[1]] if named else workers)]
    for claim in claims:  # what engines would have measured, had they not ended by themselves
        for left, ended_s, to_s, _ in rules.early_ends(claim):
            last_s = to_s if math.isinf(to_s) else math.ceil(to_s) - 1
            gaps.append(Gap(left.worker, math.floor(ended_s) + 1, last_s, claim.name))
    if completeness.stop is not None and rightly_s is None:
        gaps += [Gap(worker, math.floor(stopped_s or 0) + 1, planned_end_s) for worker in workers]
    return Absence(plan, tuple(gaps), _unreadable(timeline, completeness) + max(0, never_read or 0), end_s)


def missing(timeline: Timeline, completeness: Completeness) -> Iterator[Reason]:
    for worker, reason in _lost(completeness):
        yield Reason("lost-worker", f"worker {worker} was lost: {reason}")
    for file in completeness.damaged:
        yield Reason("damaged-file", file)
    never_read = _samples_never_read(timeline, completeness)
    if never_read and never_read > 0 and not completeness.damaged:
        yield Reason("missing-samples", f"{never_read:,} requests that workers recorded are in none of their files")
    if never_read and never_read < 0:
        surplus = f"the files of workers have {-never_read:,} requests more than the workers recorded"
        yield Reason("surplus-samples", f"{surplus}; run the suite again, and see who else may write its results")
    unreadable = _unreadable(timeline, completeness)
    if unreadable:
        yield Reason("unreadable-records", f"{unreadable:,} records of the engines could not be read")


def _lost(completeness: Completeness) -> list[tuple[str, str]]:
    heard = {*completeness.reported, *(worker for worker, _ in completeness.lost)}
    silent = [(worker, "nothing was heard of it") for worker in completeness.planned if worker not in heard]
    return [*completeness.lost, *silent]


def _samples_never_read(timeline: Timeline, completeness: Completeness) -> int | None:
    """How many requests are in files that could not be read; None unless every worker says how many it wrote.

    Below 0: there are more in the files than workers wrote.
    """
    if not set(completeness.exits) >= set(completeness.planned):
        return None
    written = sum(left.samples for left in completeness.exits.values())
    read = timeline.select().total.samples
    return written - read


def _unreadable(timeline: Timeline, completeness: Completeness) -> int:
    return max(timeline.unreadable, completeness.unreadable_records)


# Load that was not as planned


def stopped(completeness: Completeness, results: Sequence[CriterionResult] = ()) -> Iterator[Reason]:
    """A load that was ended before its planned end, unless a criterion or a search did so rightly."""
    stop, stopped_s = completeness.stop, completeness.stopped_at_s
    if stop is None:
        return
    came_true = stop.cause == "search" or any(result.fired and result.criterion.stop for result in results)
    if completeness.rightly_ended_s is None or not came_true:
        when = "before it began" if stopped_s is None else f"after {stopped_s:.0f} s"
        lost = [worker for worker, why in completeness.lost if why and why in stop.message]  # a reason already
        why = f"worker {lost[0]} was lost" if lost else stop.message
        yield Reason("stopped", f"the load was ended early, {when}: {why}")


def ended_early(plan: Plan, timeline: Timeline, completeness: Completeness) -> list[Reason]:
    """Everything that ended before its time, whatever the criteria are."""
    return [*stopped(completeness), *_of_each(rules.claims(plan, timeline, completeness), rules.ended_early)]
