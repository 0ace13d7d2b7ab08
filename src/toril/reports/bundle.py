"""The input of a report: a run with its plan, figures and verdict."""

from __future__ import annotations  # `toril --version` imports no record

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from toril.secrets.masking import masked_settings

if TYPE_CHECKING:
    from toril.records import Plan, ServerMetrics, Verdict
    from toril.records.cause import Cause
    from toril.records.evidence import Exchanges
    from toril.records.summary import Summary
    from toril.summary import Completeness
    from toril.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Bundle:
    """One run: its plan, its figures and its verdict.

    `timeline` holds all measurements by second, for reports that show more than the summary. `metrics` holds
    CloudWatch's metrics of the system under test. Both are None if not read or missing.
    """

    plan: Plan
    summary: Summary
    verdict: Verdict
    timeline: Timeline | None = None
    metrics: ServerMetrics | None = None
    cost: str = ""  # of the tasks, in one line
    cost_usd: float | None = None  # the same as a number
    pictures: Mapping[str, bytes] = field(default_factory=dict)  # by path in the run's folder
    evidence: Exchanges | None = None  # None: not kept, or not read
    cause: Cause | None = None  # None: the suite does not ask for it
    completeness: Completeness | None = None  # beside a timeline: what its windows need
    span: tuple[int, int] | None = None  # a window of seconds, its end exclusive; None: the whole run

    @property
    def outcome(self) -> str:
        """Returns passed, failed or inconclusive."""
        return self.verdict.outcome

    @property
    def is_smoke(self) -> bool:
        """Returns whether the run only tried the suite: with one user and without its criteria."""
        return self.plan.tried or "smoke-run" in self.plan.warning_codes

    @property
    def tags(self) -> dict[str, str]:
        """Returns the tags of the run, without credentials."""
        return dict(masked_settings(self.plan.tags))

    @property
    def measured(self) -> int:
        """Returns the number of judged samples in the timeline; below the summary's if interval files are missing."""
        if self.timeline is None:
            return 0
        return self.timeline.select(steady=True if self.plan.ramp_up_exclude else None).total.samples

    @property
    def whole_seconds(self) -> int:
        """Returns the number of whole seconds in the series: the count of a partial last second is no rate."""
        return min(len(self.summary.series), max(1, int(self.summary.duration_s or 0)))

    def without_gaps(self) -> Bundle:
        """Returns this bundle; if interval files are missing, a copy without the timeline and with a note."""
        samples = self.summary.total.samples
        if self.timeline is None or self.measured == samples:
            return self
        note = (
            f"The interval files have {self.measured} of the {samples} samples in the summary, so parts of the "
            "report are missing. Restore the files, or delete summary.json and verdict.json to judge the run again."
        )
        plan = self.plan.model_copy(update={"warnings": (*self.plan.warnings, note)})
        return replace(self, plan=plan, timeline=None)
