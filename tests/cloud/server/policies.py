"""The validation of policy documents."""

import json
from typing import Any

from tests.cloud.server.errors import Refusal

STATEMENT_KEYS = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip


def resource_policy(text: str, where: str, code: str = "InvalidParameterException") -> dict[str, Any]:
    """Returns the document of a resource policy, which names principals. Raises Refusal for others."""
    document = policy(text, where, code)
    for statement in _statements(document):
        if ("Principal" in statement) == ("NotPrincipal" in statement):
            raise Refusal(code, f"Invalid parameter at '{where}': a resource's policy names a principal")
    return document


def identity_policy(text: str, where: str, code: str) -> dict[str, Any]:
    """Returns the document of an identity policy: resources, no principals. Raises Refusal for others."""
    document = policy(text, where, code)
    for statement in _statements(document):
        if "Principal" in statement or "NotPrincipal" in statement:
            raise Refusal(code, f"Invalid parameter at '{where}': an identity's policy names no principal")
        if ("Resource" in statement) == ("NotResource" in statement):
            raise Refusal(code, f"Invalid parameter at '{where}': a statement names resources")
    return document


def _statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    found = document["Statement"]
    return [found] if isinstance(found, dict) else list(found)


def policy(text: str, where: str, code: str) -> dict[str, Any]:
    """Returns the document of any policy. Raises Refusal for an invalid one."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Refusal(code, f"Invalid parameter at '{where}': not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Refusal(code, f"Invalid parameter at '{where}': a policy is an object")
    statements = document.get("Statement")
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not statements:
        raise Refusal(code, f"Invalid parameter at '{where}': a policy has statements")
    if document.get("Version") not in ("2008-10-17", "2012-10-17", None):
        raise Refusal(code, f"Invalid parameter at '{where}': unknown version {document['Version']!r}")
    for statement in statements:
        if not isinstance(statement, dict) or statement.keys() - STATEMENT_KEYS:
            raise Refusal(code, f"Invalid parameter at '{where}': not a statement: {statement!r}")
        if statement.get("Effect") not in ("Allow", "Deny"):
            raise Refusal(code, f"Invalid parameter at '{where}': Effect is Allow or Deny")
        if ("Action" in statement) == ("NotAction" in statement):
            raise Refusal(code, f"Invalid parameter at '{where}': a statement names actions")
    return document
