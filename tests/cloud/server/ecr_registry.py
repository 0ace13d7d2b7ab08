"""The settings of an ECR registry: policy, scanning, replication and account settings."""

import json
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import get_account_id, get_region

from tests.cloud.server.errors import Refusal
from tests.cloud.server.policies import resource_policy
from tests.cloud.server.state import Regional

SETTINGS = {  # name: possible values, the default first
    "BASIC_SCAN_TYPE_VERSION": ("AWS_NATIVE", "CLAIR"),
    "REGISTRY_POLICY_SCOPE": ("V2", "V1"),
    "BLOB_MOUNTING": ("DISABLED", "ENABLED"),
}
V1_ACTIONS = {"ecr:BatchImportUpstreamImage", "ecr:CreateRepository", "ecr:ReplicateImage"}
FREQUENCIES = {"BASIC": {"SCAN_ON_PUSH", "MANUAL"}, "ENHANCED": {"SCAN_ON_PUSH", "CONTINUOUS_SCAN", "MANUAL"}}
REPLICATION_DESTINATIONS = 25


@dataclass
class Registry:
    """The settings of one registry."""

    policy: str | None = None
    scanning: dict[str, Any] = field(default_factory=lambda: {"scanType": "BASIC", "rules": []})
    replication: dict[str, Any] = field(default_factory=lambda: {"rules": []})
    settings: dict[str, str] = field(default_factory=dict)


REGISTRIES: Regional[Registry] = Regional(Registry)


def put_policy(request: dict[str, Any]) -> dict[str, Any]:
    document = resource_policy(request["policyText"], "PolicyText")
    if get_setting({"name": "REGISTRY_POLICY_SCOPE"})["value"] == "V1":
        for statement in document["Statement"]:
            named = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            if other := sorted({*named} - V1_ACTIONS):
                raise Refusal("InvalidParameterException", f"Invalid parameter at 'PolicyText': {other[0]}")
    REGISTRIES.here().policy = json.dumps(document)
    return get_policy({})


def get_policy(request: dict[str, Any]) -> dict[str, Any]:
    policy = REGISTRIES.here().policy
    if policy is None:
        raise Refusal(
            "RegistryPolicyNotFoundException",
            f"Registry policy does not exist in the registry with id '{get_account_id()}'",
        )
    return {"registryId": get_account_id(), "policyText": policy}


def delete_policy(request: dict[str, Any]) -> dict[str, Any]:
    answer = get_policy({})
    REGISTRIES.here().policy = None
    return answer


def put_scanning(request: dict[str, Any]) -> dict[str, Any]:
    found = {"scanType": request.get("scanType", "BASIC"), "rules": request.get("rules", [])}
    for rule in found["rules"]:
        if rule["scanFrequency"] not in FREQUENCIES[found["scanType"]]:
            raise Refusal(
                "InvalidParameterException",
                f"Invalid parameter at 'rules': {found['scanType']} scanning can't be {rule['scanFrequency']}",
            )
    REGISTRIES.here().scanning = found
    return {"registryScanningConfiguration": found}


def get_scanning(request: dict[str, Any]) -> dict[str, Any]:
    return {"registryId": get_account_id(), "scanningConfiguration": REGISTRIES.here().scanning}


def put_setting(request: dict[str, Any]) -> dict[str, Any]:
    name, value = request["name"], request["value"]
    if value not in _allowed(name):
        raise Refusal("InvalidParameterException", f"Invalid parameter at 'value': {name} is one of {SETTINGS[name]}")
    if value == "CLAIR":
        raise Refusal("ValidationException", "CLAIR is no longer supported; AWS_NATIVE is")
    REGISTRIES.here().settings[name] = value
    return {"name": name, "value": value}


def get_setting(request: dict[str, Any]) -> dict[str, Any]:
    name = request["name"]
    return {"name": name, "value": REGISTRIES.here().settings.get(name, _allowed(name)[0])}


def put_replication(request: dict[str, Any]) -> dict[str, Any]:
    found = request["replicationConfiguration"]
    here = (get_region(), get_account_id())
    goals = {(goal["region"], goal["registryId"]) for rule in found["rules"] for goal in rule["destinations"]}
    if here in goals:
        raise Refusal(
            "InvalidParameterException", "Invalid parameter at 'destinations': a registry is no replica of itself"
        )
    if len(goals) > REPLICATION_DESTINATIONS:
        raise Refusal("InvalidParameterException", f"At most {REPLICATION_DESTINATIONS} unique destinations")
    REGISTRIES.here().replication = found
    return {"replicationConfiguration": found}


def describe(request: dict[str, Any]) -> dict[str, Any]:
    return {"registryId": get_account_id(), "replicationConfiguration": REGISTRIES.here().replication}


def _allowed(name: str) -> tuple[str, ...]:
    try:
        return SETTINGS[name]
    except KeyError as error:
        raise Refusal("InvalidParameterException", f"Invalid parameter at 'name': unknown setting '{name}'") from error
