"""The verdict of a duet: criteria on head alone, the validity of both arms, and their comparison.

- failed: a criterion failed, or a regression is proven
- inconclusive: a criterion is inconclusive, response times are invalid or data is missing in either arm, or the
  comparison proves nothing
- passed: otherwise

Invalid response times and missing data excuse a regression, because they may affect one arm more than the other. They
excuse a criterion as in any run. A saturated worker makes only its pairs void, unless more than half of all pairs are.
Criteria on CloudWatch's metrics are judged on the whole time of the duet, since their periods contain both arms.

| code                   | outcome      | reason                                                                 |
|------------------------|--------------|------------------------------------------------------------------------|
| `regression`           | failed       | a figure of head is proven to be worse by more than the margin         |
| `aa-false-alarm`       | failed       | the same, although both arms load base: a false alarm of the gate      |
| `unproven`             | inconclusive | neither a regression of a figure nor its absence is proven             |
| `unsure-arms`          | inconclusive | a regression, but response times are invalid, or data is missing       |
| `no-regression`        | passed       | head is proven not to be worse than base by the margin                 |
| `aa-clean`             | passed       | the same, of base with itself                                          |
| `void-pairs`           | a note       | some pairs are left out, because a worker was saturated                |
| `both-arms-in-periods` | a note       | criteria on the service's metrics judge base and head together         |
| `many-figures`         | a note       | more than five figures are compared, so each needs more evidence       |
| `missing-label`        | a note       | base has requests of a label, and head has none                        |
| `slower-label`         | a note       | p95 of a label that no figure covers is above base's by the margin     |
| `other-responses`      | a note       | head's responses differ in size, or p95 is below half of base's        |
| `aa-rate`              | a note       | base compared with itself fails more often than promised               |
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from toril.criteria import criteria_of
from toril.errors import Note
from toril.load.model import JOURNEY_START
from toril.records import ARMS, BASE, HEAD, Comparison, Exit, Plan, Reason, ServerMetrics, Verdict
from toril.records.summary import LabelFigures, Summary
from toril.regression.calibration import Calibration, expected, warning
from toril.regression.comparison import compare
from toril.regression.pairs import MOST_VOID, saturated_without, void_pairs
from toril.summary import Completeness, summarise
from toril.text import plain, plural
from toril.timeline import Timeline
from toril.timeline.arms import Arm, duet_of
from toril.verdict import EXCUSES, judge

INVALID = frozenset({*EXCUSES, "lost-worker", "damaged-file", "missing-samples", "unreadable-records", "ended-early"})
BROKEN = frozenset({"no-success", "dead-label"})  # in base: head cannot be compared with it
OF_CRITERIA = frozenset({"breach", "kept", "nothing-judged"})
FEW = 5  # compared figures
EXPECTED = 20  # requests of base's label: then head has some, unless it differs
OTHER_SIZE, OTHER_WORK = 0.1, 0.5  # differences of mean size and of p95 by which head may answer something else
MANY = "more than five figures are compared, so each needs more pairs to prove a change; compare the important ones"
IN_PERIODS = "the service's metrics contain both versions: a breach holds, but a pass tells nothing about head"


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
    duet = duet_of(plan)
    own, of_servers = _divided(plan)
    judged = {arm: _judged(Arm(own, arm), timeline, whole, completeness) for arm, timeline in arms.items()}
    (head_plan, summary, head), (_, of_base, base) = judged[HEAD], judged[BASE]
    stopped_s = completeness.stopped_at_s
    complete = duet.blocks if stopped_s is None else duet.pairs_complete(stopped_s)
    comparison = compare(plan, whole, complete, first)
    notes = [Note("many-figures", MANY)] if len(comparison.metrics) > FEW else []
    sent = {label for label, figures in summary.labels.items() if figures.samples}
    missing = [label for label, figures in of_base.labels.items() if figures.samples >= EXPECTED and label not in sent]
    if missing:
        notes.append(Note("missing-label", f"base has requests of {', '.join(missing[:FEW])}, and head has none"))
    notes += _not_compared(of_base, summary, comparison) if comparison.outcome != "failed" else []
    if comparison.voided:
        voids = void_pairs(plan, whole, duet.blocks)
        what = f"{comparison.voided} of {plural(complete, 'pair')} are void: {next(iter(voids.values()))}"
        saturated = comparison.voided > MOST_VOID * (comparison.blocks or 0)
        if saturated and not any(reason.code == "saturated" for reason in (*head.reasons, *base.reasons)):
            head = replace(head, reasons=(*head.reasons, Reason("saturated", what)))
        notes.append(Note("void-pairs", what))
        # A breach on response times remains excused.
        excused = any(reason.code == "excused-breach" for reason in head.reasons)
        if not saturated and not excused and not saturated_without(plan, whole, voids):
            head, base = (
                replace(judged, reasons=tuple(reason for reason in judged.reasons if reason.code != "saturated"))
                for judged in (head, base)
            )
    if calibration is not None:
        comparison = replace(comparison, expected=expected(calibration, plan))
        notes += [remark] if (remark := warning(calibration, plan)) is not None else []
    if of_servers.criteria:
        servers = judge(of_servers, whole, completeness, summary, metrics)
        head = _with_servers(head, servers)
        asked = [criterion.server for criterion in criteria_of(of_servers.criteria)]
        series = [metrics.find(one) if metrics and one else None for one in asked]
        if not all(one and one.version for one in series):
            notes.append(Note("both-arms-in-periods", IN_PERIODS))
    verdict = replace(_combined(head, base, comparison), comparison=comparison).with_notes(notes)
    head_plan = head_plan.model_copy(update={"criteria": plan.criteria})
    return JudgedDuet(head_plan, summary, verdict)


def _not_compared(base: Summary, head: Summary, comparison: Comparison) -> Iterator[Note]:
    """Yields notes on labels that differ although no compared figure shows it, e.g. below the p95 of all requests."""
    covered = {metric.label for metric in comparison.metrics if metric.unit == "us"}
    labels = [
        (label, base.labels[label], figures)
        for label, figures in head.labels.items()
        if label in base.labels and label != JOURNEY_START
    ]
    both = [label for label in labels if min(label[1].samples, label[2].samples) >= EXPECTED]
    margin = 1 + (comparison.margin or 0.0)
    slower = [label for label, old, new in both if label not in covered and _above(new, old, margin)]
    if slower:
        what = f"p95 of {_names(slower)} is higher in head by more than the margin, and no compared figure covers it"
        yield Note("slower-label", f"{what}. Name the labels in `toril.regression.labels`")
    faster = [label for label, old, new in both if _above(old, new, 1 / OTHER_WORK)]
    sizes = [(label, old.bytes / old.samples, new.bytes / new.samples) for label, old, new in both]
    resized = [label for label, old, new in sizes if abs(new - old) > OTHER_SIZE * max(old, new)]
    for differing, what in (
        (faster, "p95 of {} is less than half of base's"),
        (resized, "responses of {} differ in size"),
    ):
        if differing:
            yield Note("other-responses", f"{what.format(_names(differing))}. Check that head gives the same answers")


def _above(label: LabelFigures, other: LabelFigures, factor: float) -> bool:
    """Whether the 95 % intervals of p95 are apart by more than a factor."""
    if label.response_us is None or other.response_us is None:
        return False
    (low, _), (_, high) = (times.interval.get("p95", (None, None)) for times in (label.response_us, other.response_us))
    return low is not None and high is not None and low > factor * high


def _names(labels: Sequence[str]) -> str:
    return ", ".join(plain(label) or "all requests" for label in labels[:FEW])


def _divided(plan: Plan) -> tuple[Plan, Plan]:
    """Returns the plan with the criteria on the arm alone, and with those on CloudWatch's metrics."""
    of_servers = [criterion.server is not None for criterion in criteria_of(plan.criteria)]
    own, servers = (
        tuple(planned for planned, of_server in zip(plan.criteria, of_servers, strict=True) if of_server is wanted)
        for wanted in (False, True)
    )
    return plan.model_copy(update={"criteria": own}), plan.model_copy(update={"criteria": servers})


