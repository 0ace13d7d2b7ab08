"""Stores the suite of each run, pushes a suite for scheduled runs, and fetches the suite of a command."""

import os
import re
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from toril.errors import OptionError
from toril.records import Plan, SuiteOrigin, run_key
from toril.records.console import SuiteVersion
from toril.runs import suites
from toril.store import BUCKETS, Store, open_store
from toril.suite import Suite
from toril.suite.fetch import hashes_of
from toril.suite.git import read_origin

ADDRESS = re.compile(r"(?P<store>.+?)/suites/(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)/?")


@dataclass(frozen=True, slots=True)
class LocalSuite:
    """The paths of a suite on this machine. `origin`: its source, if its folder is not a git checkout.

    `stored`: it comes from a store, where others may have written it. So its runs are confined, whether a console, a
    schedule or a person starts them.
    """

    paths: tuple[str | Path, ...]
    origin: SuiteOrigin | None = None
    stored: bool = False
    max_cost_usd: float | None = None  # of a run that no console limits


def publish(store: Store, suite: Suite, plan: Plan, origin: SuiteOrigin | None = None) -> Plan:
    """Stores the plan, the suite's files and its packages for the workers; OptionError if the run already exists.

    Returns the published plan, with the hash of each file, and the suite's commit as the tag `commit`. If the user set
    that tag to another commit, such as the service's, it is the tag `suite-commit`.
    `origin`: the source of the suite, if its folder is not a git checkout.
    """
    if suite.lock:
        from toril.runs.packages import with_packages  # few suites have a lock

        plan = with_packages(store, suite, plan)
    plan = plan.model_copy(update={"files": hashes_of(suite.folder, suite.files)})
    origin = origin or read_origin(suite.folder, suite.files)
    if origin is not None:
        name = "commit" if plan.tags.get("commit", origin.tag) == origin.tag else "suite-commit"
        plan = plan.model_copy(update={"tags": {**plan.tags, name: origin.tag}})
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


def pusher(environment: Mapping[str, str]) -> str:
    """Returns who acts by a command: the account that started the CI job, else the user and the machine."""
    user = environment.get("USER") or f"user {os.getuid()}"
    return environment.get("GITHUB_ACTOR") or f"{user}@{socket.gethostname()}"


@contextmanager
def local_suite(written: Sequence[str]) -> Iterator[LocalSuite]:
    """Yields the suite of a command; a suite in a store is copied into a temporary folder."""
    if not any(path.startswith(BUCKETS) or _is_stored(path) for path in written):
        yield LocalSuite(tuple(written))
        return
    if len(written) > 1:
        text = f"SUITE {' '.join(written)}: a suite in a bucket cannot be merged with other files; name only this suite"
        raise OptionError(text, code="merged-bucket-suite")
    address, name = address_of(written[0])
    store = open_store(address)
    version = suites.current(store, name)
    with local_version(store, version) as suite:
        yield replace(suite, max_cost_usd=version.max_cost_usd)


@contextmanager
def local_version(store: Store, version: SuiteVersion) -> Iterator[LocalSuite]:
    """Yields a version of a suite in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="toril-suite-") as temporary:
        folder = Path(temporary) / version.suite
        suites.copy_to(store, version, folder)
        yield LocalSuite((folder,), version.origin, stored=True)


def _is_stored(written: str) -> bool:
    """Returns whether the text is the address of a suite in a folder's store, and not a file or folder."""
    match = ADDRESS.fullmatch(written)
    return match is not None and not Path(written).exists() and Path(match["store"], "versions", match["name"]).is_dir()


def address_of(text: str) -> tuple[str, str]:
    """Returns the store and the name of a suite given as `s3://bucket/prefix/suites/<name>`."""
    match = ADDRESS.fullmatch(text)
    if not match or text.startswith(f"{BUCKETS}suites/"):
        problem = f"SUITE {text}: invalid address; write s3://bucket/suites/<name>, as `toril suite push` prints it"
        raise OptionError(problem, code="suite-address")
    return match["store"], match["name"]
