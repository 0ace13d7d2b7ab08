"""Criteria on samples, judged on the whole run or in windows.

A criterion without a timeframe is judged once, on the whole run; virtual users by their maximum, as in Taurus. With
`settings.ramp-up-exclude` only samples of the steady state count, in windows too. Windows that end with the run's last
sample count like any other.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import pairwise

from toril.criteria import Criterion, load_for_samples, samples_needed
from toril.stats.quantiles import quantile_interval
from toril.summary import planned_s
from toril.text import close_matches, plural
from toril.timeline import Slice, Stats, Timeline
from toril.timeline.intervals import TAGGED, VALUE_SCALE, VALUES
from toril.verdict.evidence import Evidence, MissingLoad, Seconds, counts_silence, planned_seconds, view_of
from toril.verdict.result import (
    CriterionResult,
    in_window,
    never_full,
    settled,
    subject_of,
    undecided,
    with_value,
)
from toril.verdict.windows import MORE, Pool, Reading, SampleWatch, breaches, opposite, reader_of

LIKE_HTTP = re.compile(r"[1-5?*][0-9?*]*|\[.*")  # patterns of HTTP status codes
MOST_CODES = 5


def judge_samples(blank: CriterionResult, evidence: Evidence) -> CriterionResult:
    """Returns the result of a criterion on samples; inconclusive if missing samples could change it."""
    criterion = blank.criterion
    view = view_of(criterion, evidence.timeline, evidence.plan)
    total = view.total
    blank = replace(blank, samples=total.samples, label=_summary_label(criterion, view, evidence))
    if criterion.metric.kinds and (unknown := _unknown_metric(criterion, evidence.timeline)):
        return undecided(blank, "unknown-metric", unknown)
    whole_count = criterion.metric.kinds == ("counter",) and criterion.logic == "total"  # 0 without a sample
    if not total.samples and not whole_count:
        return _without_samples(blank, evidence)
    judged = _JudgedSamples(blank, view, evidence)
    return judged.on_the_whole(total) if criterion.logic == "total" else judged.through_windows()


@dataclass(frozen=True)
class _JudgedSamples:
    """The samples that a criterion judges."""

    blank: CriterionResult
    view: Slice
    evidence: Evidence

    @property
    def criterion(self) -> Criterion:
        return self.blank.criterion

    @cached_property
    def missing(self) -> MissingLoad | None:
        missing, criterion = self.evidence.missing, self.criterion
        return MissingLoad(missing, criterion.executions, criterion.location) if missing else None

    @cached_property
    def planned(self) -> Seconds:
        evidence = self.evidence
        return planned_seconds(evidence.plan, self.criterion, evidence.timeline, evidence.completeness.stopped_at_s)

    @cached_property
    def share_of_all(self) -> float:
        """The share of the criterion's label in all requests, 0 … 1."""
        if not self.criterion.label and self.criterion.kind is None:
            return 1.0
        everything = replace(self.criterion, subject="hits", label="", kind=None)
        all_samples = view_of(everything, self.evidence.timeline, self.evidence.plan).total.samples
        return self.blank.samples / max(1, all_samples)

    def _planned_s(self) -> float:
        evidence, executions = self.evidence, self.criterion.executions
        known = evidence.plan, evidence.timeline, evidence.completeness
        if self.view.kind in VALUES:
            senders = evidence.timeline.senders(self.view.label, self.view.kind)
            executions = tuple(name for name in executions or sorted(senders) if name in senders)
            return planned_s(*known, executions, within=evidence.within)
        return planned_s(*known, executions, self.view.label, evidence.within)

    def on_the_whole(self, total: Stats) -> CriterionResult:
        """Returns the result of the whole run."""
        criterion, view = self.criterion, self.view
        users = max(view.virtual_users(second) for second in view.seconds) if criterion.subject == "concurrency" else 0
        reading = reader_of(criterion)(total, users)
        if reading is None:
            return _not_measured(self.blank)
        if criterion.metric.window == "rate":  # divided by the planned time, as in the summary
            reading = replace(reading, weight=self._planned_s())
            if not reading.weight:
                return undecided(self.blank, "no-samples", f"there is no planned time to judge {criterion.subject} in")
        result = with_value(self.blank, _value(criterion, reading))
        result = replace(result, message=result.message + _measured_codes(criterion, total))
        if criterion.percentile not in (None, 0.0, 100.0):  # p0 and p100 estimate nothing
            step_us = 1 if criterion.metric.kinds else view.resolution_us
            low, high = quantile_interval(total.response, criterion.percentile, resolution_us=step_us)
            in_units = low and low / VALUE_SCALE, high and high / VALUE_SCALE
            result = replace(result, interval=in_units if criterion.metric.kinds else (low, high))
            if _too_few(result):
                few = f"{subject_of(criterion)} needs {samples_needed(criterion):,} samples, not {total.samples:,}"
                few += _advice_on_samples(criterion, self.evidence, total.samples)
                return undecided(result, "too-few-samples", f"{result.message}; {few}")
        if self.missing is None:
            return settled(result, stands=True)
        first, last = self._expected_seconds(self.missing)
        absent = self.missing.samples(first, last, Pool(reading).samples(criterion), self.share_of_all)
        if criterion.metric.window == "rate":  # some of the time may be missing too
            reading = replace(reading, weight=math.inf if math.isinf(last) else max(reading.weight, last + 1 - first))
        against = criterion if result.fired else opposite(criterion)
        stands = against is not None and breaches(against, _value(against, reading, absent))
        return settled(result, stands=stands)

    def through_windows(self) -> CriterionResult:
        """Returns the result of all windows."""
        watch, seconds = SampleWatch(self.criterion), self._seconds()
        for second in seconds:
            watch.follow(self.view, second, self.planned)
        nothing_planned = not any(second in self.planned for second in seconds)
        if watch.first_second is None and (counts_silence(self.criterion) or nothing_planned):
            message = f"the planned time has no whole second to judge {subject_of(self.criterion)} in; extend the run"
            return undecided(self.blank, "no-samples", message)
        if watch.first_second is None or watch.last_second is None:
            return _not_measured(self.blank)
        if watch.fired is not None:
            stands = self.missing is None or self._breached_despite_missing(seconds, self.missing)
            return settled(in_window(self.blank, watch), stands=stands)
        stands = self.missing is None or self._kept_despite_missing(seconds, self.missing)
        if watch.worst is None:
            lasted_s, ended = watch.last_second - watch.first_second + 1, self.evidence.ended_by_criterion
            return never_full(self.blank, lasted_s, ended_by_criterion=ended, stands=stands)
        return settled(in_window(self.blank, watch), stands=stands)

    def _seconds(self) -> Sequence[int]:
        """Returns the seconds with samples, and silent seconds of the planned time if the criterion counts them.

        Seconds in the middle of a long silence are left out, because all windows there are equal.
        """
        seconds, frame = self.view.seconds, self.criterion.timeframe_s
        if not counts_silence(self.criterion):
            return seconds
        chosen = []
        for sampled, following in pairwise([*seconds, max(self.planned.stop, seconds[-1] + 1)]):
            after = min(sampled + frame + 1, following)
            near = {*range(sampled + 1, after), *range(max(after, following - frame), following)}
            near |= {part.start for part in self.planned.parts if sampled < part.start < following}
            chosen += [sampled, *sorted(second for second in near if second in self.planned)]
        silent = (
            range(int(self.evidence.within[0]), seconds[0]) if self.criterion.phase and self.evidence.within else ()
        )
        return [*(second for second in silent if second in self.planned), *chosen]

    def _breached_despite_missing(self, seconds: Sequence[int], missing: MissingLoad) -> bool:
        """Whether any window is in breach with all missing samples at the value that is the least likely to breach."""
        watch, reported = SampleWatch(self.criterion, missing, self.share_of_all), set(seconds)
        for second in range(seconds[0], seconds[-1] + 1):
            if second in reported:
                watch.follow(self.view, second, self.planned)
            elif missing.may_have_filled(second):
                watch.miss(second)
        return watch.fired is not None

    def _kept_despite_missing(self, seconds: Sequence[int], missing: MissingLoad) -> bool:
        """Whether no second is missing, and no window is in breach with all missing samples at the worst value."""
        first, last = self._expected_seconds(missing)
        other, reported = opposite(self.criterion), set(seconds)
        if other is None or math.isinf(last):
            return False
        if any(missing.may_have_filled(second) for second in range(first, int(last) + 1) if second not in reported):
            return False
        watch = SampleWatch(self.criterion, missing, self.share_of_all, against=other)
        return all(watch.follow(self.view, second, self.planned) is None for second in seconds)

    def _expected_seconds(self, missing: MissingLoad) -> tuple[int, float]:
        """Returns the first and the last second with planned or recorded samples; an unknown end is infinite."""
        executions, reported = self.evidence.plan.chosen(self.criterion.executions), self.view.seconds
        steady = self.evidence.plan.ramp_up_exclude
        begins = [math.floor(execution.steady_from_s if steady else execution.delay_s) for execution in executions]
        first = min([*(begins or [0]), reported[0]])
        last = min(max((execution.steady_to_s for execution in executions), default=0.0), missing.end_s)
        if self.criterion.phase and self.evidence.within:
            first, last = max(first, int(self.evidence.within[0])), min(last, self.evidence.within[1])
        if math.isinf(last):
            return first, math.inf if missing.endless else reported[-1]
        return first, max(math.ceil(last) - 1, reported[-1])


