"""A worker's share as files: its own copy of the suite, its own rows of the data, bzt's configuration for it."""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, BinaryIO

from toril.errors import SuiteError
from toril.plan import share_config
from toril.records import Plan, Share, run_key
from toril.store import Store
from toril.suite.fetch import fetch_files, inside
from toril.worker.engines import ENGINES, FUNCTIONAL_ENGINES, EngineContext

OWN_SERVICES = ("monitoring", "proxy2jmx")  # of bzt's: the worker measures itself; the other talks to a service
NOT_ASCII = re.compile("[\x7f-\uffff]")  # up to where JSON's escapes take two halves


def share_of(plan: Plan, worker: str) -> Share:
    """The plan's share of one worker; SuiteError when it has none."""
    for share in plan.shares:
        if share.worker == worker:
            return share
    known = ", ".join(share.worker for share in plan.shares)
    raise SuiteError(f"{plan.run_id}: the plan has no worker {worker!r}; it has {known}", code="no-such-worker")


def copy_suite(store: Store, plan: Plan, folder: Path) -> None:
    """The suite's files that the plan lists, whatever else lies beside them; an error for one that was changed."""
    if not plan.files:
        raise SuiteError(
            f"run {plan.run_id}: plan.json lists no files: an older toril wrote it. Start the run again, with the "
            "version that the workers have",
            code="other-version",
        )
    fetch_files(store, run_key(plan.run_id, "suite") + "/", folder, plan.files)


def split_data(share: Share, folder: Path) -> None:
    """Leave this worker's rows in each file of `split-data`: every parts-th record, from its part on, header kept."""
    for name, (part, parts) in share.data_files.items():
        path = inside(folder, name)
        if not path.is_file():
            raise SuiteError(f"{name}: split-data names a file that the suite does not have", code="no-such-file")
        with path.open("rb") as whole, tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as own:
            for index, record in enumerate(_records(whole), start=-1):
                if index < 0 or index % parts == part:
                    own.write(record)
        Path(own.name).replace(path)


def _records(file: BinaryIO) -> Iterator[bytes]:
    """CSV records as they stand; a quoted field may hold line breaks."""
    record = b""
    for line in file:
        record += line
        if record.count(b'"') % 2 == 0:
            yield record if record.endswith(b"\n") else record + b"\n"
            record = b""
    if record:
        yield record


def contexts(plan: Plan, share: Share, scratch: Path, suite: Path) -> list[EngineContext]:
    """One for each execution of the share, in its order, with a folder of its own."""
    planned = {execution.name: execution for execution in plan.executions}
    found = []
    for position, execution in enumerate(share.executions):
        folder = scratch / "engines" / str(position)
        folder.mkdir(parents=True, exist_ok=True)
        found.append(
            EngineContext(
                planned=planned[execution.execution],
                share=execution,
                graceful_stop_s=plan.graceful_stop_s,
                functional=plan.functional,
                folder=folder,
                suite=suite,
            )
        )
    return found


def configuration(
    plan: Plan, share: Share, artifacts: Path, engine_settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """What bzt is given: the share, with the network, local judging, reports and label folding off."""
    config = share_config(plan, share)
    services = [one for one in config.pop("services", None) or [] if _service_name(one) not in OWN_SERVICES]
    config.pop("reporting", None)
    executions = config["execution"]
    for execution, planned in zip(executions, share.executions, strict=True):
        execution.pop("delay", None)  # the gate has it
        execution.pop("start-at", None)
        execution.setdefault("executor", next(e.executor for e in plan.executions if e.name == planned.execution))
    settings = config.get("settings") or {}
    config["settings"] = {
        **settings,
        "env": {**(settings.get("env") or {}), **variables(plan, share)},  # what `${NAME}` in the suite can be
        "check-updates": False,
        "artifacts-dir": str(artifacts),
        "aggregator": "toril-records",
    }
    modules = config.setdefault("modules", {})
    for alias, module in (FUNCTIONAL_ENGINES if plan.functional else ENGINES).items():
        own = {**engine_settings.get(alias, {}), **_mapping(modules.get(alias))}
        own.setdefault("class", f"{module}.Executor")
        modules[alias] = own
    modules["local"] = {**_mapping(modules.get("local")), "class": "toril.worker.taurus.Provisioning"}
    modules["toril-records"] = {"class": "toril.worker.taurus.Records"}
    return {**config, "provisioning": "local", "~services": services, "~reporting": []}


def _service_name(service: Any) -> str:
    return str(service.get("module", "")) if isinstance(service, dict) else str(service)


def _mapping(settings: Any) -> dict[str, Any]:
    """A module's settings; bzt lets a class name stand for them."""
    return {"class": settings} if isinstance(settings, str) else dict(settings or {})


def set_environment(environment: MutableMapping[str, str], plan: Plan, share: Share, home: Path) -> None:
    """A writable home, the programs that are installed beside bzt, and the variables that scripts can read."""
    own_home = environment.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - a text is what is wanted
    environment["XDG_CACHE_HOME"] = environment.get("XDG_CACHE_HOME") or str(Path(own_home) / ".cache")
    home.mkdir(parents=True, exist_ok=True)
    environment["HOME"] = str(home)
    for name in plan.secrets:  # one of the same name that this process was started with is another one
        environment.pop(name, None)
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    environment.update({**plan.environment, **variables(plan, share)})


def variables(plan: Plan, share: Share) -> dict[str, str]:
    """Who this worker is, under toril's names and under those of Taurus' cloud."""
    index, count = str(share.index), str(len(plan.shares))
    mates = [other.index for other in plan.shares if other.location == share.location]
    return {
        "TORIL_WORKER_INDEX": index,
        "TORIL_WORKER_COUNT": count,
        "TORIL_LOCATION": share.location,
        "TORIL_RUN_ID": plan.run_id,
        "TAURUS_INDEX_ALL": index,
        "TAURUS_INDEX_LOCATION": str(mates.index(share.index)),
        "TAURUS_SESSIONS_INDEX": index,
        "TAURUS_SESSIONS_TOTAL": count,
    }


def write_configuration(config: dict[str, Any], path: Path) -> None:
    """As the file that bzt reads: as YAML, to which the two halves of JSON's escape of an emoji are two characters."""
    text = json.dumps(config, indent=1, ensure_ascii=False)
    path.write_text(NOT_ASCII.sub(lambda found: f"\\u{ord(found[0]):04x}", text), encoding="utf-8")
