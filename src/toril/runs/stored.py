"""Reads stored runs: reports, follows, lists and copies them. A list imports nothing that measures or judges."""

import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from toril.clock import Clock
from toril.coordinator.lease import LeaseWatch, is_live
from toril.errors import StoreError
from toril.records import Plan, Verdict, run_key
from toril.records.cause import Cause
from toril.records.evidence import Exchanges
from toril.records.history import HISTORY, HistoryRecord, ListedRun
from toril.records.progress import Progress, ProgressNote, WorkersNow
from toril.records.summary import Summary
from toril.reports import FORMATS, Bundle, pieces, render
from toril.reports.screen import emit
from toril.runs.activity import unindexed, unjudged, unreadable
from toril.runs.history import record_of, remember, row_of
from toril.runs.index import Query, all_rows
from toril.runs.live import STALE_S, RunState, state_of
from toril.signals import Interrupts
from toril.store import Reader, Store
from toril.store.records import find_record, get_record, read_launch, read_record
from toril.text import suggestion

if TYPE_CHECKING:
    from toril.coordinator.progress import View

MOST_FETCHED = 1 << 26  # bytes of one file of a worker
ROWS_AT_ONCE = 16  # each row takes several requests to a bucket
MOST_FILLED = 500
WAKE_S = 0.25  # between a watcher's checks for an interrupt
EVERY_RUN = Query()
MOST_REMEMBERED = 4 << 20  # bytes of a summary that a console keeps in memory


def judged(store: Reader, run_id: str, now: float, *, measurements: bool = False) -> Bundle:
    """Returns a run's summary and verdict; if they are missing, the run is judged from its interval files.

    `measurements`: also returns the timeline, which needs all interval files. StoreError during the run.
    """
    from toril.coordinator.fold import collect
    from toril.runs.conclude import judge_again, stored_metrics, with_cost, with_evidence, with_pictures
    from toril.summary import judged_plan

    plan, _, _ = read_record(store, run_id)
    summary, verdict = _summary(store, run_id), _verdict(store, run_id)
    if summary is None or verdict is None:
        state = state_of(store, run_id, now, plan=plan)
        if state.going_on:
            text = f"run {run_id} is not over yet; use `toril watch {run_id}` to follow it"
            raise StoreError(text, code="run-not-over")
        if state.step == "continue":
            raise StoreError(f"run {run_id} may not be over yet; {_unowned(run_id)}", code="run-not-over")
        return judge_again(store, run_id)
    bundle = Bundle(plan=judged_plan(plan), summary=summary, verdict=verdict, metrics=stored_metrics(store, plan))
    if measurements:
        fold, completeness = collect(store, run_id)
        bundle = replace(bundle, timeline=fold.timeline, completeness=completeness)
    bundle = with_evidence(bundle, lambda: find_record(store, Exchanges, run_key(run_id, "evidence.json")))
    bundle = replace(bundle, cause=find_record(store, Cause, run_key(run_id, "cause.json")))
    return with_cost(store, with_pictures(store, bundle))


def recorded(store: Reader, bundle: Bundle) -> HistoryRecord:
    """Returns the history record of a judged run, whether the store has it or not."""
    return record_of(bundle, read_launch(store, bundle.plan.run_id))


def judged_at(store: Reader, run_id: str, now: float, format: str, from_: str | None, to: str | None) -> Bundle:
    """Returns a run as a report in this format needs it: with measurements, and of a window if there is one."""
    known, windowed = FORMATS.get(format), from_ is not None or to is not None
    bundle = judged(store, run_id, now, measurements=windowed or (known is not None and known.timeline))
    if not windowed:
        return bundle
    from toril.reports.windows import at_window

    return at_window(bundle, from_, to, format)


def read_evidence(store: Reader, run_id: str, label: str = "", error: str = "") -> Exchanges:
    """Returns a run's kept requests with this label, whose error contains `error`; StoreError if it kept none."""
    exchanges = get_record(store, Exchanges, run_key(run_id, "evidence.json"))
    wanted = (exchange for exchange in exchanges.exchanges if label in ("", exchange.label) and error in exchange.error)
    return replace(exchanges, exchanges=tuple(wanted))


def follow(store: Reader, run_id: str, *, clock: Clock, view: "View", interrupts: Interrupts) -> Bundle | None:
    """Shows a run live until it is judged. Returns None if the watcher is interrupted; the run continues."""
    plan = get_record(store, Plan, run_key(run_id, "plan.json"))
    is_owned = is_live if plan.on == "local" else LeaseWatch().is_live
    while not interrupts:
        now = clock.now()
        state = state_of(store, run_id, now, is_owned, plan)
        if state.name == "judged":
            return judged(store, run_id, now)
        if state.over:
            from toril.runs.conclude import judge_again

            return judge_again(store, run_id)
        view.show(_shown(plan, state, now))
        while not interrupts and clock.now() < now + state.again_s:
            clock.sleep(WAKE_S)
    return None


def _shown(plan: Plan, state: RunState, now: float) -> Progress:
    """Returns the last version with its age, and a note if there is none or if its coordinator is gone."""
    notes: tuple[ProgressNote, ...] = ()
    if state.step == "continue":
        notes = (ProgressNote(code="without-owner", message=_unowned(plan.run_id)),)
    elif state.progress is None:
        text = "the coordinator of this run has not written any figures yet; older versions write none"
        notes = (ProgressNote(code="no-progress", message=text),)
    elif state.age_s > STALE_S:
        text = f"the coordinator has written no figures for more than {STALE_S:.0f} s, but it still holds the run"
        notes = (ProgressNote(code="stale-progress", message=text),)
    if state.progress is None:
        return Progress(run_id=plan.run_id, at=now, workers=WorkersNow(planned=len(plan.shares)), notes=notes)
    last = state.progress
    return replace(last, lag_s=last.lag_s + state.age_s, notes=(*last.notes, *notes))