def _value(criterion: Criterion, reading: Reading, absent: float = 0.0) -> float:
    return Pool(reading).value(criterion, reading.extremes, absent)


def _measured_codes(criterion: Criterion, total: Stats) -> str:
    """Returns the measured codes if the criterion's code is no number and matches none: it may be a typing error."""
    pattern = criterion.rc_pattern
    if pattern is None or LIKE_HTTP.fullmatch(pattern) or any(fnmatchcase(code, pattern) for code in total.rc):
        return ""
    codes = sorted(total.rc, key=lambda code: (-total.rc[code], code))
    more = " …" if len(codes) > MOST_CODES else ""
    measured = ", ".join(f"`{code}`" for code in codes[:MOST_CODES])
    return f"; no response code matches `{pattern}`, the measured ones are {measured}{more}"


def _too_few(result: CriterionResult) -> bool:
    """Whether the interval is open, and not even its bound nearest to a pass proves a breach."""
    low, high = result.interval or (None, None)
    bound = low if result.criterion.op in MORE else high
    return (low is None or high is None) and (bound is None or not breaches(result.criterion, bound))


def _advice_on_samples(criterion: Criterion, evidence: Evidence, samples: int) -> str:
    """Returns advice on the load that yields enough samples; empty unless exactly one execution sends them."""
    senders = evidence.timeline.senders(criterion.label)
    executions = [execution for execution in evidence.plan.chosen(criterion.executions) if execution.name in senders]
    if len(executions) != 1:
        return ""
    counted_s = 0.0 if evidence.plan.ramp_up_exclude else executions[0].ramp_up_s
    advice = load_for_samples(samples_needed(criterion) / samples, executions[0], counted_s)
    return f": {advice}" if advice else ""


