"""Reads metrics from CloudWatch: GetMetricData in batches and pages, with an answer or a fault for each query.

CloudWatch's periods begin at multiples of their length since the epoch, independent of the load. All times are whole
seconds since the epoch, as in CloudWatch.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, cast

from toril.aws import client as aws
from toril.aws.errors import AwsError, Fault, fault, fault_of
from toril.records import PART_OF_PERIOD_NEEDED, MetricQuery

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_cloudwatch.literals import StandardUnitType
    from types_boto3_cloudwatch.type_defs import (
        GetMetricDataInputTypeDef,
        GetMetricDataOutputTypeDef,
        MessageDataTypeDef,
        MetricDataQueryTypeDef,
        MetricStatTypeDef,
    )

    ClientFactory = Callable[[str | None], CloudWatchClient]  # a region, or None for the environment's → its client
else:
    ClientFactory = Callable

# A call takes less than a lease's 15 s; the caller repeats it. A coordinator with FIPS may watch any region.
SETTINGS = aws.ClientSettings(connect_timeout_s=3, read_timeout_s=5, attempts=2, mode="adaptive", fips_if_there=True)
RIGHT = "cloudwatch:GetMetricData"
OF_THE_QUERY = frozenset({"invalid-request", "refused"})  # errors in the suite; the call works without the query
FIXES = {
    "invalid-request": "correct the criterion",
    "no-region": "name it in the criterion (`region: eu-west-1`), or set AWS_REGION",
    "refused": "correct the criterion",
}
QUERIES_PER_CALL = 500  # GetMetricData's maximum


@dataclass(frozen=True, slots=True)
class Span:
    """The periods that overlap a load: from `begin` of the first to `end` of the last.

    `needed` is the beginning of the last period that must have a value: the last one that overlaps enough of the load.
    A later value is optional.
    """

    begin: int
    end: int
    needed: int
    period_s: int

    @property
    def needed_end(self) -> int:
        return self.needed + self.period_s


def span(start_at: float, end_at: float, period_s: int) -> Span:
    """Returns the periods of a load from `start_at` to `end_at`; at least one."""
    begin = math.floor(start_at / period_s) * period_s
    end = max(math.ceil(end_at / period_s) * period_s, begin + period_s)
    last = end - period_s
    in_last_s = min(end_at, end) - max(start_at, last)
    before_s = last - max(start_at, last - period_s)
    if last > begin and in_last_s < PART_OF_PERIOD_NEEDED * period_s and before_s >= in_last_s:
        last -= period_s
    return Span(begin, end, last, period_s)


def recent(now: float, period_s: int, for_s: float) -> Span:
    """Returns the complete periods of the last `for_s` seconds before `now`."""
    end = math.floor(now / period_s) * period_s
    begin = min(end - period_s, math.floor((now - for_s) / period_s) * period_s)
    return Span(begin, end, end - period_s, period_s)


@dataclass(frozen=True, slots=True)
class Readings:
    """Values by the start of their period, or the fault of the request."""

    points: Mapping[int, float] = field(default_factory=dict)
    fault: Fault | None = None


def clients() -> ClientFactory:
    """Returns the factory of CloudWatch clients, one per region."""
    make = aws.clients(SETTINGS)
    return lambda region: make("cloudwatch", region or "")


def grouped(queries: Iterable[MetricQuery]) -> list[list[MetricQuery]]:
    """Returns groups of queries with the same region and period, because a call has one region and time span.

    A query of Prometheus is alone.
    """

    def group(query: MetricQuery) -> tuple[str, str, int]:
        return query.key if query.promql else "", query.region or "", query.period_s

    return [list(members) for _, members in groupby(sorted(queries, key=group), key=group)]


def name_of(query: MetricQuery) -> str:
    """Returns the metric's name for messages: `AWS/ECS CPUUtilization Average (ClusterName=c, ServiceName=s)`."""
    if query.promql:
        return query.key
    dimensions = ", ".join(f"{name}={value}" for name, value in query.dimensions.items())
    return f"{query.namespace} {query.metric} {query.statistic}" + (f" ({dimensions})" if dimensions else "")


def place_of(region: str | None) -> str:
    return f"CloudWatch in {region}" if region else "CloudWatch"


def ask(queries: Sequence[MetricQuery], asked: Span, clients: ClientFactory) -> dict[str, Readings]:
    """Returns the answer to every query by key; all have one region and period. AWS' errors are in the answers."""
    answers: dict[str, Readings] = {}
    for first in range(0, len(queries), QUERIES_PER_CALL):
        answers.update(_batch(queries[first : first + QUERIES_PER_CALL], asked, clients))
    return answers


