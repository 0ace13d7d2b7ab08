"""Reading the values of secrets from the embedded cloud's Secrets Manager."""

import json

import pytest

from tests import refusals
from tests.cloud.embedded import Cloud, embedded_cloud
from toril.aws.secrets import read_secrets
from toril.errors import InfrastructureError

PASSWORD = "hunter2-hunter2"
VALUES = {"user": "joe", "password": PASSWORD, "pin": 123456, "short": "abc"}


@pytest.fixture(scope="module")
def running():
    with embedded_cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(running: Cloud, monkeypatch):
    running.reset()
    for name, value in running.environment(AWS_REGION="eu-west-1").items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return running


def stored(cloud, name="shop/api", region="eu-west-1", **content):
    content = content or {"SecretString": json.dumps(VALUES)}
    return cloud.client("secretsmanager", region).create_secret(Name=name, **content)["ARN"]


def refused(code, secrets, *names):
    with refusals.refused(code, *names, error=InfrastructureError) as found:
        read_secrets(secrets)
    assert PASSWORD not in str(found.value)


def test_a_secret_is_read_by_name_arn_and_json_key(cloud):
    arn = stored(cloud)
    elsewhere = stored(cloud, "other", "us-east-1", SecretString="of another region")
    stored(cloud, "key", SecretString="line 1\nline 2 $HOME ${X}\n")
    found = read_secrets({
        "A": "key", "B": f"{arn}:password::", "C": f"{arn}:pin::", "D": arn, "E": elsewhere,
        "F": f"{arn}:password:AWSCURRENT:",
    })  # fmt: skip
    assert found == {
        "A": "line 1\nline 2 $HOME ${X}\n",
        "B": "hunter2-hunter2",
        "C": "123456",
        "D": json.dumps(VALUES),
        "E": "of another region",
        "F": "hunter2-hunter2",
    }


def test_without_secrets_there_is_no_request(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert read_secrets({}) == {}


def test_an_unusable_secret_is_refused_with_the_reason(cloud):
    arn = stored(cloud)
    refused("no-such-secret-key", {"A": f"{arn}:passwd::"}, "toril.secrets.A", "passwd")
    refused("short-secret", {"A": f"{arn}:short::"}, "short")
    plain = stored(cloud, "plain", SecretString="no json here")
    refused("secret-not-json", {"A": f"{plain}:password::"}, "password")
    stored(cloud, "binary", SecretBinary=b"\x00\x01\x02\x03\x04")
    refused("binary-secret", {"A": "binary"}, "toril.secrets.A: binary")
    stored(cloud, "blank", SecretString="  a \n ")
    refused("short-secret", {"A": "blank"})


def test_a_missing_or_forbidden_secret_is_named_with_the_fix(cloud):
    refused("no-such-secret", {"TOKEN": "nobody"}, "toril.secrets.TOKEN: nobody")
    stored(cloud)
    cloud.fail_next("secretsmanager", "GetSecretValue", "AccessDeniedException", message="not allowed", times=9)
    refused("access-denied", {"TOKEN": "shop/api"}, "shop/api", "not allowed", "secretsmanager:GetSecretValue")


def test_a_throttled_request_is_repeated(cloud):
    stored(cloud)
    cloud.fail_next("secretsmanager", "GetSecretValue", times=2)
    assert json.loads(read_secrets({"A": "shop/api"})["A"]) == VALUES


def test_missing_credentials_and_region_are_errors(cloud, monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    refused("no-region", {"A": "shop/api"}, "AWS_REGION")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    refused("no-credentials", {"A": "shop/api"}, "AWS_ACCESS_KEY_ID")
