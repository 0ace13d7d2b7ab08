"""What one call to CloudWatch gave: points, or why there are none."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from toril.metrics.periods import Span
from toril.records import MetricQuery

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient

    ClientFactory = Callable[[str | None], CloudWatchClient]  # a region, or None for the environment's → its client
else:
    ClientFactory = Callable

FaultKind = Literal["query", "settings", "access", "unreachable", "busy"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a query has no answer."""

    kind: FaultKind  # query: the suite's fault; settings: region, profile; access: credentials, permission
    message: str  # where, what, the fix

    @property
    def passes(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self.kind in ("unreachable", "busy")


@dataclass(frozen=True, slots=True)
class Answer:
    """Values by the start of their period (seconds since the epoch), or the fault that kept them away."""

    points: Mapping[int, float] = field(default_factory=dict)
    fault: Fault | None = None


def grouped(queries: Iterable[MetricQuery]) -> list[list[MetricQuery]]:
    """Queries that one call can carry: of one region, and of one period, because a call has one span of time."""

    def group(query: MetricQuery) -> tuple[str, int]:
        return query.region or "", query.period_s

    return [list(members) for _, members in groupby(sorted(queries, key=group), key=group)]


def asking() -> Callable[[Sequence[MetricQuery], Span, ClientFactory], dict[str, Answer]]:
    """`cloudwatch.ask`."""
    from toril.metrics import cloudwatch  # boto3 takes long to import, and most runs never need it

    return cloudwatch.ask


def name_of(query: MetricQuery) -> str:
    """The metric as people call it: `AWS/ECS CPUUtilization Average (ClusterName=c, ServiceName=s)`."""
    dimensions = ", ".join(f"{name}={value}" for name, value in query.dimensions.items())
    return f"{query.namespace} {query.metric} {query.statistic}" + (f" ({dimensions})" if dimensions else "")


def place_of(region: str | None) -> str:
    return f"CloudWatch in {region}" if region else "CloudWatch"
