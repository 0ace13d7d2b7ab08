"""A collector of OpenTelemetry on loopback, which keeps what it receives."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest


class Collector(ThreadingHTTPServer):
    """Answers with the given status codes first, then with 200. `hang_s`: waits before each answer."""

    daemon_threads = True

    def __init__(self, answers: Sequence[int] = (), hang_s: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.hang_s = list(answers), hang_s
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.logs: list[ExportLogsServiceRequest] = []
        self.raw: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def newest(self) -> dict[str, list]:
        """Returns the data points of each metric in the last export of metrics."""
        (resource,) = self.metrics[-1].resource_metrics
        found = {}
        for metric in resource.scope_metrics[0].metrics:
            found[metric.name] = list(getattr(metric, metric.WhichOneof("data")).data_points)
        return found

    def events(self) -> list[tuple[str, dict]]:
        """Returns the name and attributes of each event."""
        return [
            (record.event_name, attributes(record))
            for request in self.logs
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.hang_s)
        code = self.server.answers.pop(0) if self.server.answers else 200
        if code == 200:
            self.server.raw.append(data)
            if self.path.endswith("/v1/metrics"):
                self.server.metrics.append(ExportMetricsServiceRequest.FromString(data))
            elif self.path.endswith("/v1/logs"):
                self.server.logs.append(ExportLogsServiceRequest.FromString(data))
        self.send_response(code)
        if code == 429:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def attributes(holder) -> dict:
    """Returns the attributes of a message; lists are lists of texts."""
    return {
        one.key: [item.string_value for item in one.value.array_value.values]
        if one.value.HasField("array_value")
        else getattr(one.value, one.value.WhichOneof("value"))
        for one in holder.attributes
    }


@contextmanager
def collecting(answers: Sequence[int] = (), hang_s: float = 0.0) -> Iterator[Collector]:
    with Collector(answers, hang_s) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
