"""Access Analyzer's ValidatePolicy, which finds only texts that are no policies: it knows no rules of IAM."""

import json
from typing import Any

from tests.cloud.server.gateway import Service


def validate(request: dict[str, Any]) -> dict[str, Any]:
    try:
        policy = json.loads(request["policyDocument"])
    except ValueError:
        policy = None
    if isinstance(policy, dict) and policy.get("Statement"):
        return {"findings": []}
    finding = {"findingType": "ERROR", "issueCode": "JSON_SYNTAX_ERROR", "findingDetails": "Fix the JSON syntax error"}
    return {"findings": [{**finding, "learnMoreLink": "https://docs.aws.amazon.com/IAM/", "locations": []}]}


SERVICE = Service(name="access-analyzer", model="accessanalyzer", operations={"ValidatePolicy": validate})
