"""Writes answers of the query and EC2 protocols by the operation's output shape."""

from typing import Any
from xml.sax.saxutils import escape

from botocore.model import ListShape, OperationModel, Shape, StructureShape


def answer(operation: OperationModel, value: dict[str, Any], *, ec2: bool) -> str:
    shape = operation.output_shape
    inner = "" if shape is None else _members(shape, value)
    name = operation.name
    return f"<{name}Response>{inner if ec2 else f'<{name}Result>{inner}</{name}Result>'}</{name}Response>"


def _members(shape: StructureShape, value: dict[str, Any]) -> str:
    unknown = value.keys() - shape.members.keys()
    if unknown:
        raise KeyError(f"{shape.name} has no {sorted(unknown)}")
    return "".join(
        _element(shape.members[name].serialization.get("name", name), shape.members[name], item)
        for name, item in value.items()
        if item is not None
    )


def _element(name: str, shape: Shape, value: Any) -> str:
    if isinstance(shape, StructureShape):
        text = _members(shape, value)
    elif isinstance(shape, ListShape):
        inner = shape.member.serialization.get("name", "member")
        text = "".join(_element(inner, shape.member, item) for item in value)
    elif isinstance(value, bool):
        text = str(value).lower()
    else:
        text = escape(str(value))
    return f"<{name}>{text}</{name}>"
