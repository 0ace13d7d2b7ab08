"""What watchers see of a run: they poll its `progress.json`; their number adds nothing to the coordinator's work."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from toril.coordinator.lease import is_live
from toril.records import Lease, Plan, run_key
from toril.records.progress import EVERY_S, Progress, Recent, progress_key
from toril.runs.activity import activity_of
from toril.store import Reader
from toril.store.records import find_record, get_record

STALE_S = 10.0  # five versions are missing
WRITING_S = 0.3  # from the time of a version to its place in the store
SOONEST_S = 0.5

IsLive = Callable[[Lease | None, float], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A run as a watcher sees it."""

    state: Literal["running", "without owner", "over", "judged"]  # "over": it can be judged from its files
    progress: Progress | None  # None before the first version
    age_s: float = 0.0  # of `progress`

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
        return f'"{version}-{self.state.replace(" ", "-")}"'


def watched(store: Reader, run_id: str, now: float, is_live: IsLive = is_live) -> Watched:
    """Returns the run at this moment. StoreError if there is no such run.

    Reads one object; more only if the last version is older than STALE_S, or of a clock that differs by more.
    """
    progress = find_record(store, Progress, progress_key(run_id))
    if progress is None:
        return Watched(state=_state(store, run_id, now, is_live), progress=None)
    age_s = now - progress.at
    if progress.phase == "ended":
        return Watched(state="judged", progress=progress, age_s=max(0.0, age_s))
    state = "running" if abs(age_s) <= STALE_S else _state(store, run_id, now, is_live)
    return Watched(state=state, progress=progress, age_s=max(0.0, age_s))


def _state(
    store: Reader, run_id: str, now: float, is_live: IsLive
) -> Literal["running", "without owner", "over", "judged"]:
    if store.find(run_key(run_id, "verdict.json")) is not None:
        return "judged"
    return activity_of(store, get_record(store, Plan, run_key(run_id, "plan.json")), now, is_live)


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
