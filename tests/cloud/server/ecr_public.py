"""Amazon ECR Public: one registry per account, with endpoints in us-east-1 and us-west-2."""

import base64
import time
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import get_account_id, get_region

from tests.cloud.server.errors import Refusal
from tests.cloud.server.gateway import Service
from tests.cloud.server.paging import page
from tests.cloud.server.policies import resource_policy
from tests.cloud.server.state import Regional

REGIONS = ("us-east-1", "us-west-2")
HOME = REGIONS[0]  # the region of the stored registry
TOKEN_LASTS_S = 12 * 3600
CATALOG_TEXTS = ("description", "architectures", "operatingSystems", "aboutText", "usageText")


@dataclass
class Repository:
    """One public repository."""

    shown: dict[str, Any]
    catalog: dict[str, Any] = field(default_factory=dict)
    policy: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


REPOSITORIES: Regional[dict[str, Repository]] = Regional(dict)


def _here(request: dict[str, Any]) -> None:
    if get_region() not in REGIONS:
        raise Refusal("UnknownOperationException", f"Amazon ECR Public has no endpoint in {get_region()}", 404)
    if request.get("registryId", get_account_id()) != get_account_id():
        raise Refusal("RegistryNotFoundException", "The registry with that id is another account's")


def _all() -> dict[str, Repository]:
    return REPOSITORIES.of(get_account_id(), HOME)


def _named(request: dict[str, Any]) -> Repository:
    name = request["repositoryName"]
    if name not in _all():
        raise Refusal(
            "RepositoryNotFoundException",
            f"The repository with name '{name}' does not exist in the registry with id '{get_account_id()}'",
        )
    return _all()[name]


def create(request: dict[str, Any]) -> dict[str, Any]:
    name = request["repositoryName"]
    if name in _all():
        raise Refusal("RepositoryAlreadyExistsException", f"The repository with name '{name}' already exists")
    shown = {
        "repositoryArn": f"arn:aws:ecr-public::{get_account_id()}:repository/{name}",
        "registryId": get_account_id(),
        "repositoryName": name,
        "repositoryUri": f"public.ecr.aws/{_alias()}/{name}",
        "createdAt": time.time(),
    }
    tags = {tag["Key"]: tag.get("Value", "") for tag in request.get("tags", ())}
    _all()[name] = Repository(shown, _catalog(request.get("catalogData") or {}), tags=tags)
    return {"repository": shown, "catalogData": _all()[name].catalog}


def describe(request: dict[str, Any]) -> dict[str, Any]:
    names = request.get("repositoryNames") or sorted(_all())
    shown, more = page([_named({"repositoryName": name}).shown for name in names], request)
    return {"repositories": list(shown), **more}


def delete(request: dict[str, Any]) -> dict[str, Any]:
    found = _named(request)
    del _all()[request["repositoryName"]]
    return {"repository": found.shown}


def put_catalog(request: dict[str, Any]) -> dict[str, Any]:
    found = _named(request)
    found.catalog = _catalog(request["catalogData"])
    return {"catalogData": found.catalog}


def get_catalog(request: dict[str, Any]) -> dict[str, Any]:
    return {"catalogData": _named(request).catalog}


def set_policy(request: dict[str, Any]) -> dict[str, Any]:
    found = _named(request)
    resource_policy(request["policyText"], "PolicyText")
    found.policy = request["policyText"]
    return get_policy(request)


def get_policy(request: dict[str, Any]) -> dict[str, Any]:
    policy = _named(request).policy
    if policy is None:
        raise Refusal(
            "RepositoryPolicyNotFoundException",
            f"Repository policy does not exist for the repository with name '{request['repositoryName']}'",
        )
    return {"registryId": get_account_id(), "repositoryName": request["repositoryName"], "policyText": policy}


def delete_policy(request: dict[str, Any]) -> dict[str, Any]:
    answer = get_policy(request)
    _named(request).policy = None
    return answer


def tag(request: dict[str, Any]) -> dict[str, Any]:
    _by_arn(request).tags.update({item["Key"]: item.get("Value", "") for item in request["tags"]})
    return {}


def untag(request: dict[str, Any]) -> dict[str, Any]:
    found = _by_arn(request)
    found.tags = {key: value for key, value in found.tags.items() if key not in request["tagKeys"]}
    return {}


def tags(request: dict[str, Any]) -> dict[str, Any]:
    return {"tags": [{"Key": key, "Value": value} for key, value in _by_arn(request).tags.items()]}


def token(request: dict[str, Any]) -> dict[str, Any]:
    made = base64.b64encode(b"AWS:embedded").decode()
    return {"authorizationData": {"authorizationToken": made, "expiresAt": time.time() + TOKEN_LASTS_S}}


def _by_arn(request: dict[str, Any]) -> Repository:
    found = next((one for one in _all().values() if one.shown["repositoryArn"] == request["resourceArn"]), None)
    if found is None:
        raise Refusal("RepositoryNotFoundException", f"There is no repository '{request['resourceArn']}'")
    return found


def _catalog(asked: dict[str, Any]) -> dict[str, Any]:
    catalog = {name: asked[name] for name in CATALOG_TEXTS if asked.get(name)}
    if asked.get("logoImageBlob"):
        catalog["logoUrl"] = f"https://public.ecr.aws/{_alias()}/logo"
    return catalog


def _alias() -> str:
    return f"a{int(get_account_id()):x}"


SERVICE = Service(
    name="ecr-public",
    model="ecr-public",
    invalid="InvalidParameterException",
    before=_here,
    operations={
        "CreateRepository": create,
        "DescribeRepositories": describe,
        "DeleteRepository": delete,
        "PutRepositoryCatalogData": put_catalog,
        "GetRepositoryCatalogData": get_catalog,
        "SetRepositoryPolicy": set_policy,
        "GetRepositoryPolicy": get_policy,
        "DeleteRepositoryPolicy": delete_policy,
        "TagResource": tag,
        "UntagResource": untag,
        "ListTagsForResource": tags,
        "GetAuthorizationToken": token,
    },
)
