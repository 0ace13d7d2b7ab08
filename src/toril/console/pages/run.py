"""`/runs/{id}`: a run from its start to its report; stop, adjust, and the report in each format.

Functions import what measurements need, so that other pages start without it.
"""

import json
import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from threading import Thread
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from toril import text
from toril.console.audit import audit
from toril.console.identity import Operator, Viewer
from toril.console.planned import load_in_words
from toril.console.runs import Head, head_of, present, seen
from toril.console.web import clock_of, desk_of, download, page, see, store_of, why_unread
from toril.desk.adjust import RESUME
from toril.desk.starting import estimate
from toril.errors import InfrastructureError, NoSuchRunError, OptionError, StoreError, UserError
from toril.launchers.elsewhere import parts_of
from toril.launchers.prepare import read_deployments
from toril.plan.options import RunOptions
from toril.records import Plan, Rate
from toril.records.progress import EVERY_S, WINDOW_S, Progress
from toril.reports import FORMATS, Bundle, render
from toril.reports.blocks import ExchangeList, Facts, Report, mark_of
from toril.reports.html import NO_CHARTS, chart_data, fragment
from toril.reports.live_charts import live_charts
from toril.runs import suites
from toril.runs.find import checked_id
from toril.runs.index import all_rows
from toril.runs.live import STALE_S, RunState
from toril.runs.notes import notes_of
from toril.runs.shares import shares_of
from toril.store import FolderStore, Store
from toril.store.records import next_rates

router = APIRouter()
MOST_INLINE = 64_000  # bytes of the charts' data; a second request loads more
TASK_STATES = {  # `workers_*` of a location → words
    "over": "ended", "running": "running", "waiting": "waiting", "starting": "starting", "lost": "lost"
}  # fmt: skip
PAUSE = "pause"  # as a rate
PHASES = {"preparing": "Start", "running": "Load", "draining": "Last results", "waiting": "CloudWatch's metrics"}
SHOWN: dict[str, Callable[[Any], str]] = {  # the kinds of figures that live.js writes, too
    "us": text.time,
    "rate": lambda rps: f"{text.number(round(rps, 1))}/s",
    "count": text.number,
    "span": lambda seconds: text.span(round(seconds)),
    "share": lambda share: text.percent(round(100 * share)),
    "usd": text.dollars,
    "text": str,
}


@router.get("/runs/{run_id}")
def run(request: Request, person: Viewer, run_id: str) -> Response:
    """The run in its state: requested, running, over."""
    setup = request.app.state.setup
    try:
        current = present(setup, run_id)
    except NoSuchRunError:  # its folder has expired; the history remains for years
        row = next((entry for entry in all_rows(setup.store) if entry.run_id == run_id), None)
        if row is None:
            raise
        return page(request, "run_kept.html.jinja", title=titled(row.outcome, row.suite), row=row)
    if current.name == "judged":
        return _over(request, run_id)
    head = head_of(setup.store, run_id, current)
    if head.plan is None or current.over or current.progress is None:
        title = titled(current.name, head.suite if head.plan else run_id)
        return page(request, "run_state.html.jinja", title=title, head=head, data=_data(current, run_id))
    return _live(request, head, head.plan, current.progress)


@router.get("/runs/{run_id}/charts")
def charts(request: Request, person: Viewer, run_id: str) -> Response:
    """The data of the charts, if they are too large for the page."""
    report = full_report(bundle_of(request, run_id))
    data = json.dumps(chart_data(report.blocks), separators=(",", ":"), allow_nan=False)
    return download(request, data.encode(), f"{run_id}-charts.json", "application/json")


@router.get("/runs/{run_id}/report")
def report(
    request: Request,
    person: Viewer,
    run_id: str,
    format: str = "json",
    table: str = "cells",
    from_: Annotated[str | None, Query(alias="from")] = None,
    to: str | None = None,
) -> Response:
    """The report of a run, or of a window such as `?from=2m&to=4m`, in a format, as a file."""
    from toril.runs.stored import judged_at

    setup = request.app.state.setup
    bundle = judged_at(setup.store, checked_id(run_id), setup.clock.now(), format, from_, to)
    data = render(format, bundle, table)
    return download(request, data, f"{run_id}.{FORMATS[format].extension}")


