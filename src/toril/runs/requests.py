"""Runs that a person or program asks for: a record in the store, which `toril run --request` carries out.

A request is written once, so a coordinator gets validated options and no command line of another's making.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from toril.clock import Clock
from toril.errors import RunOverError, StoreError
from toril.plan.options import RunOptions
from toril.records import run_key
from toril.records.console import REQUEST_FAILED, REQUESTS, RequestFailure, RunRequest
from toril.runs import suites
from toril.runs.publish import LocalSuite, local_version
from toril.secrets.masking import mask
from toril.store import Reader, Store
from toril.store.records import find_record

VERSION_TAG = "suite-version"
CANCELLED, DELETED = "cancelled", "deleted"  # codes of failures
MOST_CHARACTERS = 2_000  # of a failure's message


def request_of(store: Reader, run_id: str) -> RunRequest | None:
    """Returns a run's request; None if the run was started by a command."""
    return find_record(store, RunRequest, request_key(run_id))


def requested(store: Store, run_id: str) -> RunRequest:
    """Returns a request; StoreError if there is none."""
    request = request_of(store, run_id)
    if request is None:
        text = f"{store.address(request_key(run_id))}: no such request; to start a run yourself, use `toril run SUITE`"
        raise StoreError(text, code="no-such-request")
    return request


def options_of(request: RunRequest) -> RunOptions:
    """Returns the options of the run that a request asks for."""
    tags = {**request.tags, VERSION_TAG: str(request.version)}
    return RunOptions(**{**request.as_options(), "on": request.on, "run_id": request.run_id, "tags": tags})


def failure_of(store: Reader, run_id: str) -> RequestFailure | None:
    """Returns why a requested run did not start; None if it started, or may still start."""
    return find_record(store, RequestFailure, _failure_key(run_id))


@contextmanager
def requested_suite(store: Store, request: RunRequest, clock: Clock) -> Iterator[LocalSuite]:
    """Yields the suite of a request in a temporary folder. If the block fails, the store keeps the failure."""
    try:
        before = failure_of(store, request.run_id)
        if before is not None and before.code == CANCELLED:
            raise RunOverError(f"run {request.run_id} was cancelled before it began", code="run-over")
        version = suites.current(store, request.suite, request.version)
        with local_version(store, version) as suite:
            yield suite
    except BaseException as error:  # also a bug or a signal: without a record the run would seem to start forever
        code = str(getattr(error, "code", "internal-error" if isinstance(error, Exception) else "interrupted"))
        keep_failure(store, request.run_id, clock.now(), code, str(error) or type(error).__name__)
        raise


def keep_failure(store: Store, run_id: str, at: float, code: str, message: str) -> None:
    """Stores why a requested run did not start; an earlier reason stays."""
    failure = RequestFailure(run_id=run_id, at=at, code=code[:100], message=mask(message)[:MOST_CHARACTERS])
    store.put_once(_failure_key(run_id), failure.to_json())


def cancel(store: Store, run_id: str, at: float, by: str) -> bool:
    """Cancels a request that no run has begun for; False if there is none."""
    if request_of(store, run_id) is None or store.find(run_key(run_id, "plan.json"), 0) is not None:
        return False
    keep_failure(store, run_id, at, CANCELLED, f"cancelled by {by} before it began")
    return True


def request_key(run_id: str) -> str:
    return f"{REQUESTS}{run_id}.json"


def _failure_key(run_id: str) -> str:
    return f"{REQUESTS}{run_id}{REQUEST_FAILED}"


def key_of_key(hashed: str) -> str:
    return f"{REQUESTS}keys/{hashed}.json"
