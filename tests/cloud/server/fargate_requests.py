"""RunTask requests that EventBridge Scheduler makes from a target."""

from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from tests.cloud.server.constraints import problems
from tests.cloud.server.errors import Refusal
from tests.cloud.server.requests import model_of

Record = dict[str, Any]


def from_universal(asked: Record) -> Record:
    """Returns the request of a universal target. Its members have to be in PascalCase, as in AWS."""
    shape = model_of("ecs").shape_for("RunTaskRequest")
    request: Record = _camel(shape, asked, "Input")
    wrong = list(problems(shape, request))
    if wrong:
        raise Refusal("ValidationException", "; ".join(wrong))
    return request


def _camel(shape: Shape, value: Any, where: str) -> Any:
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        named = {name[:1].upper() + name[1:]: name for name in shape.members}
        unknown = sorted(value.keys() - named.keys())
        if unknown:
            raise Refusal("ValidationException", f"Unknown parameter {where}.{unknown[0]}")
        return {named[key]: _camel(shape.members[named[key]], item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_camel(shape.member, item, where) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _camel(shape.value, item, where) for key, item in value.items()}
    return value
