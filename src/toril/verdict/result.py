"""What became of one criterion, as plain data and in words."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from toril.criteria import GENERATOR, Criterion, server_text
from toril.records.verdict import Counted, CriterionOutcome, CriterionWindow, JudgedCriterion, Scope
from toril.verdict.measure import MORE
from toril.verdict.windows import Found, Window

_STEPS = {
    "us": (("s", 1_000_000), ("ms", 1000)),
    "bytes": (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)),
}
_SMALLEST = {"us": " µs", "bytes": " bytes", "%": " %", "/s": "/s", "": ""}

MOST_DIGITS = 10

MAXIMA = {"concurrency", *GENERATOR} - {"generator-dropped"}  # of the whole run their maximum is judged


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionResult:
    """One criterion judged. Values are in the criterion's unit: µs, bytes, a count or a percentage."""

    criterion: Criterion
    where: str
    executions: tuple[str, ...]  # empty: the whole run
    outcome: CriterionOutcome = "passed"
    code: str = "kept"  # why, as in the table of `toril.verdict`
    observed: float | None = None  # at the first breach; without one, the value nearest to it
    worst: float | None = None
    window: Window | None = None
    fired: bool = False  # the condition came true
    samples: int = 0  # … or seconds of a generator's figure, or periods of CloudWatch's
    interval: tuple[int | None, int | None] | None = None  # 95 %, of a percentile over the whole run
    message: str = ""
    label: str | None = None  # as the summary shows it, where that is not the criterion's

    @property
    def at_s(self) -> int | None:
        """The second in which a window first breached."""
        return self.window.to_s if self.fired and self.window is not None else None

    @property
    def counted(self) -> Counted:
        """What `samples` is the number of."""
        if self.criterion.server is not None:
            return "period"
        if self.criterion.subject == "capacity":
            return "stage"
        return "second" if self.criterion.subject == "load" or self.criterion.subject in GENERATOR else "sample"

    def record(self) -> JudgedCriterion:
        """An entry of `criteria` in verdict.json."""
        criterion, window = self.criterion, self.window
        return JudgedCriterion(
            criterion=criterion.text,
            outcome=self.outcome,
            observed=_plain(self.observed),
            threshold=_plain(criterion.threshold),
            unit=criterion.unit,
            label=criterion.label if self.label is None else self.label,
            scope=Scope(executions=self.executions, location=criterion.location),
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
            where=self.where,
            stop=criterion.stop,
            fail=criterion.fail,
            own_message=criterion.message,
            kind=criterion.kind,
            counted=self.counted,
        )


def settled(result: CriterionResult, *, stands: bool) -> CriterionResult:
    """The result with its outcome. `stands`: what is missing could not have changed it."""
    if result.fired and not result.criterion.fail:
        return replace(result, outcome="triggered", code="triggered")
    if stands:
        return replace(result, outcome="failed", code="breach") if result.fired else result
    if result.fired:
        message = f"{result.message}; what is missing could have prevented it"
        return replace(result, outcome="inconclusive", code="breach-may-not-stand", message=message)
    message = f"{result.message}; what is missing could have breached it"
    return replace(result, outcome="inconclusive", code="pass-may-not-stand", message=message)


def never_full(blank: CriterionResult, lasted_s: int, *, rightly_ended: bool, stands: bool = True) -> CriterionResult:
    """The result of a criterion whose timeframe is longer than what it judges: it could not have come true.

    It is kept, as in Taurus, and says so: whoever reads the verdict has to know that it could not have been otherwise.
    Unless what is missing might have filled a window: then `stands` is false, and nothing is proven.
    """
    lasted = f"what it judges lasted {lasted_s} s only, less than its timeframe of {blank.criterion.timeframe_s} s"
    if not stands:
        return settled(replace(blank, message=f"no window was full: {lasted}"), stands=False)
    message = f"it could not come true: {lasted}"
    if rightly_ended:
        return replace(blank, message=f"{message}, when the load was ended by another criterion")
    fix = "give it a shorter timeframe, or none, or the run more time"
    return replace(blank, code="never-a-full-window", message=f"{message}; {fix}")


def fired_in(blank: CriterionResult, found: Found, of: str = "") -> CriterionResult:
    """The first window of a criterion that came true; `of` which worker or execution."""
    window, worst = found.fired, found.worst
    if window is None or worst is None:
        raise ValueError(f"{blank.criterion.text} has not come true")
    return replace(
        blank,
        fired=True,
        observed=window.value,
        worst=worst.value,
        window=window,
        samples=window.samples,
        message=breach_in_words(blank.criterion, window.value, window, blank.executions, of),
    )


