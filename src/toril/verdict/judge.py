"""Judges a run: its criteria, the validity and completeness of its data, and the rules of a pass."""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from toril.criteria import criteria_of
from toril.records import Case, Outcome, Plan, PlannedCriterion, Reason, ServerMetrics, Verdict
from toril.records.summary import Generators, Summary, TestResults
from toril.summary import Completeness, queued_plan, with_scripts_criteria
from toril.summary.completeness import united
from toril.summary.generators import seconds_over_limits
from toril.text import exact, plain, plural
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
    rows_of,
    samples_never_read,
    stopped,
    unreadable_records,
)
from toril.verdict.windows import MORE

EXIT_CODES: Mapping[str, int] = {"passed": 0, "failed": 1, "inconclusive": 3}

MOST_TESTS_NAMED = 3  # in one sentence
NOTABLE_SHARE = 0.01  # unfinished requests among all requests, or …
NOTABLE_USERS = 0.1  # … among virtual users: after a long run, unfinished requests are a small share of all
NOTABLE_S = 0.1  # lateness of a load change
EXCUSES: Mapping[str, str] = {  # conditions that invalidate response times
    "saturated": "a generator was saturated",
    "late-start": "a worker started late",
    "unsure-clock": "the clock of a worker is inaccurate",
    "late-rate": "a worker applied a load change late",
}
# Listed last: often an effect of a lost worker or an early end
WITHOUT_SAMPLES = ("no-samples", "unknown-label", "unknown-metric")
WORKER_OF_FILE = re.compile(r"(?:^|/)workers/([^/]+)/")


def exit_code(outcome: str, fail_on: Collection[str] = ("failed", "inconclusive")) -> int:
    """Returns the exit code of the command: 0 for outcomes that do not fail the build."""
    return EXIT_CODES[outcome] if outcome in fail_on else 0


def judge(
    plan: Plan,
    timeline: Timeline,
    completeness: Completeness,
    summary: Summary,
    metrics: ServerMetrics | None = None,
    elsewhere: Sequence[PlannedCriterion] = (),
) -> Verdict:
    """Returns the verdict of a run and the results of its criteria.

    `elsewhere`: criteria that another run judges. Failures that they cover need no criterion in this run.
    """
    invalid = list(invalid_times(plan, completeness, summary.generators or Generators()))
    executions = rules.measured(plan, timeline, completeness)
    plan = with_scripts_criteria(queued_plan(plan, completeness), completeness)
    missing = _missing(plan, timeline, completeness, executions)
    evidence = Evidence(plan, timeline, missing, completeness, metrics, summary.capacity or {}, summary.service_cost)
    worst = rules.worst_of(executions)
    at_worst = None if worst is None else replace(evidence, timeline=timeline.at_worst(worst))
    results: list[CriterionResult] = []
    judged = [*criteria_of(elsewhere)]
    unanswered: list[Reason] = []
    for criterion in criteria_of(plan.criteria):
        result = _with_unfinished(evaluate(criterion, evidence), evidence)
        if at_worst is not None and not result.fired and criterion.fail and result.counted == "sample":
            unanswered += _fails_at_worst(result, at_worst, max(execution.longest_s for execution in executions))
        results.append(_excused(result, invalid, evidence))
        if result.code != "never-a-full-window" and criterion.phase is None:  # a phase leaves out the rest of the run
            judged.append(criterion)
    breaches = [Reason(result.code, result.message) for result in results if result.outcome == "failed"]
    left_open = [result for result in results if _prevents_pass(result)]
    deciding = {execution.name: rules.criteria_of(execution, judged) for execution in executions}
    open_questions = [
        *invalid,
        *(Reason(result.code, result.message) for result in left_open if result.code not in WITHOUT_SAMPLES),
        *incomplete(timeline, completeness),
        *stopped(completeness, by_criterion=any(result.fired and result.criterion.stop for result in results)),
        *_reasons_of(executions, rules.ended_early),
        *(Reason(result.code, result.message) for result in left_open if result.code in WITHOUT_SAMPLES),
    ]
    if completeness.started_at is not None:  # a run without a start already has a reason for the missing load
        open_questions += _reasons_of(executions, rules.unreached)
    open_questions += [
        *unanswered,
        *_reasons_of(executions, rules.unanswered, rules.stalled, rules.without_success, rules.missing_values),
        *_reasons_of(executions, lambda execution: rules.script_failures(execution, deciding[execution.name])),
    ]
    notes = (
        *(Reason("capacity", f"capacity: {capacity.message}") for capacity in evidence.capacity.values()),
        *_changed_rates(completeness),
        *_unfinished(plan, timeline, results),
        *(note for execution in executions for note in rules.notes_of(execution, deciding[execution.name])),
    )
    notes = (*notes, *rows_of(plan, completeness, open_questions))
    outcome: Outcome = "failed" if breaches else "inconclusive" if open_questions else "passed"
    # Several criteria may have the same reason; report it once.
    reasons = (*breaches, *dict.fromkeys(open_questions)) or (_passed(results, plan),)
    criteria = tuple(result.record() for result in results)
    return Verdict(outcome=outcome, reasons=reasons, criteria=criteria).with_notes(notes)


