"""A suite: Taurus files, merged by bzt's rules and read once into typed and valid values."""

import math
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toril.errors import Note, SuiteError
from toril.records import PlannedCriterion, SourcePlace
from toril.suite.capacity import check_criteria
from toril.suite.criteria import check_service, check_sources, read_criteria
from toril.suite.documents import places_of
from toril.suite.executions import (
    PROVISIONING,
    Execution,
    ExecutionReader,
    check_browsers,
    is_functional,
)
from toril.suite.faults import with_faults
from toril.suite.fetch import checked_names
from toril.suite.files import SUITE_NAMES, WHEELS, SuiteFiles
from toril.suite.imports import warn_of_missing_imports
from toril.suite.k6 import read_thresholds
from toril.suite.merge import apply_overrides, check_top_keys, merged_configuration, suite_files
from toril.suite.reader import Environment, SuiteReader, list_at, mapping_at
from toril.suite.requests import OWN, engine_setting_advice
from toril.suite.retarget import retarget
from toril.suite.scenarios import Scenarios
from toril.suite.settings import TorilSettings, check_secrets, read_settings, secret_names
from toril.suite.stages import apply_stage, check_load

if TYPE_CHECKING:
    from toril.suite.packages import Locked  # imports a library that few suites need

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
    """The executions to run, the criteria to judge, and the files that the run needs."""

    name: str
    source: str  # the names of its files, for messages
    folder: Path  # script paths are relative to it
    files: tuple[Path, ...]  # all files that workers receive, relative to the folder
    executions: tuple[Execution, ...]
    common: dict[str, Any]  # the merged configuration that all workers share
    criteria: tuple[PlannedCriterion, ...]
    toril: TorilSettings
    data_rows: Mapping[str, int]  # files of `split-data` and their numbers of rows (counted up to a thousand)
    ramp_up_exclude: bool
    warnings: tuple[Note, ...]
    functional: bool = False  # whether it runs each test case once, and judges the test cases
    unset: tuple[Note, ...] = ()  # references that no worker can resolve; such a suite can be read but not run
    named: tuple[Path, ...] = ()  # files that the suite or its scripts name: only these change a run
    once: tuple[str, ...] = ()  # files of `data_rows` whose rows are used once, with their exact numbers
    variable: str | None = None  # the variable that holds the address, if `against` replaced the suite's own
    scenarios: Mapping[str, Any] = field(default_factory=dict)  # with the values of references, as workers read them
    places: Mapping[str, SourcePlace] = field(default_factory=dict)  # PlannedCriterion.where → its line, if known
    stage: str = ""  # one of `toril.stages`; empty: none
    part: tuple[str, ...] = ()  # the executions to run, if options leave out others
    lock: "tuple[Locked, ...]" = ()  # of `toril.python`


