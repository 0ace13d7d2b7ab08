"""Time that passes when somebody waits, and queries to ask."""

from dataclasses import dataclass, field
from typing import Any

from toril.records import MetricQuery

NOON = 1_790_424_000.0  # 2026-09-26T12:00:00Z: a whole hour, so that periods of all lengths begin here


@dataclass(slots=True)
class Clock:
    """A clock that only sleeping moves."""

    at: float = NOON
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


def query(**changes: Any) -> MetricQuery:
    """The CPU of an ECS service, with the changes asked for."""
    written = {
        "namespace": "AWS/ECS",
        "metric": "CPUUtilization",
        "statistic": "Average",
        "dimensions": {"ClusterName": "shop", "ServiceName": "web"},
        "region": "eu-west-1",
    }
    return MetricQuery(**(written | changes))
