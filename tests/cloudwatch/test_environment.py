"""CloudWatch with the environment's AWS settings, in another process."""

import subprocess
import sys

import pytest

from tests.cloudwatch.service import CREDENTIALS, CloudWatch, cloudwatch


@pytest.fixture
def service():
    with cloudwatch() as found:
        yield found


ENVIRONMENT = """
import sys
from toril.errors import UserError
from toril.cloudwatch import check, clients
from toril.records import MetricQuery
query = MetricQuery(namespace="n", metric="m", statistic="Sum", region=sys.argv[1] or None)
try:
    print(check([query], 1e9, clients()))
except UserError as error:
    print(error.exit_code, error.code, error)
"""


def checked(service: CloudWatch, region: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", ENVIRONMENT, region],
        env=service.environment(**environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


@pytest.mark.live
def test_region_and_credentials_come_from_the_environment(service):
    assert "no value" in checked(service, "us-east-1", **CREDENTIALS, AWS_REGION="eu-west-3")
    assert "no value" in checked(service, "", **CREDENTIALS, AWS_REGION="eu-west-3", AWS_DEFAULT_REGION="us-west-1")
    assert "no value" in checked(service, "", **CREDENTIALS, AWS_DEFAULT_REGION="us-west-1")
    assert service.regions == ["us-east-1", "eu-west-3", "us-west-1"]


@pytest.mark.live
@pytest.mark.parametrize(
    ("region", "environment", "code", "text"),
    [
        ("eu-west-1", {}, "4 no-credentials", "AWS_ACCESS_KEY_ID"),
        ("", CREDENTIALS, "2 no-region", "region: eu-west-1"),
        ("eu west", CREDENTIALS, "2 invalid-settings", "eu west"),
        ("eu-west-1", {**CREDENTIALS, "AWS_PROFILE": "nobody"}, "2 invalid-settings", "nobody"),
        ("eu-west-1", {**CREDENTIALS, "AWS_ENDPOINT_URL_CLOUDWATCH": "nowhere"}, "2 invalid-settings", "nowhere"),
    ],
)
def test_invalid_settings_are_named(service, region, environment, code, text):
    answer = checked(service, region, **environment)
    assert answer.startswith(f"{code} ")
    assert text in answer
    assert service.calls == 0


def test_suites_without_metric_criteria_do_not_import_boto3():
    script = "import sys, toril.cli; print(sorted({'boto3', 'botocore'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
