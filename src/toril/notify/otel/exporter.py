"""Sends a run's metrics and events to an OpenTelemetry Collector, in a thread of its own.

A slow or missing collector delays nothing: newer metrics replace the ones that wait, because they have the same counts
and more. Failed exports become one note.
"""

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.metrics.export import Metric, MetricExportResult, MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from toril import __version__
from toril.errors import Note
from toril.notify.otel import ENDPOINTS
from toril.notify.otel.metrics import (
    RELATIVE_ERROR,
    SCALE,
    Measurements,
    criterion_metrics,
    generator_metrics,
    load_metrics,
)
from toril.records import Plan
from toril.records.event import Event
from toril.records.progress import Progress
from toril.records.verdict import Verdict
from toril.secrets.masking import mask
from toril.timeline import Timeline

EVERY_S = 5.0
INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"  # ms; the standard's name
TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
PROTOCOL, HTTP = "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
LOGGER = "opentelemetry.exporter.otlp"
FIGURES = ("criterion", "observed", "threshold", "unit")  # of a criterion's event
SEVERITIES = {"failed": SeverityNumber.ERROR, "inconclusive": SeverityNumber.WARN}

SCOPE = InstrumentationScope(
    "toril",
    __version__,
    attributes={"toril.histogram.scale": SCALE, "toril.histogram.relative_error": round(RELATIVE_ERROR, 6)},
)


