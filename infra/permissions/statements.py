"""IAM policies as plain values in a canonical form, so that a second `pulumi up` changes nothing."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Statement = dict[str, Any]
Document = dict[str, Any]
Condition = Mapping[str, Mapping[str, str | Sequence[str]]]

ANY = ("*",)  # only for actions without resource-level permissions


def allow(sid: str, actions: Iterable[str], resources: Iterable[str], condition: Condition | None = None) -> Statement:
    """Returns a statement of an identity policy."""
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": sorted(set(actions)),
        "Resource": sorted(set(resources)),
    }
    if condition:
        statement["Condition"] = canonical_condition(condition)
    return statement


def deny(sid: str, actions: Iterable[str], resources: Iterable[str]) -> Statement:
    """Returns a denial, which overrides all other statements."""
    return {**allow(sid, actions, resources), "Effect": "Deny"}


def calls(service: str, *names: str) -> list[str]:
    """Returns the actions of a service."""
    return [f"{service}:{name}" for name in names]


def trust(principal: Mapping[str, str | Sequence[str]], action: str, condition: Condition | None = None) -> Statement:
    """Returns a statement of a trust policy: who may assume the role, under which condition."""
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {kind: _value(who) for kind, who in principal.items()},
        "Action": action,
    }
    if condition:
        statement["Condition"] = canonical_condition(condition)
    return statement


def document(statements: Iterable[Statement]) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def render(policy: Document) -> str:
    """Returns the JSON for AWS. Equal policies have equal texts."""
    return json.dumps(policy, sort_keys=True, separators=(",", ":"))


def canonical_condition(condition: Condition) -> dict[str, dict[str, Any]]:
    """Returns a condition as AWS returns it: sorted operators, keys and values; a list of one as its value."""
    return {
        operator: {key: _value(values) for key, values in sorted(keys.items())}
        for operator, keys in sorted(condition.items())
    }


def _value(values: str | Sequence[str]) -> Any:
    if isinstance(values, str):
        return values
    one, *more = sorted(set(values))
    return [one, *more] if more else one
