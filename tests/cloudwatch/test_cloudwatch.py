"""CloudWatch's answers and faults."""

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from tests.cloudwatch.asking import NOON, query
from tests.cloudwatch.service import CloudWatch
from toril.cloudwatch.calls import ClientFactory, ask, clients, span

CPU = query()


def stubbed() -> tuple[ClientFactory, Stubber]:
    client = CloudWatch().clients("eu-west-1")
    stubber = Stubber(client)
    stubber.activate()
    return lambda region: client, stubber


def fault(clients):
    found = ask([CPU], span(NOON, NOON + 60, 60), clients)[CPU.key].fault
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("aws_code", "status", "code"),
    [
        ("AccessDeniedException", 403, "access-denied"),
        ("SomethingNew", 403, "rejected-credentials"),
        ("InvalidNextToken", 400, "busy"),
        ("ValidationError", 400, "refused"),
    ],
)
def test_a_refusal_names_the_region_and_quotes_the_service(aws_code, status, code):
    clients, stubber = stubbed()
    stubber.add_client_error("get_metric_data", aws_code, "the service's words", status)
    found = fault(clients)
    assert found.code == code
    assert found.where == "CloudWatch in eu-west-1"
    assert "the service's words" in str(found)
    assert found.fix


def test_a_coordinator_with_fips_reads_regions_without_fips_endpoints(monkeypatch):
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDWATCH", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    make = clients()
    hosts = [make(region).meta.endpoint_url.removeprefix("https://") for region in (None, "us-west-2", "eu-west-1")]
    assert hosts == [
        "monitoring-fips.us-east-1.amazonaws.com",
        "monitoring-fips.us-west-2.amazonaws.com",
        "monitoring.eu-west-1.amazonaws.com",
    ]


def test_a_missing_fips_endpoint_has_a_fix():
    class Silent:
        class meta:
            region_name, endpoint_url = "eu-west-1", "https://monitoring-fips.eu-west-1.amazonaws.com"

        def get_metric_data(self, **asked):
            raise EndpointConnectionError(endpoint_url=self.meta.endpoint_url)

    found = fault(lambda region: Silent())
    assert found.code == "unreachable"
    assert "AWS_USE_FIPS_ENDPOINT" in found.fix


def test_messages_of_the_service_are_quoted():
    clients, stubber = stubbed()
    messages = [{"Code": "InternalError", "Value": "one shard is away"}]
    result = {"Id": "q0", "StatusCode": "InternalError", "Timestamps": [], "Values": [], "Messages": messages}
    stubber.add_response("get_metric_data", {"MetricDataResults": [result], "Messages": [{"Value": "too many"}]})
    found = fault(clients)
    assert (found.code, found.aws_code) == ("busy", "InternalError")
    assert found.message == "too many; one shard is away"


def test_a_query_missing_in_the_answer_is_a_temporary_fault():
    clients, stubber = stubbed()
    stubber.add_response("get_metric_data", {"MetricDataResults": []})
    assert fault(clients).passes


def test_a_repeated_page_token_is_a_fault():
    clients, stubber = stubbed()
    for _ in range(2):
        stubber.add_response("get_metric_data", {"MetricDataResults": [], "NextToken": "again"})
    found = fault(clients)
    assert found.passes
    assert "again" in str(found)
