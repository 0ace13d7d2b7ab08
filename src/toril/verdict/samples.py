"""A criterion on samples, judged on the whole run or through all its windows.

Without a timeframe it is judged once, on the whole run, where virtual users are their maximum, as in Taurus. With
`settings.ramp-up-exclude` only steady samples count, in windows as well. Nothing is lost in the last seconds: windows
that end with the run's last sample count like any other.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import pairwise

from toril.criteria import Criterion, load_for_samples, samples_needed
from toril.stats.quantiles import quantile_interval
from toril.text import close_matches
from toril.timeline import Slice, Stats
from toril.verdict.evidence import Evidence, MissingLoad, Seconds, chosen, judged_s, planned_seconds, view_of
from toril.verdict.result import (
    CriterionResult,
    describe,
    fired_in,
    kept_in,
    never_full,
    settled,
    subject_of,
)
from toril.verdict.windows import (
    MORE,
    Pool,
    Reading,
    SampleWatch,
    breaches,
    counts_silence,
    opposite,
    reader_of,
)

LIKE_HTTP = re.compile(r"[1-5?*][0-9?*]*|\[.*")  # as patterns of HTTP's codes begin
MOST_CODES = 5


def judge_samples(blank: CriterionResult, evidence: Evidence) -> CriterionResult:
    """Judge a criterion on samples. What the samples that are missing could have changed is inconclusive."""
    criterion = blank.criterion
    view = view_of(criterion, evidence.timeline, evidence.plan)
    missing = evidence.missing_for(criterion)
    blank = replace(blank, samples=view.total.samples, label=_label_shown(criterion, view, evidence))
    if not view.total.samples:
        return _without_samples(blank, evidence)
    if criterion.logic != "total":
        return _through_windows(blank, view, evidence, missing)
    return _on_the_whole(blank, view, evidence, missing)


def _on_the_whole(
    blank: CriterionResult, view: Slice, evidence: Evidence, missing: MissingLoad | None
) -> CriterionResult:
    criterion, total = blank.criterion, view.total
    users = max(view.virtual_users(second) for second in view.seconds) if criterion.subject == "concurrency" else 0
    reading = reader_of(criterion)(total, users)
    if reading is None:
        return _not_measured(blank)
    if criterion.subject == "throughput":  # by the time that was planned for it, as in the summary
        reading = replace(reading, weight=judged_s(evidence, criterion.executions, view.label))
        if not reading.weight:
            return replace(blank, outcome="inconclusive", code="no-samples", message="no time was judged")
    result = _with_value(blank, _value(criterion, reading), _codes_instead(criterion, total))
    if criterion.subject == "p" and criterion.percentile not in (None, 0.0, 100.0):  # p0 and p100 estimate nothing
        result = replace(result, interval=quantile_interval(total.response, criterion.percentile))
        if _too_few(result):
            many = f"{total.samples:,} sample{'s' if total.samples > 1 else ''}"
            few = f"{many}; {subject_of(criterion)} needs {samples_needed(criterion):,}"
            few += _to_have_enough(criterion, evidence, total.samples)
            return replace(result, outcome="inconclusive", code="too-few-samples", message=f"{result.message}; {few}")
    if missing is None:
        return settled(result, stands=True)
    first, last = _expected_seconds(blank, evidence, view, missing)
    absent = missing.samples(first, last, Pool(reading).samples(criterion), _share_of_all(blank, evidence))
    if criterion.subject == "throughput":  # a part of the time may be missing
        reading = replace(reading, weight=math.inf if math.isinf(last) else max(reading.weight, last + 1 - first))
    return settled(result, stands=_same(result, reading, absent))


def _with_value(blank: CriterionResult, value: float, aside: str = "") -> CriterionResult:
    fired = breaches(blank.criterion, value)
    message = describe(blank.criterion, value, None, fired=fired) + aside
    return replace(blank, fired=fired, observed=value, worst=value, message=message)


def _codes_instead(criterion: Criterion, total: Stats) -> str:
    """The codes that there were, where none is like that of the criterion and it is no number: it may be a slip."""
    pattern = criterion.rc_pattern
    if pattern is None or LIKE_HTTP.fullmatch(pattern) or any(fnmatchcase(code, pattern) for code in total.rc):
        return ""
    codes = sorted(total.rc, key=lambda code: (-total.rc[code], code))
    more = " …" if len(codes) > MOST_CODES else ""
    return f"; no response code is like {pattern!r}, there were {', '.join(map(repr, codes[:MOST_CODES]))}{more}"


def _same(result: CriterionResult, reading: Reading, absent: float) -> bool:
    """Whether the result stays the same with the most unfavourable value for all absent samples."""
    criterion = result.criterion
    if result.fired:
        return breaches(criterion, _value(criterion, reading, absent))
    other = opposite(criterion)
    return other is not None and breaches(other, _value(other, reading, absent))


def _through_windows(
    blank: CriterionResult, view: Slice, evidence: Evidence, missing: MissingLoad | None
) -> CriterionResult:
    criterion, watch = blank.criterion, SampleWatch(blank.criterion)
    planned = _planned_time(blank, evidence)
    seconds: Sequence[int] = view.seconds
    if counts_silence(criterion):
        seconds = _with_silence(seconds, planned, criterion.timeframe_s)
    for second in seconds:
        watch.follow(view, second, planned)
    if watch.first_second is None and counts_silence(criterion):
        message = f"no whole second of the planned time is left to judge {subject_of(criterion)} in"
        return replace(blank, outcome="inconclusive", code="no-samples", message=message)
    if watch.first_second is None or watch.last_second is None:
        return _not_measured(blank)
    if watch.fired is not None:
        result = fired_in(blank, watch)
        if missing is None:
            return settled(result, stands=True)
        return settled(result, stands=_stands(blank, view, evidence, missing, seconds))
    stands = missing is None or _kept(blank, view, evidence, missing, seconds)
    if watch.worst is None:
        lasted_s = watch.last_second - watch.first_second + 1
        return never_full(blank, lasted_s, rightly_ended=evidence.rightly_ended, stands=stands)
    return settled(kept_in(blank, watch.worst), stands=stands)


def _with_silence(seconds: Sequence[int], planned: Seconds, frame: int) -> list[int]:
    """Silent seconds of the planned time as well, but none in the midst of a silence, where all windows are alike."""
    found = []
    for one, following in pairwise([*seconds, max(planned.stop, seconds[-1] + 1)]):
        after = min(one + frame + 1, following)
        near = {*range(one + 1, after), *range(max(after, following - frame), following)}
        near |= {part.start for part in planned.parts if one < part.start < following}
        found += [one, *sorted(second for second in near if second in planned)]
    return found


def _planned_time(blank: CriterionResult, evidence: Evidence) -> Seconds:
    return planned_seconds(evidence.plan, blank.criterion, evidence.timeline, evidence.stopped_at_s)


def _stands(
    blank: CriterionResult, view: Slice, evidence: Evidence, missing: MissingLoad, seconds: Sequence[int]
) -> bool:
    """Whether any window breaches with every missing sample at the value that is the least likely to breach."""
    watch, planned = (
        SampleWatch(blank.criterion, missing, _share_of_all(blank, evidence)),
        _planned_time(blank, evidence),
    )
    reported = set(seconds)
    for second in range(min(reported), max(reported) + 1):
        if second in reported:
            watch.follow(view, second, planned)
        elif missing.may_have_filled(second):
            watch.miss(second)
    return watch.fired is not None


def _kept(
    blank: CriterionResult, view: Slice, evidence: Evidence, missing: MissingLoad, seconds: Sequence[int]
) -> bool:
    """Whether no window breaches with every missing sample at the most unfavourable value, and no second is missing."""
    first, last = _expected_seconds(blank, evidence, view, missing)
    other = opposite(blank.criterion)
    reported = set(seconds)
    if other is None or math.isinf(last):
        return False
    if any(missing.may_have_filled(second) for second in range(first, int(last) + 1) if second not in reported):
        return False
    watch = SampleWatch(blank.criterion, missing, _share_of_all(blank, evidence), against=other)
    planned = _planned_time(blank, evidence)
    return all(watch.follow(view, second, planned) is None for second in seconds)


def _too_few(result: CriterionResult) -> bool:
    """Whether the interval is open and not even its bound nearest to a pass confirms a breach."""
    low, high = result.interval or (None, None)
    bound = low if result.criterion.op in MORE else high
    return (low is None or high is None) and (bound is None or not breaches(result.criterion, bound))


def _to_have_enough(criterion: Criterion, evidence: Evidence, samples: int) -> str:
    """The load that would have brought enough samples, where one execution sends them."""
    senders = evidence.timeline.senders(criterion.label)
    found = [one for one in chosen(evidence.plan, criterion.executions) if one.name in senders]
    if len(found) != 1 or not samples:
        return ""
    advice = load_for_samples(samples_needed(criterion) / samples, found[0], found[0].ramp_up_s)
    return f": {advice}" if advice else ""


def _value(criterion: Criterion, reading: Reading, absent: float = 0.0) -> float:
    return Pool(reading).value(criterion, reading.max_us, absent)


def _expected_seconds(
    blank: CriterionResult, evidence: Evidence, view: Slice, missing: MissingLoad
) -> tuple[int, float]:
    """The first and the last second with planned or recorded samples; an unknown end is infinite."""
    found = chosen(evidence.plan, blank.criterion.executions)
    steady = evidence.plan.ramp_up_exclude
    first = min((math.floor(e.steady_from_s if steady else e.delay_s) for e in found), default=0)
    last = min(max((e.steady_to_s for e in found), default=0.0), missing.end_s)
    reported = view.seconds
    if math.isinf(last):
        return min(first, reported[0]), math.inf if missing.endless else reported[-1]
    return min(first, reported[0]), max(math.ceil(last) - 1, reported[-1])


def _share_of_all(blank: CriterionResult, evidence: Evidence) -> float:
    """The part of all requests that carries the criterion's label."""
    if not blank.criterion.label and blank.criterion.kind is None:
        return 1.0
    everything = replace(blank.criterion, label="", kind=None)
    all_samples = view_of(everything, evidence.timeline, evidence.plan).total.samples
    return blank.samples / max(1, all_samples)