def read_suite(
    paths: Sequence[str | Path],
    *,
    overrides: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    on: str = "local",
    locations: Mapping[str, str] | None = None,
    system: Mapping[str, str] | None = None,
    against: str | None = None,
    stage: str | None = None,
    confined: bool = False,
) -> Suite:
    """Returns the suite in `paths` (Taurus files, or one folder with a suite.yml); raises SuiteError if it is invalid.

    `env` has the values of `--env`, `system` the machine's environment (by default this process's), `against` an
    address to load instead of the suite's own, `stage` one of `toril.stages`. `locations`, with
    their weights, replace those in the file. `confined`: the suite is a stranger's, so it cannot name files outside its
    folder.
    """
    if on not in PROVISIONING:
        raise SuiteError(f"--on {on}: Unknown value. Use {' or '.join(PROVISIONING)}.", code="unknown-value")
    files = suite_files(paths)
    merged, used, warnings = merged_configuration(files, confined=confined)
    apply_overrides(merged, overrides)
    if locations:
        _relocate(merged, locations)
    source = " + ".join(file.name for file in files)
    check_top_keys(merged, source)
    own_env = mapping_at(merged, "settings", "env")
    if stage is not None:
        against = apply_stage(merged, stage, source, against)
    variable = None if against is None else retarget(merged, against, source)
    env = {name: value for name, value in (env or {}).items() if name != variable}
    system = dict(os.environ if system is None else system)
    settings, secrets = _settings(merged, source), secret_names(merged)
    written = settings.get("env") or {}
    properties = mapping_at(merged, "modules", "jmeter", "properties")
    reader = SuiteReader(source, Environment(env, written, system, secrets), properties)
    if stage is not None:
        check_load(merged, stage, Environment(env, own_env, system, secrets), reader)
    workers = Environment(env, written, system if on == "local" else {}, secrets)
    unset = tuple(_unset(written, {*env, *workers.system, *secrets}, source, on))
    folder = files[0].parent.resolve()
    searched = [*(file.parent.resolve() for file in used), *(() if confined else (Path.cwd(),))]
    own_files = SuiteFiles(folder, searched, reader, confined=confined)
    scenarios = Scenarios(merged.get("scenarios"), reader, own_files, workers)
    toril = read_settings(reader.environment.resolve_all(merged.get("toril")), reader)
    check_secrets(toril.secrets, merged, env, reader)
    scenarios.prepared = toril.setup is not None
    suite_reader = ExecutionReader(merged, scenarios, on, toril, functional=is_functional(settings, reader))
    executions, functional = suite_reader.read_all(), suite_reader.functional
    toril = _with_certificates(toril, executions, own_files, reader)
    toril = _with_steps(toril, own_files)
    toril = with_faults(toril, executions, own_files, reader, on)
    check_browsers(toril.browsers, executions, reader)
    ours = {"toril.criteria": toril.criteria}
    if stage is not None:
        ours[f"toril.stages.{stage}.criteria"] = toril.stages[stage].criteria
    criteria = read_criteria({**merged, "scenarios": scenarios.named}, ours, executions, reader, on)
    criteria += tuple(read_thresholds(executions, scenarios.named, folder, toril.request_tags, reader))
    check_criteria(criteria, {execution.name: execution.search for execution in executions if execution.search}, reader)
    check_service(toril, reader)
    check_sources(criteria, toril, reader)
    if functional and criteria:
        what = "A functional suite judges test cases and has no criteria on load"
        fix = "Remove the criterion, or run load by a Locust or Playwright script."
        raise SuiteError(f"{criteria[0].where}: {what}. {fix}", code="unjudged-criterion")
    data_rows = _split_data(toril, own_files, scenarios.named, reader)
    once_rows = _consume_once(toril, own_files, scenarios.named, executions, reader)
    for file in used:
        own_files.add(file)
    _add_jars(toril, merged, executions, own_files, reader)
    lock, wheels = _lock(toril, own_files, reader, on)
    named = own_files.named()
    if wheels is not None and (scripts := [path for path in named if path.suffix == ".py"]):
        warn_of_missing_imports(folder, scripts, wheels, reader, local=on == "local")
    if files[0].name in SUITE_NAMES:
        own_files.add_folder(without=[WHEELS] if lock else ())
    else:
        own_files.warn_of_left_behind()
    checked_names(file.as_posix() for file in own_files.sorted())
    _warn_of_ignored(merged, reader)
    return Suite(
        name=_name(files[0]),
        source=source,
        folder=folder,
        files=own_files.sorted(),
        named=named,
        lock=lock,
        executions=executions,
        common=_common(merged, scenarios, env),
        scenarios=workers.resolve_all(scenarios.named),
        criteria=criteria,
        places=places_of(criteria, used),
        toril=toril,
        data_rows={**data_rows, **once_rows},
        once=tuple(once_rows),
        ramp_up_exclude=reader.boolean(settings.get("ramp-up-exclude", False), "settings.ramp-up-exclude"),
        functional=functional,
        warnings=(*warnings, *reader.warnings, *unset, *scenarios.unset),
        unset=(*unset, *scenarios.unset),
        variable=variable,
        stage=stage or "",
    )


def _relocate(merged: dict[str, Any], locations: Mapping[str, str]) -> None:
    """Gives every execution these locations; the execution reader rejects executions that are not mappings."""
    merged.pop("locations", None)
    written = merged.get("execution")
    for item in written if isinstance(written, list) else [written]:
        if isinstance(item, dict):
            item["locations"] = dict(locations)


