"""What a report is made from."""

from dataclasses import dataclass
from typing import Any

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

    @property
    def outcome(self) -> str:
        """passed, failed or inconclusive."""
        return str(self.verdict.get("outcome", "inconclusive"))