class LastMessage(logging.Handler):
    """Keeps the SDK's last message, which explains a failed export. Standard error belongs to the run's view."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = mask(record.getMessage())


class Exported(Protocol):
    """A finished run."""

    @property
    def verdict(self) -> Verdict: ...


class Exporter:
    """Exports one run. An observer of its coordinator."""

    def __init__(self, plan: Plan, url: str | None = None, environment: Mapping[str, str] = os.environ) -> None:
        """`url`: the collector's address; None: that of the SDK's environment variables."""
        base = None if url is None else url.rstrip("/")
        self._to_metrics = OTLPMetricExporter(endpoint=None if base is None else f"{base}/v1/metrics")
        self._to_logs = OTLPLogExporter(endpoint=None if base is None else f"{base}/v1/logs")
        self._host = urlsplit(url or next(filter(None, map(environment.get, ENDPOINTS)), "")).netloc.rpartition("@")[2]
        self._resource = _resource(plan)
        interval_ms = environment.get(INTERVAL, "")
        self._every_s = int(interval_ms) / 1000 if interval_ms.isdecimal() else EVERY_S
        self._notes: list[Note] = []
        if environment.get(PROTOCOL, HTTP) != HTTP:
            self._notes.append(Note("otlp-http", f"{PROTOCOL}: toril exports by {HTTP}; use a collector's port for it"))
        if environment.get(TEMPORALITY, "cumulative").lower() != "cumulative":
            fix = "convert them with the collector's `cumulativetodelta`"
            self._notes.append(Note("otlp-cumulative", f"{TEMPORALITY}: toril exports cumulative counts; {fix}"))
        self._measured = Measurements()
        self._start_ns = 0
        self._due_at = float("-inf")
        self._complete_to = -1
        self._last: list[Metric] = []
        self._waiting = threading.Condition()
        self._metrics: Sequence[Metric] = ()
        self._events: list[ReadableLogRecord] = []
        self._closing = False
        self._failures, self._why = 0, LastMessage()
        logger = logging.getLogger(LOGGER)
        logger.propagate = False
        logger.addHandler(self._why)
        self._thread = threading.Thread(target=self._work, name="toril-otlp", daemon=True)
        self._thread.start()

    def begun(self, plan: Plan, start_at: float, attempts: Mapping[str, str]) -> None:
        self._start_ns = int(start_at * 1e9)

    def advanced(self, timeline: Timeline, complete_to: int | None, progress: Progress) -> None:
        """Exports the complete seconds, at most every few seconds, and at the end of the run."""
        ended = progress.phase == "ended"
        if complete_to is None or (progress.at < self._due_at and not ended):
            return
        self._due_at = progress.at + self._every_s
        self._measured.add(timeline, complete_to, again=ended)
        at_ns = self._start_ns + (complete_to + 1) * 10**9
        self._last = [
            *self._measured.metrics(self._start_ns),
            *load_metrics(progress, at_ns),
            *generator_metrics(timeline, self._complete_to + 1, complete_to, at_ns),
        ]
        self._complete_to = complete_to
        self._put(self._last)

    def judged(self, bundle: Exported) -> None:
        """Exports the criteria, as metrics and as an event each, at the last second of the load."""
        at_ns = self._start_ns + (self._complete_to + 1) * 10**9
        events = []
        for rule in bundle.verdict.criteria:
            figures = {f"toril.{name}": getattr(rule, name) for name in FIGURES}
            events.append(self._event("toril.criterion.judged", at_ns, rule.outcome, rule.message, figures))
        self._put([*self._last, *criterion_metrics(bundle.verdict, at_ns)], events)

    def send(self, event: Event) -> None:
        """Exports an event of the run, such as `toril.run.finished`."""
        attributes = {
            "toril.event.id": event.id,
            "toril.on": event.on,
            "toril.reasons": [reason.code for reason in event.reasons],
            "toril.reason_messages": [reason.message for reason in event.reasons],
            "toril.standouts": [standout.code for standout in event.standouts],
        }
        name = f"toril.{event.kind.replace('-', '.', 1)}"
        self._put((), [self._event(name, int(event.at * 1e9), event.outcome, event.headline, attributes)])

    def close(self, within_s: float) -> tuple[Note, ...]:
        """Sends what waits. Returns what failed."""
        with self._waiting:
            self._closing = True
            self._waiting.notify()
        self._thread.join(within_s)
        self._to_metrics.shutdown()
        self._to_logs.shutdown()  # type: ignore[no-untyped-call]
        notes, alive = list(self._notes), self._thread.is_alive()
        if alive:
            notes.append(Note("otlp-unfinished", f"OpenTelemetry: {self._host} did not take the last figures in time"))
        elif self._failures:
            text = f"OpenTelemetry: {self._host} did not take {self._failures} exports: {self._why.text}"
            notes.append(Note("otlp-failed", text))
        if not alive:  # otherwise the SDK's further messages would appear on standard error
            logging.getLogger(LOGGER).removeHandler(self._why)
        return tuple(notes)

    def _event(
        self, name: str, at_ns: int, outcome: str, text: str, attributes: Mapping[str, object]
    ) -> ReadableLogRecord:
        about = {"toril.outcome": outcome, **attributes}
        known = {key: value for key, value in about.items() if value not in (None, "", [])}
        record = LogRecord(
            timestamp=at_ns,
            observed_timestamp=at_ns,
            severity_number=SEVERITIES.get(outcome, SeverityNumber.INFO),
            body=text,
            attributes=known,  # type: ignore[arg-type]
            event_name=name,
        )
        return ReadableLogRecord(record, self._resource, SCOPE)

    def _put(self, metrics: Sequence[Metric], events: Sequence[ReadableLogRecord] = ()) -> None:
        with self._waiting:
            self._metrics = [metric for metric in metrics if metric.data.data_points] or self._metrics
            self._events += events
            self._waiting.notify()

    def _work(self) -> None:
        while True:
            with self._waiting:
                self._waiting.wait_for(lambda: self._metrics or self._events or self._closing)
                metrics, events = self._metrics, self._events
                self._metrics, self._events = (), []
            if not metrics and not events:
                return
            if metrics:
                scope = ScopeMetrics(SCOPE, metrics, "")
                data = MetricsData([ResourceMetrics(self._resource, [scope], "")])
                self._failures += self._to_metrics.export(data) is not MetricExportResult.SUCCESS
            if events:
                self._failures += self._to_logs.export(events) is not LogRecordExportResult.SUCCESS


def _resource(plan: Plan) -> Resource:
    commit = plan.tags.get("commit")
    about = {
        "service.name": "toril",
        "service.version": __version__,
        "toril.run.id": plan.run_id,
        "toril.suite": mask(plan.suite),
        "toril.on": plan.on,
        "toril.locations": [mask(location) for location in plan.locations],
        **({} if commit is None else {"vcs.ref.head.revision": mask(commit)}),
    }
    return Resource.create(about)
