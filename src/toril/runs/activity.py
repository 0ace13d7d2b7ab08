"""Runs that are not judged, for list pages: their state, and what is known. Imports little."""

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from toril.errors import StoreError
from toril.records import Plan, run_key
from toril.records.agent import PSEUDO_RUNS
from toril.records.console import REQUEST_FAILED, REQUESTS, RunRequest
from toril.records.history import IndexRow, ListedRun
from toril.runs.history import kind_of, time_in
from toril.runs.index import all_rows
from toril.runs.live import state_of
from toril.secrets.masking import masked_settings
from toril.store import Reader, Store
from toril.store.records import find_record, read_launch

ROWS_AT_ONCE = 16  # each row takes several requests to a bucket
MOST_UNFINISHED = 100
STARTS_WITHIN_S = 600.0  # of a request; it begins later only if AWS lacks capacity for so long


def unfinished(store: Store, now: float, rows: Iterable[IndexRow] | None = None) -> list[ListedRun]:
    """Returns the runs that are starting, then those without a verdict among the newest 100 that are not in the index.

    Only those that are `going_on` have a coordinator, or are about to get one.

    In a bucket, this takes a request for each thousand runs. `rows`: the index, if the caller has read it.
    """
    rows = all_rows(store) if rows is None else list(rows)
    names = store.names("runs/")
    run_ids = unindexed(names, rows)[:MOST_UNFINISHED]
    over = store.find_many(run_key(run_id, "verdict.json") for run_id in run_ids)
    left = [run_id for run_id in run_ids if run_key(run_id, "verdict.json") not in over]
    with ThreadPoolExecutor(ROWS_AT_ONCE) as pool:
        found = list(pool.map(lambda run_id: unjudged(store, run_id, now), left))
    begun = [run for run in found if run is not None and run.state != "judged"]  # one may be judged in the meantime
    known = {*names, *(row.run_id for row in rows)}
    return starting(store, now, known) + begun


def starting(store: Store, now: float, known: Collection[str]) -> list[ListedRun]:
    """Returns the requested runs of the last STARTS_WITHIN_S that have not failed, newest first.

    Lists the requests of one or two hours, and reads those that it returns. `known`: the ids of runs that have begun.
    """
    hours = {f"{datetime.fromtimestamp(at, UTC):%Y%m%dT%H}" for at in (now - STARTS_WITHIN_S, now)}
    keys = {key.removeprefix(REQUESTS) for hour in hours for key in store.keys(REQUESTS + hour)}
    run_ids = {key.removesuffix(".json") for key in keys if key.endswith(".json") and not key.endswith(REQUEST_FAILED)}
    left = [run_id for run_id in run_ids if run_id not in known and run_id + REQUEST_FAILED not in keys]
    recent = [run_id for run_id in left if now - (time_in(run_id) or 0.0) <= STARTS_WITHIN_S]
    files = store.find_many(f"{REQUESTS}{run_id}.json" for run_id in recent)
    rows = [_requested(data, key) for key, data in files.items()]
    return sorted(rows, key=lambda run: run.row.run_id, reverse=True)


def _requested(data: bytes, key: str) -> ListedRun:
    try:
        request = RunRequest.from_json(data, key)
    except StoreError:
        return unreadable(key.removeprefix(REQUESTS).removesuffix(".json"))
    part = request.executions or request.scenarios
    row = IndexRow(
        run_id=request.run_id,
        suite=request.suite,
        kind="try" if request.tried else "smoke" if request.smoke else "part" if part else "run",
        on=request.on,
        started_at=request.at,
        outcome="inconclusive",
        tags=masked_settings(request.tags),
        locations=tuple(request.locations),
        workers=request.workers or 0,
    )
    return ListedRun(row, "starting")


def unindexed(run_ids: Iterable[str], rows: Iterable[IndexRow]) -> list[str]:
    """Returns the ids that are not among the rows of the index, newest first."""
    return sorted({*run_ids} - {*PSEUDO_RUNS, *(row.run_id for row in rows)}, reverse=True)


def unjudged(store: Reader, run_id: str, now: float) -> ListedRun | None:
    """Returns what is known of a run that is not judged; None if there is no such run."""
    named = time_in(run_id) or 0.0
    try:
        plan = find_record(store, Plan, run_key(run_id, "plan.json"))
        if plan is None:
            return None
        state, launch = state_of(store, run_id, now, plan=plan), None if named else read_launch(store, run_id)
    except StoreError:
        return unreadable(run_id)
    row = IndexRow(
        run_id=run_id,
        suite=plan.suite,
        kind=kind_of(plan),
        on=plan.on,
        started_at=named or (launch.at if launch else now),
        outcome="inconclusive",
        tags=masked_settings(plan.tags),
        locations=plan.locations,
        workers=len(plan.shares),
    )
    return ListedRun(row, state.name, since=state.since, step=state.step)


def unreadable(run_id: str) -> ListedRun:
    """Returns the row of a run that is damaged, or of another version. It must not hide other runs."""
    row = IndexRow(run_id=run_id, suite="", started_at=time_in(run_id) or 0.0, outcome="inconclusive")
    return ListedRun(row, "unreadable")
