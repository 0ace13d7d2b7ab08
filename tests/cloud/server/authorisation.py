"""IAM's decisions where MiniStack differs from AWS: resources, condition keys, passed roles, tags, policy variables.

Each function wraps one of MiniStack 1.5.33. Without `AUTH`, MiniStack calls none of them.
"""

import dataclasses
import re
from collections.abc import Mapping
from html import unescape
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudfront, cognito, ecr, ecs, iam, sts, tagging

from tests.cloud.server import fis, resources, resources_ec2
from tests.cloud.server.errors import Refusal

GITHUB = "token.actions.githubusercontent.com"
GITHUB_CLAIMS = (  # claims that AWS supports beside aud and sub
    "actor", "actor_id", "enterprise_id", "environment", "job_workflow_ref", "ref", "repository", "repository_id",
    "workflow",
)  # fmt: skip
PASSED, TAGGED, OTHERS = "embedded:passed", "embedded:tagged", "embedded:others"  # other required rights
XML_TAG = re.compile(r"<Tag><Key>(.*?)</Key><Value>(.*?)</Value></Tag>")
VARIABLE = re.compile(r"\$\{([^}]+)\}")
BUDGETS = {"Describe": "ViewBudget", "Create": "ModifyBudget", "Delete": "ModifyBudget", "Update": "ModifyBudget"}
CONCURRENCY = {
    "GET": "lambda:GetFunctionConcurrency",
    "PUT": "lambda:PutFunctionConcurrency",
    "DELETE": "lambda:DeleteFunctionConcurrency",
}
TAGGING = {"ec2": "CreateTags", "ssm": "AddTagsToResource"}  # other services: TagResource
LOG_DELIVERY, MULTI_REGION, LINKED = "embedded:log delivery", "embedded:multi-region", "embedded:linked"
_action, _resource_tags = iam_actions.extract_iam_action, tagging.resource_tags
_context, _s3_context = iam_actions.request_tag_context, iam_actions.s3_service_context
_enforce, _first_match = iam_evaluator.enforce, iam_evaluator._first_match
_principal, _trust_denied = sts._web_identity_principal, sts._web_identity_trust_denied
_condition_key = iam_evaluator._resolve_condition_key


def install() -> None:
    iam_actions.extract_iam_action = action
    iam_actions.extract_resource_arn = resources.of
    tagging.resource_tags = resource_tags
    iam_actions.request_tag_context = context
    iam_actions.s3_service_context = s3_context
    iam_evaluator.enforce = enforce
    iam_evaluator._first_match = first_match
    iam_evaluator._resolve_condition_key = condition_key
    sts._web_identity_principal = web_identity_principal
    sts._web_identity_trust_denied = web_identity_denied


def action(
    service: str, method: str, path: str, headers: Mapping[str, str], body: bytes, params: Mapping[str, Any]
) -> str | None:
    """Returns the action of a request. Some services have fewer actions than operations."""
    found: str | None = _action(service, method, path, headers, body, params)
    if service == "lambda" and path.endswith("/concurrency"):
        return CONCURRENCY.get(method)
    if found == "cloudfront:CreateDistributionWithTags":
        return "cloudfront:CreateDistribution"
    name = (found or "").removeprefix("budgets:")
    if found and found != name:
        of = next((of for begin, of in BUDGETS.items() if name.startswith(begin)), name)
        return f"budgets:{of}"
    return found


def resource_tags(arn: str) -> dict[str, str] | None:
    """Returns the tags of a resource, including networks, repositories, user pools and distributions."""
    service = arn.split(":")[2] if arn.startswith("arn:") else ""
    if service == "ec2":
        return resources_ec2.tags_of(arn)
    if service == "ecr":
        repository = ecr._repositories.get(arn.partition("repository/")[2]) or {}
        return {tag["Key"]: tag["Value"] for tag in repository.get("tags") or ()}
    if service == "cognito-idp":
        pool = cognito._user_pools.get(arn.partition("userpool/")[2]) or {}
        return dict(pool.get("UserPoolTags") or {})
    if service == "cloudfront":
        return {tag["Key"]: tag["Value"] for tag in cloudfront._tags.get(arn) or ()}
    if service == "fis":
        return fis.tags_of(arn)
    found: dict[str, str] | None = _resource_tags(arn)
    return found


