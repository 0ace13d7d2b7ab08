"""CloudWatch on loopback: answers GetMetricData according to the service's model and documentation.

    with cloudwatch() as service:
        service.publish("AWS/ECS", "CPUUtilization", {"ClusterName": "c"}, lambda second: 42.0, unit="Percent")
        …                                       # in a process with service.environment(), or with service.clients
    assert service.calls == 1

Requests are validated, and answers written, with botocore's model of CloudWatch. A metric's value is a function of the
second since the epoch. It is published once a minute, or every `every_s`, with a delay of `delay_s`.
"""

import json
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.model import OperationModel, Shape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient

KEY = "AKIAEXAMPLE"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY}
MODEL = botocore.session.get_session().get_service_model("cloudwatch")
OPERATION = MODEL.operation_model("GetMetricData")
assert OPERATION.input_shape is not None
assert OPERATION.output_shape is not None
INPUT: Shape = OPERATION.input_shape
SEEN_FROM_THE_SERVICE = OperationModel(  # writes the operation's output
    {"name": "GetMetricData", "http": OPERATION.http, "input": {"shape": OPERATION.output_shape.name}}, MODEL
)
UNITS = set(MODEL.shape_for("StandardUnit").metadata["enum"])
PLAIN_STATISTICS: Mapping[str, Callable[[list[float]], float]] = {
    "Average": lambda values: math.fsum(values) / len(values),
    "Sum": math.fsum,
    "Minimum": min,
    "Maximum": max,
    "SampleCount": len,
}
SHORT_PERIODS = {1, 5, 10, 20, 30}
SHORT_PERIODS_KEPT_S = 3 * 3600


@dataclass(frozen=True, slots=True)
class Series:
    """One metric: a value or None for each second since the epoch."""

    value: Callable[[int], float | None]
    unit: str
    every_s: int


@dataclass(slots=True)
class CloudWatch:
    """The service's state, and its requests."""

    now: Callable[[], float] = time.time
    delay_s: float = 0.0
    points_per_page: int | None = None
    denied: bool = False
    impostor: bytes | None = None  # the body of another server in its place, with status 200
    busy: int = 0  # number of next answers that are `Throttling`
    statuses: dict[str, str] = field(default_factory=dict)  # metric name → StatusCode of its results
    asked: list[dict[str, Any]] = field(default_factory=list)  # valid requests
    regions: list[str] = field(default_factory=list)  # of their signatures
    calls: int = 0
    port: int = 0
    _clients: dict[str | None, "CloudWatchClient"] = field(default_factory=dict)
    _series: dict[tuple[str, str, str, frozenset[tuple[str, str]]], Series] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a process whose boto3 uses this service: no real AWS settings, and `more`."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_CLOUDWATCH": self.url,
            "NO_PROXY": "127.0.0.1",
            **more,
        }

    def clients(self, region: str | None) -> "CloudWatchClient":
        """A client factory for this process."""
        if region not in self._clients:
            self._clients[region] = boto3.session.Session().client(
                "cloudwatch",
                region_name=region,
                endpoint_url=self.url,
                aws_access_key_id=KEY,
                aws_secret_access_key=KEY,
                config=Config(retries={"total_max_attempts": 1}, proxies={}),
            )
        return self._clients[region]

    def publish(
        self,
        namespace: str,
        metric: str,
        dimensions: Mapping[str, str],
        value: Callable[[int], float | None],
        *,
        unit: str = "None",
        region: str = "eu-west-1",
        every_s: int = 60,
    ) -> None:
        self._series[region, namespace, metric, frozenset(dimensions.items())] = Series(value, unit, every_s)

    def answer(self, target: str, authorization: str, body: bytes) -> tuple[int, bytes]:
        self.calls += 1
        if self.impostor is not None:
            return 200, self.impostor
        if not target.endswith(".GetMetricData"):
            return _error(400, "UnknownOperationException", target)
        signed = re.search(r"Credential=[^/]+/\d{8}/([a-z0-9-]+)/monitoring/aws4_request", authorization)
        if not signed:
            return _error(403, "MissingAuthenticationToken", "Missing Authentication Token")
        if self.denied:
            who = "User: arn:aws:iam::123456789012:user/ci"
            return _error(400, "AccessDenied", f"{who} is not authorized to perform: cloudwatch:GetMetricData")
        if self.busy:
            self.busy -= 1
            return _error(400, "Throttling", "Rate exceeded")
        parser = create_parser(MODEL.resolved_protocol)
        request = parser.parse({"status_code": 200, "headers": {}, "body": body}, INPUT)
        request.pop("ResponseMetadata", None)
        wrong = _wrong(request)
        if wrong:
            return _error(400, "ValidationError", wrong)
        self.asked.append(request)
        self.regions.append(signed[1])
        return 200, self._results(request, signed[1])

    def _results(self, request: Mapping[str, Any], region: str) -> bytes:
        """Returns one page with a part of each query's points; the token is the position of the next page."""
        first = int(request.get("NextToken", "0"))
        page = self.points_per_page or 100_800
        results, more = [], False
        for query in request["MetricDataQueries"]:
            stat = query["MetricStat"]
            points = self._points(stat, request["StartTime"].timestamp(), request["EndTime"].timestamp(), region)
            part = points[first : first + page]
            left = len(points) > first + page
            more = more or left
            status = self.statuses.get(stat["Metric"]["MetricName"], "PartialData" if left else "Complete")
            results.append(
                {
                    "Id": query["Id"],
                    "Label": stat["Metric"]["MetricName"],
                    "Timestamps": [datetime.fromtimestamp(at, UTC) for at, _ in part],
                    "Values": [value for _, value in part],
                    "StatusCode": status,
                }
            )
        reply: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
        if more:
            reply["NextToken"] = str(first + page)
        body = create_serializer(MODEL.resolved_protocol).serialize_to_request(reply, SEEN_FROM_THE_SERVICE)["body"]
        return body if isinstance(body, bytes) else str(body).encode()

    def _points(self, stat: Mapping[str, Any], start: float, end: float, region: str) -> list[tuple[int, float]]:
        metric, period = stat["Metric"], stat["Period"]
        dimensions = frozenset((found["Name"], found["Value"]) for found in metric.get("Dimensions", ()))
        series = self._series.get((region, metric["Namespace"], metric["MetricName"], dimensions))
        if series is None or stat.get("Unit", series.unit) != series.unit:
            return []
        if period < 60 and self.now() - start > SHORT_PERIODS_KEPT_S:
            return []
        round_to = period if period < 60 else 60
        begin = math.floor(start / round_to) * round_to
        visible = math.floor((self.now() - self.delay_s) / series.every_s) * series.every_s
        points = []
        for at in range(begin, math.ceil(end), period):
            values = [value for s in range(at, min(at + period, visible)) if (value := series.value(s)) is not None]
            if values:
                points.append((at, _statistic(stat["Stat"])(values)))
        return points