def judge_try(plan: Plan, timeline: Timeline, completeness: Completeness, summary: Summary) -> Verdict:
    """Returns the verdict of a try: each request, transaction and script must succeed, and end.

    Loads and response times do not matter.
    """
    executions = rules.measured(plan, timeline, completeness)
    broken = {label: figures for label, figures in summary.labels.items() if label and figures.failures}
    failed = [
        Reason(
            "failed-request",
            f"{label}: {figures.failures} of {plural(figures.samples, figures.kind)} failed: "
            f"{figures.errors[0].message or figures.errors[0].rc if figures.errors else 'no message'}",
        )
        for label, figures in ((label, broken[label]) for label in rules.in_order(broken, executions))
    ]
    failed += [
        Reason("failed-request", f"check {name} failed {found.failures} of {plural(found.samples, 'time')}")
        for name, found in summary.metrics.items()
        if found.kind == "check" and found.failures
    ]
    open_questions = [
        *incomplete(timeline, completeness),
        *stopped(completeness),
        *_reasons_of(executions, rules.ended_early, rules.unanswered, rules.missing_values),
        *(
            load.reason("dropped-sends", f"the engine did not send {plural(dropped, 'planned request')}; try again")
            for load in executions
            if (dropped := sum(report.dropped or 0 for report in load.reports))
        ),
    ]
    if not failed:
        open_questions += _reasons_of(executions, rules.without_success)
        open_questions += _reasons_of(executions, lambda execution: rules.script_failures(execution, ()))
    notes = [note for execution in executions for note in rules.notes_of(execution, ())]
    tried = Reason("nothing-judged", f"{plural(summary.total.samples, 'request')} succeeded; a try has no criteria")
    outcome: Outcome = "failed" if failed else "inconclusive" if open_questions else "passed"
    return Verdict(outcome=outcome, reasons=(*failed, *open_questions) or (tried,)).with_notes(notes)


def differing(verdict: Verdict, message: str, *, from_log_in: bool = False) -> Verdict:
    """Returns the verdict of a try whose responses are not as recorded, or `from_log_in` pages."""
    reason = Reason("log-in-page", message) if from_log_in else Reason("not-as-recorded", message)
    others = () if verdict.outcome == "passed" else verdict.reasons
    return replace(verdict, outcome="failed", reasons=(reason, *others))


def judge_tests(plan: Plan, timeline: Timeline, completeness: Completeness, tests: TestResults) -> Verdict:
    """Returns the verdict of a functional run, from its test cases and the completeness of its data.

    One failed or broken test case fails the run, even if data is missing. Conditions that invalidate response times
    do not matter, because a functional run judges none.
    """
    executions = rules.measured(plan, timeline, completeness)
    failed = _failed_tests(tests)
    open_questions = [
        *incomplete(timeline, completeness),
        *stopped(completeness),
        *_reasons_of(executions, rules.ended_early, rules.missing_values),
        *_reasons_of(executions, lambda execution: rules.script_errors(execution, ())),
        *_reasons_of(executions, lambda execution: rules.failed_checks(execution, ())),
    ]
    if not tests.total:
        open_questions.append(Reason("no-tests", "no test case ran; check that the script contains test cases"))
    elif tests.skipped == tests.total:
        skipped_all = f"all {tests.total:,} test cases were skipped; run at least one of them"
        open_questions.append(Reason("no-tests", skipped_all))
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
    named = "; ".join(_describe_test(case) for case in bad[:MOST_TESTS_NAMED])
    more = f"; and {len(bad) - MOST_TESTS_NAMED:,} more" if len(bad) > MOST_TESTS_NAMED else ""
    return [Reason("failed-test", f"{kinds} of {tests.total:,} test case{'s' * (tests.total != 1)}: {named}{more}")]


