"""A worker's share as files: a copy of the suite, this worker's rows of the data, and bzt's configuration."""

import json
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, MutableMapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

from toril.engines import EngineContext, modules_of
from toril.errors import SuiteError
from toril.plan import share_config
from toril.records import ARMS, BASE, ExecutionShare, Plan, PlannedExecution, Share, package_key, run_key
from toril.store import Store
from toril.suite.fetch import fetch_files, inside
from toril.suite.imports import DATA
from toril.worker.turns import engine_turns

OWN_SERVICES = ("monitoring", "proxy2jmx")  # left out: workers monitor themselves; proxy2jmx calls a service
NOT_ASCII = re.compile("[\x7f-\uffff]")  # up to U+FFFF: JSON escapes larger characters as surrogate pairs


def share_of(plan: Plan, worker: str) -> Share:
    """Returns the plan's share of one worker; SuiteError if it has none."""
    for share in plan.shares:
        if share.worker == worker:
            return share
    known = ", ".join(share.worker for share in plan.shares)
    raise SuiteError(f"run {plan.run_id}: the plan has no worker `{worker}`. Use one of {known}", code="no-such-worker")


def copy_suite(store: Store, plan: Plan, folder: Path) -> None:
    """Copy the suite's files that the plan lists into `folder`; SuiteError if one has changed."""
    if not plan.files:
        raise SuiteError(
            f"run {plan.run_id}: plan.json lists no files, because an older toril wrote it. Start a new run with the "
            "workers' version of toril",
            code="other-version",
        )
    fetch_files(store, run_key(plan.run_id, "suite") + "/", folder, plan.files)


def install_packages(store: Store, plan: Plan, folder: Path, environment: MutableMapping[str, str]) -> None:
    """Unpack the wheels of this machine's platform into `folder`, which then is on the PYTHONPATH of `environment`.

    SuiteError without wheels for it; ChangedFileError if one has changed.
    """
    if not plan.packages:
        return
    from toril.suite.packages import this_platform  # few suites have packages

    target = this_platform(local=plan.on == "local")
    if target not in plan.packages:
        text = f"toril.python: The run has packages for {', '.join(plan.packages)}, and this worker is {target}"
        raise SuiteError(f"{text}. Use toril's worker image, or the Python of its version", code="no-wheels")
    hashes, wheels = plan.packages[target].values(), folder.with_name("wheels")
    fetch_files(store, package_key(""), wheels, dict(zip(hashes, hashes, strict=True)))
    for sha256 in hashes:
        with zipfile.ZipFile(wheels / sha256) as wheel:
            for member in wheel.infolist():
                member.filename = DATA.sub("", member.filename)
                wheel.extract(member, folder)  # leads out of no folder
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), environment.get("PYTHONPATH")]))


def split_data(share: Share, folder: Path) -> None:
    """Reduce each file of `split-data` to the header and this worker's rows: every parts-th from its part on."""
    for name, (part, parts) in share.data_files.items():
        path = inside(folder, name)
        if not path.is_file():
            raise SuiteError(
                f"split-data: the suite has no file `{name}`. Correct the path, or add the file", code="no-such-file"
            )
        with path.open("rb") as whole, tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as own:
            for index, record in enumerate(_records(whole), start=-1):
                if index < 0 or index % parts == part:
                    own.write(record)
        Path(own.name).replace(path)


def _records(file: BinaryIO) -> Iterator[bytes]:
    """Returns unparsed CSV records; quoted fields may contain line breaks."""
    record = b""
    for line in file:
        record += line
        if record.count(b'"') % 2 == 0:
            yield record if record.endswith(b"\n") else record + b"\n"
            record = b""
    if record:
        yield record


def _engines(plan: Plan, share: Share) -> Iterator[tuple[PlannedExecution, ExecutionShare, ExecutionShare | None]]:
    """Yields the executions that get an engine, each with its share, and base's share if its engine sends both arms."""
    planned = {execution.name: execution for execution in plan.executions}
    together = plan.duet.together if plan.duet is not None else ()
    parts = [(planned[part.execution], part) for part in share.executions]
    of_base = {load.series: part for load, part in parts if load.arm == BASE and load.series in together}
    for execution, part in parts:
        if of_base.get(execution.series) is not part:
            yield execution, part, of_base.get(execution.series)


