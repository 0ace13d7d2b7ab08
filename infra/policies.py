"""Policy documents as plain values, in one canonical form: the same document whatever the order of its parts."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

Statement = dict[str, Any]
Condition = Mapping[str, Mapping[str, str | list[str]]]


def allow(
    sid: str,
    actions: Iterable[str],
    resources: Iterable[str] = (),
    *,
    principal: Mapping[str, Any] | str | None = None,
    condition: Condition | None = None,
) -> Statement:
    """A statement that allows; without `resources` it is one of a trust or a repository policy."""
    statement: Statement = {"Sid": sid, "Effect": "Allow", "Action": sorted(set(actions))}
    if principal is not None:
        statement["Principal"] = principal
    if found := sorted(set(resources)):
        statement["Resource"] = found
    if condition:
        statement["Condition"] = condition
    return statement


def document(*statements: Statement) -> str:
    """The JSON of a policy; keys are sorted, so that an unchanged policy is an unchanged text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)


def trust(service: str, account: str, source_arn: str) -> str:
    """Who may take a role: a service of AWS, on behalf of this account and of `source_arn` only."""
    condition = {"StringEquals": {"aws:SourceAccount": account}, "ArnLike": {"aws:SourceArn": source_arn}}
    return document(allow("Assume", ["sts:AssumeRole"], principal={"Service": service}, condition=condition))


def trust_service(service: str) -> str:
    """Who may take a role: a service of AWS that does not say on whose behalf it comes."""
    return document(allow("Assume", ["sts:AssumeRole"], principal={"Service": service}))
