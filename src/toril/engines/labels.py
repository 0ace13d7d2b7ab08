"""The labels of generated requests that stay as the suite has them, with their references."""

import re
from typing import Any

from toril.suite.engines import EXTRACTORS
from toril.suite.scenarios import walked

REFERENCE = re.compile(r"\$\{(\w+)\}")


def literal_labels(scenarios: Any) -> frozenset[str]:
    """Returns the addresses of requests without a label, and the labels with a value of a response.

    Such a value may be a token, and a label is in every report and kept for years.
    """
    found = [one for one, _ in walked(list(dict(scenarios or {}).values()), "scenarios")]
    requests: list[dict[str, Any]] = [{"url": one} if isinstance(one, str) else one for one in found]
    extracted = {name for one in requests for key in EXTRACTORS for name in one.get(key) or ()}
    copied = [one["set-variables"] for one in requests if one.get("set-variables")]  # bzt's get never returns None
    for name, value in (item for _ in copied for one in copied for item in one.items()):  # copies of copies, too
        extracted |= {name} if extracted & set(REFERENCE.findall(str(value))) else set()
    labels = set()
    for one in requests:
        own = str(one.get("label") or one.get("transaction") or "")
        if not own or extracted & set(REFERENCE.findall(own)):
            labels.add(own or str(one.get("url") or ""))
    return frozenset(one for one in labels if "${" in one)
