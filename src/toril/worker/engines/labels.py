"""The labels of generated requests that stay as the suite has them, with their references."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from toril.suite.engines import EXTRACTORS

REFERENCE = re.compile(r"\$\{(\w+)\}")
HOLDERS = ("requests", "do", "then", "else", "once", "setup", "teardown")


def literal_labels(scenarios: Any) -> frozenset[str]:
    """Returns the addresses of requests without a label, and the labels with a value of a response.

    Such a value may be a token, and a label is in every report and kept for years.
    """
    requests = list(_requests(scenarios))
    extracted = {name for one in requests for key in EXTRACTORS for name in one.get(key) or ()}
    copied = [one["set-variables"] for one in requests if one.get("set-variables")]  # bzt's get never returns None
    for name, value in (item for _ in copied for one in copied for item in one.items()):  # copies of copies, too
        extracted |= {name} if extracted & set(REFERENCE.findall(str(value))) else set()
    found = set()
    for one in requests:
        own = str(one.get("label") or one.get("transaction") or "")
        if not own or extracted & set(REFERENCE.findall(own)):
            found.add(own or str(one.get("url") or ""))
    return frozenset(one for one in found if "${" in one)


def _requests(content: Any) -> Iterator[Mapping[str, Any]]:
    """Yields requests and blocks, at any depth; an address alone is a request."""
    if isinstance(content, dict):
        yield content
        for key, value in content.items():
            if key in HOLDERS and isinstance(value, list):
                yield from ({"url": one} for one in value if isinstance(one, str))
            yield from _requests(value)
    elif isinstance(content, list):
        for one in content:
            yield from _requests(one)
