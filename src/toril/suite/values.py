"""JSON Schemas of values for editors: all forms in which the reader accepts a number, a duration or a size.

The plan resolves `${NAME}` before it reads a value, so each schema of a text accepts such references.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import WithJsonSchema

Schema = dict[str, Any]

REFERENCE = r"\$\{"
DECIMAL = r"(?:[0-9][0-9 ]*(?:\.[0-9 ]*)?|\. *[0-9][0-9 ]*)"  # the reader removes spaces
TIME = rf"(?=.*[0-9]) *(?:{DECIMAL}(?:[mM] *[sS]|[sSmMhHdD]) *)*(?:{DECIMAL})?"
PER = r"(?:[sS](?:[eE][cC])?|[mM](?:[iI][nN])?|[hH])"
PERCENT = r"(?:100(?:\.0*)?|0*[1-9][0-9]?(?:\.[0-9]*)?|0*\.[0-9]*[1-9][0-9]*)\s*%"
COMPARISON = ".*[<>=].*"  # of a criterion


def any_case(word: str) -> str:
    """Returns a pattern for a word in upper and lower case: JSON Schema has no flags."""
    return "".join(f"[{char.lower()}{char.upper()}]" if char.isalpha() else char for char in word)


def string(*patterns: str) -> Schema:
    """Returns the schema of a text that matches one of the patterns as a whole, or refers to a variable."""
    return {"type": "string", "pattern": "|".join((*(f"^(?:{pattern})$" for pattern in patterns), REFERENCE))}


def number_or(pattern: str, example: str, kind: str = "number", **limits: float) -> Schema:
    """Returns the schema of a number, or of such a text; editors show the example."""
    text = string(rf"\s*{pattern}\s*")
    return {**text, "type": [kind, "string"], **limits, "patternErrorMessage": f"Write it like {example}."}


def ref(name: str) -> Schema:
    """Returns a reference to a part of the suite's schema."""
    return {"$ref": f"#/definitions/{name}"}


def text_of(*patterns: str) -> WithJsonSchema:
    """Returns the schema of a text that matches one of the patterns."""
    return WithJsonSchema(string(*patterns))


def one_or_many(pattern: str) -> WithJsonSchema:
    """Returns the schema of a list of texts, or of one text."""
    text = {"type": "string"} if pattern == ".*" else string(pattern)
    return WithJsonSchema({"anyOf": [text, {"type": "array", "items": text}]})


def named(names: Iterable[str]) -> WithJsonSchema:
    """Returns the schema of one of these names, in upper or lower case, with spaces or hyphens."""
    spellings = (any_case(name).replace(" ", "-").replace("-", "[ -]") for name in names)
    return WithJsonSchema({"anyOf": [{"enum": list(names)}, string(*spellings)]})


WHOLE = WithJsonSchema(number_or(r"\+?[0-9]+(?:_[0-9]+)*(?:\.0*)?", "10", "integer"))
DURATION = WithJsonSchema(number_or(TIME, "30s or 1m30s", minimum=0))
MOMENT = WithJsonSchema({"anyOf": [DURATION.json_schema, {"enum": [None, ""]}]})
LENGTH = WithJsonSchema(number_or(TIME, "30s or 1m30s", minimum=0.001))
SIZE = WithJsonSchema(number_or(rf"{DECIMAL}(?:[bB]|[kKmM](?:[iI]?[bB])?)?", "4KiB", minimum=0))
RATE = WithJsonSchema(number_or(rf"{DECIMAL}[kM]?(?: */ *{PER})?", "500 or 500/s", minimum=0))
FACTOR = WithJsonSchema(number_or(rf"{DECIMAL}x?", "2x", minimum=1e-6, maximum=1e6))
SHARE = WithJsonSchema(number_or(PERCENT, "90%", exclusiveMinimum=0, maximum=1))
RULE = string(COMPARISON)
RULES: list[Schema] = [RULE, {"type": "object", "minProperties": 1}]
CRITERIA = WithJsonSchema({**RULE, "type": ["array", "string", "object"], "items": {"anyOf": RULES}})
BOOLEANS = ("true", "false", "t", "f", "yes", "no", "y", "n", "on", "off")
BOOLEAN: Schema = {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, string(*map(any_case, BOOLEANS), "[01]")]}
