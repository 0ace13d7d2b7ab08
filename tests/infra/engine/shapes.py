"""Conversion between Pulumi's properties and botocore's request shapes, and the checks of a service.

The names of pulumi-aws's properties and of the model's members are similar: case, plural and one-item lists differ.
`fit` converts properties mechanically, and `mirror` converts answers back. `problems` checks the constraints that
botocore's own validator leaves to the service: enum, pattern, length and range.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, cast

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

from tests.infra.engine.wire import SIGNATURE

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # the engine's mark of values that are known only after the update

Props = Mapping[str, Any]


class Misfit(ValueError):
    """The inputs do not fit the service's request, or the service would reject them."""


@cache
def session() -> botocore.session.Session:
    """Returns the shared session without user settings. Each session reads its models again, EC2's in a second."""
    nowhere = (None, None, os.devnull, None)
    own = {"profile": (None, None, None, None), "config_file": nowhere, "credentials_file": nowhere}
    return botocore.session.Session(session_vars=own)


@cache
def _model(service: str) -> ServiceModel:
    return session().get_service_model(service)


@cache
def operation(service: str, name: str) -> OperationModel:
    return _model(service).operation_model(name)


def request_shape(service: str, name: str) -> StructureShape:
    shape = operation(service, name).input_shape
    return shape if isinstance(shape, StructureShape) else StructureShape("Nothing", {"type": "structure"})


def is_unknown(value: Any) -> bool:
    """Whether a value contains anything that is known only after the update."""
    if isinstance(value, Mapping):
        return any(map(is_unknown, value.values()))
    if isinstance(value, list):
        return any(map(is_unknown, value))
    return isinstance(value, str) and UNKNOWN in value


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, with JSON documents compared by content."""
    if isinstance(one, str) and isinstance(other, str) and one != other:
        return _is_json(one) and _is_json(other) and json.loads(one) == json.loads(other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if SIGNATURE in one and SIGNATURE in other:  # files
            return bool(one.get("hash") == other.get("hash"))
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    return True


# ---- names --------------------------------------------------------------------------------------------------------


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def member_named(members: Iterable[str], name: str) -> str | None:
    """Returns the member of a property's name: the same letters, in singular or plural."""
    by_letters = {_plain(member): member for member in members}
    letters = _plain(name)
    singular = letters[:-3] + "y" if letters.endswith("ies") else letters.removesuffix("s")
    return next((by_letters[form] for form in (letters, singular, letters + "s") if form in by_letters), None)


# ---- from properties to a request ---------------------------------------------------------------------------------


def fit(shape: Shape, value: Any, names: Mapping[str, str], path: str = "") -> Any:
    """Returns `value` in the form of `shape`. `names` has the members of properties with irregular names."""
    if value == UNKNOWN:
        return value
    match shape:
        case StructureShape() if shape.is_document_type:
            return value
        case StructureShape():
            return _fit_structure(shape, value, names, path)
        case ListShape():
            if isinstance(value, Mapping) and (tag := _tag_members(shape)):
                return [{tag[0]: key, tag[1]: text} for key, text in sorted(value.items())]
            items = value if isinstance(value, list | tuple) else [value]
            return [fit(shape.member, item, names, f"{path}[{index}]") for index, item in enumerate(items)]
        case MapShape():
            return {key: fit(shape.value, item, names, f"{path}.{key}") for key, item in value.items()}
    return _fit_scalar(shape.type_name, value)


def _fit_structure(shape: StructureShape, value: Any, names: Mapping[str, str], path: str) -> dict[str, Any]:
    if {"Quantity", "Items"} <= shape.members.keys():  # CloudFront's lists
        value = {"items": value} if isinstance(value, list | tuple) else value
        value = {"quantity": len(value.get("items") or []), **value}
    if isinstance(value, list | tuple):  # a block that may occur once
        if len(value) != 1:
            raise Misfit(f"{path}: {len(value)} items, but the service accepts one")
        value = value[0]
    fitted = {}
    for key, item in value.items():
        if item is None:
            continue
        member = names.get(key, key)
        member = member if member in shape.members else member_named(shape.members, member)
        if member is None:
            raise Misfit(f"{f'{path}.{key}'.lstrip('.')} has no place in {shape.name}: {', '.join(shape.members)}")
        fitted[member] = fit(shape.members[member], item, names, f"{path}.{key}".lstrip("."))
    return fitted


def _tag_members(shape: ListShape) -> tuple[str, str] | None:
    """Returns the members of a tag's key and value if the shape is a list of tags, or None."""
    members = shape.member.members if isinstance(shape.member, StructureShape) else {}
    by_role = {_role(member): member for member in members}
    return (by_role["key"], by_role["value"]) if by_role.keys() == {"key", "value"} else None


def _role(member: str) -> str:
    """Returns the role of a member in a pair: TagKey, Key and Name are keys."""
    return {"name": "key"}.get(name := _plain(member).removeprefix("tag"), name)


def _fit_scalar(type_name: str, value: Any) -> Any:
    match type_name:
        case "string" if isinstance(value, bool):
            return str(value).lower()
        case "string" if isinstance(value, float) and value.is_integer():
            return str(int(value))
        case "string" if not isinstance(value, Mapping | list):
            return str(value)
        case "integer" | "long":
            return int(value)
        case "double" | "float":
            return float(value)
    return value


# ---- what a service would refuse ----------------------------------------------------------------------------------


