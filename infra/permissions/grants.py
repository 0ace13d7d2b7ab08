"""Statements of policies that belong to a thing rather than to a role: they say who may, too."""

from collections.abc import Iterable, Mapping

from infra.permissions.statements import Condition, Document, Statement, canonical_condition, document, trust

EVERYBODY = {"AWS": "*"}  # only where a condition, a network or a key narrows it; each use says which


def grant(
    sid: str,
    principal: Mapping[str, str],
    actions: Iterable[str],
    resources: Iterable[str] = (),
    condition: Condition | None = None,
) -> Statement:
    """A statement of a resource's policy; without `resources` it is about the resource itself."""
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
    """A role's trust in a service of AWS; not every service says on whose behalf it comes."""
    statement = trust({"Service": service}, "sts:AssumeRole", condition)
    if not condition:
        del statement["Condition"]
    return document([statement])
