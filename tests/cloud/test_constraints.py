"""Constraints of botocore's models that botocore does not check, and the parsing of requests in each protocol."""

import base64
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSRequest

from tests.cloud.server.constraints import problems
from tests.cloud.server.errors import Refusal
from tests.cloud.server.requests import model_of, read


def wrong(service: str, operation: str, **request):
    shape = model_of(service).operation_model(operation).input_shape
    assert shape is not None
    return list(problems(shape, request))


def test_enumerations_patterns_lengths_and_ranges_are_checked():
    right = {"repositoryName": "a/b", "imageTagMutability": "MUTABLE"}
    assert wrong("ecr", "CreateRepository", **right) == []
    for name, value, part in (
        ("repositoryName", "A", "pattern"),
        ("repositoryName", "a", "length greater than"),
        ("repositoryName", "a" * 300, "length less than"),
        ("imageTagMutability", "NEVER", "enum"),
        ("imageTagMutability", 1, "must be a string"),
        ("tags", {}, "must be a list"),
        ("tags", [{"Key": "a", "Valu": "b"}], "Unknown parameter 'tags.1.member.Valu'"),
        ("more", 1, "Unknown parameter 'more'"),
    ):
        found = wrong("ecr", "CreateRepository", **{**right, name: value})
        assert any(part in problem for problem in found), found
    assert "must not be null" in wrong("ecr", "CreateRepository")[0]
    assert "value less than" in wrong("ecr", "DescribeRepositories", maxResults=1001)[0]


def test_blobs_are_measured_as_bytes():
    key = {"KeyId": "alias/a"}
    assert wrong("kms", "Encrypt", **key, Plaintext=base64.b64encode(b"x" * 4096).decode()) == []
    assert "length less" in wrong("kms", "Encrypt", **key, Plaintext=base64.b64encode(b"x" * 4097).decode())[0]
    assert "base64" in wrong("kms", "Encrypt", **key, Plaintext="?")[0]


def test_flags_within_a_pattern_count():
    assert wrong("budgets", "DescribeBudget", AccountId="123456789012", BudgetName="Monthly") == []
    assert wrong("budgets", "DescribeBudget", AccountId="123456789012", BudgetName="/action/x")


CALLS = [
    ("ecr", "create_repository", {"repositoryName": "a/b", "tags": [{"Key": "a", "Value": "b"}]}),
    ("iam", "create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "{}", "Tags": [{"Key": "a", "Value": "b"}]}),
    ("sns", "create_topic", {"Name": "t", "Attributes": {"DisplayName": "x", "Policy": "{}"}}),
    (
        "ec2",
        "authorize_security_group_ingress",
        {
            "GroupId": "sg-1",
            "IpPermissions": [
                {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
            ],
        },
    ),
    ("ec2", "modify_vpc_attribute", {"VpcId": "vpc-1", "EnableDnsHostnames": {"Value": True}}),
    ("ec2", "describe_vpcs", {"VpcIds": ["vpc-1"], "Filters": [{"Name": "tag:a", "Values": ["b", "c"]}]}),
    ("scheduler", "get_schedule", {"Name": "one", "GroupName": "toril"}),
    (
        "scheduler",
        "tag_resource",
        {
            "ResourceArn": "arn:aws:scheduler:eu-west-1:123456789012:schedule-group/a",
            "Tags": [{"Key": "a", "Value": "b"}],
        },
    ),
]


@pytest.mark.parametrize(("service", "method", "parameters"), CALLS, ids=[f"{one[0]}.{one[1]}" for one in CALLS])
def test_a_request_is_parsed_to_its_original_parameters(service, method, parameters):
    client = boto3.client(
        service,
        region_name="eu-west-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        endpoint_url="http://127.0.0.1:1",
    )
    sent: list[AWSRequest] = []

    def stop(request, **_):
        sent.append(request)
        raise InterruptedError

    client.meta.events.register("before-send", stop)
    with pytest.raises(InterruptedError):
        getattr(client, method)(**parameters)
    (request,) = sent
    url = urlsplit(str(request.url))
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
    }
    body = request.body.encode() if isinstance(request.body, str) else request.body or b""
    model = model_of(client.meta.service_model.service_name)
    call = read(model, str(request.method), unquote(url.path), headers, body, parse_qs(url.query))
    assert call.operation.name == client.meta.method_to_api_mapping[method]
    assert call.parameters == parameters


def test_an_unknown_operation_is_an_error():
    target = {"x-amz-target": "AmazonEC2ContainerRegistry_V20150921.MakeCoffee"}
    with pytest.raises(Refusal, match="UnknownOperationException"):
        read(model_of("ecr"), "POST", "/", target, b"{}", {})
    with pytest.raises(Refusal, match="InvalidAction"):
        read(model_of("iam"), "POST", "/", {}, b"Action=MakeCoffee", {})
    with pytest.raises(Refusal, match="not recognized"):
        read(model_of("iam"), "POST", "/", {}, b"Action=GetRole&RoleName=r&Milk=1", {})
    with pytest.raises(Refusal, match="SerializationException"):
        read(model_of("ecr"), "POST", "/", {"x-amz-target": "x.CreateRepository"}, b"{", {})
