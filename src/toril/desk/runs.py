"""Changes of stored runs: their end, their deletion, their notes, and baselines."""

from collections.abc import Collection
from datetime import timedelta

from pydantic import ValidationError

from toril.coordinator.lease import is_live, read_lease
from toril.errors import NoSuchRunError, OptionError, RunOverError, StoreError
from toril.records import Plan, Stop, Verdict, package_key, run_key
from toril.records.console import Baseline, BaselineChange, RunNote
from toril.records.document import why
from toril.runs.find import run_ids
from toril.runs.history import time_in
from toril.runs.index import all_rows, forget
from toril.runs.live import state_of
from toril.runs.notes import baseline_key, baseline_of, moment, suites_with
from toril.runs.requests import DELETED, cancel, keep_failure, request_of
from toril.runs.shares import SHARES
from toril.runs.suites import checked_name
from toril.store import Store
from toril.store.records import find_record, get_record, read_record

DAY_S = 86_400.0
MOST_CHANGES = 20  # of a baseline that are kept


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


def prune(store: Store, older_than: timedelta, now: float, by: str = "") -> tuple[list[str], list[str]]:
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
    kept_since = now - max(older_than.total_seconds(), DAY_S)  # each run renews its packages
    store.delete_many([entry.key for entry in store.entries(package_key("")) if entry.modified_at < kept_since])
    return deleted, clear_baselines(store, deleted, by=by, at=now)


def delete_run(store: Store, run_id: str, now: float, by: str = "") -> list[str]:
    """Deletes a run's folder, notes, history and index rows. StoreError if the run may continue, or if there is none.

    After a crash, the run is still listed or completely gone; the next call deletes the rest. A deleted run is no
    baseline; returns the suites that have none now.
    """
    if store.find(run_key(run_id, "verdict.json")) is None and not _is_over(store, run_id, now):
        raise StoreError(f"run {run_id} may not be over yet; stop it first", code="run-not-over")
    is_kept = any(any(store.keys(f"{folder}/{run_id}/")) for folder in ("runs", "notes"))
    if not is_kept and request_of(store, run_id) is None and all(row.run_id != run_id for row in all_rows(store)):
        raise NoSuchRunError(f"no run {run_id} in this store", code="no-such-run")
    cleared = clear_baselines(store, [run_id], by=by, at=now)
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
    plan = get_record(store, Plan, _check_run(store, run_id))
    if plan.tried:
        raise OptionError(f"{run_id} is a try, with the times of one user; choose a run", code="try-run")
    from toril.reports.differences import load_of

    verdict = find_record(store, Verdict, run_key(run_id, "verdict.json"))
    chosen = Baseline(
        suite=checked_name(suite), run_id=run_id, at=at, by=by, outcome=verdict.outcome if verdict else "not judged",
        load=load_of(plan), started_at=time_in(run_id),
    )  # fmt: skip
    return _change(store, chosen)


def clear_baseline(store: Store, suite: str, *, by: str, at: float) -> None:
    """Removes the baseline of a suite, if there is one. Its changes are kept."""
    _change(store, Baseline(suite=checked_name(suite), run_id="", at=at, by=by))


def _change(store: Store, wanted: Baseline) -> Baseline:
    """Replaces the baseline of a suite, and keeps who did it. Writes nothing if it is the same run."""
    last = baseline_of(store, wanted.suite, cleared=True)
    before = last.run_id if last else ""
    if wanted.run_id == before:
        return last or wanted
    change = BaselineChange(at=wanted.at, by=wanted.by, before=before, after=wanted.run_id)
    changes = (change, *(last.changes if last else ()))[:MOST_CHANGES]
    changed = wanted.model_copy(update={"changes": changes})
    store.put(baseline_key(wanted.suite), changed.to_json())
    return changed


def clear_baselines(store: Store, run_ids: Collection[str], *, by: str, at: float) -> list[str]:
    """Removes the baselines that are one of these runs. Returns the names of their suites."""
    suites = suites_with(store, run_ids)
    for suite in suites:
        clear_baseline(store, suite, by=by, at=at)
    return suites


def _check_run(store: Store, run_id: str) -> str:
    """Returns the key of the run's plan."""
    key = run_key(run_id, "plan.json")
    if store.find(key, 0) is None:
        raise StoreError(f"{store.address(run_key(run_id))}: there is no such run", code="no-such-run")
    return key
