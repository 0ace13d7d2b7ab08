"""A wrong setting is told with its place, what should stand there, and what does."""

import json
from typing import Any

import pytest

from infra.settings import SettingError, parse


def said(**found: Any) -> str:
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}
    with pytest.raises(SettingError) as refused:
        parse("us-east-1", texts)
    return str(refused.value)


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ({"account": "12"}, "toril:account: has to be an account's number, of 12 digits (it is '12')"),
        ({"encryption": "kms"}, "toril:encryption: has to be AES256 or KMS or the ARN of a KMS key (not of an alias)"),
        ({"worker": {"cpu": 300}}, "toril:worker.cpu: has to be 256, 512, 1024, 2048, 4096, 8192, 16384 or 32768"),
        ({"worker": {"memory": 3}}, "toril:worker: memory: with cpu 1024 Fargate has 2048, 3072,"),
        ({"network": "private"}, "toril:network: has to be an object with keys (it is 'private')"),
        ({"caches": ["dockerhub"]}, "toril:caches[0].upstream: has to be docker-hub, ghcr, acr,"),
        ({"caches": [{"upstream": "ghcr", "secret": "x"}]}, "[0].secret: has to be the ARN of a secret or later"),
        ({"secrets": "x"}, "toril:secrets: has to be a list"),
        ({"home": "perhaps"}, "toril:home: has to be true or false"),
        ({"repositories": [{"name": "a"}]}, "toril:repositories[0].name: has to be of 2 characters or more"),
        (
            {"fips": "true", "caches": ["quay"]},
            "\n  toril:caches: a first pull through a cache does not work over FIPS",
        ),
        ({"limits": {"vcpu": 3}}, "toril:limits.vcpu: no such setting; did you mean vcpus?"),
    ],
)
def test_a_message_says_where_what_and_the_fix(found, line):
    assert line in said(**found)


def test_each_setting_has_one_line_and_a_list_is_not_blamed_for_what_is_in_it():
    lines = said(encryption="kms", architectures=["x86"]).splitlines()
    assert [line.split(": ")[0].strip() for line in lines[1:]] == ["toril:architectures[0]", "toril:encryption"]
