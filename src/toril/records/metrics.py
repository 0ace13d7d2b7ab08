"""What CloudWatch is asked about the system under test, and what it answered."""

import json
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from toril.records.base import Record


class MetricQuery(BaseModel):
    """One metric of the system under test as CloudWatch keeps it, with one statistic."""

    model_config = ConfigDict(frozen=True)
    namespace: str
    metric: str
    statistic: str  # as CloudWatch names it: Average, Sum, p95, tm99 …
    dimensions: dict[str, str] = Field(default_factory=dict)
    region: str | None = None  # None: that of the coordinator's environment
    period_s: int = 60
    unit: str | None = None  # only data in this unit; CloudWatch never converts, and does not say the unit of an answer

    @property
    def key(self) -> str:
        """The same for equal queries, different for others; fit to be shown."""
        dimensions = json.dumps(self.dimensions, sort_keys=True, ensure_ascii=False)
        parts = [self.namespace, self.metric, self.statistic, dimensions, f"{self.period_s}s"]
        parts += [self.unit] if self.unit else []
        return " ".join(parts + ([f"in {self.region}"] if self.region else []))


PART_OF_PERIOD_NEEDED = 1 / 6  # a balancer that got only a request or two of a period may have no value of it


class MetricSeries(MetricQuery):
    """A query with what CloudWatch answered.

    A period with less than `PART_OF_PERIOD_NEEDED` of its time in the load, at either end, need not have a point;
    it counts when it has one.
    """

    points: tuple[tuple[float, float], ...] = ()  # (start of the period, in seconds from the start signal; value)
    complete_to_s: float = 0.0  # seconds from the start signal up to which nothing is missing at the end
    answered: bool = False  # CloudWatch was asked to the end of the wait: a period without a point has no value
    error: str | None = None  # why there are no points, or too few: where, what, the fix


class ServerMetrics(Record):
    """What CloudWatch measured of the system under test; fetched once, by the coordinator, after the load."""

    SCHEMA: ClassVar[str] = "toril.metrics/1"
    queries: tuple[MetricSeries, ...] = ()

    def find(self, query: MetricQuery) -> MetricSeries | None:
        """The answer to `query`; None when it was never asked."""
        return next((series for series in self.queries if series.key == query.key), None)
