"""Starts runs of stored suites by requests, which `toril run --request` carries out, and estimates what they use."""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from toril.errors import InfrastructureError, NoSuchRunError, OptionError
from toril.launchers.elsewhere import parts_of
from toril.launchers.prepare import read_deployments
from toril.plan import own_tags
from toril.plan.options import RunOptions, new_run_id
from toril.records import LauncherName, Plan, run_key
from toril.records.console import RunRequest
from toril.records.document import why
from toril.runs import suites
from toril.runs.history import kind_of
from toril.runs.requests import VERSION_TAG, key_of_key, options_of, request_key, request_of
from toril.store import FolderStore, Reader, Store
from toril.store.records import find_record

if TYPE_CHECKING:
    from toril.launchers.pricing import Estimate


class Starter(Protocol):
    """Starts a process or task that carries out requests; the same request again starts nothing more."""

    def start(self, request: RunRequest) -> None:
        """InfrastructureError if it cannot start."""

    def why_ended(self, request: RunRequest) -> str | None:
        """Returns why the process or task of a request has ended; None while the run may still begin."""

    def take_over(self, run_id: str, at: float) -> None:
        """Starts a new coordinator for a run on Fargate; InfrastructureError if it cannot start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartEstimate:
    """What a start would use. `usd` is at list prices. `start_s` is None without workers in regions."""

    workers: Mapping[str, int]  # by location
    private: bool = False  # whether all workers are at private locations
    start_s: float | None = None
    usd: float = 0.0
    at_most: bool = False  # the load may end earlier, and cost less
    notes: tuple[str, ...] = ()


def request_run(
    store: Store,
    suite: str,
    options: RunOptions,
    *,
    by: str,
    at: float,
    version: int | None = None,
    key: str | None = None,
) -> RunRequest:
    """Stores a request for a run of a suite, by default of its current version; SuiteError if it cannot run.

    `options.run_id` is ignored: the id is made from the time, and from the key if there is one.
    `key`: makes the call repeatable: the caller's calls with one key return one request. OptionError if the call asks
    for another run than the first one with this key.
    """
    if options.on == "local" and not isinstance(store, FolderStore):
        text = f"{store.address('')}: local workers need a store in a folder; use `--on fargate`"
        raise OptionError(text, code="not-a-folder")
    hashed = "" if key is None else hashlib.sha256(f"{by}\n{key}".encode()).hexdigest()
    first = find_record(store, RunRequest, key_of_key(hashed)) if hashed else None
    if version is None and first is not None:
        version = first.version
    version_read = suites.current(store, suite, version)
    request = _request(suite, version_read.number, options, by=by, at=at, hashed=hashed)
    if first is None:
        plan = planned(store, request)
        if plan.on == "fargate" and parts_of(plan)[0].shares:
            _check_regions(store)
            if options.max_cost_usd is not None:  # its coordinator checks it again, as the regions are then
                from toril.launchers.pricing import refuse_above

                price = _price(store, plan, os.environ)
                if price.total_usd > options.max_cost_usd:  # what has no price is for the preflight
                    refuse_above(price, options.max_cost_usd)
        if not hashed or store.put_once(key_of_key(hashed), request.to_json()):
            return _stored(store, request)
        first = find_record(store, RunRequest, key_of_key(hashed)) or request
    if _asked(first) != _asked(request):
        text = f"the idempotency key was used for another request, {first.run_id}; choose a new key"
        raise OptionError(text, code="idempotency-mismatch")
    return _stored(store, first)


def _check_regions(store: Store) -> None:
    """OptionError or InfrastructureError if the store has no region that could run workers."""
    try:
        read_deployments(store, damaged=[])
    except InfrastructureError as error:
        if not isinstance(store, FolderStore):
            raise
        text = "no AWS region is deployed for this store; choose `local`, which starts the workers on its machine"
        raise OptionError(text, code=error.code) from error


def launcher_of(store: Store) -> LauncherName:
    """Returns where workers of a store's runs can be: those of a folder are on this machine."""
    return "local" if isinstance(store, FolderStore) else "fargate"


