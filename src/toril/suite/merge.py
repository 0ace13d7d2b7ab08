"""Finds the files of a suite and merges their documents by bzt's rules; then applies the overrides of `-o`.

Mappings merge deeply, lists append, other values are replaced. A key's prefix changes that: `~key` replaces, `^key`
deletes, `$key` merges a list item by item. Inside a list's items, and in a mapping that replaces another value,
prefixes have no effect.

An override is `path.to.key=value`. Path parts are keys or list positions; `-1` appends. As the last part, `^key`
deletes, and `*key` replaces every key of that name below with the value as text. Other values are YAML.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

from toril.errors import Note, SuiteError
from toril.suite.documents import load, parse_value
from toril.suite.files import SUITE_NAMES, URL
from toril.suite.reader import quoted
from toril.text import nearest

PREFIXES = ("~", "^", "$")
TOP_KEYS = ("reporting", "toril", "execution", "scenarios", "settings", "modules", "services")
SIMILAR = 0.85  # `critera` is like `criteria`, but not `iterations`
MAX_INCLUDES = 100
MAX_POSITION = 10_000  # a list is filled up to the position of an override; a larger one is a typing error
POSITION = re.compile(r"-?[0-9]{1,9}")


def suite_files(paths: Sequence[str | Path]) -> list[Path]:
    """Returns the Taurus files that the command's arguments name."""
    if not paths:
        text = "The command has no suite. Name a Taurus file, or a folder with a suite.yml."
        raise SuiteError(text, code="no-suite")
    files = []
    for written in paths:
        path = Path(written)
        if URL.match(str(written)):
            text = f"{written}: This is an address. Write a suite with `requests: [{written}]`."
            raise SuiteError(text, code="not-a-suite")
        if path.suffix.lower() in (".jmx", ".jtl", ".py"):
            fix = f"Write a suite.yml with `execution: [{{scenario: {path.name}}}]`."
            text = f"{path}: This is a script, not a suite. {fix}"
            raise SuiteError(text, code="not-a-suite")
        if not os.path.isdir(path):  # noqa: PTH112 - unlike Path's, it never raises
            files.append(path)
            continue
        if len(paths) > 1:
            text = f"{path}: toril does not merge suites in folders. Name one folder, or files only."
            raise SuiteError(text, code="several-suites")
        inside = [path / name for name in SUITE_NAMES if (path / name).is_file()]
        if not inside:
            text = f"{path}: The folder has no suite.yml. Add one, or name the Taurus file."
            raise SuiteError(text, code="no-suite")
        files.append(inside[0])
    return files


def merged_configuration(
    files: Sequence[Path], *, confined: bool = False
) -> tuple[dict[str, Any], list[Path], list[Note]]:
    """Returns the merged configuration, all files that it was merged from, and warnings.

    `confined`: includes only files of the suite's folder.
    """
    merged: dict[str, Any] = {}
    used: list[Path] = []
    warnings: list[Note] = []

    def add(path: Path, name: str) -> None:
        documents, notes = load(path, name)
        for document in documents:
            merge(merged, document)
        used.append(path)
        warnings.extend(notes)

    for file in files:
        add(file, file.name)
    included = [str(file) for file in files]
    while "included-configs" in merged:
        names = merged.pop("included-configs") or []
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            text = f"{quoted(names)} is not a list of files. Write it like `included-configs: [base.yml]`."
            raise _bad_include(files, text)
        if len(included) + len(names) > MAX_INCLUDES:
            raise _bad_include(files, f"The suite includes more than {MAX_INCLUDES} files. Merge some of them.")
        fresh = [name for name in dict.fromkeys(names) if name not in included]
        included += names
        for name in fresh:
            add(_included(name, files, confined=confined), name)
    return merged, used, warnings


def _included(name: str, files: Sequence[Path], *, confined: bool) -> Path:
    """Returns the path where bzt finds the file: in the working folder, then in those of the suite's files."""
    if URL.match(name):
        raise _bad_include(files, f"`{name[:80]}` is an address. Download the file into the suite's folder.")
    folders = [file.parent for file in files] if confined else [Path(), *(file.parent for file in files)]
    try:
        for folder in folders:
            path = folder / Path(name).expanduser()
            if path.exists() and not (confined and not path.resolve().is_relative_to(folder.resolve())):
                return path
    except (OSError, ValueError, RuntimeError):
        pass
    raise _bad_include(files, f"{name[:80]!r} does not exist. Correct the path.")


def _bad_include(files: Sequence[Path], what: str) -> SuiteError:
    return SuiteError(f"{files[0].name}: included-configs: {what}", code="bad-include")


