"""Access Analyzer's ValidatePolicy, which finds texts that are no policies, and services without a named source."""

import json
from typing import Any

from tests.cloud.server.gateway import Service


def validate(request: dict[str, Any]) -> dict[str, Any]:
    try:
        policy = json.loads(request["policyDocument"])
    except ValueError:
        policy = None
    if not isinstance(policy, dict) or not policy.get("Statement"):
        return {"findings": [_finding("ERROR", "JSON_SYNTAX_ERROR", "Fix the JSON syntax error")]}
    of_services = [one for one in policy["Statement"] if "Service" in (one.get("Principal") or ())]
    if all("Condition" in one for one in of_services):
        return {"findings": []}
    details = "Granting access to a service principal without specifying a source is overly permissive."
    return {"findings": [_finding("SECURITY_WARNING", "RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL", details)]}


def _finding(kind: str, code: str, details: str) -> dict[str, Any]:
    found = {"findingType": kind, "issueCode": code, "findingDetails": details}
    return {**found, "learnMoreLink": "https://docs.aws.amazon.com/IAM/", "locations": []}


SERVICE = Service(name="access-analyzer", model="accessanalyzer", operations={"ValidatePolicy": validate})