def _describe_test(case: Case) -> str:
    lines = case.message.strip().splitlines()
    return f"{case.suite} {case.name}" + (f" ({lines[0][:200]})" if lines else "")


def _reasons_of(
    executions: Sequence[MeasuredExecution], *rules: Callable[[MeasuredExecution], Iterator[Reason]]
) -> list[Reason]:
    return [reason for rule in rules for execution in executions for reason in rule(execution)]


def _with_unfinished(result: CriterionResult, evidence: Evidence) -> CriterionResult:
    """Returns a breach over the whole run, judged again with its unfinished requests as missing samples."""
    criterion = result.criterion
    if result.outcome != "failed" or result.counted != "sample" or criterion.logic != "total" or criterion.phase:
        return result
    unfinished = view_of(criterion, evidence.timeline, evidence.plan).total.unfinished
    if not unfinished or criterion.metric.counts_answers:
        return result
    missing = evidence.missing or MissingData(evidence.plan)
    missing = replace(missing, lost_records=missing.lost_records + unfinished)
    return evaluate(criterion, replace(evidence, missing=missing))


def _fails_at_worst(result: CriterionResult, at_worst: Evidence, longest_s: float) -> Iterator[Reason]:
    """Yields a reason if the criterion passes only because unanswered requests are ignored."""
    criterion = result.criterion
    again = evaluate(criterion, at_worst)
    if again.fired:
        endless = view_of(criterion, at_worst.timeline, at_worst.plan).total.endless
        yield Reason(
            "unanswered",
            f"`{criterion.text}` passes only if {plural(endless, 'unanswered request')} "
            f"({'they' if endless > 1 else 'it'} timed out or waited longer than max({longest_s:g} s, 10 × p95)) "
            f"{'are' if endless > 1 else 'is'} ignored. Counted as the slowest failures: {again.message}",
        )


def _excused(result: CriterionResult, invalid: list[Reason], evidence: Evidence) -> CriterionResult:
    """Returns the result; a breach is inconclusive if the load generators may have caused it."""
    criterion, metric = result.criterion, result.criterion.metric
    of_times = not metric.is_share and metric.source != "generators"  # others are right although the load was not
    counted = metric.source == "server" or "counter" in metric.kinds  # a busy generator lowers it, and never raises it
    valid = not of_times or (counted and criterion.op in MORE)
    if result.outcome != "failed" or valid:
        return result
    if invalid:
        excuse = EXCUSES[invalid[0].code]
        return undecided(result, "excused-breach", f"{result.message}; not proven, because {excuse} (see the reasons)")
    if result.counted != "sample" and criterion.subject != "load":
        return result
    seconds = seconds_over_limits(evidence.plan, evidence.timeline)
    if not seconds or evaluate(criterion, _without(evidence, seconds)).outcome == "failed":
        return result
    busy = f"without the seconds in which a generator was over a limit (the first is {min(seconds)} s)"
    return undecided(result, "excused-breach", f"{result.message}; not proven {busy}")


def _without(evidence: Evidence, seconds: frozenset[int]) -> Evidence:
    """Returns the evidence with the samples of these seconds missing."""
    missing = evidence.missing or MissingData(evidence.plan)
    spans = united((second, second + 1) for second in seconds)
    gaps = (Gap(share.worker, int(begin), end - 1) for share in evidence.plan.shares for begin, end in spans)
    missing = replace(missing, gaps=(*missing.gaps, *gaps))
    return replace(evidence, timeline=evidence.timeline.without(seconds), missing=missing)


def _prevents_pass(result: CriterionResult) -> bool:
    """Whether the criterion prevents a pass. A non-failed criterion does so only if it has no samples."""
    if result.outcome != "inconclusive" or result.code == "pass-may-not-stand":
        return False
    return result.criterion.fail or result.code in WITHOUT_SAMPLES


