"""The validation of ECR's lifecycle policies by PutLifecyclePolicy."""

import json
from typing import Any

from tests.cloud.server.errors import Refusal

RULE_KEYS = {"rulePriority", "description", "selection", "action"}
SELECTION_KEYS = {
    "tagStatus", "tagPrefixList", "tagPatternList", "storageClass", "countType", "countUnit", "countNumber",
}  # fmt: skip
COUNTS_WITH_UNIT = {"sinceImagePushed", "sinceImagePulled", "sinceImageTransitioned"}


def check(text: str, where: str = "LifecyclePolicyText") -> None:
    """Raises Refusal for an invalid lifecycle policy."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise _invalid(where, f"not JSON: {error}") from error
    if not isinstance(document, dict) or document.keys() != {"rules"} or not isinstance(document["rules"], list):
        raise _invalid(where, "a lifecycle policy is an object with 'rules'")
    rules = document["rules"]
    if not rules:
        raise _invalid(where, "there has to be a rule")
    for rule in rules:
        _check_rule(rule, where)
    priorities = [rule["rulePriority"] for rule in rules]
    if len(set(priorities)) != len(priorities):
        raise _invalid(where, "rules have priorities of their own")
    lowest = max(priorities)
    for status in ("any", "untagged"):
        found = [rule["rulePriority"] for rule in rules if rule["selection"]["tagStatus"] == status]
        if status == "any" and found and (len(found) > 1 or found != [lowest]):
            raise _invalid(where, "only the rule of the lowest priority may select 'any'")


def _check_rule(rule: Any, where: str) -> None:
    if (
        not isinstance(rule, dict)
        or rule.keys() - RULE_KEYS
        or not {"rulePriority", "selection", "action"} <= rule.keys()
    ):
        raise _invalid(where, f"a rule has rulePriority, selection, action and a description: {rule!r}")
    if not isinstance(rule["rulePriority"], int) or rule["rulePriority"] < 1:
        raise _invalid(where, "rulePriority is a positive integer")
    if not isinstance(rule["action"], dict) or rule["action"].get("type") not in ("expire", "transition"):
        raise _invalid(where, "action.type is expire or transition")
    selection = rule["selection"]
    if not isinstance(selection, dict) or selection.keys() - SELECTION_KEYS:
        raise _invalid(where, f"not a selection: {selection!r}")
    if selection.get("tagStatus") not in ("tagged", "untagged", "any"):
        raise _invalid(where, "selection.tagStatus is tagged, untagged or any")
    named = [key for key in ("tagPrefixList", "tagPatternList") if selection.get(key)]
    if (selection["tagStatus"] == "tagged") != (len(named) == 1):
        raise _invalid(where, "tagged images are selected by tagPrefixList or tagPatternList, others by neither")
    kind = selection.get("countType")
    if kind not in {"imageCountMoreThan", *COUNTS_WITH_UNIT}:
        raise _invalid(where, f"unknown selection.countType {kind!r}")
    if (selection.get("countUnit") == "days") != (kind in COUNTS_WITH_UNIT):
        raise _invalid(where, "countUnit is 'days' for an age, and absent for a count")
    count = selection.get("countNumber")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise _invalid(where, "countNumber is a positive integer")


def _invalid(where: str, why: str) -> Refusal:
    return Refusal(
        "InvalidParameterException",
        f"Invalid parameter at '{where}' failed to satisfy constraint: 'Lifecycle policy validation failure: {why}'",
    )
