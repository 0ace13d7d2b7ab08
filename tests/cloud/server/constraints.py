"""Checks of botocore's models that botocore itself omits: enumerations, patterns, lengths, ranges."""

import base64
import binascii
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

NUMBERS = ("integer", "long", "float", "double")
# Java's character classes that Python's `re` lacks, as larger sets
JAVA_CLASSES = {r"\p{ASCII}": r"\x00-\x7F", r"\p{Alnum}": "A-Za-z0-9", r"\p{Graph}": r"\x21-\x7E"}
UNICODE_CLASS = re.compile(r"\\[pP]\{\^?\w+\}")


def problems(shape: Shape, value: Any, where: str = "") -> Iterator[str]:
    """Yields the problems of `value`, with the services' wording."""
    if value is None:  # like a missing value
        return
    if isinstance(shape, StructureShape):
        yield from _structure(shape, value, where)
    elif isinstance(shape, ListShape):
        if not isinstance(value, list):
            yield f"Value at '{where}' must be a list"
            return
        yield from _size(shape, len(value), where, "length")
        for index, item in enumerate(value, 1):
            yield from problems(shape.member, item, f"{where}.{index}.member")
    elif isinstance(shape, MapShape):
        if not isinstance(value, dict):
            yield f"Value at '{where}' must be a map"
            return
        yield from _size(shape, len(value), where, "length")
        for key, item in value.items():
            yield from problems(shape.key, key, f"{where}.key")
            yield from problems(shape.value, item, f"{where}.{key}")
    else:
        yield from _scalar(shape, value, where)


def _structure(shape: StructureShape, value: Any, where: str) -> Iterator[str]:
    if getattr(shape, "is_document_type", False):
        return
    if not isinstance(value, dict):
        yield f"Value at '{where}' must be a structure"
        return
    known = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
    for name in shape.required_members:
        wire = shape.members[name].serialization.get("name", name)
        if value.get(wire) is None and value.get(name) is None:
            yield f"Value null at '{_below(where, name)}' failed to satisfy constraint: Member must not be null"
    for wire, item in value.items():
        if wire in shape.members:
            yield from problems(shape.members[wire], item, _below(where, wire))
        elif wire in known:
            yield from problems(known[wire][1], item, _below(where, wire))
        else:
            yield f"Unknown parameter '{_below(where, wire)}'"


def _scalar(shape: Shape, value: Any, where: str) -> Iterator[str]:
    kind = shape.type_name
    if kind == "string":
        if not isinstance(value, str):
            yield f"Value at '{where}' must be a string"
            return
        allowed = shape.metadata.get("enum")
        if allowed and value not in allowed:
            yield _broken(value, where, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
        pattern = shape.metadata.get("pattern")
        if pattern and not _compiled(pattern).fullmatch(value):
            yield _broken(value, where, f"Member must satisfy regular expression pattern: {pattern}")
        yield from _size(shape, len(value), where, "length")
    elif kind in NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"Value at '{where}' must be a number"
            return
        yield from _size(shape, value, where, "value")
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield f"Value at '{where}' must be a boolean"
    elif kind == "blob":
        try:
            yield from _size(shape, len(base64.b64decode(value, validate=True)), where, "length")
        except (binascii.Error, TypeError, ValueError):
            yield f"Value at '{where}' is not base64"


def _size(shape: Shape, size: float, where: str, what: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    message = f"Value at '{where}' failed to satisfy constraint: Member must have {what}"
    if least is not None and size < least:
        yield f"{message} greater than or equal to {least}"
    if most is not None and size > most:
        yield f"{message} less than or equal to {most}"


def _broken(value: str, where: str, constraint: str) -> str:
    return f"Value '{value}' at '{where}' failed to satisfy constraint: {constraint}"


def _below(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    for java, python in JAVA_CLASSES.items():
        pattern = pattern.replace(f"[{java}]", f"[{python}]").replace(java, python)
    # A Unicode class that `re` lacks matches any character, inside a set and outside
    pattern = re.sub(r"\[([^\]]*)\\[pP]\{\^?\w+\}[^\]]*\]", r"[\\s\\S]", pattern)
    flags = "".join(re.findall(r"\(\?([a-z]+)\)", pattern))  # Java allows them anywhere
    pattern = re.sub(r"\(\?[a-z]+\)", "", UNICODE_CLASS.sub(r"[\\s\\S]", pattern))
    return re.compile(f"(?{flags})" + pattern if flags else pattern)
