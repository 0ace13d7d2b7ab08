"""Stages: the addresses, secrets and limits of a suite in one environment. The load stays that of the suite."""

from collections.abc import Iterator, Mapping
from typing import Any

from toril.errors import SuiteError
from toril.suite.reader import Environment, SuiteReader, mapping_at, quoted
from toril.suite.retarget import checked_address
from toril.suite.settings import StageBlock
from toril.text import suggestion

# Keys whose values may differ between stages, wherever they are
FREE = {
    "criteria", "description", "env", "modules", "notify", "reporting", "secrets", "services", "stages", "tags", "until"
}  # fmt: skip
PACE = {"include-scenario", "loop", "script", "think-time"}  # keys of scenarios that belong to the load


def apply_stage(merged: dict[str, Any], name: str, source: str, against: str | None) -> str | None:
    """Adds variables and secrets of a stage to the merged suite, in place of the suite's own.

    Returns `against` or the stage's address, if there is one. SuiteError for an unknown stage.
    """
    stages = mapping_at(merged, "toril", "stages")
    if name not in stages:
        fix = suggestion(name, stages) if stages else "Add it to `toril.stages`."
        raise SuiteError(f"--stage {name[:60]}: {source} has no such stage. {fix}", code="unknown-stage")
    path = f"toril.stages.{name[:60]}"
    stage = StageBlock.read(
        stages[name], path, lambda code, where, text: SuiteError(f"{source}: {where}: {text}", code=code)
    )
    for holder, key, values in (("settings", "env", stage.env), ("toril", "secrets", stage.secrets)):
        if values:
            merged[holder] = {**mapping_at(merged, holder), key: {**mapping_at(merged, holder, key), **values}}
    own = stage.default_address
    return against if against or own is None else checked_address(f"{source}: {path}.default-address", own)


def check_load(merged: Mapping[str, Any], name: str, without: Environment, reader: SuiteReader) -> None:
    """Raises SuiteError if variables of a stage change the load. `without`: the environment without the stage."""
    for text in _of_load(merged):
        if reader.environment.resolve(text) != without.resolve(text):
            what = f"{quoted(text)} is a part of the load, and depends on a variable of this stage"
            fix = "Write the value itself. A stage changes only addresses, secrets and criteria."
            raise reader.error("stage-changes-load", f"toril.stages.{name[:60]}.env", f"{what}. {fix}")


def _of_load(value: Any, key: str = "", *, in_scenario: bool = False) -> Iterator[str]:
    """Yields the texts with references that decide the load."""
    if isinstance(value, dict):
        for name, item in value.items():
            inside = in_scenario or name == "scenarios" or (name == "scenario" and isinstance(item, dict))
            if name not in FREE:
                yield from _of_load(item, str(name), in_scenario=inside)
    elif isinstance(value, list):
        for item in value:
            yield from _of_load(item, key, in_scenario=in_scenario)
    elif isinstance(value, str) and "${" in value and (not in_scenario or key in PACE):
        yield value
