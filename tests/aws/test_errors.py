"""The table of AWS' errors: each has a code, and a fix."""

from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from toril.aws.client import call
from toril.aws.errors import ADVICE, CODES, CODES_OF_SERVICE, EXCEPTIONS, STATUSES_OF_SERVICE, AwsError, fault_of

ENDPOINT = "https://monitoring.eu-west-1.amazonaws.com"
READ, ASK, RUN = "s3:GetObject", "cloudwatch:GetMetricData", "ecs:RunTask"
ANSWERS = {
    "access-denied": [
        ("AccessDenied", 403, READ),
        ("403", 403, READ),
        ("AllAccessDisabled", 403, READ),
        ("AccessDeniedException", 403, ASK),
        ("Client.UnauthorizedOperation", 403, "ec2:DescribeRegions"),
        ("AuthorizationErrorException", 403, RUN),
    ],
    "busy": [
        ("InternalServiceError", 500, ASK),
        ("InvalidNextToken", 400, ASK),
        ("LimitExceededException", 400, ASK),
        ("RequestLimitExceeded", 400, ASK),
        ("Throttling", 400, ASK),
        ("SomethingNew", 429, ASK),
        ("SomethingNew", 503, ASK),
        ("SlowDown", 503, READ),
        ("RequestTimeout", 400, READ),
        ("ConditionalRequestConflict", 409, READ),
        ("SomethingNew", 409, READ),
        ("ServerException", 500, RUN),
        ("ThrottlingException", 400, RUN),
    ],
    "clock-skew": [("RequestTimeTooSkewed", 403, READ)],
    "expired-credentials": [("ExpiredToken", 400, READ), ("ExpiredTokenException", 403, ASK)],
    "no-such-bucket": [("NoSuchBucket", 404, READ)],
    "no-such-secret": [("ResourceNotFoundException", 400, "secretsmanager:GetSecretValue")],
    "outdated-stack": [("ClusterNotFoundException", 400, RUN), ("PlatformUnknownException", 400, RUN)],
    "refused": [
        ("ConflictException", 409, "scheduler:CreateSchedule"),
        ("InvalidParameterValue", 400, ASK),
        ("KeyTooLongError", 400, READ),
        ("NotImplemented", 501, READ),
        ("ResourceNotFoundException", 400, "logs:GetLogEvents"),
        ("SomethingNew", 403, READ),
        ("ValidationError", 400, ASK),
    ],
    "rejected-credentials": [
        ("InvalidAccessKeyId", 403, READ),
        ("InvalidClientTokenId", 403, ASK),
        ("OptInRequired", 403, ASK),
        ("SignatureDoesNotMatch", 403, ASK),
        ("SomethingNew", 401, ASK),
        ("SomethingNew", 403, ASK),
        ("UnrecognizedClientException", 400, RUN),
    ],
    "wrong-region": [("PermanentRedirect", 301, READ), ("AuthorizationHeaderMalformed", 400, READ)],
}
SILENCES: dict[str, list[Exception]] = {
    "invalid-request": [exceptions.ParamValidationError(report="Unknown parameter")],
    "invalid-settings": [
        exceptions.ProfileNotFound(profile="nobody"),
        exceptions.InvalidRegionError(region_name="eu west"),
        ValueError("Invalid endpoint: nowhere"),
        PermissionError("~/.aws/config"),
    ],
    "no-credentials": [
        exceptions.NoCredentialsError(),
        exceptions.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
        exceptions.CredentialRetrievalError(provider="process", error_msg="exit 1"),
        exceptions.UnauthorizedSSOTokenError(),
        exceptions.TokenRetrievalError(provider="sso", error_msg="gone"),
    ],
    "no-region": [exceptions.NoRegionError()],
    "not-aws": [ResponseParserError("no JSON")],
    "unreachable": [
        exceptions.EndpointConnectionError(endpoint_url=ENDPOINT),
        exceptions.ConnectTimeoutError(endpoint_url=ENDPOINT),
        exceptions.ReadTimeoutError(endpoint_url=ENDPOINT),
        exceptions.SSLError(endpoint_url=ENDPOINT, error=ValueError("self-signed")),
        exceptions.ProxyConnectionError(proxy_url="http://proxy"),
        exceptions.MetadataRetrievalError(error_msg="no answer"),
        exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        exceptions.ResponseStreamingError(error="reset"),
    ],
}


