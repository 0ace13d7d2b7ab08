"""The calls to CloudWatch: GetMetricData in batches and pages."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from botocore.exceptions import PaginationError
from botocore.parsers import ResponseParserError

from toril.metrics.answers import Answer, ClientFactory, Fault
from toril.metrics.faults import CALL_ERRORS, PERMISSION, fault_of
from toril.metrics.periods import Span
from toril.records import MetricQuery

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_cloudwatch.literals import StandardUnitType
    from types_boto3_cloudwatch.type_defs import (
        DimensionTypeDef,
        GetMetricDataInputTypeDef,
        GetMetricDataOutputTypeDef,
        MessageDataTypeDef,
        MetricDataQueryTypeDef,
        MetricDataResultTypeDef,
        MetricStatTypeDef,
    )

QUERIES_PER_CALL = 500  # GetMetricData's maximum


def ask(queries: Sequence[MetricQuery], asked: Span, clients: ClientFactory) -> dict[str, Answer]:
    """The answer to every query (all of one region and one period), by key. Nothing is raised for what AWS says."""
    answers: dict[str, Answer] = {}
    for first in range(0, len(queries), QUERIES_PER_CALL):
        answers.update(_batch(queries[first : first + QUERIES_PER_CALL], asked, clients))
    return answers


def _batch(queries: Sequence[MetricQuery], asked: Span, clients: ClientFactory) -> dict[str, Answer]:
    region, client = queries[0].region, None
    try:
        client = clients(region)
        region = client.meta.region_name
        return _read(queries, asked, client)
    except CALL_ERRORS as error:
        fips = client is not None and "-fips" in client.meta.endpoint_url
        fault = fault_of(error, region, client.meta.endpoint_url if client else None, fips=fips)
    if fault.kind == "query" and len(queries) > 1:  # one bad query spoils its whole call: find it
        half = len(queries) // 2
        return _batch(queries[:half], asked, clients) | _batch(queries[half:], asked, clients)
    return {query.key: Answer(fault=fault) for query in queries}


@dataclass(slots=True)
class _Reply:
    """What the pages of one call have said of one query so far."""

    points: dict[int, float] = field(default_factory=dict)
    status: str | None = None
    said: list[str] = field(default_factory=list)


def _read(queries: Sequence[MetricQuery], asked: Span, client: "CloudWatchClient") -> dict[str, Answer]:
    replies = {f"q{number}": _Reply() for number in range(len(queries))}
    wire = [_wire(name, query) for name, query in zip(replies, queries, strict=True)]
    for page in _pages(wire, asked, client):
        try:
            _take_in(page, replies, asked)
        except (KeyError, ValueError) as error:  # boto3 makes an empty answer of whatever is no JSON
            raise ResponseParserError(f"an answer without {error}") from error
    region = client.meta.region_name
    return {
        query.key: Answer(reply.points, _fault_of_status(reply, region))
        for query, reply in zip(queries, replies.values(), strict=True)
    }


def _take_in(page: "GetMetricDataOutputTypeDef", replies: Mapping[str, _Reply], asked: Span) -> None:
    for reply in replies.values():
        reply.said += _texts(page.get("Messages", ()))
    for result in page["MetricDataResults"]:
        reply = replies[result["Id"]]
        reply.status = result["StatusCode"]
        reply.said += _texts(result.get("Messages", ()))
        reply.points.update(_points(result, asked))


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
            raise PaginationError(message=f"it gave the page {token} twice")
        seen.add(token)
        request["NextToken"] = token


def _wire(name: str, query: MetricQuery) -> "MetricDataQueryTypeDef":
    dimensions: list[DimensionTypeDef] = [{"Name": key, "Value": value} for key, value in query.dimensions.items()]
    stat: MetricStatTypeDef = {
        "Metric": {"Namespace": query.namespace, "MetricName": query.metric, "Dimensions": dimensions},
        "Period": query.period_s,
        "Stat": query.statistic,
    }
    if query.unit is not None:
        stat["Unit"] = cast("StandardUnitType", query.unit)
    return {"Id": name, "MetricStat": stat, "ReturnData": True}


def _points(result: "MetricDataResultTypeDef", asked: Span) -> Iterator[tuple[int, float]]:
    for at, value in zip(result.get("Timestamps", ()), result.get("Values", ()), strict=True):
        begin = round(at.timestamp())
        if asked.begin <= begin < asked.end:
            yield begin, float(value)


def _texts(messages: Iterable["MessageDataTypeDef"]) -> list[str]:
    return [text for message in messages if (text := message.get("Value") or message.get("Code"))]


def _fault_of_status(reply: _Reply, region: str) -> Fault | None:
    said = f" ({'; '.join(dict.fromkeys(reply.said))[:300]})" if reply.said else ""
    match reply.status:
        case "Complete":
            return None
        case "PartialData":
            return Fault("busy", f"CloudWatch in {region} answered in part only{said}; try again later")
        case "Forbidden":
            return Fault("access", f"CloudWatch in {region} refuses to answer; allow {PERMISSION} there{said}")
        case status:
            return Fault("busy", f"CloudWatch in {region} did not answer: {status or 'nothing'}{said}; try again later")
