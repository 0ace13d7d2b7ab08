"""The figures of a span of seconds, as if the run had only these. `page/figures.js` computes those of tables.

- Samples belong to the second of their completion; with `ramp-up-exclude` only those of the steady state count.
- Rates are divided by the planned time inside the span.
- A criterion on the whole run has the value of the whole span. One with a timeframe has the value of its first breach
  inside the span; without a breach, the value nearest to one.
- Criteria on the load, the generators, a capacity or CloudWatch have no value. Outcomes and reasons stay those of the
  run.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from toril import text
from toril.criteria import Criterion, criteria_of
from toril.criteria.quantities import duration_s, size_bytes
from toril.errors import OptionError
from toril.records import JudgedCriterion, Plan
from toril.records.summary import Load
from toril.reports.bundle import Bundle
from toril.summary import Completeness, adjusted_plan, figures_between, queued_plan
from toril.timeline import Timeline
from toril.verdict.evaluation import evaluate
from toril.verdict.evidence import Evidence

NOT_OF_A_WINDOW = "not computed for a window"


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurements of a run that has windows."""

    timeline: Timeline
    completeness: Completeness
    plan: Plan  # with the changed rates, for the summary

    @property
    def queued(self) -> Plan:
        """The plan with the actual starts of the executions, for criteria and rates."""
        return queued_plan(self.plan, self.completeness)


def measured(bundle: Bundle) -> Measured | None:
    """Returns the measurements of a run; None if it has no windows: a duet, a functional suite, or missing files."""
    timeline, completeness, rules = bundle.timeline, bundle.completeness, len(bundle.verdict.criteria)
    if timeline is None or completeness is None or bundle.plan.functional or bundle.verdict.comparison:
        return None
    if not bundle.summary.series or rules != len(bundle.plan.criteria):
        return None
    return Measured(timeline, completeness, adjusted_plan(bundle.plan, completeness.rates, completeness.started_at))


def span_of(bundle: Bundle, from_s: float, to_s: float | None) -> tuple[int, int]:
    """Returns the whole seconds that hold this span, the end exclusive; OptionError if the run has none."""
    if measured(bundle) is None:
        raise OptionError(
            f"Run {bundle.plan.run_id} has no figures of a window: its interval files are missing, or it is a duet or "
            "a functional suite. Remove --from and --to.",
            code="no-window",
        )
    length = len(bundle.summary.series)
    first, end = math.floor(from_s), length if to_s is None else min(length, math.ceil(to_s))
    if not first < end:
        raise OptionError(
            f"--from {from_s:g}s --to {length if to_s is None else to_s:g}s: The run has no second there. "
            f"It lasted {length} s; --from must be below --to.",
            code="no-window",
        )
    return first, end


def at_window(bundle: Bundle, from_: str | None, to: str | None, format: str) -> Bundle:
    """Returns the run with the figures of a window between two durations, such as `2m`; the run itself without them.

    A page has the figures of all windows, so in its format the run only gets the window that the page opens with.
    """
    if from_ is None and to is None:
        return bundle
    from_s = 0.0 if from_ is None else float(_read("--from", from_, duration_s))
    span = span_of(bundle.without_gaps(), from_s, None if to is None else float(_read("--to", to, duration_s)))
    return replace(bundle, span=span) if format == "html" else windowed(bundle, span)


def with_page_size(bundle: Bundle, size: str) -> Bundle:
    """Returns the run with another limit of the data for windows in its page, such as `10MiB`."""
    limit = int(_read("--page-size", size, size_bytes))
    return replace(bundle, plan=bundle.plan.model_copy(update={"page_bytes": limit}))


def _read(option: str, value: str, read: Callable[[str], Fraction]) -> Fraction:
    try:
        return read(value)
    except ValueError as error:
        raise OptionError(f"{option} `{value}`: {error}. Write it like `2m` or `10MiB`.", code="option-value") from None


def windowed(bundle: Bundle, span: tuple[int, int]) -> Bundle:
    """Returns the run with the figures of a span, and with its verdict; the run itself if the span is the whole run."""
    found = measured(bundle)
    if found is None or span == (0, len(bundle.summary.series)):
        return bundle
    timeline, completeness, (first, end) = found.timeline, found.completeness, span
    summary = figures_between(bundle.summary, found.plan, timeline, completeness, first, end - 1)
    part = timeline.between(first, end - 1)
    evidence = Evidence(found.queued, part, completeness=completeness, within=(float(first), float(end)))
    rules = zip(bundle.verdict.criteria, criteria_of(bundle.plan.criteria), strict=True)
    criteria = tuple(_within(judged, criterion, evidence) for judged, criterion in rules)
    note = (
        f"The figures are those of the window from {text.number(first)} s to {text.number(end)} s. Outcomes, reasons "
        "and load generators are those of the whole run."
    )
    return replace(
        bundle,
        summary=replace(summary, load=Load()),
        verdict=replace(bundle.verdict, criteria=criteria, notes=(note, *bundle.verdict.notes)),
        timeline=part,
        span=span,
    )


def has_windows(criterion: Criterion) -> bool:
    """Whether a criterion judges samples, so that each span has a value of it."""
    return criterion.metric.source == "samples"


def _within(judged: JudgedCriterion, criterion: Criterion, evidence: Evidence) -> JudgedCriterion:
    """Returns the entry with the values of the span; its outcome and code stay those of the run."""
    if not has_windows(criterion):
        return replace(
            judged, observed=None, worst=None, window=None, at_s=None, samples=0, interval=None, message=NOT_OF_A_WINDOW
        )
    found = evaluate(criterion, evidence).record()
    return replace(
        judged,
        observed=found.observed,
        worst=found.worst,
        window=found.window,
        at_s=found.at_s,
        samples=found.samples,
        interval=found.interval,
        message="",
    )