def refusal(code, status=400, message="the service's words", **more):
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(answer, "AnOperation")


def fault(error, right=READ, **more):
    found = fault_of(error, right, **more)
    assert found is not None
    return found


@pytest.mark.parametrize(("code", "answer"), [(code, one) for code, found in ANSWERS.items() for one in found])
def test_each_refusal_has_a_code(code, answer):
    aws_code, status, right = answer
    found = fault(refusal(aws_code, status), right, where="s3://b/k")
    assert (found.code, found.aws_code, found.passes) == (code, aws_code, code == "busy")
    assert str(found).startswith("s3://b/k: ")
    assert "the service's words" in str(found)
    assert (right in found.fix) == (code == "access-denied")


@pytest.mark.parametrize(("code", "error"), [(code, one) for code, found in SILENCES.items() for one in found])
def test_each_call_without_an_answer_has_a_code(code, error):
    found = fault(error, endpoint=ENDPOINT)
    assert (found.code, found.aws_code) == (code, "")
    assert found.passes == (code in ("not-aws", "unreachable"))
    assert (ENDPOINT in found.problem) == (code in ("not-aws", "unreachable"))
    assert found.message == " ".join(str(error).split()).rstrip(".")


def test_every_code_has_a_problem_and_a_fix_except_unknown_refusals():
    tables: tuple[dict[Any, str], ...] = (CODES, EXCEPTIONS, *CODES_OF_SERVICE.values(), *STATUSES_OF_SERVICE.values())
    assert {kind for table in tables for kind in table.values()} | {"access-denied", "refused"} == set(ADVICE)
    assert [code for code, (problem, fix) in ADVICE.items() if not (problem and fix)] == ["refused"]


def test_a_missing_kms_permission_is_named_instead_of_the_calls():
    found = fault(refusal("AccessDenied", 403, "not authorized to perform: kms:Decrypt on arn:aws:kms:x"))
    assert "kms:Decrypt" in found.fix
    assert READ not in found.fix


def test_a_missing_service_linked_role_is_temporary():
    assert fault(refusal("InvalidParameterException", message="Unable to assume the service linked role."), RUN).passes


def test_an_inactive_task_definition_is_an_outdated_stack():
    assert fault(refusal("ClientException", message="TaskDefinition is inactive"), RUN).code == "outdated-stack"


def test_a_servers_message_becomes_one_line_of_limited_length():
    found = fault(ValueError("a\nb" * 10_000))
    assert "\n" not in str(found)
    assert len(str(found)) < 500


def test_the_region_of_a_bucket_is_named():
    headers = {"HTTPStatusCode": 301, "HTTPHeaders": {"x-amz-bucket-region": "us-east-2"}}
    assert "us-east-2" in fault(refusal("PermanentRedirect", ResponseMetadata=headers)).fix


def test_an_exception_of_toril_is_not_an_aws_error():
    def mistake():
        raise KeyError("a bug of toril")

    with pytest.raises(KeyError, match="a bug of toril"):
        call(mistake, RUN)


def test_a_refused_call_names_its_permission_and_the_conflicting_resources():
    def refused(**request):
        assert request == {"cluster": "c"}
        raise refusal("ConflictException", 409, resourceIds=["arn:of:a:task"])

    with pytest.raises(AwsError) as caught:
        call(refused, RUN, cluster="c")
    assert (caught.value.code, caught.value.resources) == ("refused", ("arn:of:a:task",))
    assert str(caught.value).startswith(f"{RUN}: ")
