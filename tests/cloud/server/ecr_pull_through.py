"""ECR's pull-through cache rules, per account and region."""

import json
import re
import time
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import secretsmanager

from tests.cloud.server.errors import Refusal
from tests.cloud.server.paging import page
from tests.cloud.server.state import Regional

RULES_PER_REGISTRY = 50  # a fixed quota of Amazon ECR
RULES: Regional[dict[str, dict[str, Any]]] = Regional(dict)
ECR_HOST = re.compile(r"(\d{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
UPSTREAMS = [
    (re.compile(r"public\.ecr\.aws"), "ecr-public"),
    (re.compile(r"registry\.k8s\.io"), "k8s"),
    (re.compile(r"quay\.io"), "quay"),
    (re.compile(r"registry-1\.docker\.io"), "docker-hub"),
    (re.compile(r"ghcr\.io"), "github-container-registry"),
    (re.compile(r"[a-z0-9]+\.azurecr\.(?:io|us|cn)"), "azure-container-registry"),
    (re.compile(r"registry\.gitlab\.com"), "gitlab-container-registry"),
    (re.compile(r"cgr\.dev"), "chainguard"),
    (ECR_HOST, "ecr"),
]
WITH_CREDENTIALS = {
    "docker-hub",
    "github-container-registry",
    "azure-container-registry",
    "gitlab-container-registry",
    "chainguard",
}
CREDENTIAL = re.compile(
    r"arn:aws(?:-\w+)*:secretsmanager:([a-z0-9-]+):(\d{12}):secret:(ecr-pullthroughcache/[\w/+=.@-]+)"
)
REQUESTED = ("ecrRepositoryPrefix", "upstreamRegistryUrl", "credentialArn", "customRoleArn", "upstreamRepositoryPrefix")


def create(request: dict[str, Any]) -> dict[str, Any]:
    own_registry(request)
    rules, prefix = RULES.here(), _prefix(request["ecrRepositoryPrefix"])
    url = request["upstreamRegistryUrl"].removeprefix("https://").rstrip("/")
    upstream = next((name for pattern, name in UPSTREAMS if pattern.fullmatch(url)), None)
    if upstream is None or request.get("upstreamRegistry", upstream) != upstream:
        raise Refusal("UnsupportedUpstreamRegistryException", f"The upstream registry '{url}' is not supported")
    if prefix in rules:
        raise Refusal(
            "PullThroughCacheRuleAlreadyExistsException",
            f"A pull through cache rule with repository prefix '{prefix}' already exists in the registry with id "
            f"'{get_account_id()}'",
        )
    upstream_prefix = _prefix(request.get("upstreamRepositoryPrefix", "ROOT"))
    if prefix == "ROOT" and upstream_prefix != "ROOT":
        raise _invalid("upstreamRepositoryPrefix", "the upstream repository prefix of a ROOT rule is ROOT, too")
    _check_access(upstream, url, request.get("credentialArn"), request.get("customRoleArn"))
    if len(rules) >= RULES_PER_REGISTRY:
        raise Refusal("LimitExceededException", f"A registry has at most {RULES_PER_REGISTRY} pull through cache rules")
    now = time.time()
    rules[prefix] = {
        **{name: request[name] for name in REQUESTED if name in request},
        "ecrRepositoryPrefix": prefix,
        "upstreamRegistryUrl": url,
        "upstreamRegistry": upstream,
        "upstreamRepositoryPrefix": upstream_prefix,
        "registryId": get_account_id(),
        "createdAt": now,
        "updatedAt": now,
    }
    return {name: value for name, value in rules[prefix].items() if name != "updatedAt"}


def describe(request: dict[str, Any]) -> dict[str, Any]:
    own_registry(request)
    rules = RULES.here()
    prefixes = request.get("ecrRepositoryPrefixes")
    found = [_rule(prefix) for prefix in prefixes] if prefixes else [rules[prefix] for prefix in sorted(rules)]
    shown, more = page(found, request)
    return {"pullThroughCacheRules": list(shown), **more}


def update(request: dict[str, Any]) -> dict[str, Any]:
    own_registry(request)
    rule = _rule(request["ecrRepositoryPrefix"])
    credential, role = request.get("credentialArn"), request.get("customRoleArn")
    if credential is None and role is None:
        raise _invalid("credentialArn", "a credential or a custom role has to be named")
    _check_access(rule["upstreamRegistry"], rule["upstreamRegistryUrl"], credential, role)
    rule.update({name: request[name] for name in ("credentialArn", "customRoleArn") if name in request})
    rule["updatedAt"] = time.time()
    return {
        name: value
        for name, value in rule.items()
        if name not in ("createdAt", "upstreamRegistry", "upstreamRegistryUrl")
    }


def delete(request: dict[str, Any]) -> dict[str, Any]:
    own_registry(request)
    rule = _rule(request["ecrRepositoryPrefix"])
    del RULES.here()[rule["ecrRepositoryPrefix"]]
    return {name: value for name, value in rule.items() if name not in ("updatedAt", "upstreamRegistry")}


def rule_of(repository: str) -> dict[str, Any] | None:
    """Returns the rule with the longest matching prefix, or ROOT's."""
    rules = RULES.here()
    named = [prefix for prefix in rules if repository.startswith(f"{prefix}/")]
    return rules[max(named, key=len)] if named else rules.get("ROOT")


def own_registry(request: dict[str, Any]) -> None:
    """Raises Refusal for a registry of another account."""
    if request.get("registryId", get_account_id()) != get_account_id():
        raise Refusal("InvalidParameterException", "The registry with that id is another account's")


def _rule(prefix: str) -> dict[str, Any]:
    try:
        return RULES.here()[_prefix(prefix)]
    except KeyError as error:
        raise Refusal(
            "PullThroughCacheRuleNotFoundException",
            f"The pull through cache rule for repository prefix '{prefix}' does not exist in the registry with id "
            f"'{get_account_id()}'",
        ) from error


def _prefix(text: str) -> str:
    """Returns a prefix without its optional trailing slash."""
    return text.rstrip("/")


def _check_access(upstream: str, url: str, credential: str | None, role: str | None) -> None:
    if upstream in WITH_CREDENTIALS:
        if credential is None:
            raise _invalid("credentialArn", f"the upstream registry '{url}' needs a credential")
        _check_credential(credential)
    elif credential is not None:
        raise _invalid("credentialArn", f"the upstream registry '{url}' takes no credential")
    elsewhere = ECR_HOST.fullmatch(url)
    if elsewhere and elsewhere[1] != get_account_id() and role is None:
        raise _invalid("customRoleArn", "the registry of another account needs a custom role")
    if role is not None and not elsewhere:
        raise _invalid("customRoleArn", "a custom role is for upstream registries in Amazon ECR")


def _check_credential(arn: str) -> None:
    named = CREDENTIAL.fullmatch(arn)
    if named is None:
        raise _invalid("credentialArn", "the secret's name starts with 'ecr-pullthroughcache/'")
    if (named[1], named[2]) != (get_region(), get_account_id()):
        raise _invalid("credentialArn", "the secret has to be in the rule's own account and region")
    _, secret = secretsmanager._resolve(arn, use_arn_scope=True)
    if secret is None or secret.get("DeletedDate"):
        raise Refusal("SecretNotFoundException", f"The secret '{arn}' does not exist")
    text = secretsmanager.resolve_secret_string(arn)
    try:
        value = json.loads(text or "")
    except ValueError:
        value = None
    keys = ("username", "accessToken")
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) and value[key] for key in keys):
        raise Refusal(
            "UnableToAccessSecretException",
            f"The value of the secret '{arn}' is not JSON with the keys username and accessToken",
        )


def _invalid(name: str, why: str) -> Refusal:
    return Refusal("InvalidParameterException", f"Invalid parameter at '{name}' failed to satisfy constraint: {why}")
