"""One YAML or JSON file as plain dictionaries, lists, texts, numbers; whatever it contains, an answer within moments.

The file is read as bzt reads it (YAML 1.1, several documents, JSON where YAML fails), after a survey of its events
that bounds size, depth and what aliases expand to, so that nothing hostile is ever built.
"""

import datetime
import json
import math
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from toril.errors import SuiteError

MAX_BYTES = 8 * 2**20
MAX_VALUES = 100_000  # values of one file after its aliases are expanded; about a second's reading
MAX_DEPTH = 100
MAX_NUMBER = 200  # characters; YAML's base 60 makes a long number slower than its square
TEXT_PER_VALUE = 64  # characters of text that weigh as much as one value

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge")
)
NUMERIC = re.compile(r"[-+.0-9][-+.0-9a-fA-FxXoO_:]*")
LEADING_TABS = re.compile(r"^( *)(\t+)( *\S*)")
TAB_WIDTH = " " * 4  # what bzt puts in the place of leading tabs

Document = dict[str, Any]


def load(path: Path, name: str) -> tuple[list[Document], list[str]]:
    """The file's documents and warnings; messages call it `name`."""
    return parse(_text(path, name), name)


def parse(text: str, name: str) -> tuple[list[Document], list[str]]:
    """The documents in `text`; SuiteError when there is anything else in it than mappings."""
    warnings: list[str] = []
    text = _without_tabs(text, name, warnings)
    try:
        if (tabbed := _json_with_tabs(text)) is not None:
            found = [tabbed]
        else:
            warnings += _survey(text, name)
            found = list(yaml.load_all(text, Loader=LOADER))
    except SuiteError:
        raise
    except Exception as error:  # the YAML library fails in many ways, also by ValueError and TypeError
        found = [_json(text, name, error)]
    documents = []
    for document in found:
        if document is None:
            continue
        if not isinstance(document, dict):
            raise SuiteError(
                f"{name}: the document is {_kind(document)}; a suite is a mapping of keys such as `execution:`"
            )
        documents.append(_Plain(name).mapping(document, "", merged=True))
    return documents, warnings


def parse_value(text: str) -> Any:
    """One YAML value as bzt reads it from `-o key=value`: text where it is no YAML."""
    try:
        _survey(text, "-o")
        return _Plain("-o").value(yaml.load(text, Loader=LOADER), "", merged=False)  # noqa: S506 - a safe loader
    except Exception:  # as bzt: whatever is wrong with it as YAML, it is text then
        return text