@router.get("/runs/{run_id}/stop")
def ask(request: Request, person: Operator, run_id: str) -> Response:
    """The question before a stop, for browsers without script."""
    head = _present(request, run_id)
    return page(request, "run_stop.html.jinja", title="Stop", head=head, **_left(store_of(request), head))


@router.post("/runs/{run_id}/stop")
def stop(request: Request, person: Operator, run_id: str) -> Response:
    desk_of(request).stop(run_id)
    return _controlled(request, run_id) or see(f"/runs/{run_id}", request)


@router.post("/runs/{run_id}/take-over")
def take_over(request: Request, person: Operator, run_id: str) -> Response:
    """Starts a coordinator that takes over a run without one."""
    setup = request.app.state.setup
    if seen(setup.store, run_id, setup.clock.now()).step != "continue":
        raise OptionError(f"{run_id} has a coordinator, or is over.", code="run-has-owner")
    setup.starter.take_over(run_id, setup.clock.now())
    audit(request, "run.take-over", run_id)
    return see(f"/runs/{run_id}?asked=take-over", request)


@router.post("/runs/{run_id}/judge")
def judge(request: Request, person: Operator, run_id: str) -> Response:
    """Judges a run without coordinator from its files; only beside them, where no time limit ends the console."""
    from toril.runs.stored import judged

    setup = request.app.state.setup
    if not isinstance(setup.store, FolderStore):
        raise OptionError(f"Use `toril report {run_id}` on a machine.", code="not-a-folder")
    judged(setup.store, checked_id(run_id), setup.clock.now())
    audit(request, "run.judge", run_id)
    return see(f"/runs/{run_id}", request)


@router.get("/runs/{run_id}/control")
def control(request: Request, person: Viewer, run_id: str) -> Response:
    """The bar that shows and changes the load."""
    return _controlled(request, run_id) or see(f"/runs/{run_id}", request)


@router.post("/runs/{run_id}/rate")
def change_rate(
    request: Request,
    person: Operator,
    run_id: str,
    execution: Annotated[str, Form(max_length=300)],
    rate: Annotated[str, Form(max_length=40)] = "",
    typed: Annotated[str, Form(max_length=40)] = "",
    sure: Annotated[bool, Form()] = False,
) -> Response:
    """Changes the rate: by a button's `rate`, or the `typed` one. A large step needs `sure`; the bar then asks."""
    wanted, form = rate or typed, {}
    try:
        desk_of(request).adjust(
            run_id, "0" if wanted == PAUSE else wanted, execution, sure=sure or wanted in (PAUSE, RESUME)
        )
    except UserError as error:
        form = {"typed": wanted, "chosen": execution, "wrong": str(error), "step": getattr(error, "step", "")}
        head = _present(request, run_id)
        if head.plan is None or head.current.progress is None or not head.current.going_on:
            raise
        if "hx-request" not in request.headers:
            return _live(request, head, head.plan, head.current.progress, status=422, **form)
    return _controlled(request, run_id, **{"chosen": execution, **form}) or see(f"/runs/{run_id}", request)


# ── during the run


def _present(request: Request, run_id: str) -> Head:
    store = store_of(request)
    return head_of(store, run_id, seen(store, run_id, clock_of(request).now()))


def _live(request: Request, head: Head, plan: Plan, progress: Progress, status: int = 200, **form: Any) -> Response:
    store, current = store_of(request), head.current
    model = {
        "head": head,
        **_left(store, head),
        "now": progress,
        "stopping": current.stop,
        "shown": _shown,
        "phases": PHASES,
        "task_states": TASK_STATES,
        "age_s": current.age_s,
        "is_old": current.age_s > STALE_S,
        "window_s": WINDOW_S,
    }
    title = titled(current.name, plan.suite)
    data = _data(current, head.run_id, hourly_usd=model["hourly_usd"], progress=progress)
    model |= _control(store, current, plan, progress, **form)
    if model["adjustable"]:  # numpy: the first change of a rate answers at once, too
        Thread(target=import_module, args=("toril.summary",), daemon=True).start()
    return page(request, "run_live.html.jinja", status=status, title=title, **model, data=data)


