"""Criteria that no run would ever judge must not look as if one did.

bzt ignores keys that it does not know, so a slip in a key (`critera:`), or criteria in another place than theirs, would
pass every run. Looked at are the places where people write criteria; never what a request carries, such as its body.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toril.errors import SuiteError
from toril.suite.door import Door, shown

NAMES = ("criteria", "criterion", "criterions", "criterias")
TOP = ("reporting", "toril", "execution", "scenarios", "settings", "modules", "services")
NEAR = 0.85  # `critera`, but not `iterations`
MERGING = "~^$"  # bzt's prefixes of a key, which mean nothing where there is nothing to merge with


def refuse_misplaced(config: Mapping[str, Any], judging: Sequence[str], door: Door) -> None:
    """Refuse what looks like criteria, and is where nobody judges it. `judging` are passfail's names in this suite."""
    for path, is_right, holder in _holders(config):
        for key in holder:
            if key == "criteria" and is_right:
                continue
            if isinstance(key, str) and _near(key, NAMES) and holder[key]:
                raise _error(path, key, is_right, door)
    for key in config:
        if key not in TOP and any(_module(item) in judging for item in _items(config[key])):
            raise door.error(
                shown(key), "where bzt does not look for passfail", "write `reporting: [{module: passfail, …}]`"
            )
    for index, service in enumerate(_items(config.get("services"))):
        if _module(service) in judging:
            raise door.error(f"services[{index}]", "passfail, which is no service", "move it to `reporting`")
    for index, reporter in _listed(config.get("reporting")):
        if reporter.get("criteria") and reporter.get("module") not in judging:
            what = f"of the module `{str(reporter.get('module'))[:60]}`, which judges nothing"
            raise door.error(f"reporting[{index}].criteria", what, "criteria need `module: passfail`")
    for name in judging:
        if isinstance(config.get(name), dict):
            raise door.error(name, "at the top, where bzt ignores it", "write `reporting: [{module: passfail, …}]`")


def refuse_slips(config: Mapping[str, Any], source: str) -> None:
    """Refuse a key at the top that is nearly one of bzt's or ours: both would ignore it."""
    for key in config:
        if key not in TOP and (meant := _near(key, TOP)):
            raise SuiteError(f"{source}: {shown(key)} at the top is ignored by bzt and toril; did you mean `{meant}`?")


def _holders(config: Mapping[str, Any]) -> Iterator[tuple[str, bool, Mapping[Any, Any]]]:
    """Path, whether criteria are judged there, and mapping, of every place where people write criteria."""
    yield "", False, config
    for path in ("settings", "modules", "cli"):
        if isinstance(config.get(path), dict):
            yield f"{path}.", False, config[path]
    for index, reporter in _listed(config.get("reporting")):
        yield f"reporting[{index}].", True, reporter
    for index, execution in _listed(config.get("execution")):
        yield f"execution[{index}].", True, execution
        if isinstance(execution.get("scenario"), dict):
            yield f"execution[{index}].scenario.", True, execution["scenario"]
    for parent, is_right in (("scenarios", True), ("modules", False)):
        children = config.get(parent)
        for name, child in children.items() if isinstance(children, dict) else ():
            if isinstance(child, dict):
                yield f"{parent}.{str(name)[:60]}.", is_right, child


def _items(written: object) -> list[Any]:
    return written if isinstance(written, list) else []


def _module(item: object) -> object:
    return item.get("module") if isinstance(item, dict) else item


def _listed(written: object) -> list[tuple[int, dict[Any, Any]]]:
    items = written if isinstance(written, list) else [written]
    return [(index, item) for index, item in enumerate(items) if isinstance(item, dict)]


def _error(path: str, key: str, is_right: bool, door: Door) -> Exception:
    where = f"{path}{key}"
    if is_right:
        return door.error(where, "a key that bzt ignores", "write `criteria`")
    if not path:
        return door.error(where, "at the top, where bzt ignores them", "move them to `reporting`")
    return door.error(where, "where bzt ignores them", "move them to `reporting`")


def _near(key: str, known: Sequence[str]) -> str | None:
    found = difflib.get_close_matches(key.strip().lstrip(MERGING).casefold()[:30], known, n=1, cutoff=NEAR)
    return found[0] if found else None
