"""Stores suites: with each run, and under `suites/<name>/` for scheduled runs.

The record of a pushed suite is written last, with the hash of each file. So a fetch during a push never returns a
mixture of two versions.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from toril.clock import Clock
from toril.errors import OptionError, StoreError
from toril.records import Plan, Record, SuiteOrigin, run_key
from toril.store import BUCKETS, Store, open_store
from toril.store.records import find_record
from toril.suite import Suite
from toril.suite.fetch import ChangedFileError, fetch_files, hashes_of
from toril.suite.git import read_origin

ADDRESS = re.compile(r"(?P<store>s3://.+?)/suites/(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)/?")
TRIES, WAIT_S = 5, 2.0  # during another push


class Pushed(Record):
    """`suites/<name>.json`: one version of a suite."""

    SCHEMA: ClassVar[str] = "toril.pushed/1"
    suite: str
    at: float
    files: dict[str, str]  # path in the suite's folder → SHA-256 of the file
    origin: SuiteOrigin | None = None


@dataclass(frozen=True, slots=True)
class LocalSuite:
    """The paths of a suite on this machine. `origin`: its source, if its folder is not a git checkout."""

    paths: tuple[str | Path, ...]
    origin: SuiteOrigin | None = None


def publish(store: Store, suite: Suite, plan: Plan, origin: SuiteOrigin | None = None) -> Plan:
    """Stores the plan and the suite's files for the workers; OptionError if the run already exists.

    Returns the published plan, with the hash of each file, and the suite's commit as a tag unless the user set one.
    `origin`: the source of the suite, if its folder is not a git checkout.
    """
    plan = plan.model_copy(update={"files": hashes_of(suite.folder, suite.files)})
    origin = origin or read_origin(suite.folder, suite.files)
    if origin is not None:
        plan = plan.model_copy(update={"tags": {"commit": origin.tag, **plan.tags}})
    if not store.put_once(run_key(plan.run_id, "plan.json"), plan.to_json()):
        raise OptionError(f"--run-id {plan.run_id}: this run already exists; choose another id", code="run-exists")
    for file in plan.files:
        key = run_key(plan.run_id, "suite", file)
        if not store.put_once(key, (suite.folder / file).read_bytes()):
            text = f"--run-id {plan.run_id}: {store.address(key)} already exists; choose another id"
            raise OptionError(text, code="run-exists")
    if origin is not None:
        store.put(run_key(plan.run_id, "suite.json"), origin.to_json())
    return plan


def push(store: Store, suite: Suite, origin: SuiteOrigin | None, now: float) -> Pushed:
    """Stores a suite's files for scheduled runs. Files of older versions stay there, unused."""
    hashes = hashes_of(suite.folder, suite.files)
    for name in hashes:
        store.put(f"suites/{suite.name}/{name}", (suite.folder / name).read_bytes())
    pushed = Pushed(suite=suite.name, at=now, files=hashes, origin=origin)
    store.put(_record_key(suite.name), pushed.to_json())
    return pushed


@contextmanager
def local_suite(written: Sequence[str], clock: Clock) -> Iterator[LocalSuite]:
    """Yields the suite of a command; a pushed suite is copied into a temporary folder."""
    if not any(one.startswith(BUCKETS) for one in written):
        yield LocalSuite(tuple(written))
        return
    if len(written) > 1:
        text = f"SUITE {' '.join(written)}: a suite in a bucket cannot be merged with other files; name only this suite"
        raise OptionError(text, code="merged-bucket-suite")
    store, name = address_of(written[0])
    with tempfile.TemporaryDirectory(prefix="toril-suite-") as folder:
        yield fetch(open_store(store), name, Path(folder), clock)


def fetch(store: Store, name: str, into: Path, clock: Clock) -> LocalSuite:
    """Copies a pushed suite into a new folder below `into`; StoreError if there is none, or a push is incomplete."""
    folder, where = into / name, store.address(f"suites/{name}")
    for _ in range(TRIES):
        pushed = find_record(store, Pushed, _record_key(name))
        if pushed is None:
            raise StoreError(f"{where} has no suite; store one there with `toril push`", code="no-such-suite")
        try:
            fetch_files(store, f"suites/{name}/", folder, pushed.files)
        except ChangedFileError:
            clock.sleep(WAIT_S)
        else:
            return LocalSuite((folder,), pushed.origin)
    raise StoreError(f"{where} differs from {_record_key(name)}; push the suite again", code="changed-suite")


def address_of(text: str) -> tuple[str, str]:
    """Returns the store and the name of a suite given as `s3://bucket/prefix/suites/<name>`."""
    match = ADDRESS.fullmatch(text)
    if not match:
        problem = f"SUITE {text}: invalid address; write s3://bucket/suites/<name>, as `toril push` prints it"
        raise OptionError(problem, code="suite-address")
    return match["store"], match["name"]


def _record_key(name: str) -> str:
    return f"suites/{name}.json"
