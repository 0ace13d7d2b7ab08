"""Changes through a console, for `toril --store https://…`: stop, adjust, push and start."""

import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from toril.clock import Clock
from toril.errors import InfrastructureError
from toril.plan.options import RunOptions, asked
from toril.records import SuiteOrigin, run_key
from toril.records.console import SuiteVersion
from toril.records.progress import EVERY_S
from toril.runs.adjust import Adjusted
from toril.runs.find import checked_id
from toril.runs.requests import failure_of
from toril.runs.suites import checked_name
from toril.store import Store
from toril.store.console import ConsoleStore
from toril.suite import Suite, read_suite
from toril.suite.git import read_origin

BEGINS_WITHIN_S = 600.0  # a coordinator's task starts within two minutes


def stop(store: ConsoleStore, run_id: str) -> str:
    """Ends the load of a run. Returns a sentence about the effect."""
    return str(store.send("POST", f"/runs/{checked_id(run_id)}/stop")["message"])


def adjust(store: ConsoleStore, run_id: str, rate: str, execution: str | None, *, sure: bool = True) -> Adjusted:
    """Sets the rate of one execution of a running run. `sure`: see `runs.adjust.adjust`."""
    content = {"rate": rate, "execution": execution} | ({} if sure else {"sure": False})
    found = store.send("POST", f"/runs/{checked_id(run_id)}/rates", content)
    return TypeAdapter(Adjusted).validate_python(found)


def set_baseline(store: ConsoleStore, run_id: str) -> None:
    """Makes a run the baseline of its suite."""
    store.send("PUT", f"/runs/{checked_id(run_id)}/baseline")


def clear_baseline(store: ConsoleStore, suite: str) -> None:
    """Removes the baseline of a suite."""
    store.send("DELETE", f"/suites/{checked_name(suite)}/baseline")


def push(store: ConsoleStore, suite: Suite, origin: SuiteOrigin | None) -> SuiteVersion:
    """Saves the next version of a suite. Uploads only contents that the console does not have."""
    hashes = {}
    for file in suite.files:
        data, path = (suite.folder / file).read_bytes(), file.as_posix()
        hashes[path] = hashlib.sha256(data).hexdigest()
        store.upload(hashes[path], data)
    comment = "" if origin is None else f"commit {origin.tag}"
    content = {"files": hashes, "comment": comment, "origin": origin and origin.model_dump(mode="json")}
    return SuiteVersion.model_validate(store.send("POST", f"/suites/{suite.name}/versions", content))


def start(store: ConsoleStore, paths: Sequence[str | Path], options: RunOptions, max_cost_usd: float | None) -> str:
    """Starts a run on Fargate. Returns its id.

    `paths`: a suite of this machine, which becomes the suite's next version; or `https://…/suites/<name>`, which is
    the current version there.
    """
    there = f"{store.url}/suites/"
    if len(paths) == 1 and str(paths[0]).startswith(there):
        name, number = str(paths[0]).removeprefix(there).rstrip("/"), None
    else:
        suite = read_suite(paths, env=options.environment, on=options.on)
        name, number = suite.name, push(store, suite, read_origin(suite.folder, suite.files)).number
    content = {"suite": name, "version": number, "max_cost_usd": max_cost_usd, **asked(options)}
    key = {"idempotency-key": secrets.token_hex(16)}
    return str(store.send("POST", "/runs", content, key)["run_id"])


def await_begin(store: Store, run_id: str, clock: Clock) -> None:
    """Waits until a requested run has a plan; InfrastructureError if it cannot begin."""
    until = clock.now() + BEGINS_WITHIN_S
    while store.find(run_key(run_id, "plan.json"), 0) is None:
        failure = failure_of(store, run_id)
        if failure is not None:
            raise InfrastructureError(f"run {run_id} could not start: {failure.message}", code=failure.code)
        if clock.now() > until:
            text = f"run {run_id} has not begun within {BEGINS_WITHIN_S:.0f} s; its coordinator's log tells why"
            raise InfrastructureError(text, code="not-begun")
        clock.sleep(EVERY_S)
