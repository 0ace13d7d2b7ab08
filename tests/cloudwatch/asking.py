"""A clock that only `sleep` moves, and metric queries."""

from dataclasses import dataclass, field
from typing import Any

from toril.records import MetricQuery

NOON = 1_790_424_000.0  # 2026-09-26T12:00:00Z: a whole hour, so that periods of all lengths begin here


@dataclass(slots=True)
class Clock:
    """A clock that only `sleep` moves."""

    at: float = NOON
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


def query(**changes: Any) -> MetricQuery:
    """A query for the CPU of an ECS service, with these changes."""
    written = {
        "namespace": "AWS/ECS",
        "metric": "CPUUtilization",
        "statistic": "Average",
        "dimensions": {"ClusterName": "shop", "ServiceName": "web"},
        "region": "eu-west-1",
    }
    return MetricQuery(**(written | changes))