def subject_of(criterion: Criterion) -> str:
    """The subject as a person writes it: `p99.9`, `rc5??`, `avg-rt`, `alb-response-time p95 of app/shop/1`."""
    if criterion.server is not None:
        return server_text(criterion.subject, criterion.server)
    if criterion.subject == "p":
        return f"p{criterion.percentile:.10g}"
    return f"rc{criterion.rc_pattern}" if criterion.subject == "rc" else criterion.subject


def shown(value: float, unit: str) -> str:
    """A value with its unit, in three digits where it has more."""
    return _with_unit(value, unit, _digits)


def exact(value: float, unit: str, digits: int = MOST_DIGITS) -> str:
    """A value with its unit, in all its digits."""
    return _with_unit(value, unit, lambda number: f"{number:,.{digits}g}")


def _with_unit(value: float, unit: str, digits: Callable[[float], str]) -> str:
    """Bytes go in steps of 1,024, as Taurus counts them."""
    for name, size in _STEPS.get(unit, ()):
        if abs(value) >= size:
            return f"{digits(value / size)} {name}"
    return f"{digits(value)}{_SMALLEST[unit]}"


def breach_in_words(
    criterion: Criterion, value: float, window: Window | None, executions: tuple[str, ...], of: str = ""
) -> str:
    """The observed value against the limit, by how much, where and when; `of` which worker or execution."""
    what = f"{_named(criterion)} {_was(criterion, window)} {_apart(criterion, value)}"
    if criterion.op == "=":
        against = "which the criterion rules out"
    else:
        side = "above" if value > criterion.threshold else "below"
        limit = exact(criterion.threshold, criterion.unit)
        distance = abs(value - criterion.threshold)
        if distance == 0:
            against = f"exactly the limit of {limit}, which counts as a breach"
        else:
            against = f"{_distance(criterion, distance)} {side} the limit of {limit}"
    return f"{what}, {against}{_when(criterion, window)}{_place(criterion, executions, of)}"


def pass_in_words(
    criterion: Criterion, value: float, window: Window | None, executions: tuple[str, ...], of: str = ""
) -> str:
    """The value that came nearest to a breach, and what a breach would have been."""
    verb = _was(criterion, None) if window is None else "was at worst"
    frame = "" if criterion.logic == "total" else f" {criterion.logic} {criterion.timeframe_s} s"
    limit = f"{criterion.op} {exact(criterion.threshold, criterion.unit)}{frame}"
    place = _place(criterion, executions, of)
    return f"{_named(criterion)} {verb} {_apart(criterion, value)}{place}; a breach is {limit}"


def _distance(criterion: Criterion, distance: float) -> str:
    """How far from the threshold, by itself and in relation to it."""
    if criterion.percent:
        return f"{_digits(distance)} percentage point{'' if distance == 1 else 's'}"
    part = f" ({_digits(100 * distance / criterion.threshold)} %)" if criterion.threshold else ""
    return f"{shown(distance, criterion.unit)}{part}"


def _apart(criterion: Criterion, value: float) -> str:
    """The value with enough digits to tell it from the threshold."""
    unit = criterion.unit
    if shown(value, unit) != shown(criterion.threshold, unit):
        return shown(value, unit)
    for digits in range(4, MOST_DIGITS):
        told = exact(value, unit, digits)
        if told != exact(criterion.threshold, unit, digits):
            return told
    return exact(value, unit)


def _named(criterion: Criterion) -> str:
    parts = (criterion.label, f"({criterion.kind})" if criterion.kind else "")
    of = " ".join(part for part in parts if part)
    each = " a second" if criterion.subject == "bytes" and criterion.logic != "total" else ""
    return subject_of(criterion) + (f" of {of}" if of else "") + each


def _was(criterion: Criterion, window: Window | None) -> str:
    if criterion.logic == "total" and criterion.subject in MAXIMA:
        return "was at its maximum"
    if window is None or criterion.logic != "for" or criterion.op == "=":
        return "was"
    return "was at the least" if criterion.op in MORE else "was at the most"


def _when(criterion: Criterion, window: Window | None) -> str:
    if window is None:
        return ""
    when = f"from {window.from_s} s to {window.to_s + 1} s"
    if criterion.logic != "for":
        return f", {when}"
    if criterion.server is not None:
        return f", in every period {when}"
    if window.reported not in (None, window.to_s + 1 - window.from_s):
        what = "values" if criterion.subject in GENERATOR else "samples"
        return f", in each of the {window.reported} seconds with {what} {when}"
    return f", in every second {when}"


def _place(criterion: Criterion, executions: tuple[str, ...], of: str) -> str:
    places = [of] if of else [f"execution {' + '.join(executions)}"] if executions else []
    places += [f"location {criterion.location}"] if criterion.location else []
    return f" ({', '.join(places)})" if places else ""


def _digits(value: float) -> str:
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _plain(value: float | None) -> float | int | None:
    """Whole numbers without a fraction, others to a millionth; nothing that JSON does not have."""
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    return int(value) if value == int(value) else round(value, 6)