def _request(suite: str, version: int, options: RunOptions, *, by: str, at: float, hashed: str) -> RunRequest:
    run_id = f"{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%SZ}-{suite}-{hashed[:8]}"
    try:
        return RunRequest(
            run_id=run_id if hashed else new_run_id(suite, at),
            suite=suite,
            version=version,
            at=at,
            by=by,
            on=options.on,
            **options.as_options(),
        )
    except ValidationError as error:
        raise OptionError(f"the request is invalid: {why(error)}", code="invalid-request") from error


def _stored(store: Store, request: RunRequest) -> RunRequest:
    store.put_once(request_key(request.run_id), request.to_json())
    return request


def _asked(request: RunRequest) -> RunRequest:
    return request.model_copy(update={"run_id": "", "at": 0.0})


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """What would run a run again."""

    suite: str
    version: int | None  # None: no version has these files, so they would be a new one
    files: Mapping[str, bytes]
    options: RunOptions
    differs: bool  # from the run in its load: the run's record does not have its command's overrides


def repeat_of(store: Store, run_id: str, now: float) -> Repeat:
    """Returns what would run a run again: by its request, else by its record. UserError if that cannot run."""
    request, plan = request_of(store, run_id), find_record(store, Plan, run_key(run_id, "plan.json"))
    version: int | None
    if request is not None:
        suite, version, options = request.suite, request.version, options_of(request)
        files = suites.read(store, suite, version)[1]
    elif plan is None:
        raise NoSuchRunError(f"no run {run_id} in this store; it was deleted, or has expired", code="no-such-run")
    elif plan.duet is not None:
        text = f"{run_id} is a duet; to repeat it, use `toril duet {plan.suite} --base URL --head URL`"
        raise OptionError(text, code="not-repeatable")
    else:
        suite, options = plan.suite, _options_of_plan(plan)
        known = suites.versions(store, suite)
        version = next((candidate.number for candidate in known if candidate.files == plan.files), None)
        keys = {path: run_key(run_id, "suite", path) for path in plan.files}
        stored = store.find_many(keys.values())
        files = {path: stored[key] for path, key in keys.items() if key in stored}
    wanted = suites.validate(files, options, name=suite, now=now).planned()
    differs = plan is not None and wanted.executions != plan.executions
    return Repeat(suite=suite, version=version, files=files, options=options, differs=differs)


def _options_of_plan(plan: Plan) -> RunOptions:
    weights = Counter(share.location for share in plan.shares) if plan.on == "fargate" else {}
    return RunOptions(
        on=plan.on,
        environment=plan.environment,
        workers=len(plan.shares),
        tags={key: value for key, value in plan.tags.items() if key not in (VERSION_TAG, *own_tags(plan))},
        smoke=kind_of(plan) == "smoke",
        executions=plan.part,
        stage=plan.stage or None,
        tried=plan.tried,
        locations={name: str(count) for name, count in weights.items()},
    )


def planned(store: Store, request: RunRequest) -> Plan:
    """Returns the plan of a request; SuiteError if the suite cannot run."""
    _, files = suites.read(store, request.suite, request.version)
    return suites.validate(files, options_of(request), name=request.suite, now=request.at).planned()


def estimate(store: Reader, plan: Plan, environment: Mapping[str, str]) -> StartEstimate:
    """Returns what a start would use, from the store's records alone. `environment` may name other prices."""
    workers = Counter(share.location for share in plan.shares)
    regions, _ = parts_of(plan)
    if plan.on == "local" or not regions.shares:
        return StartEstimate(workers=workers, private=plan.on != "local")
    price = _price(store, plan, environment)
    return StartEstimate(
        workers=workers, start_s=price.start_s, usd=price.total_usd, at_most=price.at_most, notes=price.notes
    )


def _price(store: Reader, plan: Plan, environment: Mapping[str, str]) -> "Estimate":
    from toril.launchers import pricing  # imports boto3

    return pricing.estimate(parts_of(plan)[0], read_deployments(store), pricing.read_prices(environment))
