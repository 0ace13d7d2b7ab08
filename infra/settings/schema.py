"""The documentation of the settings: `config:` in Pulumi.yaml, and the table in docs/reference/stacks.md.

    python -m infra.settings.schema --write     # update both

Pulumi requires a value or a default for each declared key in every stack. So a key without a default gets an empty
one, which `parse` treats as not set. A default value of the other kind of stack also counts as not set.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from infra.settings import CREDENTIALS, HubSettings, RegionSettings

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "Pulumi.yaml"
STACKS: dict[str, type[BaseModel]] = {"hub": HubSettings, "region": RegionSettings}
CREDENTIALS_TEXT = (
    "Logins of caches, by their prefix: username and accessToken. Set with `pulumi config set --secret` only."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A setting in the table. `default` None: the setting is required if the group that contains it is set."""

    path: str
    type: str
    default: str | None
    description: str


def declared() -> dict[str, dict[str, Any]]:
    """Returns the `config:` block of Pulumi.yaml, by key."""
    found: dict[str, dict[str, Any]] = {}
    for kind, model in STACKS.items():
        for key, field in _fields(model):
            one = {**_typed(field), "description": f"{kind}: {field.description}"}
            found[key] = _merged(found[key], one) if key in found else one
    # No type: Pulumi would check the empty default against it, and that default is not encrypted.
    found[CREDENTIALS] = {"default": {}, "secret": True, "description": f"region: {CREDENTIALS_TEXT}"}
    return dict(sorted(found.items()))


def _merged(hub: dict[str, Any], region: dict[str, Any]) -> dict[str, Any]:
    """Returns a key that both kinds of stack have. It has no default if the two differ."""
    texts = [one["description"].partition(": ")[2] for one in (hub, region)]
    described = f"both: {texts[0]}" if texts[0] == texts[1] else f"{hub['description']} {region['description']}"
    typed = hub if hub["default"] == region["default"] else {"default": ""}
    return {**typed, "description": described}


def _typed(field: FieldInfo) -> dict[str, Any]:
    """Returns Pulumi's type and default of a key. A list whose objects have a short form gets no type."""
    default = field.get_default()
    match _words(field.annotation).split(" ")[0]:
        case "boolean":
            return {"type": "boolean", "default": default}
        case "object":
            return {"type": "object", "default": {}}
        case "list":
            kind = _words(field.annotation).removeprefix("list of ")
            if kind == "object" and _has_short_form(field):
                return {"default": []}
            items = kind if kind == "object" else "string"
            return {"type": "array", "items": {"type": items}, "default": list(default)}
        case _:
            return {"type": "string", "default": default or ""}


def _has_short_form(field: FieldInfo) -> bool:
    """Whether users may write an object of the list as a text."""
    return any(isinstance(note, BeforeValidator) for part in get_args(field.annotation) for note in _notes(part))


def _notes(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def stack_rows() -> dict[str, list[Row]]:
    """The rows of each kind of stack: `hub` and `region`."""
    found = {kind: list(rows(model)) for kind, model in STACKS.items()}
    found["region"].append(Row(path=CREDENTIALS, type="object, secret", default="", description=CREDENTIALS_TEXT))
    return found


def rows(model: type[BaseModel], prefix: str = "") -> Iterator[Row]:
    """Returns each setting of a model; nested settings follow the one that contains them."""
    for key, field in _fields(model):
        path = f"{prefix}{key}"
        yield Row(
            path=path,
            type=_words(field.annotation),
            default=_default(field),
            description=str(field.description),
        )
        if nested := _nested(field.annotation):
            inner, holder = nested
            yield from rows(inner, f"{path}{holder}.")


def _fields(model: type[BaseModel]) -> Iterable[tuple[str, FieldInfo]]:
    return [(field.alias or name, field) for name, field in model.model_fields.items()]


def _nested(annotation: Any) -> tuple[type[BaseModel], str] | None:
    """Returns the group of settings in a type and the path to it: `[]` in a list, `.<name>` in a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    origin, parts = get_origin(annotation), get_args(annotation)
    holder = "[]" if origin is tuple else ".<name>" if origin is dict else ""
    for part in parts:
        if found := _nested(part):
            return found[0], holder + found[1]
    return None


def _words(annotation: Any) -> str:
    """Returns a type in words: `string`, `list of string`, `"a" or "b"`."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(parts[0])
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin is tuple:
        return f"list of {_words(parts[0])}"
    if origin is dict:
        return f"object of {_words(parts[1])}"
    if parts and (origin is Union or origin is type(int | None)):
        return " or ".join(_words(part) for part in parts if part is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "object"
    return {str: "string", int: "integer", float: "number", bool: "boolean"}[annotation]


def _default(field: FieldInfo) -> str | None:
    if field.is_required():
        return None
    value = field.get_default(call_default_factory=True)
    match value:
        case bool():
            return str(value).lower()
        case dict() | tuple():
            return ", ".join(map(str, value))
        case None | BaseModel():
            return ""
    return str(value)


class _Plain(yaml.SafeDumper):
    """YAML without anchors, so that each empty list appears as such."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def render_project(text: str) -> str:
    """Returns Pulumi.yaml with the current `config:` block at its end."""
    head = re.split(r"^config:$", text, maxsplit=1, flags=re.MULTILINE)[0].rstrip("\n")
    block = yaml.dump({"config": declared()}, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=116)
    return f"{head}\n{block}"


def main(arguments: list[str] | None = None) -> int:
    """Write Pulumi.yaml, or say that it is out of date."""
    parser = argparse.ArgumentParser(description="The settings as users read them.")
    parser.add_argument("--write", action="store_true", help="bring Pulumi.yaml up to date")
    write = parser.parse_args(arguments).write
    text = PROJECT.read_text()
    new = render_project(text)
    if new == text:
        return 0
    if not write:
        sys.stderr.write(f"{PROJECT.name} is out of date: python -m infra.settings.schema --write\n")
        return 1
    PROJECT.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
