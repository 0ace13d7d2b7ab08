"""Recognises scripts of load tools, which an import keeps as they are."""

import re

from toril.authoring.options import Kind

SCRIPTS: dict[Kind, re.Pattern[str]] = {
    "jmx": re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<jmeterTestPlan\b", re.DOTALL),
    "k6": re.compile(r"(?m)^\s*(?:import\b.*\bfrom\s*|(?:const|let|var)\b.*\brequire\(\s*)['\"]k6(?:/[\w./-]+)?['\"]"),
    "gatling": re.compile(r"\bextends\s+Simulation\b"),
    "locustfile": re.compile(r"(?m)^\s*(?:from\s+locust\b[\w.]*\s+import|import\s+locust\b)"),
}


def script_kind(source: str) -> Kind | None:
    """Returns the tool whose script the text is; None for another text."""
    return next((kind for kind, pattern in SCRIPTS.items() if pattern.search(source)), None)
