"""`-o path.to.key=value`, with bzt's syntax.

Path parts are keys or list positions; `-1` appends; `^key` as the last part deletes; `*key` as the last part replaces
every key of that name below, with the value as text. Other values are YAML.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from toril.errors import SuiteError
from toril.suite.document import parse_value

HIGHEST_POSITION = 10_000  # a list is filled up to the position named; nobody means more
POSITION = re.compile(r"-?[0-9]{1,9}")


def apply_overrides(config: dict[str, Any], overrides: Iterable[str]) -> None:
    """Change `config` as each override says, in their order."""
    for override in overrides:
        path, equals, value = override.partition("=")
        if not equals:
            raise SuiteError(f"-o {override}: there is no `=`; write it like -o execution.0.concurrency=5")
        _apply(config, [int(part) if POSITION.fullmatch(part) else part for part in path.split(".")], value, override)


def _apply(config: dict[str, Any], path: list[str | int], value: str, override: str) -> None:
    if "" in path:
        raise SuiteError(f"-o {override}: the path has an empty part; write it like -o execution.0.concurrency=5")
    place: Any = config
    for part, following in pairwise(path):
        place = _entered(place, part, [] if isinstance(following, int) else {}, override)
    last = path[-1]
    if isinstance(last, int) and isinstance(place, list):
        _filled(place, last, {}, override)
    if isinstance(last, str) and last[0] == "*":
        _replace_everywhere(place, last[1:], value)
    elif isinstance(last, str) and last[0] == "^":
        _delete(place, last[1:], override)
    elif isinstance(place, dict):
        place[str(last)] = parse_value(value)
    elif isinstance(place, list) and isinstance(last, int):
        if last < 0:
            place.append(parse_value(value))
        else:
            place[last] = parse_value(value)
    else:
        raise _nowhere(place, last, override)


def _entered(place: Any, part: str | int, empty: Any, override: str) -> Any:
    """The value at `part`, made when there is none."""
    if isinstance(place, dict) and isinstance(part, str):
        return place.setdefault(part, empty)
    if isinstance(place, list) and isinstance(part, int):
        if part < 0:
            place.append(empty)
            return empty
        _filled(place, part, empty, override)
        return place[part]
    raise _nowhere(place, part, override)


def _filled(place: list[Any], position: int, empty: Any, override: str) -> None:
    if position > HIGHEST_POSITION:
        raise SuiteError(
            f"-o {override}: position {position} is beyond {HIGHEST_POSITION:,}; count from 0, or append with -1"
        )
    while len(place) <= position:
        place.append(type(empty)())


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


def _delete(place: Any, key: str, override: str) -> None:
    if isinstance(place, dict):
        place.pop(key, None)
    elif isinstance(place, list) and POSITION.fullmatch(key):
        if -len(place) <= int(key) < len(place):
            del place[int(key)]
    else:
        raise _nowhere(place, key, override)


def _nowhere(place: Any, part: str | int, override: str) -> SuiteError:
    kind = "a mapping" if isinstance(place, dict) else "a list" if isinstance(place, list) else f"`{str(place)[:40]}`"
    fix = (
        "name a position in it, or -1 to append"
        if isinstance(place, list)
        else "name a key that holds a mapping or a list"
    )
    return SuiteError(f"-o {override}: `{part}` leads nowhere, there is {kind}; {fix}")