def _label_shown(criterion: Criterion, view: Slice, evidence: Evidence) -> str | None:
    """The label as the summary has it, where that is not the criterion's own."""
    if criterion.kind is None:
        return None
    if not criterion.label:
        return f"({criterion.kind})" if criterion.kind == "transaction" else None
    both = view.label in evidence.timeline.labels_of_both_kinds() and criterion.kind == "transaction"
    return f"{view.label} (transaction)" if both else view.label


def _not_measured(blank: CriterionResult) -> CriterionResult:
    subject = subject_of(blank.criterion)
    message = f"none of the {blank.samples:,} samples has what {subject} needs: this engine does not record it"
    return replace(blank, outcome="inconclusive", code="not-measured", message=message)


def _without_samples(blank: CriterionResult, evidence: Evidence) -> CriterionResult:
    label, location, kind = blank.criterion.label, blank.criterion.location, blank.criterion.kind or "request"
    known = sorted(set(evidence.timeline.labels()) - {""})
    scope = (f" in location {location}" if location else "") + (
        f" in execution {' + '.join(blank.criterion.executions)}" if blank.criterion.executions else ""
    )
    what = "no steady sample" if evidence.plan.ramp_up_exclude else "no sample"
    named = f"{blank.criterion.kind or 'label'} {label!r}" if label else f"any {kind}"
    code, message = "no-samples", f"{what} of {named} was measured{scope}"
    if label and label not in known:
        code = "unknown-label"
        near = close_matches(label, known, most=3, cutoff=0.3) or known[:3]
        listed = ", ".join(map(repr, near))
        message += f"; the nearest of {len(known)} known labels: {listed}" if near else "; no label is known"
        if label.removesuffix(" (transaction)") in known:
            message += "; a transaction that requests share their label with is judged under `toril.criteria`"
    return replace(blank, outcome="inconclusive", code=code, message=message)
