"""One YAML or JSON file of a suite: its documents as plain values, and the lines of its criteria.

The file is read as bzt reads it: YAML 1.1, several documents, JSON if YAML fails. Before that, a survey of its YAML
events limits size, depth and the expansion of aliases, so that every file is read in about a second.
"""

import datetime
import json
import math
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from toril.errors import Note, SuiteError
from toril.records import PlannedCriterion, SourcePlace
from toril.suite.reader import quoted

MAX_BYTES = 8 * 2**20
MAX_VALUES = 100_000  # values of one file after the expansion of aliases; toril reads them in about a second
MAX_DEPTH = 100
MAX_NUMBER = 200  # characters; the time for a number in base 60 grows faster than the square of its length
TEXT_PER_VALUE = 64  # characters of text that count as one value

YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge")
)
NUMERIC = re.compile(r"[-+.0-9][-+.0-9a-fA-FxXoO_:]*")
LEADING_TABS = re.compile(r"^( *)(\t+)( *\S*)")
TAB_WIDTH = " " * 4  # bzt's replacement of a leading tab

REPOSITORY = ".git"  # a folder, or a file where git keeps it elsewhere
ONE_OR_MANY = ("execution", "reporting", "criteria")  # Taurus takes one for a list of one
MAX_MESSAGE = 60  # characters of a criterion's message in its `where`

Document = dict[str, Any]


def load(path: Path, name: str) -> tuple[list[Document], list[Note]]:
    """Returns the file's documents and warnings; `name` is its name in messages."""
    return parse(_text(path, name), name)


def parse(text: str, name: str) -> tuple[list[Document], list[Note]]:
    """Returns the documents in `text`; raises SuiteError unless all are mappings."""
    warnings: list[Note] = []
    loaded = _loaded(_without_tabs(text, name, warnings), name, warnings)
    documents = []
    for document in loaded:
        if document is None:
            continue
        if not isinstance(document, dict):
            what = f"{name}: The document {quoted(document)} is not a mapping"
            raise SuiteError(f"{what}. Write keys such as `execution`.", code="not-a-mapping")
        documents.append(_Plain(name).mapping(document, "", merged=True))
    return documents, warnings


def _loaded(text: str, name: str, warnings: list[Note]) -> list[Any]:
    """Returns the documents of YAML, or of JSON if bzt reads the text as JSON."""
    may_be_json = text.lstrip().startswith("{")
    if may_be_json and "\t" in text:  # unlike PyYAML's C loader, bzt's YAML loader rejects tabs between values
        with suppress(ValueError, RecursionError):
            return [json.loads(text)]
    try:
        warnings += _survey(text, name)
        return list(yaml.load_all(text, Loader=YAML_LOADER))
    except SuiteError:
        raise
    except Exception as error:  # the YAML library fails in many ways, also by ValueError and TypeError
        if not may_be_json:
            raise SuiteError(f"{name}: {_where(error)}. Correct the YAML there.", code="not-yaml") from error
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
        text = f"{name}: The file is neither YAML nor JSON: {reason}. Correct it there."
        raise SuiteError(text, code="not-yaml") from error


def parse_value(text: str) -> Any:
    """Returns the YAML value of `-o key=value` as bzt reads it: as text if it is not YAML."""
    try:
        _survey(text, "-o")
        return _Plain("-o").value(yaml.load(text, Loader=YAML_LOADER), "", merged=False)  # noqa: S506 - a safe loader
    except Exception:  # as in bzt, a value that is not YAML is text
        return text


