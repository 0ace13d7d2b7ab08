"""ECR's repository creation templates, per account and region."""

import re
import time
from typing import Any

from ministack.core.responses import get_account_id

from tests.cloud.server import ecr_lifecycle
from tests.cloud.server.ecr_repositories import check_mutability
from tests.cloud.server.errors import Refusal
from tests.cloud.server.paging import page
from tests.cloud.server.policies import resource_policy
from tests.cloud.server.state import Regional

TEMPLATES: Regional[dict[str, dict[str, Any]]] = Regional(dict)
ROLE = re.compile(r"arn:aws[-a-z]*:iam::\d{12}:role/[\w+=,.@-]*")  # CloudFormation's schema: without a path
DEFAULTS = {"imageTagMutability": "MUTABLE", "encryptionConfiguration": {"encryptionType": "AES256"}}


def create(request: dict[str, Any]) -> dict[str, Any]:
    templates, prefix = TEMPLATES.here(), request["prefix"].rstrip("/")
    if prefix in templates:
        raise Refusal(
            "TemplateAlreadyExistsException", f"A repository creation template with prefix '{prefix}' already exists"
        )
    _check(request)
    now = time.time()
    templates[prefix] = {**DEFAULTS, **request, "prefix": prefix, "createdAt": now, "updatedAt": now}
    return _shown(templates[prefix])


def describe(request: dict[str, Any]) -> dict[str, Any]:
    """Returns the templates of existing prefixes, and ignores others like AWS."""
    templates = TEMPLATES.here()
    prefixes = [prefix.rstrip("/") for prefix in request.get("prefixes") or sorted(templates)]
    shown, more = page([templates[prefix] for prefix in prefixes if prefix in templates], request)
    return {"registryId": get_account_id(), "repositoryCreationTemplates": list(shown), **more}


def update(request: dict[str, Any]) -> dict[str, Any]:
    template = _template(request["prefix"])
    _check({**template, **request})
    template.update(request, prefix=template["prefix"], updatedAt=time.time())
    return _shown(template)


def delete(request: dict[str, Any]) -> dict[str, Any]:
    template = _template(request["prefix"])
    del TEMPLATES.here()[template["prefix"]]
    return _shown(template)


def for_repository(name: str, applied_for: str) -> dict[str, Any] | None:
    """Returns the template with the longest matching prefix, or ROOT's."""
    fitting = [template for template in TEMPLATES.here().values() if applied_for in template["appliedFor"]]
    named = [template for template in fitting if name.startswith(f"{template['prefix']}/")]
    roots = [template for template in fitting if template["prefix"] == "ROOT"]
    return max(named, key=lambda template: len(template["prefix"])) if named else next(iter(roots), None)


def _template(prefix: str) -> dict[str, Any]:
    try:
        return TEMPLATES.here()[prefix.rstrip("/")]
    except KeyError as error:
        raise Refusal(
            "TemplateNotFoundException", f"The repository creation template with prefix '{prefix}' does not exist"
        ) from error


def _shown(template: dict[str, Any]) -> dict[str, Any]:
    return {"registryId": get_account_id(), "repositoryCreationTemplate": template}


def _check(template: dict[str, Any]) -> None:
    check_mutability(template)
    encryption = template.get("encryptionConfiguration") or {}
    if (encryption.get("encryptionType", "AES256") != "AES256" or template.get("resourceTags")) and not template.get(
        "customRoleArn"
    ):
        raise Refusal(
            "InvalidParameterException",
            "Invalid parameter at 'customRoleArn': a template with KMS encryption or resource tags needs a custom role",
        )
    if not ROLE.fullmatch(template.get("customRoleArn") or "arn:aws:iam::000000000000:role/"):
        raise Refusal("InvalidParameterException", "Invalid parameter at 'customRoleArn': a role without a path")
    if template.get("repositoryPolicy"):
        resource_policy(template["repositoryPolicy"], "repositoryPolicy")
    if template.get("lifecyclePolicy"):
        ecr_lifecycle.check(template["lifecyclePolicy"], "lifecyclePolicy")