def _settings(merged: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Returns the suite's `settings`; raises SuiteError unless they are a mapping, and `env` maps names to texts."""
    settings = merged.get("settings")
    if settings is not None and not isinstance(settings, dict):
        text = f"{source}: settings: This is not a mapping. Write keys below it, such as `env: {{NAME: value}}`."
        raise SuiteError(text, code="not-a-mapping")
    env = (settings or {}).get("env", None)
    if env is not None and (
        not isinstance(env, dict) or any(isinstance(value, (dict, list)) for value in env.values())
    ):
        what = "This is not a mapping of names to texts"
        text = f"{source}: settings.env: {what}. Write it like `env: {{NAME: value}}`."
        raise SuiteError(text, code="not-a-mapping")
    return settings or {}


def _unset(written: Mapping[str, Any], known: Collection[str], source: str, on: str) -> Iterator[Note]:
    """Yields a note for each variable that refers to itself, as `TOKEN: ${TOKEN}`, and that nothing sets."""
    for name, value in written.items():
        if value == f"${{{name}}}" and name not in known:
            way = "Move this line to `toril.secrets`"
            if on == "local":
                way = f"Run `export {name}=…`"
            elif name.endswith("_URL"):  # no secret
                way = "Write the address here"
            text = f"The variable is not set. {way}, or pass `--env {name}=…`."
            yield Note("unset-reference", f"{source}: settings.env.{name[:60]}: {text}")


def _common(merged: Mapping[str, Any], scenarios: Scenarios, env: Mapping[str, str]) -> dict[str, Any]:
    """Returns the configuration of all workers. It refers to `--env`, whose values only the environment has."""
    common = {key: deepcopy(value) for key, value in merged.items() if key not in NOT_COMMON}
    common["scenarios"] = {
        name: {key: value for key, value in scenario.items() if key != "criteria"}
        if isinstance(scenario, dict)
        else scenario
        for name, scenario in deepcopy(scenarios.named).items()
    }
    if env:
        written = mapping_at(common, "settings", "env")
        references = {name: f"${{{name}}}" for name in env}
        common["settings"] = {**mapping_at(common, "settings"), "env": {**written, **references}}
    return common


def _with_certificates(
    toril: TorilSettings, executions: Sequence[Execution], files: SuiteFiles, reader: SuiteReader
) -> TorilSettings:
    """Returns the settings with the paths of the engine's certificates, which become files of the suite."""
    paths = {key: path for key in ("ca", "cert", "key") if (path := getattr(toril.engine, key)) is not None}
    if toril.engine.model_fields_set and not any(execution.executor in OWN for execution in executions):
        text = "No execution uses toril's engine, so these settings have no effect. Write `toril: {executor: toril}`."
        if paths:
            raise reader.error("unsupported-key", f"toril.engine.{min(paths)}", text)
        reader.warn("ignored-key", "toril.engine", text)
    if lacking := {"cert", "key"} - paths.keys() if paths.keys() & {"cert", "key"} else None:
        text = "The client's certificate consists of two files. Name the other one, too."
        raise reader.error("missing-key", f"toril.engine.{min(lacking)}", text)
    found = {key: files.find(path, f"toril.engine.{key}", kind="certificate") for key, path in paths.items()}
    return toril.model_copy(update={"engine": toril.engine.model_copy(update=found)})


def _with_steps(toril: TorilSettings, files: SuiteFiles) -> TorilSettings:
    """Returns the settings with the paths of the scripts that run once, which become files of the suite."""
    found = {}
    for step in ("setup", "teardown"):
        if (block := getattr(toril, step)) is not None:
            script = files.find(block.script, f"toril.{step}", kind="script")
            found[step] = block.model_copy(update={"script": script})
    return toril.model_copy(update=found)


def _split_data(
    toril: TorilSettings, files: SuiteFiles, scenarios: Mapping[str, Any], reader: SuiteReader
) -> dict[str, int]:
    paths = [
        files.find(name, f"toril.split-data[{index}]", kind="data file") for index, name in enumerate(toril.split_data)
    ]
    for name, scenario in scenarios.items():
        for index, source in enumerate(list_at(scenario, "data-sources")):
            if isinstance(source, dict) and source.get("variable-names") and source.get("path") in toril.split_data:
                where = f"scenarios.{name}.data-sources[{index}].variable-names"
                what = "The first row of a `split-data` file is its header"
                fix = "Write the names into the file's first row, and remove them here."
                raise reader.error("conflicting-keys", where, f"{what}. {fix}")
    return {path: files.rows(path) for path in paths}


def _consume_once(
    toril: TorilSettings,
    files: SuiteFiles,
    scenarios: Mapping[str, Any],
    executions: Sequence[Execution],
    reader: SuiteReader,
) -> dict[str, int]:
    """Returns the files of `consume-once` with their numbers of rows. Their data sources end after the last row."""
    rows = {}
    for index, name in enumerate(toril.consume_once):
        where = f"toril.consume-once[{index}]"
        path = files.find(name, where, kind="data file")
        rows[path] = files.rows(path, math.inf)
        readers = [execution.executor for execution in executions if path in execution.files]
        if len(readers) > 1 or "vegeta" in readers:
            text = "Two executions, or vegeta, would use a row again. Let one execution of another engine read it."
            raise reader.error("unsupported-key", where, text)
        used = False
        for scenario, block in scenarios.items():
            for place, source in enumerate(list_at(block, "data-sources")):
                whole = source if isinstance(source, dict) else {"path": source}
                if whole.get("path") != path:
                    continue
                if whole.get("loop") or whole.get("variable-names"):
                    text = "A row would be used again, or the header lost. Remove `loop` and `variable-names`."
                    raise reader.error("conflicting-keys", f"scenarios.{scenario}.data-sources[{place}]", text)
                block["data-sources"][place], used = {**whole, "loop": False}, True
        if not used:
            text = "No `data-sources` name it. Each worker has its own rows, and its script must use each row once."
            reader.warn("unchecked-rows", where, text)
    return rows


def _add_jars(
    toril: TorilSettings,
    merged: dict[str, Any],
    executions: Sequence[Execution],
    files: SuiteFiles,
    reader: SuiteReader,
) -> None:
    """Adds the jars of JMeter's plug-ins to the suite's files and to JMeter's `search_paths`."""
    jmeter = mapping_at(merged, "modules", "jmeter")
    if jmeter.get("plugins"):
        text = "Workers download no plug-ins. Put their jars into the suite, and name them in `toril.jars`."
        reader.warn("ignored-key", "modules.jmeter.plugins", text)
    jars: list[str] = []
    for index, name in enumerate(toril.jars):
        found = files.matching(name) or [name]
        jars += [files.find(path, f"toril.jars[{index}]", kind="jar") for path in found]
    if jars and not any(execution.executor == "jmeter" for execution in executions):
        reader.warn("ignored-key", "toril.jars", "No execution uses JMeter, so the jars have no effect.")
    if jars:
        own = mapping_at(jmeter, "properties")
        paths = ";".join(filter(None, [own.get("search_paths"), *jars]))
        modules = mapping_at(merged, "modules")
        merged["modules"] = {**modules, "jmeter": {**jmeter, "properties": {**own, "search_paths": paths}}}


def _lock(
    toril: TorilSettings, files: SuiteFiles, reader: SuiteReader, on: str
) -> "tuple[tuple[Locked, ...], Collection[Path] | None]":
    """Returns the packages of `toril.python`, and their wheels; None if these are not on this machine yet."""
    if not toril.python:
        return (), ()
    from toril.suite.packages import find_wheels, image_platform, read_lock, this_platform, wheel_folders

    path = files.find(toril.python, "toril.python", kind="lock")
    lock = read_lock((files.folder / path).read_text(errors="replace"), path, reader)
    target = this_platform(local=True) if on == "local" else image_platform(toril.worker.arch)
    wheels = find_wheels(lock, target, wheel_folders(files.folder, lock, target))
    return lock, None if wheels is None else wheels.values()


def _warn_of_ignored(merged: Mapping[str, Any], reader: SuiteReader) -> None:
    provisioning = merged.get("provisioning")
    if provisioning not in (None, "local"):
        text = f"toril ignores `{str(provisioning)[:40]}`: `--on` selects where the workers run."
        reader.warn("ignored-key", "provisioning", text)
    for alias in OWN:
        for key in mapping_at(merged, "modules").get(alias) or ():  # toril's own settings replace it
            text = f"toril's engine ignores this key. {engine_setting_advice(str(key))}"
            raise reader.error("unsupported-key", f"modules.{alias}.{str(key)[:60]}", text)
    local = mapping_at(merged, "modules", "local")
    if local.get("sequential") or local.get("capacity"):
        text = "The executions wait for each other, but the plan's times ignore that. Use `delay` to start them later."
        reader.warn("in-turns", "modules.local", text)


def _name(file: Path) -> str:
    """Returns the folder's name for a suite.yml, else the file's."""
    stem = file.resolve().parent.name if file.name in SUITE_NAMES else file.stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.")[:60] or "suite"
