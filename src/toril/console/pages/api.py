"""`/api`: the operations of the API, from its OpenAPI document."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from toril.console.described import SCHEMAS
from toril.console.identity import Viewer
from toril.console.web import page

router = APIRouter()


@router.get("/api")
def api(request: Request, person: Viewer) -> Response:
    document = request.app.openapi()
    parts = document["components"]
    return page(
        request,
        "api.html.jinja",
        title="API",
        paths=document["paths"],
        refusals=parts["responses"],
        schemas=dict(sorted(parts["schemas"].items())),
        kind=kind_of,
        named=named_in,
        contents=contents_of,
    )


def contents_of(part: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the schemas of a body or an answer."""
    return [content.get("schema", {}) for content in part.get("content", {}).values()]


def named_in(schema: dict[str, Any]) -> str:
    """Returns the name of the first named schema in a schema; empty if there is none."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(SCHEMAS)
    inner = [*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")]
    return next((name for part in inner if isinstance(part, dict) and (name := named_in(part))), "")


def kind_of(schema: dict[str, Any]) -> str:
    """Returns the type of a schema in words, such as `array of RunNote`."""
    if "$ref" in schema:
        return named_in(schema)
    if choices := schema.get("anyOf"):
        return " or ".join(map(kind_of, choices))
    if values := schema.get("enum", [schema["const"]] if "const" in schema else None):
        return ", ".join(f'"{value}"' for value in values)
    limits = [f"{word} {schema[name]:g}" for name, word in (("minimum", "from"), ("maximum", "to")) if name in schema]
    words = " ".join([schema.get("type", "any value"), *limits])
    inner = schema.get("items") or schema.get("additionalProperties")
    return f"{words} of {kind_of(inner)}" if isinstance(inner, dict) else words
