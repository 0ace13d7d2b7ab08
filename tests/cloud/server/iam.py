"""Parts of IAM that MiniStack lacks: identity providers and checks of policy documents."""

from typing import Any

from ministack.services import iam

from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Service
from tests.cloud.server.policies import identity_policy, resource_policy

MALFORMED = "MalformedPolicyDocument"


def check_trust(request: dict[str, Any]) -> None:
    name = "AssumeRolePolicyDocument" if "AssumeRolePolicyDocument" in request else "PolicyDocument"
    resource_policy(request[name], name, MALFORMED)


def check_policy(request: dict[str, Any]) -> None:
    identity_policy(request["PolicyDocument"], "PolicyDocument", MALFORMED)


def _provider(request: dict[str, Any]) -> dict[str, Any]:
    arn = request["OpenIDConnectProviderArn"]
    if arn not in iam._oidc_providers:
        raise Refusal("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}", 404)
    found: dict[str, Any] = iam._oidc_providers[arn]
    return found


def add_client(request: dict[str, Any]) -> dict[str, Any]:
    clients = _provider(request)["ClientIDList"]
    if request["ClientID"] not in clients:
        clients.append(request["ClientID"])
    return {}


def remove_client(request: dict[str, Any]) -> dict[str, Any]:
    provider = _provider(request)
    provider["ClientIDList"] = [one for one in provider["ClientIDList"] if one != request["ClientID"]]
    return {}


def tag_provider(request: dict[str, Any]) -> dict[str, Any]:
    provider, new = _provider(request), {tag["Key"]: tag for tag in request["Tags"]}
    provider["Tags"] = [*(one for one in provider["Tags"] if one["Key"] not in new), *new.values()]
    return {}


def untag_provider(request: dict[str, Any]) -> dict[str, Any]:
    provider = _provider(request)
    provider["Tags"] = [one for one in provider["Tags"] if one["Key"] not in request["TagKeys"]]
    return {}


SERVICE = Service(
    name="iam",
    model="iam",
    invalid="ValidationError",
    operations={
        "AddClientIDToOpenIDConnectProvider": add_client,
        "RemoveClientIDFromOpenIDConnectProvider": remove_client,
        "TagOpenIDConnectProvider": tag_provider,
        "UntagOpenIDConnectProvider": untag_provider,
    },
    checks={
        "CreateRole": check_trust,
        "UpdateAssumeRolePolicy": check_trust,
        "PutRolePolicy": check_policy,
        "CreatePolicy": check_policy,
        "PutUserPolicy": check_policy,
    },
)