def _text(path: Path, name: str) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            text = f"{name}: This is not a file. Name a Taurus file, or a folder with a suite.yml."
            raise SuiteError(text, code="unreadable-file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        text = f"{str(path)[:200]!r}: The file cannot be read: {reason}. Check the path."
        raise SuiteError(text, code="unreadable-file") from error
    if len(data) > MAX_BYTES:
        text = f"{name}: The file is larger than {MAX_BYTES // 2**20} MiB. Move data into files of their own."
        raise SuiteError(text, code="too-large")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        text = f"{name}: The file is not UTF-8 text (byte {error.start}). Save it as UTF-8."
        raise SuiteError(text, code="not-utf-8") from error


def _without_tabs(text: str, name: str, warnings: list[Note]) -> str:
    if "\t" not in text:
        return text
    lines = text.splitlines(keepends=True)
    replaced = [LEADING_TABS.sub(rf"\1{TAB_WIDTH}\3", line) for line in lines]
    changed = [number for number, (old, new) in enumerate(zip(lines, replaced, strict=True), 1) if old != new]
    if changed:
        text = f"{name}: line {changed[0]}: Tabs indent this line. toril reads each as 4 spaces. Write spaces instead."
        warnings.append(Note("tabs", text))
    return "".join(replaced)


@dataclass(slots=True)
class _Open:
    """A mapping or list that has not ended yet."""

    anchor: str | None
    before: int  # the file's values before it
    keys: set[str] | None  # None: a list
    children: int = 0


def _survey(text: str, name: str) -> list[Note]:
    """Checks the size of a file by its YAML events; returns warnings about repeated keys."""
    repeated: list[Note] = []
    weights: dict[str, int] = {}  # anchor → its values
    stack: list[_Open] = []
    values = 0  # after the expansion of aliases
    event: Any
    for event in yaml.parse(text, Loader=YAML_LOADER):
        if isinstance(event, yaml.CollectionEndEvent):
            ended = stack.pop()
            weights[ended.anchor or ""] = values - ended.before
        if not isinstance(event, yaml.NodeEvent):
            continue
        where = f"{name}: line {event.start_mark.line + 1 if event.start_mark else 0}"
        if problem := _problem(event, stack):
            code, text = problem
            raise SuiteError(f"{where}: {text}", code=code)
        if stack:
            if stack[-1].keys is not None and stack[-1].children % 2 == 0 and isinstance(event, yaml.ScalarEvent):
                if event.value in stack[-1].keys and event.value != "<<" and len(repeated) < 10:
                    text = f"{where}: The key `{event.value[:60]}` is repeated. The last value counts."
                    repeated.append(Note("repeated-key", text))
                stack[-1].keys.add(event.value)
            stack[-1].children += 1
        if isinstance(event, yaml.CollectionStartEvent):
            stack.append(_Open(event.anchor, values, set() if isinstance(event, yaml.MappingStartEvent) else None))
            values += 1
        elif isinstance(event, yaml.AliasEvent):
            values += weights.get(str(event.anchor), 1)
        else:
            weights[event.anchor or ""] = 1 + len(event.value) // TEXT_PER_VALUE
            values += weights[event.anchor or ""]
        if values > MAX_VALUES:
            raise _too_large(name)
    return repeated


def _problem(event: Any, stack: Sequence[_Open]) -> tuple[str, str] | None:
    """Returns the code and the text for a node that is not allowed."""
    if isinstance(event, yaml.AliasEvent):
        if any(open_.anchor == event.anchor for open_ in stack):
            what = f"The alias `*{str(event.anchor)[:60]}` contains itself"
            return "recursive-alias", f"{what}. Write the value instead."
    elif event.tag not in (None, "!") and event.tag not in PLAIN_TAGS:
        return "yaml-tag", f"Suites cannot have tags such as `{event.tag[:60]}`. Remove the tag."
    elif isinstance(event, yaml.CollectionStartEvent):
        if len(stack) >= MAX_DEPTH:
            return "too-large", f"The value is nested deeper than {MAX_DEPTH} levels. Use fewer levels."
    elif len(event.value) > MAX_NUMBER and event.implicit[0] and NUMERIC.fullmatch(event.value):
        return "too-large", f"The number has {len(event.value):,} characters. Quote it if it is a text."
    return None


def _too_large(name: str) -> SuiteError:
    what = f"{name}: The file has more than {MAX_VALUES:,} values after the expansion of aliases"
    return SuiteError(f"{what}. Move data into files of their own.", code="too-large")


def _where(error: Exception) -> str:
    """Returns `line 3, column 5: This is not YAML: …`, in one line."""
    mark = getattr(error, "problem_mark", None)
    problem = " ".join((getattr(error, "problem", None) or str(error)).split())[:200]
    if "2002:value" in problem:
        problem = "`=` has a special meaning and needs quotes"
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}This is not YAML: {problem}"


