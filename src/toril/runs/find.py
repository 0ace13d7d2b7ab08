"""Finds a stored run by its id, its folder or its address."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from toril.errors import NoSuchRunError, OptionError
from toril.records import Plan, run_key
from toril.records.agent import PSEUDO_RUNS
from toril.store import BUCKETS, Reader, RunFolder, Store, open_reader, open_store

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
Found = TypeVar("Found", bound=Reader)
RUN_ADDRESS = re.compile(r"(?P<store>s3://.+)/runs/(?P<run>[^/]+)/?")


def checked_id(run_id: str) -> str:
    """Returns the id; NoSuchRunError if no run can have it."""
    if not RUN_ID.fullmatch(run_id) or run_id in PSEUDO_RUNS:
        raise NoSuchRunError(f"{run_id[:200]!r} is not the id of a run; see the list of runs", code="no-such-run")
    return run_id


def find_run(run: str, store_address: str) -> tuple[Reader, str]:
    """Returns the store and id of a run, given as id, unique prefix of an id, `latest`, folder or s3:// address."""
    return _found(run, store_address, open_reader)


def find_own_run(run: str, store_address: str, *, patience_s: float | None = None) -> tuple[Store, str]:
    """Returns a run like `find_run`, to change its files; OptionError if its store is behind a console."""
    return _found(run, store_address, partial(open_store, patience_s=patience_s))


def _found(run: str, store_address: str, opened: Callable[[str], Found]) -> tuple[Found | RunFolder, str]:
    if not run:
        text = f"RUN is empty; use `latest`, or a run of `toril runs --store {store_address}`"
        raise OptionError(text, code="no-run-named")
    plan = Path(run) / "plan.json"
    if plan.is_file():
        run_id = Plan.from_json(plan.read_bytes(), str(plan)).run_id
        return RunFolder(Path(run), run_id), run_id
    if run.startswith(BUCKETS):
        match = RUN_ADDRESS.fullmatch(run)
        if not match:
            text = f"RUN {run}: invalid address; write s3://bucket/prefix/runs/<run id>"
            raise OptionError(text, code="option-value")
        store_address, run = match["store"], match["run"]
    store = opened(store_address)
    return store, run_in(store, run, store_address)


def run_in(store: Reader, run: str, store_address: str) -> str:
    """Returns the id of a run in a store, given as id, unique prefix of an id, or `latest`; else NoSuchRunError."""
    if RUN_ID.fullmatch(run) and store.find(run_key(run, "plan.json")) is not None:
        return run
    known = run_ids(store, "" if run == "latest" else run)
    if len(known) == 1 or (run == "latest" and known):
        return known[-1]
    if known:
        some = ", ".join(known[-3:])
        text = f"RUN {run} matches {len(known)} runs in {store_address}, such as {some}; write more of the id"
        raise OptionError(text, code="ambiguous-run")
    text = f"no run {run!r} in the store {store_address}; use `toril runs --store {store_address}` to list its runs"
    raise NoSuchRunError(text, code="no-such-run")


def run_ids(store: Reader, beginning: str = "") -> list[str]:
    """Returns the ids of a store's runs with this prefix, oldest first."""
    keys = {run_key(name, "plan.json"): name for name in store.names("runs/") if name.startswith(beginning)}
    return sorted(keys[key] for key in store.find_many(keys))
