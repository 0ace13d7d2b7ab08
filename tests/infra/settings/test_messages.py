"""An error about a setting names its place, the accepted values and the user's value."""

import json
from typing import Any

import pytest

from infra.settings import SettingError, parse


def error_of(**found: Any) -> str:
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
    with pytest.raises(SettingError) as refused:
        parse("us-east-1", texts)
    return str(refused.value)


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ({"account": "12"}, "toril:account: Expected a 12-digit account number, got `'12'`."),
        ({"encryption": "kms"}, "toril:encryption: Expected AES256 or KMS or the ARN of a KMS key (not of an alias)"),
        ({"worker": {"cpu": 300}}, "toril:worker.cpu: Expected 256, 512, 1024, 2048, 4096, 8192, 16384 or 32768"),
        ({"worker": {"memory": 3}}, "toril:worker: memory: With cpu 1024, Fargate allows 2048, 3072,"),
        ({"network": "private"}, "toril:network: Expected an object with keys, got `'private'`."),
        ({"caches": ["dockerhub"]}, "toril:caches[0].upstream: Expected docker-hub, ghcr, acr,"),
        ({"caches": [{"upstream": "ghcr", "secret": "x"}]}, "[0].secret: Expected the ARN of a secret or later"),
        ({"secrets": "x"}, "toril:secrets: Expected a list"),
        ({"home": "perhaps"}, "toril:home: Expected true or false"),
        ({"repositories": [{"name": "a"}]}, "toril:repositories[0].name: Expected at least 2 characters"),
        ({"limits": {"vcpus": 0}}, "toril:limits.vcpus: Expected a number greater than or equal to 1, got `0`."),
        ({"fips": "true", "caches": ["quay"]}, "\n  toril:caches: "),
        ({"limits": {"vcpu": 3}}, "toril:limits.vcpu: Unknown setting. Did you mean `vcpus`?"),
    ],
)
def test_an_error_says_where_what_and_the_fix(found, line):
    assert line in error_of(**found)


@pytest.mark.parametrize("names", [["eu"], ["eusc"], ["eu-west-1"], ["office", "office"]])
def test_a_private_location_is_no_region_and_no_other_one(names):
    with pytest.raises(SettingError, match="toril:agents"):
        parse("hub", {"agents": json.dumps(names)})


@pytest.mark.parametrize("environment", ["aws", "my-amazon", "cognito2"])
def test_an_environment_with_a_user_pool_has_no_word_that_cognito_reserves(environment):
    own = {"issuer": {"url": "https://id.example.com", "clientId": "toril"}}
    parse(f"{environment}.hub", {"console": json.dumps(own)})
    parse(f"{environment}.hub", {})
    with pytest.raises(SettingError, match="reserves"):
        parse(f"{environment}.hub", {"console": json.dumps({"admin": "ada@example.com"})})


def test_the_settings_of_a_console_fit_into_the_variables_of_its_function():
    groups = {f"{number:02}{'g' * 118}": "admin" for number in range(20)}
    parse("hub", {"console": json.dumps({"admin": "ada@example.com", "roles": groups})})
    machines = [{"repositoryId": str(number), "environment": "e" * 100} for number in range(10)]
    with pytest.raises(SettingError, match="variables"):
        parse("hub", {"console": json.dumps({"admin": "ada@example.com", "roles": groups, "machines": machines})})


def test_each_setting_has_one_line_and_a_wrong_item_does_not_count_against_its_list():
    lines = error_of(encryption="kms", architectures=["x86"]).splitlines()
    assert [line.split(": ")[0].strip() for line in lines[1:]] == ["toril:architectures[0]", "toril:encryption"]