def _wrong(request: dict[str, Any]) -> str | None:
    report = ParamValidator().validate(request, INPUT)
    if report.has_errors():
        return str(report.generate_report())
    queries = request["MetricDataQueries"]
    names = [query["Id"] for query in queries]
    if not 1 <= len(queries) <= 500:
        return "The collection MetricDataQueries must not have a size greater than 500."
    if len(set(names)) != len(names) or not all(re.fullmatch(r"[a-z][a-zA-Z0-9_]*", name) for name in names):
        return "The value for the parameter MetricDataQueries.member.1.Id is not unique, or no name."
    if request["StartTime"] >= request["EndTime"]:
        return "The parameter StartTime must be less than the parameter EndTime."
    for stat in (query["MetricStat"] for query in queries):
        if stat["Period"] not in SHORT_PERIODS and stat["Period"] % 60:
            return "Period must be 1, 5, 10, 20, 30 or a multiple of 60."
        if stat.get("Unit", "None") not in UNITS:
            return f"The value {stat['Unit']} for parameter Unit is not supported."
        if len(stat["Metric"].get("Dimensions", ())) > 30:
            return "The collection Dimensions must not have a size greater than 30."
        try:
            _statistic(stat["Stat"])
        except ValueError:
            return f"The value {stat['Stat']} for parameter Stat is not supported."
    return None


def _statistic(name: str) -> Callable[[list[float]], float]:
    if name in PLAIN_STATISTICS:
        return PLAIN_STATISTICS[name]
    percentile = re.fullmatch(r"p(\d{1,2}(?:\.\d+)?|100)", name)
    if percentile is None:
        raise ValueError(name)
    share = float(percentile[1]) / 100
    return lambda values: sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _error(status: int, code: str, message: str) -> tuple[int, bytes]:
    return status, json.dumps({"__type": code, "message": message}).encode()


@contextmanager
def cloudwatch(now: Callable[[], float] = time.time) -> Iterator[CloudWatch]:
    """Starts the service on a free port, for the time of the context."""
    service = CloudWatch(now=now)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # sends an answer in one packet, without a wait for an acknowledgement

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            target, signed = self.headers.get("X-Amz-Target", ""), self.headers.get("Authorization", "")
            status, reply = service.answer(target, signed, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, format: str, *args: object) -> None:
            """Prints nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
