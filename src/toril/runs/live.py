"""The state of a run, and what watchers see of it: they poll its `progress.json`, which costs its coordinator nothing.

`state_of` decides for every list, page, answer and command. A run without a coordinator is never running.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from toril.coordinator.lease import is_live, read_lease
from toril.errors import StoreError
from toril.records import Launch, Lease, Plan, Stop, run_key
from toril.records.console import REQUEST_FAILED, REQUESTS, RequestFailure, RunRequest
from toril.records.progress import EVERY_S, Progress, Recent, progress_key
from toril.runs.history import time_in
from toril.store import Reader
from toril.store.records import find_record

STALE_S = 10.0  # five versions are missing
WRITING_S = 0.3  # from the time of a version to its place in the store
SOONEST_S = 0.5
BEGINS_WITHIN_S = 600.0  # from the time in the id until the coordinator has the lease

StateName = Literal["starting", "running", "stopping", "coordinator lost", "refused", "unreadable", "judged"]
GOING_ON: tuple[StateName, ...] = ("starting", "running", "stopping")
IsLive = Callable[[Lease | None, float], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """A run at one moment. "refused": it could not start; "unreadable": damaged, or of another version."""

    name: StateName
    since: float | None = None  # seconds since the epoch: of "coordinator lost", its last sign of life
    step: Literal["", "judge", "continue"] = ""  # what ends "coordinator lost": its files, or another coordinator
    stop: str = ""  # of "stopping": the reason
    progress: Progress | None = None  # None before the first version
    age_s: float = 0.0  # of `progress`
    request: RunRequest | None = None  # of a run that has not begun
    failure: RequestFailure | None = None

    @property
    def going_on(self) -> bool:
        return self.name in GOING_ON

    @property
    def over(self) -> bool:
        """Whether nothing can change the load any more."""
        return not self.going_on and self.step != "continue"

    @property
    def again_s(self) -> float:
        """The seconds to the next poll: soon after the next version is due, EVERY_S if the coordinator is late."""
        if self.progress is None or self.age_s > 2 * EVERY_S:
            return EVERY_S
        return max(SOONEST_S, EVERY_S + WRITING_S - self.age_s)

    @property
    def etag(self) -> str:
        """A strong entity tag, which changes with the version and the state."""
        version = "none" if self.progress is None else f"{self.progress.number}-{self.progress.at:.3f}"
        return f'"{version}-{self.name.replace(" ", "-")}{self.step}"'


def state_of(store: Reader, run_id: str, now: float, is_live: IsLive = is_live, plan: Plan | None = None) -> RunState:
    """Returns the run at this moment. StoreError (`no-such-key`) if there is no such run.

    Reads two objects of a running run; more only if the last version is older than STALE_S, or of a clock that differs
    by more. A run that begins has no lease yet: its coordinator stores the suite's files first. `plan`: if it is known.
    """
    try:
        return _state(store, run_id, now, is_live, plan)
    except StoreError as error:
        if error.code not in ("damaged-file", "other-version"):
            raise
        return RunState(name="unreadable")


def _state(store: Reader, run_id: str, now: float, is_live: IsLive, plan: Plan | None) -> RunState:
    progress = find_record(store, Progress, progress_key(run_id))
    age_s = 0.0 if progress is None else now - progress.at
    seen: dict[str, Any] = {"progress": progress, "age_s": max(0.0, age_s)}
    if progress is not None and progress.phase == "ended":
        return RunState(name="judged", **seen)
    if progress is not None and abs(age_s) <= STALE_S:
        return _going_on(store, run_id, seen)
    lease, named = read_lease(store, run_id), time_in(run_id) or 0.0
    if is_live(lease, now):
        return _going_on(store, run_id, seen)
    if store.find(run_key(run_id, "verdict.json"), 0) is not None:  # after the lease, which its coordinator ends later
        return RunState(name="judged", **seen)
    plan = plan or find_record(store, Plan, run_key(run_id, "plan.json"))
    if plan is None:
        return _requested(store, run_id)
    if lease is None and 0 <= now - named <= BEGINS_WITHIN_S:
        return _going_on(store, run_id, seen)
    is_final = plan.on == "local" or (lease is not None and lease.ended)
    launch = None if is_final else find_record(store, Launch, run_key(run_id, "launch.json"))
    step: Literal["judge", "continue"] = "continue" if launch is not None and now <= launch.deadline else "judge"
    since = lease.renewed_at if lease is not None else progress.at if progress is not None else named
    return RunState(name="coordinator lost", since=since, step=step, **seen)


def _going_on(store: Reader, run_id: str, seen: dict[str, Any]) -> RunState:
    progress = seen["progress"]
    if progress is not None and progress.stop:
        return RunState(name=progress.state, stop=progress.stop, **seen)
    stop = find_record(store, Stop, run_key(run_id, "stop.json"))  # the coordinator reads it a moment later
    if stop is not None:
        return RunState(name="stopping", stop=stop.message, **seen)
    return RunState(name="starting" if progress is None else progress.state, **seen)


def _requested(store: Reader, run_id: str) -> RunState:
    """Returns the state of a run that a person asked for, and that has not begun."""
    request = find_record(store, RunRequest, f"{REQUESTS}{run_id}.json")
    if request is None:
        raise StoreError(f"{store.address(run_key(run_id))}: there is no such run", code="no-such-key")
    failure = find_record(store, RequestFailure, f"{REQUESTS}{run_id}{REQUEST_FAILED}")
    return RunState(name="starting" if failure is None else "refused", request=request, failure=failure)


def changes(progress: Progress, since: int | None = None) -> dict[str, Any]:
    """Returns the progress as JSON, with only those seconds of `recent` that are later than the second `since`.

    A client appends these seconds if they begin right after its last one; otherwise they replace all of its seconds.
    """
    recent = progress.recent
    known = 0 if since is None else since + 1 - recent.from_s
    if 0 < known <= len(recent.rps):
        columns = {name: values[known:] for name, values in recent.members().items() if name != "from_s"}
        recent = Recent(from_s=recent.from_s + known, **columns)
    return replace(progress, recent=recent).to_dict()
