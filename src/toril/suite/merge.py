"""Which files make a suite, and their documents as one configuration: merged by bzt's rules, then overridden by `-o`.

Mappings merge deeply, lists append, anything else is replaced. A key's prefix changes that: `~key` replaces, `^key`
deletes, `$key` merges a list item by item. Inside a list's items, and in a mapping that replaces something else,
prefixes mean nothing.

An override is `path.to.key=value`. Path parts are keys or list positions; `-1` appends; `^key` as the last part
deletes; `*key` as the last part replaces every key of that name below, with the value as text. Other values are YAML.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

from toril.errors import SuiteError
from toril.suite.documents import load, parse_value
from toril.suite.files import SUITE_NAMES, URL
from toril.suite.reader import Note, quoted
from toril.text import nearest

PREFIXES = ("~", "^", "$")
TOP_KEYS = ("reporting", "toril", "execution", "scenarios", "settings", "modules", "services")
SIMILAR = 0.85  # `critera` is like `criteria`, but not `iterations`
MAX_INCLUDES = 100
MAX_POSITION = 10_000  # a list is filled up to the position of an override; a larger one is a slip
POSITION = re.compile(r"-?[0-9]{1,9}")


def suite_files(paths: Sequence[str | Path]) -> list[Path]:
    """The Taurus files that the command's arguments name."""
    if not paths:
        raise SuiteError("no suite is named; give a Taurus file, or a folder with a suite.yml", code="no-suite")
    found = []
    for written in paths:
        path = Path(written)
        if URL.match(str(written)):
            text = f"{written} is an address; write a suite with `requests: [{written}]`"
            raise SuiteError(text, code="not-a-suite")
        if path.suffix.lower() in (".jmx", ".jtl", ".py"):
            text = f"{path} is a script, not a suite; write a suite.yml with `execution: [{{scenario: {path.name}}}]`"
            raise SuiteError(text, code="not-a-suite")
        try:
            folder = path.is_dir()
        except (OSError, ValueError):
            folder = False
        if not folder:
            found.append(path)
            continue
        if len(paths) > 1:
            text = f"{path} is a folder, and suites in folders are not merged; give one folder, or files only"
            raise SuiteError(text, code="several-suites")
        inside = [path / name for name in SUITE_NAMES if (path / name).is_file()]
        if not inside:
            raise SuiteError(f"{path} has no suite.yml; add one, or name the Taurus file", code="no-suite")
        found.append(inside[0])
    return found


def merged_configuration(files: Sequence[Path]) -> tuple[dict[str, Any], list[Path], list[Note]]:
    """The merged configuration, every file that went into it, and warnings."""
    merged: dict[str, Any] = {}
    used: list[Path] = []
    warnings: list[Note] = []

    def add(path: Path, name: str) -> None:
        documents, found = load(path, name)
        for document in documents:
            merge(merged, document)
        used.append(path)
        warnings.extend(found)

    for file in files:
        add(file, file.name)
    included = [str(file) for file in files]
    while "included-configs" in merged:
        names = merged.pop("included-configs") or []
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise _bad_include(files, "is no list of files; write it like `included-configs: [base.yml]`")
        if len(included) + len(names) > MAX_INCLUDES:
            raise _bad_include(files, f"names more than {MAX_INCLUDES} files; merge some of them")
        fresh = [name for name in dict.fromkeys(names) if name not in included]
        included += names
        for name in fresh:
            add(_included(name, files), name)
    return merged, used, warnings


def _included(name: str, files: Sequence[Path]) -> Path:
    """Where bzt finds it: from the working folder, then from those of the suite's files."""
    if URL.match(name):
        raise _bad_include(files, f"names the address {name[:80]}; download it beside the suite")
    try:
        for folder in (Path(), *(file.parent for file in files)):
            path = folder / Path(name).expanduser()
            if path.exists():
                return path
    except (OSError, ValueError, RuntimeError):
        pass
    raise _bad_include(files, f"names {name[:80]!r}, which does not exist; correct the path")


def _bad_include(files: Sequence[Path], what: str) -> SuiteError:
    return SuiteError(f"{files[0].name}: included-configs {what}", code="bad-include")


def merge(target: dict[str, Any], source: dict[str, Any]) -> None:
    """Merge `source` into `target`; nothing is shared between the two afterwards."""
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
    """What is wrong with an override."""


def apply_overrides(config: dict[str, Any], overrides: Iterable[str]) -> None:
    """Change `config` as each override says, in their order."""
    for override in overrides:
        path, equals, value = override.partition("=")
        try:
            if not equals:
                raise _OverrideError("there is no `=`; write it like -o execution.0.concurrency=5")
            _apply(config, [int(part) if POSITION.fullmatch(part) else part for part in path.split(".")], value)
        except _OverrideError as error:
            raise SuiteError(f"-o {override}: {error}", code="bad-override") from None


def _apply(config: dict[str, Any], path: list[str | int], value: str) -> None:
    if "" in path:
        raise _OverrideError("the path has an empty part; write it like -o execution.0.concurrency=5")
    place: Any = config
    for part, following in pairwise(path):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(place, dict) and isinstance(part, str):
            place = place.setdefault(part, empty)
        elif isinstance(place, list) and isinstance(part, int):
            place = place[_position(place, part, empty)]
        else:
            raise _nowhere(place, part)
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
        raise _nowhere(place, last)


def _position(place: list[Any], position: int, empty: Any) -> int:
    """The position in a list that is filled up to it; a negative one appends `empty`."""
    if position > MAX_POSITION:
        raise _OverrideError(f"position {position} is beyond {MAX_POSITION:,}; count from 0, or append with -1")
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
        raise _nowhere(place, key)


def _nowhere(place: Any, part: str | int) -> _OverrideError:
    kind, fix = f"`{str(place)[:40]}`", "name a key that holds a mapping or a list"
    if isinstance(place, dict):
        kind = "a mapping"
    elif isinstance(place, list):
        kind, fix = "a list", "name a position in it, or -1 to append"
    return _OverrideError(f"`{part}` leads nowhere, there is {kind}; {fix}")


def check_top_keys(config: Mapping[str, Any], source: str) -> None:
    """SuiteError for a key at the top that is similar to one of bzt's or toril's: both would ignore it."""
    for key in config:
        if key not in TOP_KEYS and (meant := similar(key, TOP_KEYS)):
            text = f"{source}: {quoted(key)} at the top is ignored by bzt and toril; did you mean `{meant}`?"
            raise SuiteError(text, code="unknown-key")


def similar(key: str, known: Iterable[str]) -> str | None:
    """The known key that `key` is a slip of, or that has a prefix where there is nothing to merge with."""
    return nearest(key.strip().lstrip("".join(PREFIXES)), known, cutoff=SIMILAR)
