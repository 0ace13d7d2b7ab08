"""The verdict of a run: every criterion, the validity and completeness of its data, and the rules of a pass."""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from toril.criteria import GENERATOR, criteria_of
from toril.records import Case, Outcome, Plan, PlannedCriterion, Reason, ServerMetrics, Verdict
from toril.records.summary import Generators, Summary, TestResults
from toril.summary import Completeness, queued_plan
from toril.timeline import Timeline
from toril.timeline.intervals import KINDS
from toril.verdict import rules
from toril.verdict.evaluation import evaluate
from toril.verdict.evidence import Evidence, Gap, MissingData, view_of
from toril.verdict.result import CriterionResult, undecided
from toril.verdict.rules import MeasuredExecution
from toril.verdict.validity import (
    incomplete,
    invalid_times,
    lost_workers,
    samples_never_read,
    stopped,
    unreadable_records,
)
from toril.verdict.windows import MORE

EXIT_CODES: Mapping[str, int] = {"passed": 0, "failed": 1, "inconclusive": 3}

MOST_TESTS_NAMED = 3  # in one sentence
NOTABLE_SHARE = 0.01  # of all requests without an answer …
NOTABLE_USERS = 0.1  # … or of the virtual users still waiting for one: after a long run they are few among requests
NOTABLE_S = 0.1  # of a change of the load that a worker saw late
COUNTS_OF_ANSWERS = frozenset({"hits", "throughput", "bytes", "concurrency"})  # which unfinished requests don't change
VALID_WHATEVER_THE_TIMES = frozenset({"fail", "succ", "rc", *GENERATOR})
EXCUSES: Mapping[str, str] = {  # what invalidates times, in short
    "saturated": "a generator was saturated",
    "late-start": "a worker began late",
    "unsure-clock": "a worker's clock is unsure",
    "late-rate": "a worker saw a change of the load late",
}
ABOUT_NOTHING = ("no-samples", "unknown-label")  # often only the effect of a lost worker or an early end: after those
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
    """Judge every criterion, and the run as a whole.

    `elsewhere` are criteria that another run judges: this one needs none of its own on the failures they cover.
    """
    invalid = list(invalid_times(plan, completeness, summary.generators or Generators()))
    executions, plan = rules.measured(plan, timeline, completeness), queued_plan(plan, completeness)
    missing = _missing(plan, timeline, completeness, executions)
    evidence = Evidence(plan, timeline, missing, completeness, metrics, summary.capacity or {})
    worst = rules.worst_of(executions)
    at_worst = None if worst is None else replace(evidence, timeline=timeline.at_worst(worst))
    results: list[CriterionResult] = []
    judged = [*criteria_of(elsewhere)]
    unanswered: list[Reason] = []
    for criterion in criteria_of(plan.criteria):
        result = _with_unfinished(evaluate(criterion, evidence), evidence)
        if at_worst is not None and not result.fired and criterion.fail and result.counted == "sample":
            unanswered += _fails_at_worst(result, at_worst)
        results.append(_excused(result, invalid))
        if result.code != "never-a-full-window":
            judged.append(criterion)
    breaches = [Reason(result.code, result.message) for result in results if result.outcome == "failed"]
    left_open = [result for result in results if _leaves_open(result)]
    deciding = {one.name: rules.criteria_of(one, judged) for one in executions}
    open_questions = [
        *invalid,
        *(Reason(result.code, result.message) for result in left_open if result.code not in ABOUT_NOTHING),
        *incomplete(timeline, completeness),
        *stopped(completeness, by_criterion=any(result.fired and result.criterion.stop for result in results)),
        *_of_each(executions, rules.ended_early),
        *(Reason(result.code, result.message) for result in left_open if result.code in ABOUT_NOTHING),
    ]
    if completeness.started_at is not None:  # without a start, the missing load has a reason already
        open_questions += _of_each(executions, rules.unreached)
    open_questions += [
        *unanswered,
        *_of_each(executions, rules.unanswered),
        *_of_each(executions, rules.without_success),
        *_of_each(executions, lambda one: rules.of_scripts(one, deciding[one.name])),
    ]
    notes = (
        *(Reason("capacity", f"capacity: {found.message}") for found in evidence.capacity.values()),
        *_changed_rates(completeness),
        *_unfinished(plan, timeline, results),
        *(note for one in executions for note in rules.notes_of(one, deciding[one.name])),
    )
    outcome: Outcome = "failed" if breaches else "inconclusive" if open_questions else "passed"
    # Several criteria may be open for the same reason, which is reported once.
    reasons = (*breaches, *dict.fromkeys(open_questions)) or (_passed(results),)
    criteria = tuple(result.record() for result in results)
    return Verdict(
        outcome=outcome,
        reasons=reasons,
        criteria=criteria,
        notes=tuple(note.message for note in notes),
        note_codes=tuple(note.code for note in notes),
    )


def judge_tests(plan: Plan, timeline: Timeline, completeness: Completeness, tests: TestResults) -> Verdict:
    """The verdict of a functional run: its test cases decide, and whether all of them were carried out.

    One failed or broken case fails the run, whatever is missing: no other case could make up for it. Nothing that
    invalidates times matters, since no times are judged.
    """
    failed = _failed_tests(tests)
    open_questions = [
        *incomplete(timeline, completeness),
        *stopped(completeness),
        *_of_each(rules.measured(plan, timeline, completeness), rules.ended_early),
    ]
    if not tests.total:
        open_questions.append(Reason("no-tests", "not one test case was carried out"))
    elif tests.skipped == tests.total:
        open_questions.append(Reason("no-tests", f"all {tests.total:,} test cases were skipped: nothing was tested"))
    if failed or open_questions:
        return Verdict(outcome="failed" if failed else "inconclusive", reasons=(*failed, *open_questions))
    skipped = f"; {tests.skipped:,} skipped" if tests.skipped else ""
    passed = Reason("tests-passed", f"{tests.passed:,} test cases passed{skipped}")
    return Verdict(outcome="passed", reasons=(passed,))


