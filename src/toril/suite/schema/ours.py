"""The JSON Schema of `toril:`: from the classes that read it, with the texts of `toril.yml`."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from toril.records.summary import FINDING_CODES
from toril.suite import values
from toril.suite.curves import SHAPES, TIMELESS, Shape
from toril.suite.schema.texts import described, texts_in
from toril.suite.sections import Section
from toril.suite.settings import VARIABLE, TorilSettings
from toril.suite.values import Schema, ref, string

PREFIXED = "^[~^$]"  # a key of the merge
LIMITS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum"}


class _Generator(GenerateJsonSchema):
    """Schemas of pydantic's own types, as its lax mode reads them."""

    def bool_schema(self, schema: Any) -> Schema:
        return values.BOOLEAN

    def literal_schema(self, schema: Any) -> Schema:
        names: Schema = {"enum": schema["expected"]}
        return {"anyOf": [names, string()]} if isinstance(names["enum"][0], str) else names


def definitions() -> dict[str, Schema]:
    """Returns the schemas of `toril:` and of the sections in it, by the names of their classes."""
    found: dict[str, Schema] = {}
    for top in (TorilSettings, Shape):
        whole = top.model_json_schema(ref_template="#/definitions/{model}", schema_generator=_Generator)
        found |= whole.pop("$defs", {}) | {top.__name__: whole}
    for section in (*sections_of(TorilSettings), *sections_of(Shape)):
        schema = found[section.__name__]
        schema["patternProperties"] = {PREFIXED: {}}
        schema.pop("description", None)
        for field in section.model_fields.values():
            written = _limited(schema["properties"][field.alias], field) | {
                "description": described(text_of(section, field), default_of(field), page="reference/settings.md")
            }
            schema["properties"][field.alias] = {key: value for key, value in written.items() if key != "default"}
    shape, ours = found["Shape"], found["TorilSettings"]
    shape["oneOf"] = [{"required": [kind]} for kind in SHAPES]
    shape["dependencies"] = {"for": {"anyOf": [{"required": [kind]} for kind in TIMELESS]}}
    shape["properties"]["points"]["minItems"] = 2
    replay = shape["properties"]["csv"]
    replay["anyOf"] = [{"type": "string", "minLength": 1}, {"$ref": replay.pop("$ref")}]
    found["Replay"]["properties"]["file"] |= {"type": "string", "minLength": 1}
    ours["type"] = ["object", "null"]
    ours["properties"]["findings"].pop("propertyNames", None)  # pydantic's form of the same names
    ours["properties"]["findings"] |= {
        "type": ["object", "boolean"],
        "properties": dict.fromkeys(FINDING_CODES, values.BOOLEAN),
        "additionalProperties": False,
    }
    ours["properties"]["curves"]["additionalProperties"] = ref("curve")
    journeys = [{**(values.RATE.json_schema or {}), "exclusiveMinimum": 0}, ref("curve")]
    ours["properties"]["arrivals"]["anyOf"] = [
        *journeys,
        {"type": "object", "additionalProperties": {"anyOf": journeys}},
    ]
    named = {"type": "object", "additionalProperties": ref("executor")}
    ours["properties"]["executor"]["anyOf"] = [ref("executor"), named]
    for step in ("setup", "teardown"):
        ours["properties"][step]["anyOf"].append({"type": "string", "minLength": 1})
    ours["properties"]["secrets"]["propertyNames"] = {"pattern": f"^[~^$]?{VARIABLE.pattern}$"}
    found["curve"] = {"anyOf": [ref("Shape"), {"type": "array", "minItems": 1, "items": ref("Shape")}]}
    return {name: _without_titles(schema) for name, schema in found.items()}


def sections_of(annotation: Any) -> Iterator[type[Section]]:
    """Yields the sections in a type, and those inside them."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
        for field in annotation.model_fields.values():
            yield from sections_of(field.annotation)
    for argument in get_args(annotation):
        yield from sections_of(argument)


def text_of(section: type[Section], field: FieldInfo) -> str:
    """Returns what a setting means; links name pages below docs."""
    return str(texts_in("toril.yml")[section.__name__][str(field.alias)])


def default_of(field: FieldInfo) -> str:
    """Returns the default of a setting as users write it; empty if it has none."""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if default in (None, (), "", {}) or isinstance(default, BaseModel):
        return ""
    if values.DURATION in field.metadata:
        return f"{default // 60:g}m" if default and not default % 60 else f"{default:g}s"
    if values.SHARE in field.metadata:
        return f"{default:.0%}"
    if values.SIZE in field.metadata:
        return f"{default >> 20}MiB" if default >> 20 else f"{default >> 10}KiB"
    if isinstance(default, tuple):
        return f"[{', '.join(default)}]"
    return str(default).lower() if isinstance(default, bool) else str(default).removesuffix(".0")


def _limited(written: Schema, field: FieldInfo) -> Schema:
    """Returns the schema with the field's limits, which pydantic leaves out where a type has a schema of its own."""
    noted = ((key, getattr(note, limit, None)) for note in field.metadata for limit, key in LIMITS.items())
    limits = {key: value for key, value in noted if value is not None}
    if any(getattr(note, "min_length", None) for note in field.metadata):
        limits |= {"minItems": 1, "minProperties": 1}
    if "anyOf" in written and limits:
        return {**written, "anyOf": [one if one == {"type": "null"} else one | limits for one in written["anyOf"]]}
    return written | limits


def _without_titles(schema: Any) -> Any:
    """Returns the schema without the titles that pydantic makes of names."""
    if isinstance(schema, list):
        return [_without_titles(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _without_titles(part) for key, part in schema.items() if key != "title" or not isinstance(part, str)}