def contexts(plan: Plan, share: Share, scratch: Path, suite: Path) -> list[EngineContext]:
    """Returns a context for each engine of the share, in its order, each with its own folder."""
    built = []
    for position, (planned, part, base) in enumerate(_engines(plan, share)):
        folder = scratch / "engines" / str(position)
        folder.mkdir(parents=True, exist_ok=True)
        context = EngineContext(
            planned=planned,
            share=part,
            graceful_stop_s=plan.graceful_stop_s,
            functional=plan.functional,
            keeping=plan.keeping,
            seed=crc32(f"{plan.run_id} {planned.series}".encode()),
            traceparent=plan.traceparent,
            require_values=plan.require_values,
            request_tags=plan.request_tags,
            metrics=plan.metrics,
            folder=folder,
            suite=suite,
        )
        if plan.duet is not None and plan.duet.switched:
            turns = engine_turns(plan.duet, planned.delay_s + context.phase_shift_s)
            arms = (planned.arm,) if base is None else tuple(ARMS)
            context = replace(context, turns=turns, arms=arms, base=base)
        built.append(context)
    return built


def configuration(
    plan: Plan, share: Share, artifacts: Path, engine_settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Returns bzt's configuration of the share, without network use, judging, reports and label folding."""
    config = share_config(plan, share)
    services = [service for service in config.pop("services", None) or [] if _service_name(service) not in OWN_SERVICES]
    config.pop("reporting", None)
    config["execution"] = []
    for planned, part, _ in _engines(plan, share):
        execution = {"executor": planned.executor, **deepcopy(part.config)}
        execution.pop("delay", None)  # the gate implements it
        execution.pop("start-at", None)
        config["execution"].append(execution)
    settings = config.get("settings") or {}
    config["settings"] = {
        **settings,
        "env": {**(settings.get("env") or {}), **variables(plan, share)},  # for `${NAME}` in the suite
        "check-updates": False,
        "artifacts-dir": str(artifacts),
        "aggregator": "toril-records",
    }
    modules = config.setdefault("modules", {})
    for alias, module in modules_of(functional=plan.functional).items():
        own = {**engine_settings.get(alias, {}), **_mapping(modules.get(alias))}
        own.setdefault("class", f"{module}.Executor")
        modules[alias] = own
    modules["local"] = {**_mapping(modules.get("local")), "class": "toril.worker.taurus.Provisioning"}
    modules["toril-records"] = {"class": "toril.worker.taurus.EngineRecords"}
    return {**config, "provisioning": "local", "~services": services, "~reporting": []}


def _service_name(service: Any) -> str:
    return str(service.get("module", "")) if isinstance(service, dict) else str(service)


def _mapping(settings: Any) -> dict[str, Any]:
    """Returns a module's settings; bzt also accepts a class name."""
    return {"class": settings} if isinstance(settings, str) else dict(settings or {})


def set_environment(environment: MutableMapping[str, str], plan: Plan, share: Share, home: Path) -> None:
    """Set a writable home, a PATH with the programs beside bzt, and the variables that scripts can read."""
    own_home = environment.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - a string is needed
    environment["XDG_CACHE_HOME"] = environment.get("XDG_CACHE_HOME") or str(Path(own_home) / ".cache")
    home.mkdir(parents=True, exist_ok=True)
    environment["HOME"] = str(home)
    for name in plan.secrets:  # an inherited variable of this name is not the secret
        environment.pop(name, None)
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    environment.update({**plan.environment, **variables(plan, share)})


def credentials(environment: Mapping[str, str], plan: Plan) -> dict[str, str]:
    """Returns the variables that only refer to themselves in `settings.env`: `toril import` declares credentials so."""
    settings = plan.common.get("settings")
    env = settings.get("env") if isinstance(settings, dict) else None
    own = [name for name, value in env.items() if value == f"${{{name}}}"] if isinstance(env, dict) else []
    return {name: environment[name] for name in own if name in environment}


def variables(plan: Plan, share: Share) -> dict[str, str]:
    """Returns variables that identify this worker, under toril's names and those of Taurus' cloud."""
    index, count = str(share.index), str(len(plan.shares))
    neighbours = [other.index for other in plan.shares if other.location == share.location]
    return {
        "TORIL_WORKER_INDEX": index,
        "TORIL_WORKER_COUNT": count,
        "TORIL_LOCATION": share.location,
        "TORIL_RUN_ID": plan.run_id,
        "TAURUS_INDEX_ALL": index,
        "TAURUS_INDEX_LOCATION": str(neighbours.index(share.index)),
        "TAURUS_SESSIONS_INDEX": index,
        "TAURUS_SESSIONS_TOTAL": count,
    }


def write_configuration(config: dict[str, Any], path: Path) -> None:
    """Write JSON that is also YAML: YAML reads a surrogate pair as two characters, so emojis stay unescaped."""
    text = json.dumps(config, indent=1, ensure_ascii=False)
    path.write_text(NOT_ASCII.sub(lambda match: f"\\u{ord(match[0]):04x}", text), encoding="utf-8")
