"""A suite: Taurus files as bzt would merge them, checked at the door; past it every value is typed and valid."""

import os
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toril.errors import SuiteError
from toril.records import PlannedCriterion, SourcePlace
from toril.suite.against import aim
from toril.suite.browsers import check_browsers
from toril.suite.capacity import check_criteria
from toril.suite.criteria import read_criteria
from toril.suite.door import Door
from toril.suite.environment import Environment
from toril.suite.executions import PROVISIONING, Execution, read_executions
from toril.suite.fetch import checked_names
from toril.suite.files import SUITE_NAMES, Files
from toril.suite.functional import check_aggregator, is_functional, refuse_criteria
from toril.suite.merged import merged_configuration, suite_files
from toril.suite.misplaced import refuse_slips
from toril.suite.overrides import apply_overrides
from toril.suite.places import places_of
from toril.suite.scenarios import Scenarios
from toril.suite.secrets import check_secrets, declared
from toril.suite.settings import TorilSettings, read_settings
from toril.suite.vegeta import setting_for as vegeta_setting

__all__ = ["Execution", "Suite", "TorilSettings", "read_suite"]

NOT_COMMON = (
    "execution",
    "reporting",
    "toril",
    "criteria",
    "locations",
    "provisioning",
    "cli-aliases",
    "included-configs",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """What to run, what to judge, and the files that it takes."""

    name: str
    source: str  # the files as messages name them
    folder: Path  # script paths are relative to it
    files: tuple[Path, ...]  # everything a run takes along, relative to the folder
    executions: tuple[Execution, ...]
    common: dict[str, Any]  # the merged configuration that all workers share
    criteria: tuple[PlannedCriterion, ...]
    toril: TorilSettings
    data_rows: Mapping[str, int]  # the files of `split-data`, and how many rows each has (counted up to a thousand)
    ramp_up_exclude: bool
    warnings: tuple[str, ...]
    functional: bool = False  # test cases are what counts, each carried out once
    unset: tuple[str, ...] = ()  # addresses that no worker can resolve: such a suite can be read, and not run
    variable: str | None = None  # holds the address, where another one than the suite's own is loaded
    places: Mapping[str, SourcePlace] = field(default_factory=dict)  # PlannedCriterion.where → its line, if known


def read_suite(
    paths: Sequence[str | Path],
    *,
    overrides: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    on: str = "local",
    locations: Mapping[str, str] | None = None,
    system: Mapping[str, str] | None = None,
    against: str | None = None,
) -> Suite:
    """The suite in `paths` (Taurus files, or one folder with a suite.yml); SuiteError says where, what and the fix.

    `env` is what `--env` said, `system` the machine's environment (by default this process's), `against` an address to
    load instead of the suite's own. `locations`, with their weights, take the place of those in the file.
    """
    if on not in PROVISIONING:
        raise SuiteError(f"--on {on}: expected {' or '.join(PROVISIONING)}")
    files = suite_files(paths)
    merged, used, warnings = merged_configuration(files)
    apply_overrides(merged, overrides)
    if locations:
        _relocate(merged, locations)
    source = " + ".join(file.name for file in files)
    refuse_slips(merged, source)
    variable = None if against is None else aim(merged, against, source)
    env = {name: value for name, value in (env or {}).items() if name != variable}
    system = dict(os.environ if system is None else system)
    settings_env, secrets = _settings_env(merged, source), declared(merged)
    door = Door(source, Environment(env, settings_env, system, secrets))
    workers = Environment(env, settings_env, system if on == "local" else {}, secrets)
    door.properties = _jmeter_properties(merged)
    folder = files[0].parent.resolve()
    found = Files(folder, [*(file.parent.resolve() for file in used), Path.cwd()], door)
    scenarios = Scenarios(merged.get("scenarios"), door, found, workers)
    toril = read_settings(door.environment.resolve_all(merged.get("toril")), source)
    check_secrets(toril.secrets, merged, env, source)
    check_aggregator(merged, source)
    executions = read_executions(merged, scenarios, door, on, toril.curves, toril.capacity)
    check_browsers(toril.browsers, {execution.name: execution.executor for execution in executions}, source)
    criteria = read_criteria({**merged, "scenarios": scenarios.named}, toril.criteria, executions, door, on)
    check_criteria(criteria, {one.name: one.search for one in executions if one.search}, door)
    if is_functional(merged):
        refuse_criteria(criteria[0].where if criteria else None)
    data_rows = _split_data(toril, found, scenarios.named, door)
    for file in used:
        found.add(file)
    if files[0].name in SUITE_NAMES:
        found.add_folder()
    else:
        found.warn_of_left_behind()
    checked_names(file.as_posix() for file in found.sorted())
    _warn_of_ignored(merged, door)
    return Suite(
        name=_name(files[0]),
        source=source,
        folder=folder,
        files=found.sorted(),
        executions=executions,
        common=_common(merged, scenarios, env),
        criteria=criteria,
        places=places_of(criteria, used),
        toril=toril,
        data_rows=data_rows,
        ramp_up_exclude=_ramp_up_exclude(merged, door),
        functional=is_functional(merged),
        warnings=(*warnings, *door.warnings, *scenarios.unset),
        unset=tuple(scenarios.unset),
        variable=variable,
    )


def _relocate(merged: dict[str, Any], locations: Mapping[str, str]) -> None:
    """Let every execution come from there; one that is no mapping is refused where executions are read."""
    merged.pop("locations", None)
    written = merged.get("execution")
    for item in written if isinstance(written, list) else [written]:
        if isinstance(item, dict):
            item["locations"] = dict(locations)


def _settings(merged: Mapping[str, Any], source: str) -> dict[str, Any]:
    settings = merged.get("settings")
    if settings is not None and not isinstance(settings, dict):
        raise SuiteError(f"{source}: settings is no mapping; write keys below it, such as `env: {{NAME: value}}`")
    return settings or {}


def _settings_env(merged: Mapping[str, Any], source: str) -> dict[str, Any]:
    written = _settings(merged, source).get("env")
    if written is None:
        return {}
    if not isinstance(written, dict) or any(isinstance(value, (dict, list)) for value in written.values()):
        raise SuiteError(
            f"{source}: settings.env is no mapping of names to texts; write it like `env: {{NAME: value}}`"
        )
    return written


def _common(merged: Mapping[str, Any], scenarios: Scenarios, env: Mapping[str, str]) -> dict[str, Any]:
    """What all workers share; `--env` stays a reference, so that its values are in the workers' environment only."""
    common = {key: deepcopy(value) for key, value in merged.items() if key not in NOT_COMMON}
    common["scenarios"] = {
        name: {key: value for key, value in scenario.items() if key != "criteria"}
        if isinstance(scenario, dict)
        else scenario
        for name, scenario in deepcopy(scenarios.named).items()
    }
    if env:
        settings = common.setdefault("settings", None) or {}
        common["settings"] = {
            **settings,
            "env": {**(settings.get("env") or {}), **{name: f"${{{name}}}" for name in env}},
        }
    return common


def _ramp_up_exclude(merged: Mapping[str, Any], door: Door) -> bool:
    written = _settings(merged, door.name).get("ramp-up-exclude", False)
    if not isinstance(written, bool):
        raise door.error("settings.ramp-up-exclude", repr(written)[:60], "write true or false")
    return written


def _jmeter_properties(merged: Mapping[str, Any]) -> dict[str, Any]:
    found: Any = merged
    for key in ("modules", "jmeter", "properties"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _split_data(toril: TorilSettings, files: Files, scenarios: Mapping[str, Any], door: Door) -> dict[str, int]:
    paths = [
        files.find(name, f"toril.split-data[{index}]", kind="data file") for index, name in enumerate(toril.split_data)
    ]
    for name, scenario in scenarios.items():
        sources = scenario.get("data-sources") if isinstance(scenario, dict) else None
        for index, source in enumerate(sources if isinstance(sources, list) else ()):
            if isinstance(source, dict) and source.get("variable-names") and source.get("path") in toril.split_data:
                where = f"scenarios.{name}.data-sources[{index}].variable-names"
                what = "set for a file of `split-data`, whose first row is the header and not divided"
                raise door.error(where, what, "write the names as the file's first row, and leave them out here")
    return {path: files.rows(path) for path in paths}


def _warn_of_ignored(merged: Mapping[str, Any], door: Door) -> None:
    provisioning = merged.get("provisioning")
    if provisioning not in (None, "local"):
        door.warn("provisioning", f"({str(provisioning)[:40]}) is ignored: --on says where the workers run")
    modules = merged.get("modules")
    modules = modules if isinstance(modules, dict) else {}
    for key in modules.get("vegeta") or ():  # toril's own settings take its place
        raise door.error(f"modules.vegeta.{str(key)[:60]}", "ignored by toril's engine", vegeta_setting(str(key)))
    local = modules.get("local")
    if isinstance(local, dict) and (local.get("sequential") or local.get("capacity")):
        door.warn(
            "modules.local",
            "makes executions wait for each other, which the plan's times do not know; `delay` says when each starts",
        )


def _name(file: Path) -> str:
    """The folder's name for a suite.yml, else the file's."""
    stem = file.resolve().parent.name if file.name in SUITE_NAMES else file.stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.")[:60] or "suite"
