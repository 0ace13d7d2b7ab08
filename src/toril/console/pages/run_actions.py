"""What people do with a run that is over: notes, baseline, another run like it, deletion."""

import os
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from toril.console.audit import audit, no_change
from toril.console.identity import Admin, Operator, Person, Viewer
from toril.console.pages.starting import start
from toril.console.planned import in_words
from toril.console.runs import Head, head_of, save_suite
from toril.console.web import page, see
from toril.errors import InfrastructureError, StoreError, UserError
from toril.masking import mask, masked_settings
from toril.records import Verdict, run_key
from toril.runs.find import checked_id
from toril.runs.notes import add_note, clear_baseline, doubts_about, notes_of, set_baseline
from toril.runs.requests import estimate, repeat_of
from toril.store.records import find_record

router = APIRouter()


@router.get("/runs/{run_id}/notes")
def notes(request: Request, person: Viewer, run_id: str) -> Response:
    return _notes(request, run_id)


@router.post("/runs/{run_id}/notes")
def write_note(
    request: Request, person: Operator, run_id: str, note: Annotated[str, Form(max_length=10_000)] = ""
) -> Response:
    setup = request.app.state.setup
    try:
        add_note(setup.store, checked_id(run_id), note, by=person.name, at=setup.clock.now())
        audit(request, "run.note", run_id)
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
    return become_baseline(request, person, run_id, sure) or see(f"/runs/{run_id}", request)


def become_baseline(request: Request, person: Person, run_id: str, sure: bool = False) -> Response | None:
    """Makes the run the baseline of its suite. Returns the question unless it passed or the person is `sure`."""
    setup = request.app.state.setup
    head = head_of(setup.store, run_id)
    doubts = "" if sure else doubts_about(find_record(setup.store, Verdict, run_key(run_id, "verdict.json")))
    no_change(request)
    if head.is_baseline:
        return None
    if doubts:
        return see(f"/runs/{run_id}/baseline", request)
    set_baseline(setup.store, head.suite, run_id, by=person.name, at=setup.clock.now())
    audit(request, "baseline.set", run_id, suite=head.suite)
    return None


@router.post("/runs/{run_id}/baseline/clear")
def remove_baseline(request: Request, person: Operator, run_id: str) -> Response:
    """Removes the baseline of the run's suite."""
    store = request.app.state.setup.store
    head = head_of(store, run_id)
    clear_baseline(store, head.suite)
    audit(request, "baseline.clear", head.baseline or run_id, suite=head.suite)
    return see(f"/runs/{run_id}", request)


@router.get("/runs/{run_id}/rerun")
def ask_rerun(request: Request, person: Operator, run_id: str) -> Response:
    """Asks before another run of the same version with the same options, with its price."""
    setup = request.app.state.setup
    wanted, found, problem = repeat_of(setup.store, checked_id(run_id), setup.clock.now()), None, ""
    try:
        found = estimate(setup.store, wanted.plan, os.environ)
    except InfrastructureError as error:  # without a region the start would fail, too
        problem = str(error)
    return page(
        request,
        "run_rerun.html.jinja",
        title="Run again",
        head=head_of(setup.store, run_id),
        wanted=wanted,
        tags=masked_settings(wanted.options.tags),
        overrides=[mask(one) for one in wanted.options.overrides],
        words=in_words(found),
        problem=problem,
    )


@router.post("/runs/{run_id}/rerun")
def rerun(request: Request, person: Operator, run_id: str) -> Response:
    """Starts the run again. Files that are no version of the suite become one."""
    setup = request.app.state.setup
    wanted = repeat_of(setup.store, checked_id(run_id), setup.clock.now())
    version = wanted.version
    if version is None:
        comment = f"files of run {run_id}"
        version = save_suite(setup, person, wanted.suite, wanted.files, comment, expected=None).number
        audit(request, "suite.save", wanted.suite, version=version)
    return start(request, person, wanted.suite, wanted.options, version, wanted.max_cost_usd)


@router.get("/runs/{run_id}/delete")
def ask_delete(request: Request, person: Admin, run_id: str) -> Response:
    return page(request, "run_delete.html.jinja", title="Delete", head=head_of(request.app.state.setup.store, run_id))


@router.post("/runs/{run_id}/delete")
def delete(request: Request, person: Admin, run_id: str) -> Response:
    from toril.runs.stored import delete_run

    setup = request.app.state.setup
    head: Head = head_of(setup.store, run_id)
    delete_run(setup.store, head.run_id, setup.clock.now())
    audit(request, "run.delete", run_id)
    return see("/runs", request)


def _notes(request: Request, run_id: str, status: int = 200, typed: str = "", wrong: str = "") -> Response:
    store = request.app.state.setup.store
    return page(
        request, "run_notes.html.jinja", status=status, title="Notes", head=head_of(store, run_id),
        notes=notes_of(store, checked_id(run_id)), typed=typed, wrong=wrong,
    )  # fmt: skip