def _failed_tests(tests: TestResults) -> list[Reason]:
    bad = [case for case in tests.cases if case.outcome in ("failed", "broken")]
    if not bad:
        return []
    counts = {"failed": tests.failed, "broken": tests.broken}
    kinds = " and ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    named = "; ".join(_test_in_words(case) for case in bad[:MOST_TESTS_NAMED])
    more = f"; and {len(bad) - MOST_TESTS_NAMED:,} more" if len(bad) > MOST_TESTS_NAMED else ""
    return [Reason("failed-test", f"of {tests.total:,} test case{'s' * (tests.total != 1)} {kinds}: {named}{more}")]


def _test_in_words(case: Case) -> str:
    lines = case.message.strip().splitlines()
    return f"{case.suite} {case.name}" + (f" ({lines[0][:200]})" if lines else "")


def _of_each(
    executions: Sequence[MeasuredExecution], rule: Callable[[MeasuredExecution], Iterator[Reason]]
) -> list[Reason]:
    return [reason for one in executions for reason in rule(one)]


def _with_unfinished(result: CriterionResult, evidence: Evidence) -> CriterionResult:
    """A breach on the whole run, judged again with its unfinished requests as missing samples."""
    criterion = result.criterion
    if result.outcome != "failed" or result.counted != "sample" or criterion.logic != "total":
        return result
    unfinished = view_of(criterion, evidence.timeline, evidence.plan).total.unfinished
    if not unfinished or criterion.subject in COUNTS_OF_ANSWERS:
        return result
    missing = evidence.missing or MissingData(evidence.plan)
    missing = replace(missing, lost_records=missing.lost_records + unfinished)
    return evaluate(criterion, replace(evidence, missing=missing))


def _fails_at_worst(result: CriterionResult, at_worst: Evidence) -> Iterator[Reason]:
    """A criterion that holds only if unanswered requests are left out."""
    criterion = result.criterion
    again = evaluate(criterion, at_worst)
    if again.fired:
        endless = view_of(criterion, at_worst.timeline, at_worst.plan).total.endless
        yield Reason(
            "unanswered",
            f"`{criterion.text}` holds only without the {endless:,} requests that timed out, or were never "
            f"answered and waited longer than max(5 s, 10 × p95). With them as slow as can be: {again.message}",
        )


def _excused(result: CriterionResult, invalid: list[Reason]) -> CriterionResult:
    criterion = result.criterion
    valid = criterion.subject in VALID_WHATEVER_THE_TIMES or (criterion.server is not None and criterion.op in MORE)
    if not invalid or result.outcome != "failed" or valid:
        return result
    excuse = EXCUSES[invalid[0].code]
    return undecided(result, "excused-breach", f"{result.message}; excused: {excuse}, see the reasons")


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


def _unfinished(plan: Plan, timeline: Timeline, results: list[CriterionResult]) -> Iterator[Reason]:
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
    yield Reason("unfinished", text)


def _changed_rates(completeness: Completeness) -> Iterator[Reason]:
    """The changes of rates by `toril adjust`; those of a search are its stages."""
    started_at = completeness.started_at
    for rate in completeness.rates:
        if started_at is not None and rate.cause == "user":
            text = f"the load of {rate.execution} was changed while it went on (`toril adjust`): "
            text += f"{rate.rps:,.10g}/s from {rate.at - started_at:,.0f} s on"
            late = completeness.latest(rate)
            if late is not None and late[1] >= NOTABLE_S:
                text += f"; worker {late[0]} saw that {late[1]:.1f} s late"
            yield Reason("changed-rate", text)


def _missing(
    plan: Plan, timeline: Timeline, completeness: Completeness, executions: Sequence[MeasuredExecution]
) -> MissingData:
    """The planned data without measurements."""
    unbounded = any(math.isinf(execution.steady_to_s) for execution in plan.executions)
    planned_end_s = math.inf if unbounded else plan.duration_s
    stopped_s, rightly_s = completeness.stopped_at_s, completeness.rightly_ended_s
    end_s = math.inf if rightly_s is None else rightly_s
    known_end_s = min(planned_end_s, end_s)
    if math.isinf(known_end_s):  # as long as the others took
        known_end_s = (timeline.last_second or 0) + 1
    last = max(0, math.ceil(known_end_s) - 1)
    gaps = [Gap(worker, timeline.last_second_of(worker) or 0, last) for worker, _ in lost_workers(completeness)]
    workers = [share.worker for share in plan.shares]
    never_read = samples_never_read(timeline, completeness)
    uncounted = any(timeline.select(kind=kind).total.samples for kind in KINDS[1:])  # workers do not count these
    if never_read is None or never_read < 0 or uncounted:
        for file in completeness.damaged:  # whose seconds are unknown
            named = WORKER_OF_FILE.search(file)
            gaps += [Gap(worker, 0, last) for worker in ([named[1]] if named else workers)]
    for one in executions:  # what engines would have measured, had they not ended by themselves
        for left, ended_s, to_s, _ in rules.early_ends(one):
            last_s = to_s if math.isinf(to_s) else math.ceil(to_s) - 1
            gaps.append(Gap(left.worker, math.floor(ended_s) + 1, last_s, one.name))
    if completeness.stop is not None and rightly_s is None:
        gaps += [Gap(worker, math.floor(stopped_s or 0) + 1, planned_end_s) for worker in workers]
    return MissingData(plan, tuple(gaps), unreadable_records(timeline, completeness) + max(0, never_read or 0), end_s)
