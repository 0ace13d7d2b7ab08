"""Runs parliament and cfn-lint, which only the environment `.tools/judges` has.

stdin: {"policies": {name: document}, "templates": {region: template}}. stdout: a list of findings, each [policy's name
or region, code, text]; the text of a template's finding begins with the path of the property.
"""

import json
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

Finding = tuple[str, str, str]


def of_policies(policies: Mapping[str, Any]) -> Iterator[Finding]:
    """Returns what parliament finds in identity policies."""
    warnings.simplefilter("ignore")  # parliament 1.6.4 imports pkg_resources
    import parliament

    for name, document in policies.items():
        for found in parliament.analyze_policy_string(json.dumps(document)).findings:
            yield name, found.issue, found.detail if isinstance(found.detail, str) else json.dumps(found.detail)


def of_templates(templates: Mapping[str, Any]) -> Iterator[Finding]:
    """Returns what cfn-lint finds in templates."""
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    for region, template in templates.items():
        for match in lint(json.dumps(template), config=ManualArgs(regions=[region], ignore_checks=["W", "I"])):
            path = ".".join(str(part) for part in match.path or ()).removeprefix("Resources.")
            yield region, match.rule.id, f"{path}: {match.message}"


def main() -> None:
    asked = json.load(sys.stdin)
    json.dump([*of_policies(asked["policies"]), *of_templates(asked["templates"])], sys.stdout)


if __name__ == "__main__":
    main()
