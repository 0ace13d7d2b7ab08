"""Statements of resource policies, which name principals."""

from collections.abc import Iterable, Mapping

from infra.permissions.statements import Condition, Document, Statement, canonical_condition, document, trust

EVERYBODY = {"AWS": "*"}  # only with a condition, network or key that restricts it; each use names it


def grant(
    sid: str,
    principal: Mapping[str, str],
    actions: Iterable[str],
    resources: Iterable[str] = (),
    condition: Condition | None = None,
) -> Statement:
    """Returns a statement of a resource policy. Without `resources`, it applies to the resource itself."""
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": dict(principal),
        "Action": sorted(set(actions)),
    }
    if found := sorted(set(resources)):
        statement["Resource"] = found
    if condition:
        statement["Condition"] = canonical_condition(condition)
    return statement


def service_trust(service: str, condition: Condition) -> Document:
    """Returns a role's trust in an AWS service. Not every service sends the source account of a condition."""
    return document([trust({"Service": service}, "sts:AssumeRole", condition)])
