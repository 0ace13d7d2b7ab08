"""What people do with a run that is over: notes, baseline, another run like it, deletion."""

import os
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from toril.console.audit import no_change
from toril.console.identity import Admin, Operator, Viewer
from toril.console.planned import in_words
from toril.console.runs import head_of
from toril.console.web import desk_of, page, see, store_of
from toril.desk.starting import estimate, repeat_of
from toril.errors import InfrastructureError, StoreError, UserError
from toril.records import Verdict, run_key
from toril.runs.find import checked_id
from toril.runs.notes import doubts_about, notes_of
from toril.secrets.masking import mask, masked_settings
from toril.store.records import find_record

router = APIRouter()


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
    """Asks before a run becomes the baseline that did not pass."""
    store = request.app.state.setup.store
    doubts = doubts_about(find_record(store, Verdict, run_key(checked_id(run_id), "verdict.json")))
    head = head_of(store, run_id)
    return page(request, "run_baseline.html.jinja", title="Use as baseline", head=head, doubts=doubts)


@router.post("/runs/{run_id}/baseline")
def use_as_baseline(request: Request, person: Operator, run_id: str, sure: Annotated[bool, Form()] = False) -> Response:
    return become_baseline(request, run_id, sure) or see(f"/runs/{run_id}", request)


def become_baseline(request: Request, run_id: str, sure: bool = False) -> Response | None:
    """Makes the run the baseline of its suite. Returns the question unless it passed or the person is `sure`."""
    store = store_of(request)
    head = head_of(store, run_id)
    doubts = "" if sure else doubts_about(find_record(store, Verdict, run_key(run_id, "verdict.json")))
    no_change(request)
    if head.is_baseline:
        return None
    if doubts:
        return see(f"/runs/{run_id}/baseline", request)
    desk_of(request).set_baseline(run_id)
    return None


@router.post("/runs/{run_id}/baseline/clear")
def remove_baseline(request: Request, person: Operator, run_id: str) -> Response:
    """Removes the baseline of the run's suite."""
    desk_of(request).clear_baseline(head_of(store_of(request), run_id).suite)
    return see(f"/runs/{run_id}", request)


@router.get("/runs/{run_id}/rerun")
def ask_rerun(request: Request, person: Operator, run_id: str) -> Response:
    """Asks before another run of the same version with the same options, with its price."""
    setup = request.app.state.setup
    wanted, price, problem = repeat_of(setup.store, checked_id(run_id), setup.clock.now()), None, ""
    try:
        price = estimate(setup.store, wanted.plan, os.environ)
    except InfrastructureError as error:  # without a region the start would fail, too
        problem = str(error)
    return page(
        request,
        "run_rerun.html.jinja",
        title="Run again",
        head=head_of(setup.store, run_id),
        wanted=wanted,
        tags=masked_settings(wanted.options.tags),
        overrides=[mask(override) for override in wanted.options.overrides],
        words=in_words(price),
        problem=problem,
    )


@router.post("/runs/{run_id}/rerun")
def rerun(request: Request, person: Operator, run_id: str) -> Response:
    """Starts the run again. Files that are no version of the suite become one."""
    return see(f"/runs/{desk_of(request).start_again(run_id)}", request)


@router.get("/runs/{run_id}/delete")
def ask_delete(request: Request, person: Admin, run_id: str) -> Response:
    return page(request, "run_delete.html.jinja", title="Delete", head=head_of(request.app.state.setup.store, run_id))


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
