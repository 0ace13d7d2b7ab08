"""CloudWatch's metrics of the system under test, for criteria on them.

- fetch: reads a plan's metrics as soon as CloudWatch has published the end of the load, and checks the queries before
  the load
- calls: one request for metrics: its periods, calls, answers and faults
"""

from toril.cloudwatch.calls import ClientFactory, clients
from toril.cloudwatch.fetch import Wait, check, fetch, unfetched