def _unowned(run_id: str) -> str:
    return f"this run lost its coordinator; use `toril watch {run_id} --take-over` to continue it"


def fetch(store: Reader, run_id: str, into: Store) -> tuple[int, list[str]]:
    """Copies a run's folder and overwrites existing files. Returns the number of copied files, and the problems."""
    copied, problems = 0, []
    for key in store.keys(run_key(run_id) + "/"):
        of_worker = key.startswith(run_key(run_id, "workers/"))
        data = store.find(key, MOST_FETCHED) if of_worker else store.get(key)
        if data is None or (of_worker and len(data) > MOST_FETCHED):
            problems.append(f"{key} was deleted, or has more than {MOST_FETCHED >> 20} MiB")
            continue
        try:
            into.put(key, data)
            copied += 1
        except StoreError as error:  # a name that is too long, or that is both a file and a folder
            if not of_worker:
                raise
            problems.append(str(error))
    return copied, problems


def listing(store: Reader, now: float, query: Query = EVERY_RUN, limit: int = 50) -> list[ListedRun]:
    """Returns the newest runs that match. Writes the history of judged runs that have none, of a few hundred a call."""
    rows, folders = all_rows(store), set(store.names("runs/"))
    matching = [row for row in rows if query.matches(row, row.outcome)]
    runs = [ListedRun(row, row.outcome, deleted=row.run_id not in folders) for row in matching[:limit]]
    for run in _filled(store, unindexed(folders, rows), now):
        if query.matches(run.row, "running" if run.going_on else run.state):
            runs.append(run)
    return sorted(runs, key=lambda run: (run.row.started_at, run.row.run_id), reverse=True)[:limit]


def check_suite(store: Reader, name: str, now: float, store_address: str) -> None:
    """StoreError if the store has neither a run nor a version of a suite."""
    from toril.runs.suites import suite_names

    if name in store.names(HISTORY):
        return
    known = {*suite_names(store), *(run.row.suite for run in listing(store, now, limit=sys.maxsize))}
    if name not in known:
        advice = suggestion(name, known) if known else "This store has no runs. Name another one with `--store`."
        raise StoreError(f"no suite `{name}` in the store {store_address}. {advice}", code="no-such-suite")


def fill(store: Store, now: float) -> int:
    """Writes the history of judged runs that have none, of a few hundred a call. Returns their number."""
    return sum(run.judged for run in _filled(store, unindexed(store.names("runs/"), all_rows(store)), now))


def _filled(store: Reader, run_ids: Sequence[str], now: float) -> list[ListedRun]:
    """Returns the newest of the runs without an index row, and writes the rows of those that are judged."""
    with ThreadPoolExecutor(ROWS_AT_ONCE) as pool:
        runs = list(pool.map(lambda run_id: _remembered(store, run_id, now), run_ids[:MOST_FILLED]))
    return [run for run in runs if run is not None]


def _remembered(store: Reader, run_id: str, now: float) -> ListedRun | None:
    try:
        summary, verdict = _summary(store, run_id), _verdict(store, run_id)
        if summary is None or verdict is None:
            return unjudged(store, run_id, now)
        from toril.runs.conclude import with_cost
        from toril.summary import judged_plan

        plan = judged_plan(read_record(store, run_id)[0])
        bundle = with_cost(store, Bundle(plan=plan, summary=summary, verdict=verdict))
        record = record_of(bundle, read_launch(store, run_id))
    except (StoreError, ValueError):
        return unreadable(run_id)
    if isinstance(store, Store):
        with suppress(StoreError):  # a store that this user cannot write
            record = remember(store, record)
            store.put(row_of(record).key, row_of(record).to_json())
    return ListedRun(row_of(record), record.outcome)


def write_reports(store: Store | None, bundle: Bundle, targets: Iterable[tuple[str, Path | None]]) -> list[str]:
    """Writes each report to its path, or into the run's folder. Returns the problems of unwritten reports."""
    run_id, unwritten = bundle.plan.run_id, []
    for name, path in targets:
        try:
            if path is not None:
                emit(pieces(name, bundle), path)
            elif store is not None:
                store.put(run_key(run_id, f"report.{FORMATS[name].extension}"), render(name, bundle))
        except StoreError as error:
            unwritten.append(f"{str(error).rstrip('.')}. Later: `toril report {run_id} --format {name} --out PATH`")
    return unwritten


def _summary(store: Reader, run_id: str) -> Summary | None:
    key = run_key(run_id, "summary.json")
    data = store.find(key, Summary.MOST_BYTES)
    if data is None:
        return None
    return _parsed(data, key) if len(data) <= MOST_REMEMBERED else Summary.from_json(data, key)


@lru_cache(maxsize=5)
def _parsed(data: bytes, where: str) -> Summary:
    """Returns the summary in a file. Its parsing takes longer than the rest of a console's page."""
    return Summary.from_json(data, where)


def _verdict(store: Reader, run_id: str) -> Verdict | None:
    return find_record(store, Verdict, run_key(run_id, "verdict.json"))
