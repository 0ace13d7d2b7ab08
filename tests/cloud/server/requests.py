"""Parses requests of all protocols by the service's model: operation and parameters."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from tests.cloud.server.errors import Refusal

Query = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    operation: OperationModel
    parameters: dict[str, Any]


@cache
def model_of(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def read(model: ServiceModel, method: str, path: str, headers: Mapping[str, str], body: bytes, query: Query) -> Call:
    """Returns a request's call. Raises Refusal for an unknown operation or an unreadable request."""
    target = headers.get("x-amz-target")
    if target is not None:
        return Call(_operation(model, target.rpartition(".")[2], "UnknownOperationException"), _json(body))
    if model.metadata["protocol"] == "rest-json":
        return _rest(model, method, path, body, query)
    form = {**{name: values[-1] for name, values in query.items()}, **dict(_form(body))}
    operation = _operation(model, form.pop("Action", ""), "InvalidAction")
    form.pop("Version", None)
    if operation.input_shape is None:
        return Call(operation, {})
    used: set[str] = set()
    parameters = _Form(form, used, ec2=model.metadata["protocol"] == "ec2").structure(operation.input_shape, "")
    unknown = sorted(form.keys() - used)
    if unknown:
        raise Refusal("UnknownParameter", f"The parameter {unknown[0]} is not recognized")
    return Call(operation, parameters)


def _operation(model: ServiceModel, name: str, code: str) -> OperationModel:
    if name not in model.operation_names:
        raise Refusal(code, f"{model.service_name} has no operation {name!r}")
    return model.operation_model(name)


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError as error:
        raise Refusal("SerializationException", f"The request is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Refusal("SerializationException", "The request is not a JSON object")
    return found


def _form(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode(), keep_blank_values=True)


def _rest(model: ServiceModel, method: str, path: str, body: bytes, query: Query) -> Call:
    for name in model.operation_names:
        operation = model.operation_model(name)
        found = _uri(operation.http["requestUri"]).fullmatch(path)
        if operation.http["method"] != method or found is None:
            continue
        shape = operation.input_shape
        parameters = {} if shape is not None and "payload" in shape.serialization else _json(body)
        for member, part in shape.members.items() if shape is not None else ():
            place, wire = part.serialization.get("location"), part.serialization.get("name", member)
            if place == "uri":
                parameters[member] = unquote(found[_group(wire)])
            elif place == "querystring" and wire in query:
                parameters[member] = query[wire] if isinstance(part, ListShape) else _plain(part, query[wire][-1])
        return Call(operation, parameters)
    raise Refusal("UnknownOperationException", f"{model.service_name} has no operation at {method} {path}", 404)


def _group(name: str) -> str:
    return name.replace("-", "_")


@cache
def _uri(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{([\w-]+)(\+?)\}", template.partition("?")[0])
    pattern = ""
    for at in range(0, len(parts), 3):
        pattern += re.escape(parts[at])
        if at + 1 < len(parts):
            whole = parts[at + 2] or parts[at + 1].lower().endswith("arn")  # an ARN contains slashes
            pattern += f"(?P<{_group(parts[at + 1])}>{'.+' if whole else '[^/]+'})"
    return re.compile(pattern)


@dataclass(frozen=True, slots=True)
class _Form:
    """The flat parameters of a query or EC2 request, and those that were parsed."""

    given: Mapping[str, str]
    used: set[str]
    ec2: bool

    def structure(self, shape: StructureShape, prefix: str) -> dict[str, Any]:
        found = {}
        for name, member in shape.members.items():
            value = self.value(member, prefix + self._name(name, member))
            if value is not None:
                found[name] = value
        return found

    def value(self, shape: Shape, name: str) -> Any:
        if isinstance(shape, ListShape) and self.given.get(name) == "":  # an empty list, in the query protocol
            self.used.add(name)
            return []
        if not any(key == name or key.startswith(f"{name}.") for key in self.given) and not self._flat(shape, name):
            return None
        if isinstance(shape, StructureShape):
            return self.structure(shape, f"{name}.")
        if isinstance(shape, ListShape):
            return self._items(shape.member, self._list_prefix(shape, name))
        if isinstance(shape, MapShape):
            prefix = name if shape.serialization.get("flattened") else f"{name}.entry"
            key, value = (
                part.serialization.get("name", word) for part, word in ((shape.key, "key"), (shape.value, "value"))
            )
            keys = self._items(shape.key, prefix, f".{key}")
            return dict(zip(keys, self._items(shape.value, prefix, f".{value}"), strict=True))
        self.used.add(name)
        return _plain(shape, self.given[name]) if name in self.given else None

    def _items(self, shape: Shape, prefix: str, suffix: str = "") -> list[Any]:
        found: list[Any] = []
        while (item := self.value(shape, f"{prefix}.{len(found) + 1}{suffix}")) is not None:
            found.append(item)
        return found

    def _flat(self, shape: Shape, name: str) -> bool:
        if not isinstance(shape, ListShape):
            return False
        prefix = self._list_prefix(shape, name)
        return any(key.startswith(f"{prefix}.") for key in self.given)

    def _list_prefix(self, shape: ListShape, name: str) -> str:
        inner = shape.member.serialization.get("name")
        if self.ec2:
            return name
        if shape.serialization.get("flattened"):
            return f"{name.rpartition('.')[0]}.{inner}".lstrip(".") if inner else name
        return f"{name}.{inner or 'member'}"

    def _name(self, name: str, member: Shape) -> str:
        if not self.ec2:
            return str(member.serialization.get("name", name))
        if "queryName" in member.serialization:
            return str(member.serialization["queryName"])
        wire = str(member.serialization.get("name", name))
        return wire[:1].upper() + wire[1:]


def _plain(shape: Shape, text: str) -> Any:
    """Returns a scalar in JSON's type."""
    try:
        if shape.type_name in ("integer", "long"):
            return int(text)
        if shape.type_name in ("float", "double"):
            return float(text)
    except ValueError:
        return text  # the constraints report it
    if shape.type_name == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return text