def context(service: str, action: str, body: bytes, params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns MiniStack's condition keys, more keys of AWS, and the request's other required actions."""
    found: dict[str, Any] = dict(_context(service, action, body, params))
    request, place = resources.body_of(body), f"{get_region()}:{get_account_id()}"
    others = resources.others(action, request, place)
    if service == "ecs":
        found["ecs:cluster"] = resources.cluster(request, place)
        if action == "ecs:RunTask":
            found["ecs:enable-execute-command"] = str(bool(request.get("enableExecuteCommand"))).lower()
            volumes = any("managedEBSVolume" in one for one in request.get("volumeConfigurations") or ())
            found["ecs:enable-ebs-volumes"] = str(volumes).lower()
        if (request.get("tags") or request.get("propagateTags")) and action != "ecs:TagResource":
            found[TAGGED] = _tagged(action, request, place)
    if service == "iam":
        if policy := resources._one(params, "PolicyArn"):
            found["iam:PolicyARN"] = policy
        if to := resources._one(params, "AWSServiceName"):
            found["iam:AWSServiceName"] = to
        boundary = _boundary(params)
        if boundary:
            found["iam:PermissionsBoundary"] = boundary
    if service == "ec2":
        found |= resources_ec2.new_tags(params)
        name = action.removeprefix("ec2:")
        made, named = resources_ec2.made(name, place), resources_ec2.named(name, params, place)
        others = named if made else named[1:]
        if made and any(key.startswith("aws:RequestTag/") for key in found):
            found[TAGGED] = made
    if action == "events:PutEvents":
        found["events:source"] = [str(one["Source"]) for one in request["Entries"]]  # ArrayOfString
    if service == "kms" and action == "kms:CreateAlias":
        key = str(request["TargetKeyId"])
        others = [key if key.startswith("arn:") else f"arn:aws:kms:{place}:key/{key}"]
    if service == "lambda" and action == "lambda:CreateFunction" and request.get("Tags"):
        found[TAGGED] = f"arn:aws:lambda:{place}:function:{request['FunctionName']}"
    if action == "cloudfront:CreateDistribution" and "WithTags" in params:
        found[TAGGED] = f"arn:aws:cloudfront::{get_account_id()}:distribution/*"
    if action == "ssm:PutParameter" and request.get("Tags"):
        found[TAGGED] = resources.parameters(request, place)[0]
    if action == "cognito-idp:CreateUserPool" and request.get("UserPoolTags"):
        found[TAGGED] = f"arn:aws:cognito-idp:{place}:userpool/*"
        found |= {f"aws:RequestTag/{key}".lower(): value for key, value in request["UserPoolTags"].items()}
    if action == "fis:StartExperiment":
        found[LINKED] = fis.PRINCIPAL if fis.needs_role() else None
        found[TAGGED] = f"arn:aws:fis:{place}:experiment/new" if request.get("tags") else None
    if service == "cloudfront":
        tags = XML_TAG.findall(body.decode(errors="replace"))
        found |= {f"aws:RequestTag/{unescape(key)}".lower(): unescape(value) for key, value in tags}
    far = action == "ec2:CreateVpcEndpoint" and resources._one(params, "ServiceRegion") not in (None, get_region())
    found[MULTI_REGION] = f"arn:aws:ec2:{place}:vpc-endpoint/*" if far else None
    found[LOG_DELIVERY] = service == "apigateway" and "accessLogSettings" in request
    found[PASSED] = _passed(action, request)
    found[OTHERS] = others
    return found


def _boundary(params: Mapping[str, Any]) -> str | None:
    named = resources._one(params, "PermissionsBoundary")
    role = iam._roles.get(resources._one(params, "RoleName") or "") or {}
    return named or role.get("PermissionsBoundary") or None


def _passed(action: str, request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns the roles that a request passes to a service."""
    if action == "ecs:RunTask":
        definition = ecs._task_defs.get(ecs._resolve_td_key(request.get("taskDefinition", ""))) or {}
        overrides = request.get("overrides") or {}
        roles = [overrides.get(name) or definition.get(name) for name in ("taskRoleArn", "executionRoleArn")]
        return [(role, "ecs-tasks.amazonaws.com") for role in roles if role]
    if action == "ecs:RegisterTaskDefinition":
        roles = [request.get(name) for name in ("taskRoleArn", "executionRoleArn")]
        return [(role, "ecs-tasks.amazonaws.com") for role in roles if role]
    if action in ("lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"):
        return [(request["Role"], "lambda.amazonaws.com")] if "Role" in request else []
    if action in ("scheduler:CreateSchedule", "scheduler:UpdateSchedule"):
        role = (request.get("Target") or {}).get("RoleArn")
        return [(role, "scheduler.amazonaws.com")] if role else []
    if action == "fis:CreateExperimentTemplate":
        return [(request["roleArn"], fis.PRINCIPAL)]
    role = request.get("customRoleArn")
    if role and action in ("ecr:CreatePullThroughCacheRule", "ecr:UpdatePullThroughCacheRule"):
        return [(role, "pullthroughcache.ecr.amazonaws.com")]
    if role and action in ("ecr:CreateRepositoryCreationTemplate", "ecr:UpdateRepositoryCreationTemplate"):
        return [(role, "ecr.amazonaws.com")]
    return []


def _tagged(action: str, request: Mapping[str, Any], place: str) -> str:
    if action == "ecs:RunTask":
        return f"arn:aws:ecs:{place}:task/{resources.cluster(request, place).rpartition('/')[2]}/*"
    if action == "ecs:RegisterTaskDefinition":
        return f"arn:aws:ecs:{place}:task-definition/{request.get('family')}:*"
    return f"arn:aws:ecs:{place}:cluster/{request.get('clusterName', 'default')}"


def s3_context(action: str, query: Any, path: str = "", headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = dict(_s3_context(action, query, path, headers))
    for name in ("if-none-match", "if-match"):
        if headers and headers.get(name):
            found[f"s3:{name}"] = headers[name]
    return found


def enforce(
    key: str,
    action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: Mapping[str, Any] | None = None,
) -> Any:
    """Returns MiniStack's decision, after checks of passed roles and new tags."""
    asked = dict(service_context or {})
    linked, delivers_logs, far = asked.pop(LINKED, None), asked.pop(LOG_DELIVERY, False), asked.pop(MULTI_REGION, None)
    passed, tagged, asked_of_all = asked.pop(PASSED, ()), asked.pop(TAGGED, None), asked.pop(OTHERS, ())
    denied = _enforce(key, action, service, region, resource_arn=resource_arn, service_context=asked)
    # the tags of a request belong to new resources, except in requests that only tag
    kept = asked if action == "ec2:CreateTags" else {k: v for k, v in asked.items() if not k.startswith("aws:Request")}
    for other in asked_of_all:
        denied = denied or _enforce(key, action, service, region, resource_arn=other, service_context=kept)
    if denied:
        return denied
    more = [("iam:PassRole", "iam", role, {"iam:PassedToService": to}) for role, to in passed]
    more += [("logs:CreateLogDelivery", "logs", "*", {})] if delivers_logs else []
    more += [("vpce:AllowMultiRegion", "vpce", far, {})] if far else []
    if linked:
        role = f"arn:aws:iam::{get_account_id()}:role/aws-service-role/{linked}/{fis.LINKED_ROLE}"
        more.append(("iam:CreateServiceLinkedRole", "iam", role, {"iam:AWSServiceName": linked}))
    if tagged:
        tagging_action = f"{service}:{TAGGING.get(service, 'TagResource')}"
        asked[f"{service}:CreateAction"] = action.partition(":")[2]
        more.append((tagging_action, service, tagged, asked))
    for other, of, resource, keys in more:
        denied = _enforce(key, other, of, region, resource_arn=resource, service_context=keys)
        if denied and service == "ec2":
            return denied
        if denied:
            who = getattr(denied, "principal_arn", "")
            message = f"User: {who} is not authorized to perform: {other} on resource: {resource}"
            raise Refusal("AccessDeniedException", message)
    return None


def first_match(asked: Any, statements: list[Any], *more: Any, **named: Any) -> Any:
    """Evaluates statements after replacing the policy variables in resources and conditions."""
    return _first_match(asked, [_filled(one, asked) for one in statements], *more, **named)


def _filled(statement: Any, asked: Any) -> Any:
    def fill(text: str) -> str:
        return VARIABLE.sub(lambda found: _variable(found, asked), text)

    def fill_all(value: Any) -> Any:
        return (
            [fill(one) for one in value]
            if isinstance(value, list)
            else fill(value)
            if isinstance(value, str)
            else value
        )

    conditions = {
        operator: {key: fill_all(value) for key, value in keys.items()} if isinstance(keys, dict) else keys
        for operator, keys in (statement.conditions or {}).items()
    }
    return dataclasses.replace(statement, resources=[fill(one) for one in statement.resources], conditions=conditions)


def _variable(found: re.Match[str], asked: Any) -> str:
    name = found[1]
    if name in ("*", "?", "$"):
        return f"[{name}]" if name != "$" else name
    value = iam_evaluator._resolve_condition_key(name, asked)
    return found[0] if value is None else str(value)


def web_identity_principal(token: str, provider: str, role_arn: str) -> tuple[str, dict[str, Any]]:
    principal, keys = _principal(token, provider, role_arn)
    if principal.endswith(f"/{GITHUB}"):
        claims = cognito._decode_id_token_unverified(token)
        keys.update({f"{GITHUB}:{name}": claims[name] for name in GITHUB_CLAIMS if name in claims})
    return principal, keys


def web_identity_denied(role_arn: str, params: Mapping[str, Any], use_json: bool) -> Any:
    """Returns the error for a token, including an unknown provider or audience."""
    principal, keys = web_identity_principal(sts._p(params, "WebIdentityToken"), sts._p(params, "ProviderId"), role_arn)
    issuer = principal.partition(":oidc-provider/")[2]
    if issuer:
        known = iam._oidc_providers.get_scoped(role_arn.split(":")[4], None, principal)
        if known is None:
            message = f"No OpenIDConnect provider found in your account for https://{issuer}"
            return sts._error(400, "InvalidIdentityToken", message, ns="sts")
        if keys.get(f"{issuer}:aud".lower()) not in known["ClientIDList"]:
            return sts._error(400, "InvalidIdentityToken", "Incorrect token audience", ns="sts")
    return _trust_denied(role_arn, params, use_json)


def condition_key(key: str, asked: Any) -> Any:
    """Returns a condition key's value. The principal of a role's session is the role, with its path."""
    found = _condition_key(key, asked)
    if key.lower() == "aws:principalarn" and ":assumed-role/" in str(found):
        role = iam._roles.get_scoped(found.split(":")[4], None, found.split("/")[1])
        return role["Arn"] if role else found
    return found
