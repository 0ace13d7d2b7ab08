"""Several documents as one, by bzt's rules.

Mappings merge deeply, lists append, anything else is replaced. A key's prefix changes that: `~key` replaces, `^key`
deletes, `$key` merges a list item by item. Inside a list's items, and in a mapping that replaces something else,
prefixes mean nothing.
"""

from copy import deepcopy
from typing import Any

PREFIXES = ("~", "^", "$")


def merge(target: dict[str, Any], source: dict[str, Any]) -> None:
    """Merge `source` into `target`; nothing is shared between the two afterwards."""
    for written, value in source.items():
        prefix, key = (written[0], written[1:]) if written[:1] in PREFIXES else ("", written)
        if prefix in ("^", "~"):
            target.pop(key, None)
        if prefix == "^":
            continue
        if isinstance(value, dict):
            present = target.setdefault(key, {})
            if isinstance(present, dict):
                merge(present, value)
            else:
                target[key] = deepcopy(value)
        elif isinstance(value, list):
            present = target.setdefault(key, [])
            if not isinstance(present, list):
                target[key] = deepcopy(value)
            elif prefix == "$":
                _merge_items(present, value)
            else:
                present.extend(deepcopy(value))
        else:
            target[key] = value


def _merge_items(target: list[Any], source: list[Any]) -> None:
    for index, value in enumerate(source):
        if index >= len(target):
            target.append(deepcopy(value))
        elif isinstance(target[index], dict) and isinstance(value, dict):
            merge(target[index], value)
        else:
            target[index] = deepcopy(value)
