"""Executions that only read the results of another tool: their file, and no load of their own."""

import difflib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from toril.suite.door import Door, shown
from toril.suite.scenarios import Scenarios

LOADER = "external-results-loader"
WAITS = ("wait-for-file", "results-timeout")
KEYS = (*WAITS, "recorded")


def check_external(item: dict[str, Any], scenarios: Scenarios, door: Door, path: str, *, alone: bool) -> None:
    """Take the results file along, if it is there already; SuiteError when none is named.

    `alone`: the suite starts nothing that could write it.
    """
    named = item.get("scenario")
    scenario = scenarios.named.get(named) if isinstance(named, str) else named
    holders = [(item, path), *([(scenario, f"{path}.scenario")] if isinstance(scenario, dict) else [])]
    if not any(holder.get(key) for holder, _ in holders for key in ("data-file", "data-file-pattern")):
        raise door.error(f"{path}.data-file", "missing", "name the file that another tool writes its results to")
    for key in WAITS:
        door.seconds(item.get(key), f"{path}.{key}")
    if not isinstance(item.get("recorded", False), bool):
        raise door.error(f"{path}.recorded", shown(item["recorded"]), "write true for results of an earlier run")
    for key in item:
        if key not in KEYS and (near := difflib.get_close_matches(key[:60], KEYS, n=1, cutoff=0.8)):
            raise door.error(f"{path}.{key}", "unknown", f"did you mean `{near[0]}`?")
    for holder, where in holders:
        pattern = holder.get("data-file-pattern")
        if pattern is not None and not isinstance(pattern, str):
            raise door.error(f"{where}.data-file-pattern", "no text", "write it like `data-file-pattern: out/*.jtl`")
        if holder.get("errors-file"):
            door.warn(f"{where}.errors-file", "is not read: why a request failed is in the results themselves")
        file = holder.get("data-file")
        if file is None:
            continue
        text = door.resolved(file, f"{where}.data-file", "name a file")
        if not isinstance(text, str):
            raise door.error(f"{where}.data-file", "no name of a file", "write it like `data-file: results.jtl`")
        if Path(text).is_absolute() or "${" in text:
            continue
        if scenarios.files.existing(text) is not None:
            holder["data-file"] = scenarios.files.find(text, f"{where}.data-file", kind="results file")
        elif alone:
            door.warn(f"{where}.data-file", "does not exist yet: the worker waits for it, see `wait-for-file`")


def refuse_load(load: Mapping[str, int | float | Fraction | None], door: Door, path: str) -> None:
    """SuiteError for a load key: whoever wrote the file decided on the load."""
    for key, value in load.items():
        if value:
            what = "set, but the load is what the other tool has made of it"
            raise door.error(f"{path}.{key}", what, "leave it out")
