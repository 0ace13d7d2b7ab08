"""The comparison of a run with earlier, comparable runs of its suite.

Each figure of the earlier runs predicts the range of one more run (Student's prediction interval). The run fails if a
figure is above this range by more than the margin. For a run without a change, the chance of that is at most 1 % for
all figures together, by Holm. A range cannot prove that nothing changed. So a run within it passes, with the smallest
change that the comparison detects in four runs of five.

| code                   | outcome      | reason                                                                 |
|------------------------|--------------|------------------------------------------------------------------------|
| `slower-than-earlier`  | failed       | a figure is worse than earlier runs predict, by more than the margin   |
| `too-few-earlier`      | inconclusive | fewer than eight comparable runs have the figure                       |
| `within-earlier`       | passed       | no figure is worse than earlier runs predict                           |

Conditions that invalidate response times excuse a worse figure, as they excuse a breach.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from toril import text
from toril.records import EarlierMetric, EarlierRuns, Outcome, Plan, Reason, Verdict
from toril.records.history import HistoryRecord, KeptFigures
from toril.regression.rule import WORST
from toril.regression.verdict import INVALID, OF_CRITERIA
from toril.stats.paired import Mean, error_of_one_more, p_above
from toril.stats.quantiles import student_quantile
from toril.stats.sequential import holm
from toril.verdict import EXCUSES

LEVEL = 0.01  # the probability that a run without a change fails
POWER = 0.8  # the probability to find the smallest detectable change
LEAST = 8  # earlier runs
WORSE, TOO_FEW, WITHIN = "slower-than-earlier", "too-few-earlier", "within-earlier"
CODES: Mapping[Outcome, str] = {"failed": WORSE, "inconclusive": TOO_FEW, "passed": WITHIN}
EXCUSING = INVALID | {"stopped"}
OF_PASSES, OF_FAILURES = {*OF_CRITERIA, WITHIN} - {"breach"}, {"breach", WORSE}


def is_measured(record: HistoryRecord) -> bool:
    """Whether the figures of a run show how the suite's main branch does: judged, valid and unchanged."""
    judged = record.outcome != "inconclusive" or set(record.reasons) == {TOO_FEW}
    valid = judged and EXCUSING.isdisjoint(record.reasons)
    return valid and record.kind == "run" and not record.branch and not record.adjusted


def is_comparable(record: HistoryRecord, now: HistoryRecord) -> bool:
    """Whether `now` can be compared with an earlier run. A run that was worse than earlier ones predicts nothing."""
    before = record.run_id != now.run_id and record.started_at < now.started_at
    return before and record.fingerprint == now.fingerprint and is_measured(record) and WORSE not in record.reasons


def figures_of(record: HistoryRecord, label: str = "", location: str = "") -> KeptFigures | None:
    """Returns the figures of a label ("": all requests) in a location ("": all); None if the record has none."""
    if location and label:
        return record.parts.get(location, {}).get(label)
    if location:
        return record.locations.get(location)
    return record.labels.get(label) if label else record.total


def value_of(figures: KeptFigures | None, metric: str) -> float | None:
    """Returns a percentile in µs, the share of failures, or requests per second. None: unknown, or a time of 0."""
    if figures is None or not figures.samples:
        return None
    if metric == "failures":
        return figures.failures / figures.samples
    kept = figures.percentiles.get(metric)
    return (figures.rps if metric == "throughput" else kept and kept.value_us) or None


def judge_earlier(plan: Plan, now: HistoryRecord, earlier: Sequence[HistoryRecord]) -> EarlierRuns:
    """Returns the comparison that `plan.earlier` wants; ValueError without it.

    `now` is the record of this run. `earlier` has only comparable runs, the newest first.
    """
    asked = plan.earlier
    if asked is None:
        raise ValueError(f"{plan.run_id} wants no comparison with earlier runs")
    runs = earlier[: asked.runs]
    wanted = [*((label, "p95") for label in asked.labels or ("",)), ("", "failures")]
    figures = [_figure(label, metric, now, runs, asked.margin) for label, metric in wanted]
    p = [p_above(figure.change, figure.limit) for figure in figures if isinstance(figure, _Figure)]
    tests = iter(holm(p, lambda left: LEVEL / left))
    metrics = tuple(figure.judged(*next(tests)) if isinstance(figure, _Figure) else figure for figure in figures)
    outcome = min((metric.outcome for metric in metrics), key=WORST.index)
    return EarlierRuns(
        wanted=asked.runs,
        runs=tuple(record.run_id for record in runs),
        margin=asked.margin,
        outcome=outcome,
        message=" ".join(dict.fromkeys(metric.message for metric in metrics if metric.outcome == outcome)),
        metrics=metrics,
    )


