"""What people do with a run that is over: notes, baseline, another run like it, deletion."""

import re
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from toril.console import start_form
from toril.console.audit import no_change
from toril.console.identity import Admin, Operator, Viewer
from toril.console.pages.suites import start_page
from toril.console.runs import head_of
from toril.console.web import Posted, clock_of, desk_of, page, see, store_of
from toril.desk.starting import repeat_of
from toril.errors import StoreError, UserError
from toril.runs.find import checked_id
from toril.runs.index import Query, search
from toril.runs.notes import baseline_of, doubts_about, goes_along, notes_of

router = APIRouter()
OFFERED = 20  # passed runs to choose from


@router.get("/runs/{run_id}/notes")
def notes(request: Request, person: Viewer, run_id: str) -> Response:
    return _notes(request, run_id)


@router.post("/runs/{run_id}/notes")
def write_note(
    request: Request, person: Operator, run_id: str, note: Annotated[str, Form(max_length=10_000)] = ""
) -> Response:
    try:
        desk_of(request).add_note(run_id, note)
    except StoreError:
        raise
    except UserError as error:
        return _notes(request, run_id, status=422, typed=note, wrong=str(error))
    return see(f"/runs/{run_id}/notes", request)


@router.get("/runs/{run_id}/baseline")
def ask_baseline(request: Request, person: Operator, run_id: str) -> Response:
    """Asks before a run becomes the baseline that did not pass, or that has another load."""
    store = store_of(request)
    head = head_of(store, run_id)
    doubts = doubts_about(store, run_id, clock_of(request).now())
    return page(request, "run_baseline.html.jinja", title="Use as baseline", head=head, doubts=doubts)


@router.post("/runs/{run_id}/baseline")
def use_as_baseline(request: Request, person: Operator, run_id: str, sure: Annotated[bool, Form()] = False) -> Response:
    return become_baseline(request, run_id, f"/runs/{run_id}", sure)


def become_baseline(request: Request, run_id: str, back: str = "", sure: bool = False) -> Response:
    """Makes the run the baseline of its suite. Asks first if something speaks against it, unless the person is `sure`.

    `back`: the page that then says so; by default that of the baseline.
    """
    store = store_of(request)
    head = head_of(store, run_id)
    no_change(request)
    if not head.is_baseline and not sure and doubts_about(store, run_id, clock_of(request).now()):
        return see(f"/runs/{run_id}/baseline", request)
    desk_of(request).set_baseline(run_id)
    done = "same" if head.is_baseline else "changed"
    return see(f"{back or f'/suites/{quote(head.suite)}/baseline'}?done={done}", request)


@router.get("/suites/{name}/baseline")
def show_baseline(request: Request, person: Viewer, name: str) -> Response:
    """Shows the baseline of a suite with its changes, and passed runs to choose from."""
    store = store_of(request)
    rows = search(store, Query(suite=name, outcome="passed", kind="run"), limit=OFFERED).rows
    there, kept = set(store.names("runs/")), baseline_of(store, name, cleared=True)
    offered = [row for row in rows if row.run_id in there]
    return page(request, "baseline.html.jinja", title=f"Baseline of {name}", suite=name, kept=kept, offered=offered)


@router.post("/suites/{name}/baseline/clear")
def clear_baseline(request: Request, person: Operator, name: str, back: Annotated[str, Form()] = "") -> Response:
    no_change(request)
    desk_of(request).clear_baseline(name)
    return _changed(request, name, back)


@router.post("/suites/{name}/baseline/undo")
def undo_baseline(
    request: Request, person: Operator, name: str, at: Annotated[float, Form()], back: Annotated[str, Form()] = ""
) -> Response:
    no_change(request)
    desk_of(request).undo_baseline(name, at)
    return _changed(request, name, back)


def _changed(request: Request, suite: str, back: str) -> Response:
    """Returns to the page of the run that sent the form, or else to that of the baseline."""
    page_of_run = re.fullmatch(r"/runs/[A-Za-z0-9._-]+", back)
    return see(f"{back if page_of_run else f'/suites/{quote(suite)}/baseline'}?done=changed", request)


@router.get("/runs/{run_id}/rerun")
def ask_rerun(request: Request, person: Operator, run_id: str) -> Response:
    """Asks before another run of the same version, by default with the same options, with its price."""
    setup = request.app.state.setup
    wanted = repeat_of(setup.store, checked_id(run_id), setup.clock.now())
    fields, kept = start_form.fields_of(wanted.options)
    if "overrides" in request.query_params:
        fields = start_form.EMPTY | dict(request.query_params)
    head = head_of(setup.store, run_id)
    return start_page(
        request, "run_rerun.html.jinja", "Run again", wanted.suite, wanted.files, fields, kept, wanted.options.on,
        head=head, again=True, version=wanted.version, wanted=wanted,
    )  # fmt: skip


@router.post("/runs/{run_id}/rerun")
def rerun(request: Request, person: Operator, run_id: str, fields: Posted) -> Response:
    """Starts the run again, with the typed changes. Files that are no version of the suite become one."""
    setup, desk = request.app.state.setup, desk_of(request)
    changed = None
    if "overrides" in fields:  # without the form, the options are those of the run
        wanted = repeat_of(setup.store, checked_id(run_id), setup.clock.now())
        typed = start_form.EMPTY | {key: value for key, value in fields.items() if isinstance(value, str)}
        _, kept = start_form.fields_of(wanted.options)
        changed = start_form.asked(desk, wanted.suite, wanted.files, typed, kept, wanted.options.on).wanted
    return see(f"/runs/{desk.start_again(run_id, changed)}", request)


@router.get("/runs/{run_id}/delete")
def ask_delete(request: Request, person: Admin, run_id: str) -> Response:
    runs = {run_id: goes_along(store_of(request), head_of(store_of(request), run_id).run_id)}
    return page(request, "run_delete.html.jinja", title="Delete", runs=runs, action=f"/runs/{run_id}/delete")


@router.post("/runs/{run_id}/delete")
def delete(request: Request, person: Admin, run_id: str) -> Response:
    desk_of(request).delete_run(run_id)
    return see("/runs", request)


def _notes(request: Request, run_id: str, status: int = 200, typed: str = "", wrong: str = "") -> Response:
    store = request.app.state.setup.store
    return page(
        request, "run_notes.html.jinja", status=status, title="Notes", head=head_of(store, run_id),
        notes=notes_of(store, checked_id(run_id)), typed=typed, wrong=wrong,
    )  # fmt: skip
