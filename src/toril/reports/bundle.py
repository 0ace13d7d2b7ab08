"""What a report is made from."""

from dataclasses import dataclass
from typing import Any

from toril.records import Plan


@dataclass(frozen=True, slots=True)
class Bundle:
    """One run: what was planned, what was measured (`toril.summary/1`) and what it means (`toril.verdict/1`)."""

    plan: Plan
    summary: dict[str, Any]
    verdict: dict[str, Any]

    @property
    def outcome(self) -> str:
        """passed, failed or inconclusive."""
        return str(self.verdict.get("outcome", "inconclusive"))
