"""The policy of the stack's key."""

from typing import Any

import pytest

from infra.keys import key_policy
from tests.infra.regions import ACCOUNT, place


def statements(region: str = "us-east-1") -> dict[str, dict[str, Any]]:
    return {one["Sid"]: one for one in key_policy(place(region), "/toril/main/workers")["Statement"]}


def test_the_account_administers_the_key_without_a_right_to_use_it():
    administer = statements()["Administer"]
    assert administer["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert not {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"} & set(administer["Action"])
    assert "kms:PutKeyPolicy" in administer["Action"]  # otherwise the policy could never be changed


def test_no_action_is_a_wildcard():
    assert not [action for one in statements().values() for action in one["Action"] if "*" in action]


@pytest.mark.parametrize(("sid", "service"), [("Registry", "ecr"), ("Secrets", "secretsmanager")])
def test_use_is_restricted_to_this_account_and_one_service_of_this_region(sid, service):
    found = statements("eu-west-1")[sid]
    assert found["Principal"] == {"AWS": "*"}
    assert found["Condition"] == {
        "StringEquals": {
            "kms:CallerAccount": ACCOUNT,
            "kms:ViaService": f"{service}.eu-west-1.amazonaws.com",
        }
    }


def test_logs_use_the_key_only_for_the_workers_log_group():
    found = statements()["Logs"]
    assert found["Principal"] == {"Service": "logs.us-east-1.amazonaws.com"}
    group = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/toril/main/workers"
    assert found["Condition"] == {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": group}}
