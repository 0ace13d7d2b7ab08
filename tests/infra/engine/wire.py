"""Conversion of the engine's property maps."""

import json
from collections.abc import Mapping
from typing import Any

from google.protobuf import struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"  # the key of special values
SECRET = "1b47061264138c4ac30d75fd1eb44270"
ASSET, ARCHIVE = "c44067f5952c0a294b673a41bacd8c17", "0def7320c3a5731c473e5ecbe6d01bc7"


class NotAProperty(TypeError):
    """The value is a resource reference, which the table of kinds does not support."""


def plain(value: Any) -> Any:
    """Returns a wire value as Python: secrets as plain values, whole numbers as integers, unknown values unchanged."""
    match value:
        case struct_pb2.Struct():
            return _plain_structure(value)
        case struct_pb2.ListValue():
            return [plain(item) for item in value]
        case float() if value.is_integer():
            return int(value)
    return value


def _plain_structure(value: struct_pb2.Struct) -> Any:
    fields = dict(value.items())
    if SIGNATURE not in fields:
        return {key: plain(item) for key, item in fields.items()}
    if fields[SIGNATURE] == SECRET:
        return plain(fields["value"])
    if fields[SIGNATURE] in (ASSET, ARCHIVE):
        return {key: plain(item) for key, item in fields.items()}  # as it is: `assets` reads it
    raise NotAProperty(f"Unsupported value with the signature {fields[SIGNATURE]}")


def secrets_in(*properties: struct_pb2.Struct) -> frozenset[str]:
    """Returns the properties that contain a secret at any depth."""
    return frozenset(name for each in properties for name, value in each.items() if _holds_secret(value))


def _holds_secret(value: Any) -> bool:
    match value:
        case struct_pb2.Struct():
            return dict(value.items()).get(SIGNATURE) == SECRET or any(map(_holds_secret, dict(value.items()).values()))
        case struct_pb2.ListValue():
            return any(map(_holds_secret, value))
    return False


def struct(properties: Mapping[str, Any], secret: frozenset[str] = frozenset()) -> struct_pb2.Struct:
    """Returns properties for the wire, with dates as texts, and the properties in `secret` marked."""
    marked = {
        name: {SIGNATURE: SECRET, "value": value} if name in secret else value for name, value in properties.items()
    }
    message = struct_pb2.Struct()
    message.update(json.loads(json.dumps(marked, default=str)))
    return message
