"""Secrets of the console in Parameter Store: the first function makes the session key, and all others read it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cloud.embedded import embedded_cloud
from toril.aws.client import ClientSettings, clients
from toril.aws.errors import AwsError
from toril.aws.parameters import read_parameter, session_key

NAME = "/toril/main/console/session-key"


@pytest.fixture
def aws(monkeypatch):
    with embedded_cloud() as cloud:
        for name, value in cloud.environment(AWS_REGION="eu-west-1").items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, value)
        yield clients(ClientSettings())


def test_functions_that_start_at_once_share_one_secret_key(aws):
    with pytest.raises(AwsError):
        read_parameter(aws, NAME)
    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(lambda _: session_key(aws, NAME), range(4)))
    assert [len(key) for key in keys] == [32]
    assert session_key(aws, NAME) in keys
    assert aws("ssm", "").get_parameter(Name=NAME)["Parameter"]["Type"] == "SecureString"