def _batch(queries: Sequence[MetricQuery], asked: Span, clients: ClientFactory) -> dict[str, Readings]:
    region, endpoint = queries[0].region, ""
    try:
        client = clients(region)
        region, endpoint = client.meta.region_name, client.meta.endpoint_url
        return _read(queries, asked, client)
    except Exception as error:
        fault = error.fault if isinstance(error, AwsError) else fault_of(error, RIGHT, endpoint=endpoint)
        if fault is None:
            raise
    if fault.code in OF_THE_QUERY and len(queries) > 1:  # one bad query fails the whole call, so find it
        half = len(queries) // 2
        return _batch(queries[:half], asked, clients) | _batch(queries[half:], asked, clients)
    fix = FIXES.get(fault.code, fault.fix)
    if fault.code == "unreachable" and "-fips" in endpoint:
        regions = ", ".join(sorted(aws.FIPS_REGIONS))
        fix = f"unset AWS_USE_FIPS_ENDPOINT, because CloudWatch has FIPS endpoints in {regions} only"
    answer = Readings(fault=replace(fault, fix=fix, where=place_of(region)))
    return {query.key: answer for query in queries}


@dataclass(slots=True)
class _Reply:
    """The answer to one query, from the pages read so far."""

    points: dict[int, float] = field(default_factory=dict)
    status: str | None = None
    messages: list[str] = field(default_factory=list)

    def answer(self, region: str) -> Readings:
        if self.status == "Complete":
            return Readings(self.points)
        code = "access-denied" if self.status == "Forbidden" else "busy"
        message = "; ".join(dict.fromkeys(self.messages))
        status = self.status or "no status"
        return Readings(self.points, fault(code, RIGHT, where=place_of(region), message=message, aws_code=status))


def _read(queries: Sequence[MetricQuery], asked: Span, client: "CloudWatchClient") -> dict[str, Readings]:
    replies = {f"q{number}": _Reply() for number in range(len(queries))}
    for page in _pages([_wire(name, query) for name, query in zip(replies, queries, strict=True)], asked, client):
        try:
            _take_in(page, replies, asked)
        except (KeyError, ValueError) as error:  # boto3 returns an empty answer if the body is not JSON
            raise AwsError(fault("not-aws", RIGHT, endpoint=client.meta.endpoint_url)) from error
    region = client.meta.region_name
    return {query.key: reply.answer(region) for query, reply in zip(queries, replies.values(), strict=True)}


def _take_in(page: "GetMetricDataOutputTypeDef", replies: Mapping[str, _Reply], asked: Span) -> None:
    for reply in replies.values():
        reply.messages += _texts(page.get("Messages", ()))
    for result in page["MetricDataResults"]:
        reply = replies[result["Id"]]
        reply.status = result["StatusCode"]
        reply.messages += _texts(result.get("Messages", ()))
        for at, value in zip(result.get("Timestamps", ()), result.get("Values", ()), strict=True):
            begin = round(at.timestamp())
            if asked.begin <= begin < asked.end:
                reply.points[begin] = float(value)


def _pages(
    wire: Sequence["MetricDataQueryTypeDef"], asked: Span, client: "CloudWatchClient"
) -> Iterator["GetMetricDataOutputTypeDef"]:
    request: GetMetricDataInputTypeDef = {
        "MetricDataQueries": wire,
        "StartTime": datetime.fromtimestamp(asked.begin, UTC),
        "EndTime": datetime.fromtimestamp(asked.end, UTC),
        "ScanBy": "TimestampAscending",
    }
    seen: set[str] = set()
    while True:
        page = client.get_metric_data(**request)
        yield page
        token = page.get("NextToken")
        if not token:
            return
        if token in seen:
            raise AwsError(fault("busy", RIGHT, aws_code=f"it returned the page {token} twice"))
        seen.add(token)
        request["NextToken"] = token


def _wire(name: str, query: MetricQuery) -> "MetricDataQueryTypeDef":
    stat: MetricStatTypeDef = {
        "Metric": {
            "Namespace": query.namespace,
            "MetricName": query.metric,
            "Dimensions": [{"Name": key, "Value": value} for key, value in query.dimensions.items()],
        },
        "Period": query.period_s,
        "Stat": query.statistic,
    }
    if query.unit is not None:
        stat["Unit"] = cast("StandardUnitType", query.unit)
    return {"Id": name, "MetricStat": stat, "ReturnData": True}


def _texts(messages: Iterable["MessageDataTypeDef"]) -> list[str]:
    return [text for message in messages if (text := message.get("Value") or message.get("Code"))]
