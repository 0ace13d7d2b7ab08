"""The result of one criterion: its values, its outcome, and a message that explains them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from toril import text
from toril.criteria import Criterion, Source, server_text
from toril.records.verdict import Counted, CriterionOutcome, CriterionWindow, JudgedCriterion, Scope
from toril.verdict.windows import MORE, JudgedWindow, Points, PointWatch, WindowWatch, breaches, margin

COUNTED: Mapping[Source, Counted] = {
    "samples": "sample", "load": "second", "capacity": "stage", "generators": "second", "server": "period",
    "cost": "request",
    "faults": "second",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionResult:
    """The result of one criterion. Values are in the criterion's unit: µs, bytes, a count or a percentage."""

    criterion: Criterion
    outcome: CriterionOutcome = "passed"
    code: str = "kept"  # see the table in `toril.verdict`
    observed: float | None = None  # at the first breach; without one, the value nearest to a breach
    worst: float | None = None
    window: JudgedWindow | None = None
    fired: bool = False  # the condition is true
    samples: int = 0  # … or seconds of a generator's figure, or CloudWatch periods
    interval: tuple[float | None, float | None] | None = None  # 95 %, of a percentile over the whole run
    message: str = ""
    label: str | None = None  # the summary's label, if it differs from the criterion's

    @property
    def at_s(self) -> int | None:
        """The last second of the first window in breach."""
        return self.window.to_s if self.fired and self.window is not None else None

    @property
    def counted(self) -> Counted:
        """The unit of `samples`."""
        return COUNTED[self.criterion.metric.source]

    def record(self) -> JudgedCriterion:
        """Returns the entry of `criteria` in verdict.json."""
        criterion, window = self.criterion, self.window
        return JudgedCriterion(
            criterion=criterion.text,
            outcome=self.outcome,
            observed=_plain(self.observed),
            threshold=_plain(criterion.threshold),
            unit=criterion.unit,
            label=criterion.label if self.label is None else self.label,
            scope=Scope(executions=criterion.executions, location=criterion.location),
            window=None
            if window is None
            else CriterionWindow(
                logic=criterion.logic, timeframe_s=criterion.timeframe_s, from_s=window.from_s, to_s=window.to_s
            ),
            at_s=self.at_s,
            samples=self.samples,
            interval=self.interval,
            message=self.message,
            code=self.code,
            worst=_plain(self.worst),
            op=criterion.op,
            subject=subject_of(criterion),
            where=criterion.where,
            stop=criterion.stop,
            fail=criterion.fail,
            own_message=criterion.message,
            kind=criterion.kind,
            counted=self.counted,
        )


def undecided(result: CriterionResult, code: str, message: str) -> CriterionResult:
    """Returns the result as inconclusive."""
    return replace(result, outcome="inconclusive", code=code, message=message)


def settled(result: CriterionResult, *, stands: bool) -> CriterionResult:
    """Returns the result with its outcome. `stands`: missing data could not have changed it."""
    if result.fired and not result.criterion.fail:
        return replace(result, outcome="triggered", code="triggered")
    if stands:
        return replace(result, outcome="failed", code="breach") if result.fired else result
    if result.fired:
        return undecided(result, "breach-may-not-stand", f"{result.message}; missing data could have prevented it")
    return undecided(result, "pass-may-not-stand", f"{result.message}; missing data could contain a breach")


def never_full(
    blank: CriterionResult, lasted_s: int, *, ended_by_criterion: bool, stands: bool = True
) -> CriterionResult:
    """Returns the result of a criterion whose timeframe is longer than the judged time.

    The criterion is kept, as in Taurus, and its message explains that it could not trigger. `stands` is false if
    missing data could have filled a window: then the result is inconclusive.
    """
    lasted = f"the judged time was {lasted_s} s, shorter than the timeframe of {blank.criterion.timeframe_s} s"
    if not stands:
        return settled(replace(blank, message=f"no window was full: {lasted}"), stands=False)
    message = f"the criterion could not trigger: {lasted}"
    if ended_by_criterion:
        return replace(blank, message=f"{message}, because another criterion ended the load")
    fix = "shorten or remove the timeframe, or extend the run"
    return replace(blank, code="never-a-full-window", message=f"{message}; {fix}")


def in_window(blank: CriterionResult, watch: WindowWatch[Any], of: str = "") -> CriterionResult:
    """Returns the result of the first window in breach, else of the nearest one; `of` names the worker or execution."""
    window, worst = watch.fired or watch.worst, watch.worst
    if window is None or worst is None:
        raise ValueError(f"{blank.criterion.text} had no window")
    return with_value(replace(blank, window=window, samples=window.samples), window.value, worst.value, of)


def with_value(blank: CriterionResult, value: float, worst: float | None = None, of: str = "") -> CriterionResult:
    """Returns the result with its value; `worst` differs from it if the first breach was not the worst."""
    fired, message = breaches(blank.criterion, value), describe(blank.criterion, value, blank.window, of)
    return replace(blank, fired=fired, observed=value, worst=value if worst is None else worst, message=message)


def series_of(criterion: Criterion, name: str) -> str:
    """Returns the name of one series of values per second: a worker or an execution."""
    return f"{'execution' if criterion.subject == 'load' else 'worker'} {name}"


