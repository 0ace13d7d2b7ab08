"""Metrics of the system under test, of CloudWatch and of Prometheus.

- fetch: reads a plan's metrics as soon as CloudWatch has published the end of the load, and checks the queries before
  the load
- calls, prometheus: one request for metrics: its periods, calls, answers and faults
"""

from toril.cloudwatch.calls import ClientFactory, clients
from toril.cloudwatch.fetch import Wait, check, fetch, unfetched
from toril.cloudwatch.prometheus import authorization
