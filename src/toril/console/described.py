"""The API's OpenAPI document: what FastAPI finds in the routes, and the answers to refused requests."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from toril.console.web import PROBLEM

REFUSALS = {
    "400": "The request cannot be read.",
    "401": "There is no valid token or session.",
    "403": "The role does not allow it, or another site sent it.",
    "404": "There is no such run, suite, file or address.",
    "405": "The address does not have this method.",
    "409": "Another change came first.",
    "413": "The body is too large.",
    "422": "A parameter or the content is invalid.",
    "503": "The store or AWS did not answer; try again.",
}
# Of the bodies of requests. Unknown names are errors, because a misspelt limit would limit nothing.
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
SCHEMAS = "#/components/schemas/"


class WrongPart(BaseModel):
    """An invalid parameter, or an invalid part of the body."""

    at: str
    message: str


class Problem(BaseModel):
    """Why a request was refused (RFC 9457). `code` is for programs, `title` for people."""

    type: str
    title: str
    status: int
    code: str
    errors: list[WrongPart] = []


class Described(FastAPI):
    """An application whose description names its errors, and how to sign in."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is not None:
            return self.openapi_schema
        document = super().openapi()
        parts, problem = document["components"], Problem.model_json_schema(ref_template=f"{SCHEMAS}{{model}}")
        parts["schemas"].update(problem.pop("$defs"), Problem=problem)
        for unused in ("HTTPValidationError", "ValidationError"):
            parts["schemas"].pop(unused, None)
        content = {PROBLEM: {"schema": {"$ref": f"{SCHEMAS}Problem"}}}
        parts["responses"] = {code: {"description": text, "content": content} for code, text in REFUSALS.items()}
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        for operation in (operation for path in document["paths"].values() for operation in path.values()):
            operation["responses"].update({code: {"$ref": f"#/components/responses/{code}"} for code in REFUSALS})
        return document
