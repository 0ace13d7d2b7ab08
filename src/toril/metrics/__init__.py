"""What CloudWatch measured of the system under test, for the criteria that ask for it.

fetch       the queries of a plan → `ServerMetrics`, once CloudWatch has published the end of the load; and a check
            before the load, so that a missing right costs none
cloudwatch  one question: its periods, its calls, its answer, its faults
"""

from toril.metrics.cloudwatch import ClientFactory, clients
from toril.metrics.fetch import Wait, check, fetch, unfetched

__all__ = ["ClientFactory", "Wait", "check", "clients", "fetch", "unfetched"]
