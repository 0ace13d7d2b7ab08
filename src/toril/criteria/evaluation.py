"""One criterion, judged on the whole run or through all its windows.

Taurus states the failing case (`p95 of checkout>300ms for 30s`), so a criterion that comes true is a breach. Without a
timeframe it is judged once, on the whole run, where virtual users are their maximum, as in Taurus. With
`settings.ramp-up-exclude` only steady samples count, in windows as well. Nothing is lost in the last seconds: windows
that end with the run's last sample count like any other.
"""

import difflib
import math
from collections.abc import Sequence
from dataclasses import replace

from toril.criteria.absence import Absence, ScopedAbsence
from toril.criteria.measure import MORE, Pool, Reading, reader_of
from toril.criteria.result import CriterionResult, breach_in_words, pass_in_words, subject_of
from toril.criteria.windows import Watch, Window, breaches
from toril.grammar import Criterion
from toril.records import Plan
from toril.stats import quantile_interval
from toril.timeline import Slice, Timeline


def evaluate(
    criterion: Criterion,
    where: str,
    executions: Sequence[str],
    timeline: Timeline,
    plan: Plan,
    absence: Absence | None = None,
) -> CriterionResult:
    """Judge one criterion. A breach that what is absent could have prevented is inconclusive, another has failed."""
    view = view_of(criterion, executions, timeline, plan)
    scoped = absence.of(executions, criterion.location) if absence else None
    blank = CriterionResult(criterion=criterion, where=where, executions=tuple(executions), samples=view.total.samples)
    if not view.total.samples:
        result = _without_samples(blank, timeline, plan)
    elif criterion.logic == "total":
        result = _on_the_whole(blank, view, timeline, plan, scoped)
    else:
        result = _through_windows(blank, view, timeline, plan, scoped)
    return with_own_message(result)


def view_of(criterion: Criterion, executions: Sequence[str], timeline: Timeline, plan: Plan) -> Slice:
    """The samples that the criterion judges."""
    return timeline.select(
        label=criterion.label,
        executions=tuple(executions),
        location=criterion.location,
        steady=True if plan.ramp_up_exclude else None,
    )


def show(watch: Watch, view: Slice, second: int) -> Window | None:
    """Let the watch see one second; the window that ends there if it is the first to breach."""
    users = view.virtual_users(second) if watch.criterion.subject == "concurrency" else 0
    return watch.see(second, view.second(second), users)


def with_own_message(result: CriterionResult) -> CriterionResult:
    """The result, told with the user's own words first."""
    own = result.criterion.message
    return replace(result, message=f"{own}: {result.message}") if own else result


def breach(blank: CriterionResult, watch: Watch) -> CriterionResult:
    """The first window of a criterion that came true."""
    window, worst = watch.fired, watch.worst
    if window is None or worst is None:
        raise ValueError(f"{blank.criterion.text} has not come true")
    return _fired(
        replace(
            blank,
            fired=True,
            observed=window.value,
            worst=worst.value,
            window=window,
            samples=window.samples,
            message=breach_in_words(blank.criterion, window.value, window, blank.executions),
        ),
        stands=True,
    )


def _on_the_whole(
    blank: CriterionResult, view: Slice, timeline: Timeline, plan: Plan, absence: ScopedAbsence | None
) -> CriterionResult:
    criterion, total = blank.criterion, view.total
    users = max(view.virtual_users(second) for second in view.seconds) if criterion.subject == "concurrency" else 0
    reading = reader_of(criterion)(total, users)
    if reading is None:
        return _not_measured(blank)
    value = _value(criterion, reading)
    fired = breaches(criterion, value)
    in_words = breach_in_words if fired else pass_in_words
    result = replace(
        blank,
        fired=fired,
        observed=value,
        worst=value,
        message=in_words(criterion, value, None, blank.executions),
    )
    if criterion.subject == "p" and criterion.percentile not in (None, 0.0, 100.0):  # p0 and p100 estimate nothing
        result = replace(result, interval=quantile_interval(total.response, criterion.percentile))
        if _too_few(result):
            few = f"{total.samples:,} samples are too few to know {subject_of(criterion)}"
            return replace(result, outcome="inconclusive", code="too-few-samples", message=f"{result.message}; {few}")
    if not fired:
        return result
    if absence is None:
        return _fired(result, stands=True)
    first, last = _planned_seconds(blank.executions, plan, view, absence)
    absent = absence.samples(first, last, reading.weight, _share_of_all(blank, timeline, plan))
    return _fired(result, stands=breaches(criterion, _value(criterion, reading, absent)))