def _text(path: Path, name: str) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SuiteError(f"{name} is no file; give a Taurus file, or a folder with a suite.yml")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SuiteError(f"{str(path)[:200]!r} cannot be read: {reason}; check the path") from error
    if len(data) > MAX_BYTES:
        raise SuiteError(f"{name} is larger than {MAX_BYTES // 2**20} MiB; keep data in files of their own")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise SuiteError(f"{name} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _without_tabs(text: str, name: str, warnings: list[str]) -> str:
    if "\t" not in text:
        return text
    lines = text.splitlines(keepends=True)
    replaced = [LEADING_TABS.sub(rf"\1{TAB_WIDTH}\3", line) for line in lines]
    changed = [number for number, (old, new) in enumerate(zip(lines, replaced, strict=True), 1) if old != new]
    if changed:
        warnings.append(f"{name}: line {changed[0]} is indented with tabs, read as 4 spaces; YAML wants spaces")
    return "".join(replaced)


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet."""

    anchor: str | None
    mapping: bool
    weight: int = 1
    children: int = 0
    keys: set[str] = field(default_factory=set)


def _survey(text: str, name: str) -> list[str]:
    """Walk the events once, refusing what is too much; returns warnings about keys that stand twice."""
    repeated: list[str] = []
    weights: dict[str, int] = {}
    stack: list[_Open] = []
    count = 0
    for event in yaml.parse(text, Loader=LOADER):
        count += 1
        if count > 3 * MAX_VALUES:
            raise _too_much(name)
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent):
            weights = {}
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            closed = stack.pop()
            weight = closed.weight
            if closed.anchor:
                weights[closed.anchor] = weight
            if stack:
                stack[-1].weight += weight
        elif isinstance(event, yaml.NodeEvent):
            weight = _opened(event, stack, weights, name, line, repeated)
            if not isinstance(event, yaml.CollectionStartEvent) and stack:
                stack[-1].weight += weight
        else:
            continue
        if stack and stack[-1].weight > MAX_VALUES:
            raise _too_much(name)
    return repeated


def _opened(
    event: yaml.NodeEvent, stack: list[_Open], weights: dict[str, int], name: str, line: int, repeated: list[str]
) -> int:
    """Check one node and return its weight (0 for a collection, whose end will tell)."""
    parent = stack[-1] if stack else None
    if parent:
        if isinstance(event, yaml.ScalarEvent) and parent.mapping and parent.children % 2 == 0:
            if event.value in parent.keys and event.value != "<<" and len(repeated) < 10:
                repeated.append(f"{name}: line {line}: `{event.value[:60]}` is written twice; the last one counts")
            parent.keys.add(event.value)
        parent.children += 1
    if isinstance(event, yaml.AliasEvent):
        anchor = str(event.anchor)
        if any(open_.anchor == anchor for open_ in stack):
            raise SuiteError(f"{name}: line {line}: `*{anchor[:60]}` is a part of itself; write the value out")
        return weights.get(anchor, 1)
    tag = getattr(event, "tag", None)
    if tag not in (None, "!") and tag not in PLAIN_TAGS:
        raise SuiteError(f"{name}: line {line} has the tag `{str(tag)[:60]}`; leave tags out, a suite is plain data")
    if isinstance(event, yaml.CollectionStartEvent):
        if len(stack) >= MAX_DEPTH:
            raise SuiteError(f"{name}: line {line} is nested deeper than {MAX_DEPTH} levels; make it flatter")
        stack.append(_Open(event.anchor, isinstance(event, yaml.MappingStartEvent)))
        return 0
    value = str(getattr(event, "value", ""))
    if len(value) > MAX_NUMBER and getattr(event, "implicit", (False,))[0] and NUMERIC.fullmatch(value):
        raise SuiteError(f"{name}: line {line} is a number of {len(value):,} characters; quote it if it is text")
    weight = 1 + len(value) // TEXT_PER_VALUE
    if event.anchor:
        weights[event.anchor] = weight
    return weight


def _too_much(name: str) -> SuiteError:
    return SuiteError(
        f"{name} holds more than {MAX_VALUES:,} values (aliases counted in full); keep data in files of their own"
    )


def _json(text: str, name: str, yaml_error: Exception) -> Any:
    """As bzt: what looks like JSON and is no YAML may be JSON (tabs, for instance)."""
    if not text.lstrip().startswith("{"):
        raise SuiteError(f"{name}: {_where(yaml_error)}; correct the YAML there") from yaml_error
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise SuiteError(f"{name} is neither YAML nor JSON: {reason[:200]}; correct it there") from error


def _json_with_tabs(text: str) -> Any:
    """JSON with tabs between its values: bzt reads it as JSON, since its YAML reader, unlike ours, refuses tabs."""
    if "\t" in text and text.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            return json.loads(text)
    return None


def _where(error: Exception) -> str:
    """`line 3, column 5 is no YAML: …`, in a line."""
    mark = getattr(error, "problem_mark", None)
    problem = " ".join((getattr(error, "problem", None) or str(error)).split())[:200]
    if "2002:value" in problem:
        problem = "`=` alone has a meaning of its own; quote it"
    return (
        f"line {mark.line + 1}, column {mark.column + 1} is no YAML: {problem}" if mark else f"it is no YAML: {problem}"
    )


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else f"the {type(value).__name__} {str(value)[:40]!r}"


class _Plain:
    """Copies a document into what JSON can hold, so that nothing is shared and nothing surprises later."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.budget = MAX_VALUES * 2

    def error(self, path: str, what: str) -> SuiteError:
        return SuiteError(f"{self.name}: {path or 'the document'} {what}")

    def mapping(self, value: dict[Any, Any], path: str, *, merged: bool, depth: int = 0) -> Document:
        return {
            (text := self.key(key, path, merged=merged)): self.value(
                item, f"{path}.{text[:60]}" if path else text[:60], merged=merged, depth=depth + 1
            )
            for key, item in value.items()
        }

    def key(self, key: object, path: str, *, merged: bool) -> str:
        if isinstance(key, str):
            if merged and not key:  # where bzt merges it looks at a key's first character
                raise self.error(path, "has an empty key; name it")
            return self.text(key, path)
        if isinstance(key, (datetime.date, int, float)) or key is None:
            text = str(key).lower() if isinstance(key, bool) else "null" if key is None else str(key)
            if merged:
                raise self.error(path, f"has the key {text}, which YAML reads as no text; quote it: '{text}'")
            return text
        raise self.error(path, f"has a {type(key).__name__} as a key; use text")

    def value(self, value: Any, path: str, *, merged: bool, depth: int = 0) -> Any:
        self.budget -= 1
        if self.budget < 0:
            raise _too_much(self.name)
        if depth > MAX_DEPTH:
            raise self.error(path[:200], f"is nested deeper than {MAX_DEPTH} levels; make it flatter")
        if isinstance(value, dict):
            return self.mapping(value, path, merged=merged, depth=depth)
        if isinstance(value, list):
            return [
                self.value(item, f"{path}[{index}]", merged=False, depth=depth + 1) for index, item in enumerate(value)
            ]
        if isinstance(value, str):
            return self.text(value, path)
        if isinstance(value, float) and not math.isfinite(value):
            raise self.error(path, f"is {value}, no number that can be used; write one, or quote it if it is text")
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, datetime.date):
            return str(value)
        raise self.error(path, f"is of the type {type(value).__name__}; use text, numbers, lists and mappings")

    def text(self, value: str, path: str) -> str:
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise self.error(path, "holds half a character (a lone surrogate); write it out") from None
        return value