def with_earlier(verdict: Verdict, runs: EarlierRuns) -> Verdict:
    """Returns the verdict with this comparison, and with the outcome and reasons of both."""
    outcome, code = runs.outcome, CODES[runs.outcome]
    each = [runs.message] if outcome == "passed" else [one.message for one in runs.metrics if one.outcome == outcome]
    messages = dict.fromkeys(each)
    excuse = next((reason for reason in verdict.reasons if reason.code in EXCUSING), None)
    if outcome == "failed" and excuse is not None:
        outcome, code, why = "inconclusive", "excused-breach", EXCUSES.get(excuse.code, excuse.message)
        messages = dict.fromkeys(f"{message} This is not proven, because {why}." for message in messages)
    worst = min(outcome, verdict.outcome, key=WORST.index)
    reasons = [*verdict.reasons, *(Reason(code, message) for message in messages)]
    if worst != "passed":
        reasons = [reason for reason in reasons if reason.code not in OF_PASSES]
    if worst == "failed":
        reasons.sort(key=lambda reason: reason.code not in OF_FAILURES)
    verdict = replace(verdict, outcome=worst, reasons=tuple(reasons), earlier=runs)
    # Reports show no reasons of a pass.
    return verdict.with_notes([Reason(WITHIN, runs.message)]) if code == WITHIN else verdict


@dataclass(frozen=True, slots=True)
class _Figure:
    """One figure of this run, and its change against earlier ones. Times are logarithms, failures are shares."""

    label: str
    metric: str
    value: float
    change: Mean  # its error is that of one more run
    limit: float  # the tolerated change

    def judged(self, failed: bool, level: float) -> EarlierMetric:
        """Returns the figure with its range, whose bounds have this level, and its outcome."""
        shares, mean = self.metric == "failures", self.value - self.change.mean
        reach, bound = (student_quantile(one, self.change.freedom) * self.change.error for one in (1 - level, POWER))
        values = (self.value, mean, mean - reach, mean + reach)
        value, expected, low, high = (round(max(0.0, one), 6) if shares else round(math.exp(one)) for one in values)
        changes = (self.change.mean, self.limit, self.limit + reach + bound)
        change, limit, smallest = (round(bound if shares else math.expm1(bound), 6) for bound in changes)
        unit, name = "share" if shares else "us", text.sentence(_name(self.label, self.metric))
        levels = [text.quantity(amount, unit) for amount in (value, expected, high)]
        return EarlierMetric(
            label=self.label,
            metric=self.metric,
            unit=unit,
            value=value,
            expected=expected,
            low=low,
            high=high,
            change=change,
            detectable=smallest,
            outcome="failed" if failed else "passed",
            message=f"{name} is {levels[0]}, {text.change(change, unit)} against {self.change.count} earlier runs "
            f"({levels[1]}), which predict at most {levels[2]}. Limit {text.extent(limit, unit)}. "
            f"Smallest detectable change {text.extent(smallest, unit)}.",
        )


def _figure(
    label: str, metric: str, now: HistoryRecord, runs: Sequence[HistoryRecord], margin: float
) -> _Figure | EarlierMetric:
    """Returns one figure with its prediction, or the reason why there is none."""
    here, parts = figures_of(now, label), [part for run in runs if (part := figures_of(run, label)) is not None]
    value, values = value_of(here, metric), [known for part in parts if (known := value_of(part, metric)) is not None]
    if here is None or value is None or now.adjusted:
        why = "its rate was adjusted" if now.adjusted else f"{_name(label, metric)} is unknown"
        return EarlierMetric(label=label, metric=metric, message=f"This run is not comparable: {why}.")
    if len(values) < LEAST:
        have = text.plural(len(values), "comparable run")
        have += f" with {_name(label, metric)}" if len(values) < len(runs) else ""
        return EarlierMetric(label=label, metric=metric, message=f"{have}; {LEAST - len(values)} more are needed.")
    if metric == "failures":  # few requests vary by chance alone, even if no earlier one failed
        share = sum(figures.failures for figures in (here, *parts)) / sum(figures.samples for figures in (here, *parts))
        spread, limit = max(statistics.stdev(values), math.sqrt(share * (1 - share) / here.samples)), margin
    else:  # a step of the engine's record proves nothing
        limit = math.log1p(margin) + math.log1p((here.resolution_us or 0) / statistics.fmean(values))
        value, values = math.log(value), [math.log(earlier) for earlier in values]
        spread = statistics.stdev(values)
    error = error_of_one_more(spread, len(values))
    change = Mean(value - statistics.fmean(values), spread, len(values), error, len(values) - 1)
    return _Figure(label, metric, value, change, limit)


def _name(label: str, metric: str) -> str:
    return "the share of failures" if metric == "failures" else text.figure(metric, label)