def _through_windows(
    blank: CriterionResult, view: Slice, timeline: Timeline, plan: Plan, absence: ScopedAbsence | None
) -> CriterionResult:
    criterion = blank.criterion
    watch = Watch(criterion)
    seconds = view.seconds
    for second in seconds:
        show(watch, view, second)
    if watch.first_second is None:
        return _not_measured(blank)
    if watch.fired is not None:
        result = breach(blank, watch)
        if absence is None:
            return result
        return _fired(result, stands=_stands(criterion, view, absence, _share_of_all(blank, timeline, plan)))
    if watch.worst is None:
        lasted = seconds[-1] - watch.first_second + 1
        short = f"there were samples for {lasted} s only, less than the timeframe of {criterion.timeframe_s} s"
        return replace(blank, message=short)
    worst = watch.worst
    return replace(
        blank,
        observed=worst.value,
        worst=worst.value,
        window=worst,
        message=pass_in_words(criterion, worst.value, worst, blank.executions),
    )


def _stands(criterion: Criterion, view: Slice, absence: ScopedAbsence, share_of_all: float) -> bool:
    """Whether any window breaches although every missing sample speaks against it."""
    watch = Watch(criterion, absence, share_of_all)
    reported = set(view.seconds)
    for second in range(min(reported), max(reported) + 1):
        if second in reported:
            show(watch, view, second)
        elif absence.may_have_filled(second):
            watch.miss(second)
    return watch.fired is not None


def _too_few(result: CriterionResult) -> bool:
    """Whether the interval is open and not even its bound nearest to a pass confirms a breach."""
    low, high = result.interval or (None, None)
    bound = low if result.criterion.op in MORE else high
    return (low is None or high is None) and (bound is None or not breaches(result.criterion, bound))


def _fired(result: CriterionResult, *, stands: bool) -> CriterionResult:
    """The result of a criterion that came true."""
    if not result.criterion.fail:
        return replace(result, outcome="triggered", code="triggered")
    if stands:
        return replace(result, outcome="failed", code="breach")
    return replace(
        result,
        outcome="inconclusive",
        code="breach-may-not-stand",
        message=f"{result.message}; the samples that are missing could have prevented it",
    )


def _value(criterion: Criterion, reading: Reading, absent: float = 0.0) -> float:
    pool = Pool()
    pool.add(reading)
    return pool.value(criterion, reading.max_us, absent)


def _planned_seconds(executions: Sequence[str], plan: Plan, view: Slice, absence: ScopedAbsence) -> tuple[int, float]:
    """The seconds in which samples were planned or came; the last is infinite when nobody knows it."""
    chosen = [execution for execution in plan.executions if not executions or execution.name in executions]
    steady = plan.ramp_up_exclude
    first = min((math.floor(e.steady_from_s if steady else e.delay_s) for e in chosen), default=0)
    last = min(max((e.steady_to_s for e in chosen), default=0.0), absence.end_s)
    reported = view.seconds
    if math.isinf(last):
        return min(first, reported[0]), math.inf if absence.endless else reported[-1]
    return min(first, reported[0]), max(math.ceil(last) - 1, reported[-1])


def _share_of_all(blank: CriterionResult, timeline: Timeline, plan: Plan) -> float:
    """The part of all requests that carries the criterion's label."""
    if not blank.criterion.label:
        return 1.0
    everything = view_of(replace(blank.criterion, label=""), blank.executions, timeline, plan).total.samples
    return blank.samples / max(1, everything)


def _not_measured(blank: CriterionResult) -> CriterionResult:
    subject = subject_of(blank.criterion)
    message = f"none of the {blank.samples:,} samples has what {subject} needs: this engine does not record it"
    return replace(blank, outcome="inconclusive", code="not-measured", message=message)


def _without_samples(blank: CriterionResult, timeline: Timeline, plan: Plan) -> CriterionResult:
    label, location = blank.criterion.label, blank.criterion.location
    known = sorted(set(timeline.labels()) - {""})
    scope = (f" in location {location}" if location else "") + (
        f" in execution {' + '.join(blank.executions)}" if blank.executions else ""
    )
    what = "no steady sample" if plan.ramp_up_exclude else "no sample"
    code, message = "no-samples", f"{what} of {f'label {label!r}' if label else 'any request'} came in{scope}"
    if label and label not in known:
        code = "unknown-label"
        near = difflib.get_close_matches(label, known, n=3, cutoff=0.3) or known[:3]
        listed = ", ".join(map(repr, near))
        message += f"; the nearest of {len(known)} known labels: {listed}" if near else "; no label is known"
    return replace(blank, outcome="inconclusive", code=code, message=message)
