"""IAM policies as plain values, in one canonical form, so that a second `up` finds nothing to change."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Statement = dict[str, Any]
Document = dict[str, Any]
Condition = Mapping[str, Mapping[str, str | Sequence[str]]]

ANY = ("*",)  # only for actions that know no resource; each use says which


def allow(sid: str, actions: Iterable[str], resources: Iterable[str], condition: Condition | None = None) -> Statement:
    """A statement of an identity's policy."""
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
    """A statement of an identity's policy that no other statement overrides."""
    return {**allow(sid, actions, resources), "Effect": "Deny"}


def calls(service: str, *names: str) -> list[str]:
    """The actions of a service."""
    return [f"{service}:{name}" for name in names]


def trust(principal: Mapping[str, str], action: str, condition: Condition) -> Statement:
    """A statement of a role's trust policy: who may take it, under which condition."""
    return {
        "Effect": "Allow",
        "Principal": dict(principal),
        "Action": action,
        "Condition": canonical_condition(condition),
    }


def document(statements: Iterable[Statement]) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def render(policy: Document) -> str:
    """As AWS gets it: the same text for the same policy."""
    return json.dumps(policy, sort_keys=True, separators=(",", ":"))


def canonical_condition(condition: Condition) -> dict[str, dict[str, Any]]:
    """Operators and keys in order; a list of values sorted, a list of one as its value, as AWS gives it back."""
    return {
        operator: {key: _value(values) for key, values in sorted(keys.items())}
        for operator, keys in sorted(condition.items())
    }


def _value(values: str | Sequence[str]) -> Any:
    if isinstance(values, str):
        return values
    one, *more = sorted(set(values))
    return [one, *more] if more else one
