"""CloudWatch's metrics of the system under test, for criteria on them.

- fetch: reads a plan's metrics as soon as CloudWatch has published the end of the load, and checks the queries before
  the load
- cloudwatch: one request for metrics: its periods, calls, answers and faults
"""

from toril.metrics.cloudwatch import ClientFactory, clients
from toril.metrics.fetch import Wait, check, fetch, unfetched