def merge(target: dict[str, Any], source: dict[str, Any]) -> None:
    """Merges `source` into `target`; the two share no values afterwards."""
    for written, value in source.items():
        prefix, key = (written[0], written[1:]) if written[:1] in PREFIXES else ("", written)
        if prefix in ("^", "~"):
            target.pop(key, None)
        if prefix == "^":
            continue
        if isinstance(value, dict):
            present = target.setdefault(key, {})
            if isinstance(present, dict):
                merge(present, value)
            else:
                target[key] = deepcopy(value)
        elif isinstance(value, list):
            present = target.setdefault(key, [])
            if not isinstance(present, list):
                target[key] = deepcopy(value)
            elif prefix == "$":
                _merge_items(present, value)
            else:
                present.extend(deepcopy(value))
        else:
            target[key] = value


def _merge_items(target: list[Any], source: list[Any]) -> None:
    for index, value in enumerate(source):
        if index >= len(target):
            target.append(deepcopy(value))
        elif isinstance(target[index], dict) and isinstance(value, dict):
            merge(target[index], value)
        else:
            target[index] = deepcopy(value)


class _OverrideError(Exception):
    """A wrong override; the message says what is wrong, and the fix."""


def apply_overrides(config: dict[str, Any], overrides: Iterable[str]) -> None:
    """Applies the overrides to `config` in their order."""
    for override in overrides:
        path, equals, value = override.partition("=")
        try:
            if not equals:
                raise _OverrideError("The override has no `=`. Write it like `-o execution.0.concurrency=5`.")
            _apply(config, [int(part) if POSITION.fullmatch(part) else part for part in path.split(".")], value)
        except _OverrideError as error:
            raise SuiteError(f"-o {override}: {error}", code="bad-override") from None


def _apply(config: dict[str, Any], path: list[str | int], value: str) -> None:
    if "" in path:
        raise _OverrideError("The path has an empty part. Write it like `-o execution.0.concurrency=5`.")
    place: Any = config
    for part, following in pairwise(path):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(place, dict) and isinstance(part, str):
            place = place.setdefault(part, empty)
        elif isinstance(place, list) and isinstance(part, int):
            place = place[_position(place, part, empty)]
        else:
            raise _no_such_place(place, part)
    last = path[-1]
    if isinstance(last, str) and last[0] == "*":
        _replace_everywhere(place, last[1:], value)
    elif isinstance(last, str) and last[0] == "^":
        _delete(place, last[1:])
    elif isinstance(place, dict):
        place[str(last)] = parse_value(value)
    elif isinstance(place, list) and isinstance(last, int):
        place[_position(place, last, {})] = parse_value(value)
    else:
        raise _no_such_place(place, last)


def _position(place: list[Any], position: int, empty: Any) -> int:
    """Returns the position in a list, which is filled up to it; a negative position appends `empty`."""
    if position > MAX_POSITION:
        raise _OverrideError(f"Position {position} is above {MAX_POSITION:,}. Count from 0, or append with -1.")
    if position < 0:
        place.append(empty)
        return len(place) - 1
    while len(place) <= position:
        place.append(type(empty)())
    return position


def _replace_everywhere(place: Any, key: str, value: str) -> None:
    if isinstance(place, dict):
        for item in place.values():
            _replace_everywhere(item, key, value)
        if key in place:
            place[key] = value
    elif isinstance(place, list):
        for item in place:
            if isinstance(item, dict):
                _replace_everywhere(item, key, value)
        if key in place:
            place[place.index(key)] = value


def _delete(place: Any, key: str) -> None:
    if isinstance(place, dict):
        place.pop(key, None)
    elif isinstance(place, list) and POSITION.fullmatch(key):
        if -len(place) <= int(key) < len(place):
            del place[int(key)]
    else:
        raise _no_such_place(place, key)


def _no_such_place(place: Any, part: str | int) -> _OverrideError:
    kind, fix = f"the value `{str(place)[:40]}`", "Name a key of a mapping or a list."
    if isinstance(place, dict):
        kind = "a mapping"
    elif isinstance(place, list):
        kind, fix = "a list", "Name a position in it, or -1 to append."
    return _OverrideError(f"`{part}` does not exist in {kind}. {fix}")


def check_top_keys(config: Mapping[str, Any], source: str) -> None:
    """Raises SuiteError for a top-level key that is similar to a known one, since bzt and toril would ignore it."""
    for key in config:
        if key not in TOP_KEYS and (meant := similar(key, TOP_KEYS)):
            text = f"{source}: {quoted(key)}: bzt and toril ignore this key. Did you mean `{meant}`?"
            raise SuiteError(text, code="unknown-key")


def similar(key: str, known: Iterable[str]) -> str | None:
    """Returns the known key that `key` resembles, with or without a prefix of bzt's merge."""
    return nearest(key.strip().lstrip("".join(PREFIXES)), known, cutoff=SIMILAR)
