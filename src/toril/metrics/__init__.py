"""What CloudWatch measured of the system under test, for the criteria that ask for it.

fetch       the queries of a plan → `ServerMetrics`, once CloudWatch has published the end of the load
check       the same call before the load, so that missing rights cost none
periods     which of CloudWatch's periods the load is in
answers     what one call gave: points, or why there are none
clients     how CloudWatch is reached
cloudwatch  the calls themselves; imported at the first of them, because few suites need boto3
faults      what went wrong with a call, in words
"""

from toril.metrics.answers import ClientFactory
from toril.metrics.check import check
from toril.metrics.clients import clients
from toril.metrics.fetch import Wait, fetch, unfetched

__all__ = ["ClientFactory", "Wait", "check", "clients", "fetch", "unfetched"]
