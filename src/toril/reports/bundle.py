"""What a report is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from toril.masking import masked_settings
from toril.records import Plan, ServerMetrics
from toril.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Bundle:
    """One run: what was planned, what was measured (`toril.summary/1`) and what it means (`toril.verdict/1`).

    `timeline` is every measurement by second, for the reports that show more than the summary; `metrics` is what
    CloudWatch measured of the system under test. None: not read, or there is none.
    """

    plan: Plan
    summary: dict[str, Any]
    verdict: dict[str, Any]
    timeline: Timeline | None = None
    metrics: ServerMetrics | None = None
    cost: str = ""  # what its tasks have cost, in a line
    pictures: Mapping[str, bytes] = field(default_factory=dict)  # by their place in the run's folder

    @property
    def outcome(self) -> str:
        """passed, failed or inconclusive."""
        return str(self.verdict.get("outcome", "inconclusive"))

    @property
    def comparison(self) -> dict[str, Any]:
        """Head against base, where the run has measured both in turns; else empty."""
        return dict(self.verdict.get("comparison") or {})

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
        return min(len(self.summary.get("series", ())), max(1, int(self.summary.get("duration_s") or 0)))

    @property
    def summed(self) -> int:
        """Samples that the summary tells of."""
        return int(self.summary.get("labels", {}).get("", {}).get("samples", 0))

    def with_cost(self, line: str) -> "Bundle":
        return replace(self, cost=line)

    def without_gaps(self) -> "Bundle":
        """This, or its summary alone, with a note, where the measurements are not all there any more."""
        if self.timeline is None or self.measured == self.summed:
            return self
        note = (
            f"of the {self.summed} samples in the summary the interval files have {self.measured}: what is made of "
            "them is left out; restore the files, or delete summary.json and verdict.json to have the run judged again"
        )
        plan = self.plan.model_copy(update={"warnings": (*self.plan.warnings, note)})
        return replace(self, plan=plan, timeline=None)
