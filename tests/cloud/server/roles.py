"""The rights of roles that AWS assumes: a task's execution role, a schedule's role."""

import json
from urllib.parse import unquote

from ministack import app as gateway
from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.services import iam


def allows(role_arn: str, action: str, resource: str, *, policy: str | None = None, **context: str) -> bool:
    """Whether the role's policies within its boundary, or a resource policy, allow an action.

    Always true in a cloud without IAM.
    """
    if not gateway.AUTH:
        return True
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    if iam._roles.get_scoped(account, None, name) is None:
        return False
    asked = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/aws",
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=get_region(),
        service_context={key.lower(): value for key, value in context.items()},
        principal_keys={},
    )
    limits = iam_evaluator._permissions_boundary(iam._roles, name, account)
    policies = iam_evaluator._gather_role_policies(name, account)
    decided = iam_evaluator.evaluate(asked, policies, *limits)
    if policy is not None:
        decided = iam_evaluator.combine_resource_policy(decided, asked, policy, account, limits=limits)
    return bool(decided.decision == "Allow")


def trusts(role_arn: str, service: str) -> bool:
    """Whether an AWS service may assume the role. Always true in a cloud without IAM."""
    if not gateway.AUTH:
        return True
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    role = iam._roles.get_scoped(account, None, name)
    found = json.loads(unquote(role["AssumeRolePolicyDocument"]))["Statement"] if role else []
    for one in [found] if isinstance(found, dict) else found:
        actions = [one["Action"]] if isinstance(one["Action"], str) else one["Action"]
        named = iam_evaluator._service_principal_matches(one.get("Principal"), service)
        if one["Effect"] == "Allow" and named and "sts:AssumeRole" in actions:
            return True
    return False
