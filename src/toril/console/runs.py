"""Finds the run of a request, in whichever state it is: requested, running, or over."""

from dataclasses import dataclass
from typing import Any, Literal

from toril.errors import NoSuchRunError, StoreError
from toril.records.console import RequestFailure, RunRequest
from toril.records.progress import Progress
from toril.runs.find import RUN_ID
from toril.runs.live import changes, watched
from toril.store import Store
from toril.store.records import find_record

State = Literal["requested", "refused", "running", "without owner", "over", "judged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A run as the console sees it. "requested": nothing has begun yet; "refused": it could not begin."""

    state: State
    etag: str
    age_s: float = 0.0  # of `progress`
    progress: Progress | None = None
    request: RunRequest | None = None
    failure: RequestFailure | None = None

    def changes(self, since: int | None) -> dict[str, Any] | None:
        """Returns the progress as JSON, with only the seconds after `since`."""
        return None if self.progress is None else changes(self.progress, since)


def checked_id(run_id: str) -> str:
    """Returns the id; NoSuchRunError if no run can have it."""
    if not RUN_ID.fullmatch(run_id):
        raise NoSuchRunError(f"{run_id[:200]!r} is not the id of a run; see the list of runs", code="no-such-run")
    return run_id


def seen(store: Store, run_id: str, now: float) -> Seen:
    """Returns the run at this moment; NoSuchRunError if there is none. Reads one object of a running run."""
    try:
        found = watched(store, checked_id(run_id), now)
    except StoreError as error:
        if error.code != "no-such-key":
            raise
    else:
        return Seen(state=found.state, etag=found.etag, age_s=found.age_s, progress=found.progress)
    request = find_record(store, RunRequest, f"requests/{run_id}.json")
    if request is None:
        raise NoSuchRunError(f"no run {run_id} in this store; its folder may have expired", code="no-such-run")
    failure = find_record(store, RequestFailure, f"requests/{run_id}.failed.json")
    state: State = "requested" if failure is None else "refused"
    return Seen(state=state, etag=f'"{state}"', request=request, failure=failure)
