"""What can be done with a stored run: report it again, follow it, stop it, list it, delete it."""

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from toril.clock import Clock
from toril.coordinator.driver import STEP_S, Searches
from toril.coordinator.fold import Fold, attempts_of, collect
from toril.coordinator.lease import LeaseWatch, is_live, read_lease
from toril.coordinator.progress import CriteriaProgress, LiveFigures, View, live_figures
from toril.coordinator.protocol import RunState, begin, resumed
from toril.errors import RunOverError, StoreError
from toril.masking import masked_settings
from toril.records import Launch, Lease, Plan, Rate, Stop, Verdict, run_key
from toril.records.summary import Summary
from toril.reports import FORMATS, Bundle, pieces, render
from toril.reports.runs_table import RunRow
from toril.reports.screen import emit
from toril.runs.conclude import costed, judge_again, stored_metrics, with_pictures
from toril.runs.find import run_ids
from toril.signals import Interrupts
from toril.store import Store
from toril.store.records import get_record, next_rates, read_launch, read_record
from toril.summary import describe_rates, judged_plan

MOST_FETCHED = 1 << 26  # bytes of one file of a worker
ROWS_AT_ONCE = 16  # a run takes three values, each of which a bucket gives after some time


def judged(store: Store, run_id: str, now: float, *, measurements: bool = False) -> Bundle:
    """The run's summary and verdict: as stored, or made again from the interval files where they are missing.

    `measurements`: with the timeline, for the reports that read it; it takes reading all interval files.
    """
    plan, _, _ = read_record(store, run_id)
    summary, verdict = _summary(store, run_id), _verdict(store, run_id)
    if summary is None or verdict is None:
        lease = read_lease(store, run_id)
        if is_live(lease, now):
            raise StoreError(f"run {run_id} is not over yet; `toril watch {run_id}` follows it", code="run-not-over")
        if not _is_over(store, plan, lease, now):
            raise StoreError(f"run {run_id} may not be over yet; {_unowned(run_id)}", code="run-not-over")
        return judge_again(store, run_id)
    timeline = collect(store, run_id)[0].timeline if measurements else None
    metrics = stored_metrics(store, plan)
    shown = judged_plan(plan)
    bundle = Bundle(plan=shown, summary=summary, verdict=verdict, timeline=timeline, metrics=metrics)
    return costed(store, with_pictures(store, bundle))


def follow(store: Store, run_id: str, *, clock: Clock, view: View, interrupts: Interrupts) -> Bundle | None:
    """Show the run live until it is judged; None when the watcher is interrupted (the run goes on).

    A run on other machines whose coordinator is gone may still be taken over, until its deadline.
    """
    plan, start, _ = read_record(store, run_id)
    fold: Fold | None = None
    owner, rates, searches, standings = LeaseWatch(), list[Rate](), Searches(plan), CriteriaProgress(judged_plan(plan))
    while not interrupts:
        now = clock.now()
        if store.find(run_key(run_id, "verdict.json")) is not None:
            return judged(store, run_id, now)
        notes: tuple[str, ...] = ()
        lease = read_lease(store, run_id)
        if not (is_live(lease, now) if plan.on == "local" else owner.is_live(lease, now)):
            if _is_over(store, plan, lease, now):
                return judge_again(store, run_id)
            notes = (_unowned(run_id),)
        if fold is None:
            plan, start, _ = read_record(store, run_id)
            if start is not None:
                fold = Fold(store, plan, attempts_of(store, run_id, start))
                fold.read_ready()
                searches = Searches(plan)
        if fold is not None and start is not None:
            fold.poll(now)
            if plan.adjustable:
                rates += next_rates(store, run_id, len(rates))
            searches.look(rates, start, fold.timeline, fold.complete_to(fold.exits))
            notes += (*describe_rates(rates, start.at), *searches.notes())
            criteria = standings.look(fold.timeline, clock)
            view.show(live_figures(fold, resumed(_begun(plan, fold, now), start, None), now, notes, criteria))
        else:
            said = [key for key in store.keys(run_key(run_id, "workers") + "/") if key.endswith("/ready.json")]
            planned = len(plan.shares)
            view.show(LiveFigures(run_id=run_id, workers_ready=len(said), workers_planned=planned, notes=notes))
        clock.sleep(max(STEP_S, plan.pace.poll_s))
    return None


def _unowned(run_id: str) -> str:
    return f"nobody owns this run; `toril watch {run_id} --take-over` carries it on"


def _is_over(store: Store, plan: Plan, lease: Lease | None, now: float) -> bool:
    """Whether nothing of a run without an owner goes on: its coordinator took care, or its deadline did."""
    if plan.on == "local" or (lease is not None and lease.ended):
        return True
    launch = read_launch(store, plan.run_id)
    return launch is None or now > launch.deadline


def _begun(plan: Plan, fold: Fold, now: float) -> RunState:
    """As far as somebody who only watches can tell."""
    launch = Launch(at=now, deadline=math.inf, attempts={worker: (one,) for worker, one in fold.attempts.items()})
    return replace(begin(plan, launch, now), ended=fold.exits)


