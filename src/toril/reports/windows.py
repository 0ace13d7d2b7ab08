"""The figures of a span of seconds, as if the run had only these. `page/figures.js` computes those of tables.

- Samples belong to the second of their completion; with `ramp-up-exclude` only those of the steady state count.
- Rates are divided by the planned time inside the span.
- A criterion on the whole run has the value of the whole span. One with a timeframe has the value of its first breach
  inside the span; without a breach, the value nearest to one.
- Criteria on the load, the generators, a capacity, a fault or CloudWatch have no value. Outcomes and reasons stay
  those of the run.
"""

import math
from dataclasses import dataclass, replace

from toril import text
from toril.criteria import Criterion, criteria_of
from toril.criteria.quantities import duration_s
from toril.errors import OptionError
from toril.records import JudgedCriterion, Plan
from toril.records.summary import Load
from toril.reports.bundle import Bundle
from toril.summary import Completeness, adjusted_plan, figures_between, queued_plan, with_scripts_criteria
from toril.timeline import Timeline
from toril.verdict.evaluation import evaluate
from toril.verdict.evidence import Evidence

NOT_OF_A_WINDOW = "not computed for a window"
OF_A_WINDOW = ("observed", "worst", "window", "at_s", "samples", "interval")  # the values of a criterion


@dataclass(frozen=True, slots=True)
class WindowSource:
    """The measurements of a run that has windows."""

    timeline: Timeline
    completeness: Completeness
    plan: Plan  # with the changed rates, for the summary

    @property
    def queued(self) -> Plan:
        """The plan with the actual starts of the executions, for criteria and rates."""
        return queued_plan(self.plan, self.completeness)


def measured(bundle: Bundle) -> WindowSource | None:
    """Returns the measurements of a run; None if it has no windows: a duet, a functional suite, or missing files."""
    timeline, completeness, rules = bundle.timeline, bundle.completeness, len(bundle.verdict.criteria)
    if timeline is None or completeness is None or bundle.plan.functional or bundle.verdict.comparison:
        return None
    plan = with_scripts_criteria(bundle.plan, completeness)
    if not bundle.summary.series or rules != len(plan.criteria):
        return None
    return WindowSource(timeline, completeness, adjusted_plan(plan, completeness.rates, completeness.started_at))


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
    from_s = 0.0 if from_ is None else _seconds("--from", from_)
    span = span_of(bundle.without_gaps(), from_s, None if to is None else _seconds("--to", to))
    return replace(bundle, span=span) if format == "html" else windowed(bundle, span)


def _seconds(option: str, value: str) -> float:
    try:
        return float(duration_s(value))
    except ValueError as error:
        raise OptionError(f"{option} `{value}`: {error}. Write it like `2m`.", code="option-value") from None


def windowed(bundle: Bundle, span: tuple[int, int]) -> Bundle:
    """Returns the run with the figures of a span, and with its verdict; the run itself if the span is the whole run."""
    source = measured(bundle)
    if source is None or span == (0, len(bundle.summary.series)):
        return bundle
    timeline, completeness, (first, end) = source.timeline, source.completeness, span
    summary = figures_between(bundle.summary, source.plan, timeline, completeness, first, end - 1)
    part = timeline.between(first, end - 1)
    evidence = Evidence(source.queued, part, completeness=completeness, within=(float(first), float(end)))
    rules = zip(bundle.verdict.criteria, criteria_of(source.plan.criteria), strict=True)
    criteria = tuple(_within(judged, criterion, evidence) for judged, criterion in rules)
    note = (
        f"The figures are those of the window from {text.number(first)} s to {text.number(end)} s. Outcomes, reasons "
        "and load generators are those of the whole run."
    )
    verdict = replace(bundle.verdict, notes=(note, *bundle.verdict.notes))
    return replace(
        bundle,
        summary=replace(summary, load=Load()),
        verdict=replace(verdict, criteria=criteria, note_codes=("", *verdict.note_codes)),
        timeline=part,
        span=span,
    )


def _within(judged: JudgedCriterion, criterion: Criterion, evidence: Evidence) -> JudgedCriterion:
    """Returns the entry with the values of the span; its outcome and code stay those of the run."""
    of_samples = criterion.metric.source == "samples" and not criterion.phase
    values = evaluate(criterion, evidence).record() if of_samples else JudgedCriterion()
    known = {name: getattr(values, name) for name in OF_A_WINDOW}
    return replace(judged, **known, message="" if of_samples else NOT_OF_A_WINDOW)
