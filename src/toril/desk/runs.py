"""Changes of stored runs: their end, their deletion, their notes, and baselines."""

from collections.abc import Collection
from datetime import timedelta

from pydantic import ValidationError

from toril.coordinator.lease import is_live, read_lease
from toril.errors import NoSuchRunError, OptionError, RunOverError, StoreError
from toril.records import Plan, Stop, run_key
from toril.records.console import Baseline, RunNote
from toril.records.document import why
from toril.runs.find import run_ids
from toril.runs.index import all_rows, forget
from toril.runs.live import state_of
from toril.runs.notes import BASELINES, baseline_key, moment
from toril.runs.requests import DELETED, cancel, keep_failure, request_of
from toril.runs.shares import SHARES
from toril.runs.suites import checked_name
from toril.store import Store
from toril.store.records import get_record, read_record


def ask_to_stop(store: Store, run_id: str, now: float, by: str) -> str:
    """Writes the run's stop. Returns a sentence about the effect; RunOverError if the run has ended.

    `by`: the person.
    """
    if cancel(store, run_id, now, by):
        return f"run {run_id} will not begin"
    plan, _, _ = read_record(store, run_id)
    if state_of(store, run_id, now, plan=plan).over:
        raise RunOverError(f"run {run_id} is over, so there is nothing to stop", code="run-over")
    stop = Stop(at=now, cause="user", message=f"ended early by {by}")
    if store.put_once(run_key(run_id, "stop.json"), stop.to_json()):
        return f"run {run_id} is ending; its results will be kept and judged"
    return f"run {run_id} is already ending"


def prune(store: Store, older_than: timedelta, now: float) -> tuple[list[str], list[str]]:
    """Deletes the folders of runs that ended longer ago than `older_than`, but no run that may continue.

    Returns their ids, and the suites that have no baseline now. The history of the runs stays.
    """
    from toril.runs.stored import fill  # imports what measurements need

    fill(store, now)
    deleted = []
    for run_id in run_ids(store):
        lease = read_lease(store, run_id)
        recent = now - (lease.renewed_at if lease else 0.0) <= older_than.total_seconds()
        if not recent and not is_live(lease, now) and _is_over(store, run_id, now):
            store.delete(run_key(run_id) + "/")
            store.delete(f"{SHARES}{run_id}/")
            deleted.append(run_id)
    return deleted, clear_baselines(store, deleted)


def delete_run(store: Store, run_id: str, now: float) -> list[str]:
    """Deletes a run's folder, notes, history and index rows. StoreError if the run may continue, or if there is none.

    After a crash, the run is still listed or completely gone; the next call deletes the rest. A deleted run is no
    baseline; returns the suites that have none now.
    """
    if store.find(run_key(run_id, "verdict.json")) is None and not _is_over(store, run_id, now):
        raise StoreError(f"run {run_id} may not be over yet; stop it first", code="run-not-over")
    is_kept = any(any(store.keys(f"{folder}/{run_id}/")) for folder in ("runs", "notes"))
    if not is_kept and request_of(store, run_id) is None and all(row.run_id != run_id for row in all_rows(store)):
        raise NoSuchRunError(f"no run {run_id} in this store", code="no-such-run")
    cleared = clear_baselines(store, [run_id])
    store.delete(f"{SHARES}{run_id}/")
    store.delete(run_key(run_id) + "/")
    store.delete(f"notes/{run_id}/")
    forget(store, run_id)
    if request_of(store, run_id) is not None:  # else the run would seem to start
        keep_failure(store, run_id, now, DELETED, "the run was deleted")
    return cleared


def _is_over(store: Store, run_id: str, now: float) -> bool:
    try:
        return state_of(store, run_id, now, plan=read_record(store, run_id)[0]).over
    except StoreError:  # damaged, or of another version
        return True


def add_note(store: Store, run_id: str, text: str, *, by: str, at: float) -> RunNote:
    """Adds a note to a run; OptionError for an empty or too long one, StoreError if there is no such run."""
    _check_run(store, run_id)
    try:
        note = RunNote(run_id=run_id, at=at, by=by, text=text.strip())
    except ValidationError as error:
        raise OptionError(f"the note is invalid: {why(error)}", code="invalid-note") from error
    store.put_once(f"notes/{run_id}/{moment(at)}.json", note.to_json())
    return note


def set_baseline(store: Store, suite: str, run_id: str, *, by: str, at: float) -> Baseline:
    """Makes a run the baseline of a suite, in place of another one; StoreError if there is no such run.

    OptionError for a try, whose times are those of one user.
    """
    if get_record(store, Plan, _check_run(store, run_id)).tried:
        raise OptionError(f"{run_id} is a try, with the times of one user; choose a run", code="try-run")
    baseline = Baseline(suite=checked_name(suite), run_id=run_id, at=at, by=by)
    store.put(baseline_key(suite), baseline.to_json())
    return baseline


def clear_baseline(store: Store, suite: str) -> None:
    """Removes the baseline of a suite, if there is one."""
    store.delete_many([baseline_key(suite)])


def clear_baselines(store: Store, run_ids: Collection[str]) -> list[str]:
    """Removes the baselines that are one of these runs. Returns the names of their suites."""
    files = store.find_many(store.keys(BASELINES)) if run_ids else {}
    baselines = [Baseline.from_json(data, key) for key, data in sorted(files.items())]
    suites = [baseline.suite for baseline in baselines if baseline.run_id in run_ids]
    store.delete_many(map(baseline_key, suites))
    return suites


def _check_run(store: Store, run_id: str) -> str:
    """Returns the key of the run's plan."""
    key = run_key(run_id, "plan.json")
    if store.find(key, 0) is None:
        raise StoreError(f"{store.address(run_key(run_id))}: there is no such run", code="no-such-run")
    return key