class _Plain:
    """Copies a document into the types of JSON. The copy shares no values with the document."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.budget = MAX_VALUES * 2

    def error(self, code: str, path: str, what: str) -> SuiteError:
        return SuiteError(f"{self.name}: {path or 'the document'}: {what}", code=code)

    def mapping(self, value: dict[Any, Any], path: str, *, merged: bool, depth: int = 0) -> Document:
        return {
            (text := self.key(key, path, merged=merged)): self.value(
                item, f"{path}.{text[:60]}" if path else text[:60], merged=merged, depth=depth + 1
            )
            for key, item in value.items()
        }

    def key(self, key: object, path: str, *, merged: bool) -> str:
        if isinstance(key, str):
            if merged and not key:  # bzt's merge reads the first character of a key
                raise self.error("unusable-key", path, "A key is empty. Write a name.")
            return self.text(key, path)
        if isinstance(key, bool) and path.startswith("toril."):  # `on` and `off` are booleans in YAML
            return "on" if key else "off"
        if isinstance(key, (datetime.date, int, float)) or key is None:
            text = str(key).lower() if isinstance(key, bool) else "null" if key is None else str(key)
            if merged:
                what = f"The key `{text}` is not a text in YAML. Quote it: '{text}'."
                raise self.error("unusable-key", path, what)
            return text
        raise self.error("unusable-key", path, f"A key has the type {type(key).__name__}. Use a text.")

    def value(self, value: Any, path: str, *, merged: bool, depth: int = 0) -> Any:
        self.budget -= 1
        if self.budget < 0:
            raise _too_large(self.name)
        if depth > MAX_DEPTH:
            text = f"The value is nested deeper than {MAX_DEPTH} levels. Use fewer levels."
            raise self.error("too-large", path[:200], text)
        if isinstance(value, dict):
            return self.mapping(value, path, merged=merged, depth=depth)
        if isinstance(value, list):
            return [
                self.value(item, f"{path}[{index}]", merged=False, depth=depth + 1) for index, item in enumerate(value)
            ]
        if isinstance(value, str):
            return self.text(value, path)
        if isinstance(value, float) and not math.isfinite(value):
            what = f"`{value}` is not a usable number. Write a number, or quote it if it is a text."
            raise self.error("unusable-value", path, what)
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, datetime.date):
            return str(value)
        what = f"The value has the type {type(value).__name__}. Use text, numbers, lists and mappings."
        raise self.error("unusable-value", path, what)

    def text(self, value: str, path: str) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            what = "The text has an incomplete character (a lone surrogate). Write the whole character."
            raise self.error("unusable-value", path, what) from None
        return value


class _Lines:
    """A file's values by path, and its texts; lines count from 1."""

    def __init__(self, path: Path) -> None:
        self.name = _repository_path(path.absolute())
        self.by_path: dict[str, tuple[int, str | None]] = {}  # the line, and the text where it is one
        self.by_text: dict[str, int] = {}
        for place, node in _nodes(path):
            line, text = node.start_mark.line + 1, node.value if isinstance(node, yaml.ScalarNode) else None
            self.by_path[place] = line, text
            if text is not None:
                self.by_text.setdefault(text, line)


def places_of(criteria: Iterable[PlannedCriterion], files: Sequence[Path]) -> dict[str, SourcePlace]:
    """Returns the source line of each criterion, by its `where`; later files take precedence.

    If a merge or an override moved the criterion, its text is searched for.
    """
    read = [_Lines(path) for path in reversed(files)]
    places = {}
    for criterion in criteria:
        for lines in read:
            line = _line(criterion, lines, alone=len(read) == 1)
            if line is not None and lines.name is not None:
                places[criterion.where] = SourcePlace(file=lines.name, line=line)
                break
    return places


def line_of(file: Path, place: str) -> int | None:
    """Returns the line of the value at this path, or of the nearest value around it; None if there is neither."""
    try:
        _survey(_text(file, file.name), file.name)
    except (SuiteError, ValueError, RecursionError, yaml.YAMLError):  # a file that has no lines, or too many
        return None
    lines = {path: node.start_mark.line + 1 for path, node in reversed(list(_nodes(file)))}
    while place and place not in lines:
        place = place[: max(place.rfind("."), place.rfind("["), 0)]
    return lines.get(place) if place else None


def _line(criterion: PlannedCriterion, lines: _Lines, *, alone: bool) -> int | None:
    """Finds a criterion by path and text, else by its text; by its path alone in a suite of one file."""
    source = criterion.source
    if isinstance(source, dict) and len(source) == 1:  # a message and its criterion
        (source,) = source.values()
    text = source if isinstance(source, str) else None
    line, there = lines.by_path.get(criterion.where.partition(": ")[2], (None, None))
    if line is not None and (there == text or (there is None and text is None)):
        return line
    return lines.by_text.get(text or "", line if alone else None)


def _nodes(path: Path) -> Iterator[tuple[str, yaml.Node]]:
    """Yields every value with its path. The survey of the file has limited the expansion of aliases."""
    try:
        tops = list(yaml.compose_all(path.read_text("utf-8"), Loader=YAML_LOADER))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):  # JSON that is not YAML has no lines
        return
    todo = [("", node) for node in reversed(tops) if node is not None]
    while todo:
        place, node = todo.pop()
        yield place, node
        if isinstance(node, yaml.SequenceNode):
            todo += [(f"{place}[{index}]", item) for index, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    todo += _children(place, key.value, value)


def _children(place: str, key: str, value: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    many = key in ONE_OR_MANY and not isinstance(value, yaml.SequenceNode)
    shown = key[:MAX_MESSAGE] if place.endswith("criteria") else key
    inside = f"{place}.{shown}" if place else shown
    yield inside, value
    if many and not place.endswith("[0]"):
        yield f"{inside}[0]", value


def _repository_path(path: Path) -> str | None:
    """Returns a path relative to the repository's root, or to the current folder; None for files outside both."""
    root = next((folder for folder in path.parents if (folder / REPOSITORY).exists()), Path.cwd())
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else None
