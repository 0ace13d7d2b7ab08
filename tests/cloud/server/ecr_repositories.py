"""Checks and answers of ECR repositories that MiniStack lacks."""

from typing import Any

from ministack.services import ecr

from tests.cloud.server import ecr_lifecycle
from tests.cloud.server.errors import Refusal
from tests.cloud.server.paging import page
from tests.cloud.server.policies import resource_policy

FILTERS = "imageTagMutabilityExclusionFilters"
FILTERS_PER_REPOSITORY = 5
WILDCARDS_PER_FILTER = 2
REPOSITORIES_PER_PAGE = 100


def check_create(request: dict[str, Any]) -> None:
    check_mutability(request)
    tags = [tag["Key"] for tag in request.get("tags", ())]
    if len(set(tags)) != len(tags):
        raise Refusal("InvalidTagParameterException", "Duplicate tag keys")


def check_mutability(request: dict[str, Any]) -> None:
    """Checks that exclusion filters are present exactly with a setting that has exclusions."""
    mutability, filters = request.get("imageTagMutability", "MUTABLE"), request.get(FILTERS) or []
    if mutability.endswith("_WITH_EXCLUSION") != bool(filters):
        raise _invalid(FILTERS, f"{mutability} with {len(filters)} exclusion filters")
    if len(filters) > FILTERS_PER_REPOSITORY:
        raise _invalid(FILTERS, f"at most {FILTERS_PER_REPOSITORY} exclusion filters")
    if any(item["filter"].count("*") > WILDCARDS_PER_FILTER for item in filters):
        raise _invalid(FILTERS, f"at most {WILDCARDS_PER_FILTER} wildcards in a filter")


def created(request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    repository = ecr._repositories[request["repositoryName"]]
    if request.get(FILTERS):
        repository[FILTERS] = request[FILTERS]
    return {"repository": _shown(repository)}


def describe(request: dict[str, Any]) -> dict[str, Any]:
    """Returns all repositories in pages; MiniStack truncates the list."""
    names = request.get("repositoryNames")
    if names and ("maxResults" in request or "nextToken" in request):
        raise _invalid("maxResults", "named repositories come in one page")
    found = [repository_of(name) for name in names] if names else list(ecr._repositories.values())
    shown, more = page(found, request, REPOSITORIES_PER_PAGE)
    return {"repositories": [_shown(repository) for repository in shown], **more}


def put_mutability(request: dict[str, Any]) -> dict[str, Any]:
    check_mutability(request)
    repository = repository_of(request["repositoryName"])
    repository["imageTagMutability"] = request["imageTagMutability"]
    repository.pop(FILTERS, None)
    if request.get(FILTERS):
        repository[FILTERS] = request[FILTERS]
    answer = {name: repository[name] for name in ("registryId", "repositoryName", "imageTagMutability")}
    return {**answer, **({FILTERS: repository[FILTERS]} if FILTERS in repository else {})}


def check_policy(request: dict[str, Any]) -> None:
    resource_policy(request["policyText"], "PolicyText")


def check_lifecycle(request: dict[str, Any]) -> None:
    repository_of(request["repositoryName"])
    ecr_lifecycle.check(request["lifecyclePolicyText"])


def repository_of(name: str) -> dict[str, Any]:
    if name not in ecr._repositories:
        raise Refusal(
            "RepositoryNotFoundException",
            f"The repository with name '{name}' does not exist in the registry with id '{ecr._registry_id()}'",
        )
    found: dict[str, Any] = ecr._repositories[name]
    return found


def _shown(repository: dict[str, Any]) -> dict[str, Any]:
    return {**ecr._repo_shape(repository), **({FILTERS: repository[FILTERS]} if FILTERS in repository else {})}


def _invalid(name: str, why: str) -> Refusal:
    return Refusal("InvalidParameterException", f"Invalid parameter at '{name}' failed to satisfy constraint: {why}")