def _controlled(request: Request, run_id: str, **form: Any) -> Response | None:
    """Returns the bar alone, for htmx; None if the whole page is needed."""
    head = _present(request, run_id)
    plan, current = head.plan, head.current
    if "hx-request" not in request.headers or plan is None or current.progress is None or not current.going_on:
        return None
    model: dict[str, Any] = {"head": head, "now": current.progress, "shown": _shown}
    model |= _control(store_of(request), current, plan, current.progress, **form)
    return page(request, "run_control.html.jinja", title=titled(current.name, plan.suite), **model)


def _control(store: Store, current: RunState, plan: Plan, now: Progress, **form: Any) -> dict[str, Any]:
    """Returns what the bar shows. Its data tell live.js what the coordinator does not know yet."""
    changes = [] if now.started_at is None else list(next_rates(store, plan.run_id, 0))
    last = {change.execution: change for change in changes}
    words = {name: _changed(change, now.started_at or 0.0) for name, change in last.items()}
    adjustable = () if plan.searched else now.rates
    planned = {one.execution: last.get(one.execution, one).rps for one in adjustable}
    data = {
        "state": current.name,
        "title": titled(current.name, plan.suite),
        "changes": len(changes),
        "planned": planned,
        "marks": [
            {
                "at": change.at - (now.started_at or 0.0),
                "text": f"{_shown(change.rps, 'rate')} by {change.by or 'search'}",
            }
            for change in changes
        ],
    }
    in_flight_s = (now.figures.p99_us or plan.graceful_stop_s * 1e6) / 1e6
    ends_s = math.ceil(min(plan.graceful_stop_s, in_flight_s) + plan.pace.flush_s + EVERY_S)
    own = {"chosen": adjustable[0].execution if adjustable else "", "typed": "", "wrong": "", "step": ""}
    model = {"adjustable": adjustable, "changed": words, "control": data, "ends_s": ends_s, "stopping": current.stop}
    return {**model, **own, **form}


def _changed(change: Rate, started_at: float) -> str:
    """Returns a change in words: from what to what, when in the run and by the clock, and by whom."""
    before = "" if change.before_rps is None else f"{_shown(change.before_rps, 'rate')} → "
    minutes, seconds = divmod(round(change.at - started_at), 60)
    at = f"{minutes}:{seconds:02d} ({datetime.fromtimestamp(change.at, UTC):%H:%M:%S} UTC)"
    return f"{before}{_shown(change.rps, 'rate')} at {at} by {change.by or 'the search'}"


def titled(state: str, suite: str) -> str:
    """Returns the title of a run's page, which a browser's tab shows: `● running · shop`."""
    return f"{mark_of(state)} {state} · {suite}"


def _data(
    current: RunState, run_id: str, *, hourly_usd: float = 0.0, progress: Progress | None = None
) -> dict[str, Any]:
    """Returns what live.js needs."""
    of_charts = NO_CHARTS if progress is None else live_charts(progress)
    own = {"id": run_id, "state": current.name, "begun": progress is not None, "age_s": current.age_s}
    return {**of_charts, "run": {**own, "hourly_usd": hourly_usd, "stopping": current.stop}}


def _left(store: Store, head: Head) -> dict[str, Any]:
    """Returns the price of an hour, and of the rest of the load; 0 for local workers and without a price."""
    hourly_usd, plan, progress = 0.0, head.plan, head.current.progress
    if plan is not None and plan.on == "fargate":
        from toril.launchers.pricing import hourly_usd as priced
        from toril.launchers.pricing import read_prices

        deployments: Any = {}
        with suppress(InfrastructureError, StoreError):  # priced as default stacks
            deployments = read_deployments(store)
        hourly_usd = priced(parts_of(plan)[0], deployments, read_prices(os.environ)) or 0.0
    left_s = max(0.0, progress.planned_s - progress.elapsed_s) if progress is not None else 0.0
    return {"hourly_usd": hourly_usd, "saved": text.dollars(hourly_usd * left_s / 3600) if hourly_usd * left_s else ""}


