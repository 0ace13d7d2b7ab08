"""What is said of every way in which CloudWatch does not answer, and whether waiting could mend it."""

import pytest
from botocore import exceptions
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber

from tests.metrics.asking import NOON, query
from tests.metrics.cloudwatch import CloudWatch
from toril.metrics.answers import ClientFactory, Fault
from toril.metrics.cloudwatch import ask
from toril.metrics.faults import CALL_ERRORS, fault_of
from toril.metrics.periods import span

ENDPOINT = "https://monitoring.eu-west-1.amazonaws.com"
CPU = query()
CODES = {
    "access": [
        ("AccessDenied", 400),
        ("AccessDeniedException", 403),
        ("ExpiredToken", 400),
        ("ExpiredTokenException", 403),
        ("InvalidClientTokenId", 403),
        ("OptInRequired", 403),
        ("SignatureDoesNotMatch", 403),
        ("UnrecognizedClientException", 400),
        ("SomethingNew", 403),
    ],
    "busy": [
        ("InternalServiceError", 500),
        ("InvalidNextToken", 400),
        ("RequestLimitExceeded", 400),
        ("Throttling", 400),
        ("ThrottlingException", 400),
        ("SomethingNew", 429),
        ("SomethingNew", 503),
    ],
    "query": [
        ("InvalidParameterCombination", 400),
        ("InvalidParameterValue", 400),
        ("MissingRequiredParameter", 400),
        ("ValidationError", 400),
    ],
}


def stubbed() -> tuple[ClientFactory, Stubber]:
    client = CloudWatch().clients("eu-west-1")
    stubber = Stubber(client)
    stubber.activate()
    return lambda region: client, stubber


@pytest.mark.parametrize(("kind", "code", "status"), [(kind, *one) for kind, found in CODES.items() for one in found])
def test_an_answer_of_refusal_is_sorted_by_who_can_mend_it(kind, code, status):
    clients, stubber = stubbed()
    stubber.add_client_error("get_metric_data", code, "the service's words", status)
    fault = ask([CPU], span(NOON, NOON + 60, 60), clients)[CPU.key].fault
    assert fault is not None
    assert fault.kind == kind
    assert fault.passes == (kind == "busy")
    assert "CloudWatch in eu-west-1" in fault.message
    assert "the service's words" in fault.message
    assert "; " in fault.message  # the fix


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (exceptions.NoRegionError(), "settings", "name it in the criterion"),
        (exceptions.NoCredentialsError(), "access", "Unable to locate credentials"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), "access", "AWS_SECRET"),
        (exceptions.CredentialRetrievalError(provider="process", error_msg="exit 1"), "access", "exit 1"),
        (exceptions.UnauthorizedSSOTokenError(), "access", "SSO"),
        (exceptions.TokenRetrievalError(provider="sso", error_msg="gone"), "access", "gone"),
        (exceptions.ProfileNotFound(profile="nobody"), "settings", "nobody"),
        (exceptions.InvalidRegionError(region_name="eu west"), "settings", "eu west"),
        (exceptions.ParamValidationError(report="Unknown parameter"), "query", "correct the criterion"),
        (exceptions.EndpointConnectionError(endpoint_url=ENDPOINT), "unreachable", f"reached at {ENDPOINT}"),
        (exceptions.ConnectTimeoutError(endpoint_url=ENDPOINT), "unreachable", "check the network"),
        (exceptions.ReadTimeoutError(endpoint_url=ENDPOINT), "unreachable", "check the network"),
        (exceptions.SSLError(endpoint_url=ENDPOINT, error=ValueError("self-signed")), "unreachable", "self-signed"),
        (exceptions.ProxyConnectionError(proxy_url="http://proxy"), "unreachable", "the proxy"),
        (ResponseParserError("no JSON"), "unreachable", "is not CloudWatch"),
        (ValueError("Invalid endpoint: nowhere"), "settings", "nowhere"),
    ],
)
def test_a_call_that_never_got_an_answer_says_why(error, kind, said):
    assert isinstance(error, CALL_ERRORS)
    fault = fault_of(error, "eu-west-1", ENDPOINT)
    assert fault.kind == kind
    assert said in fault.message
    assert "; " in fault.message


def test_a_missing_fips_endpoint_is_named_for_what_it_is():
    error = exceptions.EndpointConnectionError(endpoint_url=ENDPOINT)
    fault = fault_of(error, "eu-west-1", ENDPOINT, fips=True)
    assert "FIPS endpoints in us-east-1, us-east-2, us-west-1, us-west-2 and GovCloud only" in fault.message


def test_what_a_stranger_says_is_one_line_of_bounded_length():
    fault = fault_of(ValueError("a\nb" * 10_000), "eu-west-1", None)
    assert "\n" not in fault.message
    assert len(fault.message) < 500


def test_messages_of_the_service_are_part_of_what_is_said():
    clients, stubber = stubbed()
    said = [{"Code": "InternalError", "Value": "one shard is away"}]
    result = {"Id": "q0", "StatusCode": "InternalError", "Timestamps": [], "Values": [], "Messages": said}
    stubber.add_response("get_metric_data", {"MetricDataResults": [result], "Messages": [{"Value": "too many"}]})
    answer = ask([CPU], span(NOON, NOON + 60, 60), clients)[CPU.key]
    assert answer.fault == Fault(
        "busy",
        "CloudWatch in eu-west-1 did not answer: InternalError (too many; one shard is away); try again later",
    )


def test_a_query_that_is_not_in_the_answer_is_not_answered():
    clients, stubber = stubbed()
    stubber.add_response("get_metric_data", {"MetricDataResults": []})
    fault = ask([CPU], span(NOON, NOON + 60, 60), clients)[CPU.key].fault
    assert fault is not None
    assert fault.passes


def test_pages_that_go_round_in_a_circle_are_no_answer():
    clients, stubber = stubbed()
    for _ in range(2):
        stubber.add_response("get_metric_data", {"MetricDataResults": [], "NextToken": "again"})
    fault = ask([CPU], span(NOON, NOON + 60, 60), clients)[CPU.key].fault
    assert fault is not None
    assert fault.passes
    assert "again" in fault.message