def _passed(results: list[CriterionResult], plan: Plan) -> Reason:
    if not results and "smoke-run" in plan.warning_codes:
        return Reason("nothing-judged", "the smoke run is complete; it leaves out the criteria")
    if not results:
        nothing = "the run is complete, but nothing was judged: the suite has no criteria. Add some to `reporting`"
        return Reason("nothing-judged", nothing)
    triggered = sum(result.outcome == "triggered" for result in results)
    idle = sum(result.code == "never-a-full-window" for result in results)
    message = "every criterion passed"
    if triggered:
        message = f"{len(results) - triggered} of {len(results)} criteria passed; {triggered} triggered `as non-failed`"
    if idle:
        message += f"; {idle} could not trigger, because the timeframe is longer than the judged time: shorten it"
    return Reason("kept", message)


def _unfinished(plan: Plan, timeline: Timeline, results: list[CriterionResult]) -> Iterator[Reason]:
    """Yields a note if many requests are unfinished; those that waited too long are a reason."""
    total = timeline.select().total
    users = sum(execution.concurrency or 0 for execution in plan.executions)
    of_users = users and total.unfinished >= NOTABLE_USERS * users
    if not (of_users or total.unfinished > NOTABLE_SHARE * (total.samples + total.unfinished)):
        return
    note = (
        f"{plural(total.unfinished, 'request')} had no response yet when the run ended. "
        "Criteria on response times and failures do not count unfinished requests"
    )
    if not any(result.criterion.subject == "throughput" for result in results):
        note += "; to detect missing responses, add `toril: {criteria: ['throughput<…/s for 10s']}`"
    yield Reason("unfinished", note)


def _changed_rates(completeness: Completeness) -> Iterator[Reason]:
    """Yields a note on each rate change by a person; those of a search are its stages."""
    started_at = completeness.started_at
    for rate in completeness.rates:
        if started_at is not None and rate.cause == "user":
            at_s = rate.at - started_at
            who = plain(rate.by, 100) or "`toril adjust`"
            note = f"{who} changed the load of {rate.execution} to {exact(rate.rps, rate.unit)} at {at_s:,.0f} s"
            late = completeness.latest(rate)
            if late is not None and late[1] >= NOTABLE_S:
                note += f"; worker {late[0]} applied it {late[1]:.1f} s late"
            yield Reason("changed-rate", note)


def _missing(
    plan: Plan, timeline: Timeline, completeness: Completeness, executions: Sequence[MeasuredExecution]
) -> MissingData:
    """Returns the planned data that has no measurements."""
    unbounded = any(math.isinf(execution.steady_to_s) for execution in plan.executions)
    planned_end_s = math.inf if unbounded else plan.duration_s
    stopped_s, intended_s = completeness.stopped_at_s, completeness.intended_end_s
    end_s = math.inf if intended_s is None else intended_s
    known_end_s = min(planned_end_s, end_s)
    if math.isinf(known_end_s):  # then the longest worker sets the end
        known_end_s = (timeline.last_second or 0) + 1
    last = max(0, math.ceil(known_end_s) - 1)
    gaps = [Gap(worker, timeline.last_second_of(worker) or 0, last) for worker, _ in lost_workers(completeness)]
    workers = [share.worker for share in plan.shares]
    never_read = samples_never_read(timeline, completeness)
    uncounted = any(timeline.select(kind=kind).total.samples for kind in KINDS[1:])  # exits count requests only
    if never_read is None or never_read < 0 or uncounted:
        for file in completeness.damaged:  # its seconds are unknown
            named = WORKER_OF_FILE.search(file)
            gaps += [Gap(worker, 0, last) for worker in ([named[1]] if named else workers)]
    for measured in executions:  # samples that engines did not record because they ended early
        for left, ended_s, to_s, _ in rules.early_ends(measured):
            last_s = to_s if math.isinf(to_s) else math.ceil(to_s) - 1
            gaps.append(Gap(left.worker, math.floor(ended_s) + 1, last_s, measured.name))
    if completeness.stop is not None and intended_s is None:
        gaps += [Gap(worker, math.floor(stopped_s or 0) + 1, planned_end_s) for worker in workers]
    return MissingData(plan, tuple(gaps), unreadable_records(timeline, completeness) + max(0, never_read or 0), end_s)
