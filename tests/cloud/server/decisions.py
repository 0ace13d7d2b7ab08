"""Records IAM's decisions and the statements that allowed them, for tests of least privilege."""

from contextvars import ContextVar
from typing import Any

from ministack.core import iam_evaluator

from tests.cloud.server.state import on_reset

DECIDED: dict[tuple[str, str, str, bool], set[str]] = {}  # principal, action, resource, allowed → Sids
on_reset(DECIDED.clear)
_of_resource: ContextVar[bool] = ContextVar("of_resource", default=False)
_evaluate, _evaluate_resource_policy = iam_evaluator.evaluate, iam_evaluator.evaluate_resource_policy


def install() -> None:
    iam_evaluator.evaluate = evaluate
    iam_evaluator.evaluate_resource_policy = evaluate_resource_policy


def evaluate(asked: Any, policies: Any, *limits: Any) -> Any:
    """Returns MiniStack's decision by the policies of an identity, and records all allowing statements."""
    decided = _evaluate(asked, policies, *limits)
    if not _of_resource.get():
        allowed = decided.decision == "Allow"
        statements = [one for found in policies for one in found] if allowed else []
        sids = {one.sid for one in statements if iam_evaluator._first_match(asked, [one], "Allow")}
        note = (asked.principal_arn, asked.action, asked.resource_arn, allowed)
        DECIDED.setdefault(note, set()).update(sids)
    return decided


def evaluate_resource_policy(*asked: Any, **named: Any) -> Any:
    token = _of_resource.set(True)
    try:
        return _evaluate_resource_policy(*asked, **named)
    finally:
        _of_resource.reset(token)


def recorded() -> list[dict[str, Any]]:
    """Returns the decisions in the form for tests."""
    return [
        {"principal": principal, "action": action, "resource": resource, "allowed": allowed, "statements": sorted(sids)}
        for (principal, action, resource, allowed), sids in DECIDED.items()
    ]
