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
    listed = [item for item, _ in walked(list(dict(scenarios or {}).values()), "scenarios")]
    requests: list[dict[str, Any]] = [{"url": item} if isinstance(item, str) else item for item in listed]
    extracted = {name for request in requests for key in EXTRACTORS for name in request.get(key) or ()}
    copied = [call["set-variables"] for call in requests if call.get("set-variables")]  # bzt's get never returns None
    for name, value in (item for _ in copied for values in copied for item in values.items()):  # copies of copies, too
        extracted |= {name} if extracted & set(REFERENCE.findall(str(value))) else set()
    labels = set()
    for request in requests:
        own = str(request.get("label") or request.get("transaction") or "")
        if not own or extracted & set(REFERENCE.findall(own)):
            labels.add(own or str(request.get("url") or ""))
    return frozenset(label for label in labels if "${" in label)
