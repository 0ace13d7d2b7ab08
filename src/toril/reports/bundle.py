"""What a report is made from."""

from __future__ import annotations  # `toril --version` imports no record

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from toril.masking import masked_settings

if TYPE_CHECKING:
    from toril.records import Plan, ServerMetrics, Verdict
    from toril.records.summary import Summary
    from toril.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Bundle:
    """One run: its plan, its figures and their verdict.

    `timeline` has every measurement by second, for the reports that show more than the summary; `metrics` is what
    CloudWatch measured of the system under test. None: not read, or there is none.
    """

    plan: Plan
    summary: Summary
    verdict: Verdict
    timeline: Timeline | None = None
    metrics: ServerMetrics | None = None
    cost: str = ""  # of its tasks, in a line
    pictures: Mapping[str, bytes] = field(default_factory=dict)  # by their place in the run's folder

    @property
    def outcome(self) -> str:
        """passed, failed or inconclusive."""
        return self.verdict.outcome

    @property
    def tags(self) -> dict[str, str]:
        """The run's tags, without credentials."""
        return dict(masked_settings(self.plan.tags))

    @property
    def measured(self) -> int:
        """Judged samples of the timeline; the summary has as many unless interval files are missing."""
        if self.timeline is None:
            return 0
        return self.timeline.select(steady=True if self.plan.ramp_up_exclude else None).total.samples

    @property
    def whole_seconds(self) -> int:
        """Seconds of the series that the run filled: counts of the last one, a part of a second, are no rates."""
        return min(len(self.summary.series), max(1, int(self.summary.duration_s or 0)))

    def without_gaps(self) -> Bundle:
        """This, or its summary alone, with a note, where interval files are missing."""
        samples = self.summary.total.samples
        if self.timeline is None or self.measured == samples:
            return self
        note = (
            f"of the {samples} samples in the summary the interval files have {self.measured}: what is made of "
            "them is left out; restore the files, or delete summary.json and verdict.json to have the run judged again"
        )
        plan = self.plan.model_copy(update={"warnings": (*self.plan.warnings, note)})
        return replace(self, plan=plan, timeline=None)