def worst_of(blank: CriterionResult, series: Sequence[Points]) -> CriterionResult | None:
    """Returns the result of the worst series; None if no window was full."""
    criterion = blank.criterion
    if criterion.logic == "total":
        known = [(points.total, points) for points in series if points.total is not None]
        value, decides = max(known, key=lambda pair: margin(criterion, pair[0]))
        return with_value(replace(blank, samples=len(decides.points)), value, of=series_of(criterion, decides.name))
    watched = [(PointWatch.through(criterion, points), points.name) for points in series]
    fired = [(watch.fired, watch, name) for watch, name in watched if watch.fired is not None]
    kept = [(watch.worst, watch, name) for watch, name in watched if watch.worst is not None]
    if not kept:
        return None
    if fired:
        _, watch, name = min(fired, key=lambda breach: (breach[0].to_s, -margin(criterion, breach[0].value)))
    else:
        _, watch, name = max(kept, key=lambda candidate: margin(criterion, candidate[0].value))
    return in_window(blank, watch, series_of(criterion, name))


# Messages


def subject_of(criterion: Criterion) -> str:
    """Returns the subject as users write it: `p99.9`, `rc5??`, `avg-rt`, `alb-response-time p95 of app/shop/1`."""
    if criterion.server is not None:
        return server_text(criterion.subject, criterion.server)
    if criterion.percentile is not None:
        return f"{criterion.subject}{criterion.percentile:.10g}"
    return f"rc{criterion.rc_pattern}" if criterion.subject == "rc" else criterion.subject


def describe(criterion: Criterion, value: float, window: JudgedWindow | None = None, of: str = "") -> str:
    """Returns a sentence on the value and its limit; `of` names the worker or execution.

    A breach adds the distance from the limit, the place and the time; a pass reports the value nearest to a breach.
    """
    if not breaches(criterion, value):
        return _describe_pass(criterion, value, window, of)
    what = f"{_named(criterion)} {_was(criterion, window)} {text.observed(value, criterion.threshold, criterion.unit)}"
    side, limit = "above" if value > criterion.threshold else "below", text.limit(criterion.threshold, criterion.unit)
    against = f"{_distance(criterion, abs(value - criterion.threshold))} {side} the limit of {limit}"
    if criterion.op == "=":
        against = "which is a breach"
    elif value == criterion.threshold:
        against = f"exactly the limit of {limit}, which is a breach"
    return f"{what}, {against}{_when(criterion, window)}{_place(criterion, of)}"


def _describe_pass(criterion: Criterion, value: float, window: JudgedWindow | None, of: str) -> str:
    verb = _was(criterion, None) if window is None else "was at worst"
    frame = "" if criterion.logic == "total" else f" {criterion.logic} {criterion.timeframe_s} s"
    limit = f"{criterion.op} {text.limit(criterion.threshold, criterion.unit)}{frame}"
    place = _place(criterion, of)
    observed = text.observed(value, criterion.threshold, criterion.unit)
    return f"{_named(criterion)} {verb} {observed}{place}; breach if {limit}"


def _distance(criterion: Criterion, distance: float) -> str:
    """Returns the distance from the threshold, absolute and relative."""
    if criterion.percent:
        return f"{text.number(distance)} percentage point{'' if distance == 1 else 's'}"
    part = f" ({text.number(100 * distance / criterion.threshold)} %)" if criterion.threshold else ""
    return f"{text.quantity(distance, criterion.unit)}{part}"


def _named(criterion: Criterion) -> str:
    parts = (criterion.label, f"({criterion.kind})" if criterion.kind else "")
    of = " ".join(part for part in parts if part)
    each = " a second" if criterion.subject == "bytes" and criterion.logic != "total" else ""
    return subject_of(criterion) + (f" of {of}" if of else "") + each


def _was(criterion: Criterion, window: JudgedWindow | None) -> str:
    if criterion.logic == "total" and criterion.metric.is_maximum:
        return "had a maximum of"
    if window is None or criterion.logic != "for" or criterion.op == "=":
        return "was"
    return "was at least" if criterion.op in MORE else "was at most"


def _when(criterion: Criterion, window: JudgedWindow | None) -> str:
    if window is None:
        return ""
    when = f"from {window.from_s} s to {window.to_s + 1} s"
    if criterion.logic != "for":
        return f", {when}"
    if criterion.server is not None:
        return f", in every period {when}"
    if window.reported not in (None, window.to_s + 1 - window.from_s):
        what = "values" if criterion.metric.source == "generators" else "samples"
        return f", in each of the {window.reported} seconds with {what} {when}"
    return f", in every second {when}"


def _place(criterion: Criterion, of: str) -> str:
    places = [of] if of else [f"execution {' + '.join(criterion.executions)}"] if criterion.executions else []
    places += [f"location {criterion.location}"] if criterion.location else []
    return f" ({', '.join(places)})" if places else ""


def _plain(value: float | None) -> float | int | None:
    """Returns whole numbers without a fraction, others to a millionth; None for values that JSON cannot represent."""
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    return int(value) if value == int(value) else round(value, 6)