def _summary_label(criterion: Criterion, view: Slice, evidence: Evidence) -> str | None:
    """Returns the summary's label if it differs from the criterion's, else None."""
    if criterion.kind is None:
        return None
    if not criterion.label:
        return f"({criterion.kind})" if criterion.kind == "transaction" else None
    both = view.label in evidence.timeline.labels_of_both_kinds() and criterion.kind == "transaction"
    return f"{view.label} (transaction)" if both else view.label


def _not_measured(blank: CriterionResult) -> CriterionResult:
    subject = subject_of(blank.criterion)
    message = f"the engine does not record {subject}: none of the {blank.samples:,} samples has it"
    return undecided(blank, "not-measured", f"{message}. Use another engine or another criterion")


def _unknown_metric(criterion: Criterion, timeline: Timeline) -> str:
    """Returns why no metric, or not exactly one, is judged by the criterion; empty if it judges one, or all checks."""
    name, subject, kinds = criterion.label, subject_of(criterion), criterion.metric.kinds
    if not name:
        return ""
    found = [kind for kind in VALUES if timeline.series(name, kind)]
    judged = [kind for kind in found if kind in kinds]
    if len(judged) == 1:
        return ""
    if judged:
        return f"`{name}` is both a {judged[0]} and a {judged[1]}; give each metric a name of its own"
    if found:
        return f"`{name}` is a {found[0]}, but `{subject}` judges a {' or a '.join(kinds)}"
    known = sorted({name for kind in kinds for name in timeline.measured(kind)})
    near = close_matches(name, known, most=3, cutoff=0.3) or known[:3]
    listed = f"; the nearest names are {', '.join(f'`{one}`' for one in near)}" if near else ""
    fix = ". A counter of rare events needs one 0 at its start" if "counter" in kinds else ""
    return f"no script measured a {' or a '.join(kinds)} `{name}`{listed}{fix}"


def _without_samples(blank: CriterionResult, evidence: Evidence) -> CriterionResult:
    label, location, kind = blank.criterion.label, blank.criterion.location, blank.criterion.kind
    known = sorted({*evidence.timeline.labels(), *evidence.timeline.measured(TAGGED)} - {""})
    when = " in the steady state" if evidence.plan.ramp_up_exclude else ""
    kinds = blank.criterion.metric.kinds
    named = f"{kind or (kinds and kinds[0]) or 'label'} `{label}` has" if label else "there are"
    what = "samples" if label else "checks" if kinds else f"{kind} samples" if kind else "samples"
    message = f"{named} no {what}{when}"
    message += f" in location {location}" if location else ""
    if blank.criterion.executions:
        message += f" in execution {' + '.join(blank.criterion.executions)}"
    if not label or label in known or kinds:
        return undecided(blank, "no-samples", message)
    near = close_matches(label, known, most=3, cutoff=0.3) or known[:3]
    listed = ", ".join(f"`{known_label}`" for known_label in near)
    message += f"; the nearest of {plural(len(known), 'known label')}: {listed}" if near else "; no label has any"
    if label.removesuffix(" (transaction)") in known:
        message += ". To judge a transaction that has the label of requests, use `toril.criteria`"
    return undecided(blank, "unknown-label", message)