def has_ended(store: Store, plan: Plan, now: float) -> bool:
    """Whether nothing of the run goes on any more, or its verdict is there."""
    lease = read_lease(store, plan.run_id)
    over = not is_live(lease, now) and _is_over(store, plan, lease, now)
    return over or store.find(run_key(plan.run_id, "verdict.json")) is not None


def ask_to_stop(store: Store, run_id: str, now: float) -> str:
    """Write the run's stop; what was done, in a sentence."""
    plan, _, _ = read_record(store, run_id)
    if has_ended(store, plan, now):
        raise RunOverError(f"run {run_id} is over; there is nothing to stop", code="run-over")
    stop = Stop(at=now, cause="user", message="ended early by `toril stop`")
    if store.put_once(run_key(run_id, "stop.json"), stop.to_json()):
        return f"run {run_id} is ending; its results are kept and judged"
    return f"run {run_id} is ending already"


def fetch(store: Store, run_id: str, into: Store) -> tuple[int, list[str]]:
    """Copy a run's folder; how many files, and which files of workers could not be copied, and why.

    What is there already is replaced: a run's files change no more.
    """
    copied, problems = 0, []
    for key in store.keys(run_key(run_id) + "/"):
        of_worker = key.startswith(run_key(run_id, "workers/"))
        data = store.find(key, MOST_FETCHED) if of_worker else store.get(key)
        if data is None or (of_worker and len(data) > MOST_FETCHED):
            problems.append(f"{key} is gone, or has more than {MOST_FETCHED >> 20} MiB")
            continue
        try:
            into.put(key, data)
            copied += 1
        except StoreError as error:  # a name that is too long, or that is a file's and a folder's
            if not of_worker:
                raise
            problems.append(str(error))
    return copied, problems


def listing(store: Store, now: float) -> list[RunRow]:
    """A row for every run, newest first."""
    with ThreadPoolExecutor(ROWS_AT_ONCE) as pool:
        return list(pool.map(lambda run_id: _row(store, run_id, now), reversed(run_ids(store))))


def _row(store: Store, run_id: str, now: float) -> RunRow:
    try:
        verdict, summary = _verdict(store, run_id), _summary(store, run_id)
        plan = get_record(store, Plan, run_key(run_id, "plan.json"))
        state = _unjudged(store, plan, now) if verdict is None else verdict.outcome
    except StoreError:  # one damaged run, or one of another version, hides no other; `toril report` says what it is
        return RunRow(run_id=run_id, suite="", state="unreadable", workers=0)
    return RunRow(
        run_id=run_id,
        suite=plan.suite,
        state=state,
        workers=len(plan.shares),
        summary=summary,
        tags=masked_settings(plan.tags),
        duet=plan.duet is not None,
    )


def _unjudged(store: Store, plan: Plan, now: float) -> str:
    lease = read_lease(store, plan.run_id)
    if is_live(lease, now):
        return "running"
    return "not judged" if _is_over(store, plan, lease, now) else "without owner"


def prune(store: Store, older_than: timedelta, now: float) -> list[str]:
    """Delete the runs that ended longer ago than that; their ids. A live run stays, and one that may be."""
    gone = []
    for run_id in run_ids(store):
        lease = read_lease(store, run_id)
        if is_live(lease, now) or now - (lease.renewed_at if lease else 0.0) <= older_than.total_seconds():
            continue
        if lease is None or lease.ended or _may_go(store, run_id, now):
            store.delete(run_key(run_id) + "/")
            gone.append(run_id)
    return gone


def _may_go(store: Store, run_id: str, now: float) -> bool:
    """Whether no worker can be left of a run whose owner is gone."""
    try:
        launch = read_launch(store, run_id)
        return launch is None or now > launch.deadline or read_record(store, run_id)[0].on == "local"
    except StoreError:  # damaged, or of another version
        return True


def write_reports(store: Store, bundle: Bundle, targets: Iterable[tuple[str, Path | None]]) -> list[str]:
    """Write each report beside the run's other files, or where the user wants it; why some could not be written."""
    run_id, unwritten = bundle.plan.run_id, []
    for name, path in targets:
        try:
            if path is None:
                store.put(run_key(run_id, f"report.{FORMATS[name].extension}"), render(name, bundle))
            else:
                emit(pieces(name, bundle), path)
        except StoreError as error:
            unwritten.append(f"{error}. Later: toril report {run_id} --format {name} --out PATH")
    return unwritten


def _summary(store: Store, run_id: str) -> Summary | None:
    key = run_key(run_id, "summary.json")
    data = store.find(key)
    return None if data is None else Summary.from_json(data, key)


def _verdict(store: Store, run_id: str) -> Verdict | None:
    key = run_key(run_id, "verdict.json")
    data = store.find(key)
    return None if data is None else Verdict.from_json(data, key)
