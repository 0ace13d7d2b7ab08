"""Exports a run's figures while it goes on, in the protocol of OpenTelemetry. Needs the extra `otel`.

The coordinator's merged measurements are exported, so the figures are those of the report. The counts are toril's own,
not an SDK's samples: every export has all complete seconds so far.
"""

# The standard variables with a collector's address
ENDPOINTS = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT")