def _shown(value: Any, kind: str) -> str:
    return "–" if value is None else SHOWN[kind](value)


# ── after the run


def _over(request: Request, run_id: str) -> Response:
    bundle = bundle_of(request, run_id)
    report, template = full_report(bundle), "run_over.html.jinja"
    if bundle.plan.tried:  # its requests have a place of their own
        report = replace(report, blocks=tuple(block for block in report.blocks if not isinstance(block, ExchangeList)))
        template = "run_tried.html.jinja"
    facts = tuple(block for block in report.blocks if isinstance(block, Facts) and block.id == "facts")
    content = fragment(report, hero=False, files=f"/runs/{bundle.plan.run_id}/files/")
    data = json.dumps(content.data, separators=(",", ":"))
    head = head_of(store_of(request), run_id, RunState(name="judged"), bundle.plan)
    model = {
        "head": head,
        "verdict": fragment(replace(report, blocks=facts)).html,
        "note": next(reversed(notes_of(store_of(request), run_id)), None) if head.notes else None,
        **_beside(request, head, bundle),
        "content": content.html,
        "outline": content.outline,
        "links": shares_of(store_of(request), run_id, clock_of(request).now()),
        "data": content.data if len(data) <= MOST_INLINE else None,
        "bundle": bundle,
    }
    model |= _tried(request, bundle, head) if bundle.plan.tried else {"leads_to": ""}
    return page(request, template, title=titled(bundle.outcome, bundle.plan.suite), **model)


def _tried(request: Request, bundle: Bundle, head: Head) -> dict[str, Any]:
    """Returns the requests of a try with their responses, and what a start of its suite would do."""
    from toril.reports.exchange_text import shown

    setup, words = request.app.state.setup, ""
    with suppress(UserError):  # the start says why
        files = suites.read(setup.store, head.suite)[1] if head.request else {}
        checked = suites.validate(files, RunOptions(on=bundle.plan.on), name=head.suite, now=setup.clock.now())
        if checked.plan is not None:
            words = load_in_words(checked.plan, estimate(setup.store, checked.plan, os.environ))
    kept = bundle.evidence.exchanges if bundle.evidence else ()
    return {"exchanges": list(shown(sorted(kept, key=lambda exchange: exchange.at_s))), "leads_to": words}


def bundle_of(request: Request, run_id: str) -> Bundle:
    from toril.runs.stored import judged

    setup = request.app.state.setup
    return judged(setup.store, checked_id(run_id), setup.clock.now())


def full_report(bundle: Bundle) -> Report:
    from toril.reports.charts import charts_of
    from toril.reports.run_blocks import report_of

    run = bundle.without_gaps()
    return report_of(run, charts={} if run.plan.tried else charts_of(run))  # a try has one dot of each


def _beside(request: Request, head: Head, bundle: Bundle) -> dict[str, Any]:
    """Returns the main figures beside those of the suite's baseline, or why the baseline cannot be read."""
    if not head.baseline or head.is_baseline or bundle.plan.tried:
        return {"matrix": None, "limits": (), "problem": ""}
    from toril.reports.differences import differences
    from toril.reports.matrix import matrix_of
    from toril.runs.earlier import ordinary_runs
    from toril.runs.stored import recorded

    store, names = store_of(request), ("the baseline", "this run")
    try:
        bundles = dict(zip(names, (bundle_of(request, head.baseline), bundle), strict=True))
    except UserError as error:
        problem = f"There are no figures of the baseline: {why_unread(error)}"
        return {"matrix": None, "limits": (), "problem": problem}
    runs = {name: (own, recorded(store, own)) for name, own in bundles.items()}
    ordinary = ordinary_runs(store, runs[names[0]][1], without=(head.run_id, head.baseline))
    limits = list(differences(bundles[names[0]], bundle, names))
    return {"matrix": matrix_of(runs, names[0], ordinary), "limits": limits, "problem": ""}