def _with_servers(head: Verdict, servers: Verdict) -> Verdict:
    """Returns head's verdict with the criteria on CloudWatch's metrics and their reasons."""
    results = {(criterion.code, criterion.message) for criterion in servers.criteria}
    reasons = [reason for reason in servers.reasons if (reason.code, reason.message) in results]
    others = [reason for reason in head.reasons if reason.code != "nothing-judged"]
    return replace(head, criteria=(*head.criteria, *servers.criteria), reasons=(*others, *reasons))


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
    open_questions += [  # others, such as a lost worker, are reasons of head too
        Reason(reason.code, f"{ARMS[BASE]}: {reason.message}")
        for reason in base.reasons
        if reason.code not in OF_CRITERIA and reason not in open_questions
    ]
    invalid = [reason for reason in open_questions if reason.code in INVALID]
    invalid += [reason for reason in base.reasons if reason.code in BROKEN]
    if comparison.outcome == "failed" and not invalid:
        code = "aa-false-alarm" if comparison.aa else "regression"
        breaches += [Reason(code, metric.message) for metric in comparison.metrics if metric.outcome == "failed"]
    elif comparison.outcome == "failed":
        why = EXCUSES.get(invalid[0].code, invalid[0].message)
        open_questions.append(Reason("unsure-arms", f"{comparison.message}. This is not proven, because {why}"))
    elif comparison.outcome == "inconclusive":
        open_questions += [
            Reason("unproven", metric.message) for metric in comparison.metrics if metric.outcome == "inconclusive"
        ]
    if breaches:
        return replace(head, outcome="failed", reasons=(*breaches, *open_questions))
    if open_questions:
        return replace(head, outcome="inconclusive", reasons=tuple(open_questions))
    proven = Reason("aa-clean" if comparison.aa else "no-regression", comparison.message)
    return replace(head, outcome="passed", reasons=(proven, *head.reasons))
