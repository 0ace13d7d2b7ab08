"""The verdict of a duet: criteria on head alone, the validity of both arms, and their comparison.

- failed: a criterion failed, or a regression is proven
- inconclusive: a criterion is inconclusive, response times are invalid or data is missing in either arm, or the
  comparison proves nothing
- passed: otherwise

Invalid response times and missing data excuse a regression, because they may affect one arm more than the other. They
excuse a criterion as in any run.

| code           | outcome      | reason                                                                 |
|----------------|--------------|------------------------------------------------------------------------|
| `regression`   | failed       | a figure of head is proven to be worse by more than the margin         |
| `unproven`     | inconclusive | neither a regression of a figure nor its absence is proven             |
| `unsure-arms`  | inconclusive | a regression, but response times are invalid, or data is missing       |
| `no-regression`| passed       | head is proven not to be worse than base by the margin                 |
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from toril.records import ARMS, BASE, HEAD, Comparison, Exit, Outcome, Plan, Reason, ServerMetrics, Verdict
from toril.records.summary import Summary
from toril.regression.calibration import Calibration
from toril.regression.comparison import compare
from toril.summary import Completeness, summarise
from toril.timeline import Timeline
from toril.timeline.arms import Arm
from toril.verdict import EXCUSES, judge

INVALID = frozenset({*EXCUSES, "lost-worker", "damaged-file", "missing-samples", "unreadable-records", "ended-early"})
BROKEN = frozenset({"no-success", "dead-label"})  # in base: head cannot be compared with it
OF_CRITERIA = frozenset({"breach", "kept", "nothing-judged"})


@dataclass(frozen=True, slots=True)
class JudgedDuet:
    """The plan and summary of head, and the verdict on both arms."""

    plan: Plan
    summary: Summary
    verdict: Verdict


def judge_duet(
    plan: Plan,
    arms: Mapping[int, Timeline],
    whole: Timeline,
    completeness: Completeness,
    *,
    metrics: ServerMetrics | None = None,
    calibration: Calibration | None = None,
    first: Comparison | None = None,
) -> JudgedDuet:
    """Returns the verdict of a duet; `arms` are the parts of `whole`, from `toril.timeline.arms`.

    `metrics` are CloudWatch's, which are of both arms. `calibration` is the experience from earlier duets. `first` is
    the comparison before both deployments were exchanged, if this is the second half.
    """
    judged = {arm: _judged(Arm(plan, arm), timeline, whole, completeness) for arm, timeline in arms.items()}
    (head_plan, summary, head), (_, _, base) = judged[HEAD], judged[BASE]
    comparison = compare(plan, whole, plan.duet.blocks if plan.duet else 0, first)
    verdict = replace(_combined(head, base, comparison), comparison=comparison)
    return JudgedDuet(head_plan, summary, verdict)


def _judged(arm: Arm, timeline: Timeline, whole: Timeline, completeness: Completeness) -> tuple[Plan, Summary, Verdict]:
    """Returns the plan, summary and verdict of one arm as a run of its own; criteria are judged on head only."""
    plan, elsewhere = arm.as_run(), arm.plan.criteria if arm.arm == BASE else ()
    if elsewhere:
        plan = plan.model_copy(update={"criteria": ()})
    own = completeness_of(arm, completeness, whole.select().total.samples - timeline.select().total.samples)
    summary = summarise(plan, timeline, own, own.started_at)
    return plan, summary, judge(plan, timeline, own, summary, elsewhere=elsewhere)


def completeness_of(arm: Arm, completeness: Completeness, of_the_other: int) -> Completeness:
    """Returns the completeness in the arm's own time, without the samples of the other arm."""
    start, stop = completeness.started_at, completeness.stop
    if start is None:
        return completeness
    exits: dict[str, Exit] = {}
    for worker, left in completeness.exits.items():
        others = min(left.samples, of_the_other)
        of_the_other -= others
        last_s = left.last_sample_s
        exits[worker] = left.model_copy(
            update={
                "samples": left.samples - others,
                "executions": arm.reports(left),
                "at": start + arm.done_s(left.at - start),
                "last_sample_s": None if last_s is None else arm.done_s(last_s),
            }
        )
    if stop is not None:
        stop = stop.model_copy(update={"at": start + arm.done_s(max(0.0, stop.at - start))})
    return replace(completeness, exits=exits, stop=stop)


def _combined(head: Verdict, base: Verdict, comparison: Comparison) -> Verdict:
    """Returns the verdict with the reasons of the outcome first, without duplicates."""
    breaches = [reason for reason in head.reasons if reason.code == "breach"]
    open_questions = [reason for reason in head.reasons if reason.code not in OF_CRITERIA]
    open_questions += _of_base(base.reasons, open_questions)
    invalid = [reason for reason in open_questions if reason.code in INVALID]
    invalid += [reason for reason in base.reasons if reason.code in BROKEN]
    if comparison.outcome == "failed" and not invalid:
        breaches += [
            Reason("regression", metric.message) for metric in comparison.metrics if metric.outcome == "failed"
        ]
    elif comparison.outcome == "failed":
        why = EXCUSES.get(invalid[0].code, invalid[0].message)
        open_questions.append(Reason("unsure-arms", f"{comparison.message}. This is not proven, because {why}"))
    elif comparison.outcome == "inconclusive":
        open_questions += [
            Reason("unproven", one.message) for one in comparison.metrics if one.outcome == "inconclusive"
        ]
    if breaches:
        return replace(head, outcome="failed", reasons=(*breaches, *open_questions))
    if open_questions:
        return replace(head, outcome="inconclusive", reasons=tuple(open_questions))
    outcome: Outcome = "passed"
    return replace(head, outcome=outcome, reasons=(Reason("no-regression", comparison.message), *head.reasons))


def _of_base(reasons: Iterable[Reason], known: Iterable[Reason]) -> list[Reason]:
    """Returns the reasons of base alone; others, such as a lost worker, are reasons of head too."""
    known_of_head = {(reason.code, reason.message) for reason in known}
    return [
        Reason(reason.code, f"{ARMS[BASE]}: {reason.message}")
        for reason in reasons
        if reason.code not in OF_CRITERIA and (reason.code, reason.message) not in known_of_head
    ]