def problems(shape: StructureShape, request: Props) -> list[str]:
    """Returns the reasons why the service would reject the request. Unknown values count as valid."""
    found = list(_constraints(shape, request, ""))
    if not is_unknown(request):
        report = ParamValidator().validate(request, shape)
        found += [report.generate_report()] if report.has_errors() else []
    return found


def _constraints(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str) and UNKNOWN in value:
        return
    match shape:
        case StructureShape() if isinstance(value, Mapping) and not shape.is_document_type:
            for name in shape.required_members:
                if value.get(name) is None:
                    yield f"{path}.{name}: is required".lstrip(".")
            for name, item in value.items():
                if name in shape.members:
                    yield from _constraints(shape.members[name], item, f"{path}.{name}".lstrip("."))
        case ListShape() if isinstance(value, Sequence):
            yield from _range(shape, len(value), f"{path}: has {len(value)} items")
            for index, item in enumerate(value):
                yield from _constraints(shape.member, item, f"{path}[{index}]")
        case MapShape() if isinstance(value, Mapping):
            for key, item in value.items():
                yield from _constraints(shape.key, key, f"{path}.{key}")
                yield from _constraints(shape.value, item, f"{path}.{key}")
        case _ if isinstance(value, str):
            yield from _range(shape, len(value), f"{path}: has {len(value)} characters")
            yield from _text(shape, value, path)
        case _ if isinstance(value, int | float) and not isinstance(value, bool):
            yield from _range(shape, value, f"{path}: is {value}")


def _range(shape: Shape, value: float, what: str) -> Iterator[str]:
    least, most = (shape.metadata.get(bound) for bound in ("min", "max"))
    if (least is not None and value < float(least)) or (most is not None and value > float(most)):
        yield f"{what}, allowed are {least if least is not None else ''}…{most if most is not None else ''}"


def _text(shape: Shape, value: str, path: str) -> Iterator[str]:
    allowed = cast("list[str]", shape.metadata.get("enum", []))
    if allowed and value not in allowed:
        yield f"{path}: {value!r} is none of {', '.join(allowed)}"
    pattern = _compiled(str(shape.metadata.get("pattern", "")))
    if pattern and not pattern.fullmatch(value):
        yield f"{path}: {value!r} does not match {pattern.pattern}"


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Returns a compiled pattern, or None for Java's features that Python lacks: `\\p{…}`, sets in sets."""
    if not pattern or "\\p{" in pattern or "[[" in pattern:
        return None
    any_case = re.IGNORECASE if "(?i)" in pattern else 0  # Java allows it anywhere
    return re.compile(pattern.replace("(?i)", ""), re.DOTALL | any_case)


# ---- from what was read back to properties ------------------------------------------------------------------------


def mirror(wanted: Any, seen: Any, names: Mapping[str, str]) -> Any:
    """Returns the read value in the form of the wanted one, or the wanted value if it cannot be read."""
    if isinstance(wanted, Mapping) and isinstance(seen, list) and seen and _is_tag(seen[0]):
        return {_tag(item, "key"): _tag(item, "value") for item in seen}
    if isinstance(wanted, Mapping) and isinstance(seen, Mapping):
        return {key: _mirror_member(key, item, seen, names) for key, item in wanted.items()}
    if isinstance(wanted, list) and isinstance(seen, Mapping) and "Quantity" in seen:
        return mirror(wanted, seen.get("Items", []), names)
    if isinstance(wanted, list) and isinstance(seen, list):
        return _mirror_list(wanted, seen, names)
    if isinstance(wanted, list) and len(wanted) == 1 and isinstance(seen, Mapping):
        return [mirror(wanted[0], seen, names)]
    if isinstance(wanted, str) and isinstance(seen, Mapping | list):
        return _mirror_document(wanted, seen)
    if isinstance(wanted, str) and not isinstance(seen, str | None):
        return _fit_scalar("string", seen)
    if isinstance(wanted, int | float) and isinstance(seen, str):
        seen = seen == "true" if isinstance(wanted, bool) else float(seen)
    return wanted if seen is None or same(wanted, seen) else seen


def _mirror_document(wanted: str, seen: Any) -> str:
    """Returns the wanted document if the service's answer, a structure with defaults, matches it."""
    document = json.loads(wanted) if _is_json(wanted) else None
    mirrored = mirror(document, seen, {})
    return wanted if mirrored == document else json.dumps(mirrored, default=str)


def _mirror_member(key: str, wanted: Any, seen: Props, names: Mapping[str, str]) -> Any:
    name = names.get(key, key)
    member = name if name in seen else member_named(seen, name)
    return wanted if member is None else mirror(wanted, seen[member], names)


def _mirror_list(wanted: list[Any], seen: list[Any], names: Mapping[str, str]) -> list[Any]:
    """Returns the read items in the wanted order, then the others: services return lists in any order."""
    rest, found = list(seen), []
    for want in wanted:
        candidates = [item for item in rest if mirror(want, item, names) == want]
        if candidates:
            rest.remove(candidates[0])
            found.append(want)
    return found + [mirror(wanted[0], item, names) if wanted else item for item in rest]


def _is_tag(item: Any) -> bool:
    return isinstance(item, Mapping) and {_role(key) for key in item} == {"key", "value"}


def _tag(item: Props, role: str) -> Any:
    return next(value for key, value in item.items() if _role(key) == role)
