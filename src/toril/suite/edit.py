"""Writes one block into the text of a suite, and leaves all other lines and comments as they are."""

from collections.abc import Sequence
from typing import Any

import yaml

from toril.errors import OptionError
from toril.records import ServiceResource


def with_service(text: str, resources: Sequence[ServiceResource], name: str) -> str:
    """Returns the suite's text with these resources as `toril.service`, in place of earlier ones.

    An entry of a Prometheus, and the version of a resource, stay.
    OptionError, with the text to paste, if the suite has another form than one document with a `toril` block.
    """
    items = [resource.model_dump(exclude_defaults=True) for resource in resources]
    try:
        before = yaml.safe_load(text)
        earlier = (before.get("toril") or {}).get("service") or []
        versions = {one["id"]: {"version": one["version"]} for one in earlier if "version" in one}
        items = [item | versions.get(item["id"], {}) for item in items]
        items += [one for one in earlier if one["kind"] == "prometheus"]
        edited = _edited(text, ["service:", *_lines(items)])
        before["toril"] = {**(before.get("toril") or {}), "service": items}
        if before == yaml.safe_load(edited):
            return edited
    except (yaml.YAMLError, TypeError, AttributeError, KeyError, ValueError):
        pass  # JSON, several documents, or a block in braces
    listed = "\n".join(_lines(items))
    raise OptionError(
        f"{name}: its `toril` block cannot be edited. Add as `toril.service`:\n{listed}", code="not-edited"
    )


def _lines(items: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"- {yaml.safe_dump(item, default_flow_style=True, sort_keys=False, width=10_000).strip()}" for item in items
    ]


def _edited(text: str, block: list[str]) -> str:
    lines, root = text.splitlines(), yaml.compose(text, Loader=yaml.SafeLoader)
    own = _value(root, "toril")
    if own is None or not own.value:
        first = _end(root) if own is None else own.start_mark.line + 1
        place, indent, until = first, "  ", first
        block = block if own is not None else ["toril:", *block]
    else:
        indent = " " * own.start_mark.column
        key = next((key for key, _ in own.value if key.value == "service"), None)
        place = until = _end(own)
        if key is not None:
            place, until = key.start_mark.line, _end(_value(own, "service"))
    shown = [line if line == "toril:" else indent + line for line in block]
    return "\n".join([*lines[:place], *shown, *lines[until:]]) + "\n"


def _value(node: Any, name: str) -> Any:
    return next((value for key, value in node.value if key.value == name), None)


def _end(node: Any) -> int:
    """Returns the number of the line after the last value; comments behind a value are not a part of it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    return int(node.end_mark.line + (node.end_mark.column > 0))
