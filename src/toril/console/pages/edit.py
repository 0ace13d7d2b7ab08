"""`/suites/new` and `/suites/<name>/edit`: a suite as a form or as YAML, checked while people type."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from toril.authoring.form import FILE, MOST_STEPS
from toril.authoring.options import NAME
from toril.console import editor, planned
from toril.console.audit import no_change
from toril.console.editor import Draft, draft_of
from toril.console.identity import Operator, Person
from toril.console.web import Posted, desk_of, page, see, status_of
from toril.desk.starting import estimate, launcher_of
from toril.errors import OptionError, UserError
from toril.launchers.agents import agents_by_location
from toril.plan.options import RunOptions
from toril.records.console import StartRun
from toril.runs import suites
from toril.runs.suites import ConflictError
from toril.secrets.masking import mask
from toril.store import Store
from toril.suite.engines import ENGINES
from toril.suite.files import SUITE_NAMES

router = APIRouter()
STEP = re.compile(r"executions\.([0-9]{1,3})\.steps\.([0-9]{1,3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTry:
    """A try that was started for a step of the form. `row`: the beginning of its fields."""

    row: str = ""
    run_id: str = ""
    on_aws: bool = False
    words: str = ""  # what it uses and costs
    problem: str = ""


@router.get("/suites/new")
def new(request: Request, person: Operator) -> Response:
    draft = new_draft(request.app.state.setup.store)
    return editor_page(request, draft.as_yaml() if request.query_params.get("view") == "yaml" else draft)


def new_draft(store: Store, name: str = "") -> Draft:
    """Returns the draft of a new suite, in the home region or on this machine."""
    regions = planned.deployments(store)
    first = min(regions, key=lambda region: regions[region].home is None, default="local")
    execution = editor.FIRST_EXECUTION.model_copy(update={"locations": {first: "1"}})
    return Draft(form=editor.FIRST.model_copy(update={"executions": (execution,)}), name=name)


@router.get("/suites/{name}/edit")
def edit(request: Request, name: str, person: Operator) -> Response:
    store: Store = request.app.state.setup.store
    version, files = suites.read(store, name)
    text = files[main_of(files)].decode(errors="replace") if main_of(files) in files else ""
    draft = Draft(name=name, version=version.number, text=text)
    return editor_page(request, draft if request.query_params.get("view") == "yaml" else _as_form(draft, files))


@router.post("/suites/new/check")
def check(request: Request, person: Operator, fields: Posted) -> Response:
    """Answers while people type: the messages of `toril plan`, the load over time, start time and price."""
    no_change(request)
    setup = request.app.state.setup
    draft, _ = _posted(setup.store, fields)
    files = _files(setup.store, draft)
    checked = planned.check(setup.store, draft, files, main_of(files), setup.clock.now())
    return page(
        request, "check.html.jinja", title="Check", found=checked, draft=draft, words=planned.in_words(checked.start)
    )


@router.post("/suites/new")
@router.post("/suites/{name}/edit")
def act(request: Request, person: Operator, fields: Posted, name: str = "") -> Response:
    """Carries out the pressed button: saves, starts, changes the view, or adds and removes rows."""
    do = str(fields.get("do", "save"))
    draft, focus = _posted(request.app.state.setup.store, fields, do)
    draft = replace(draft, name=name or draft.name)
    no_change(request)  # a save and a start write lines of their own
    match do.partition(":")[0]:
        case "yaml":
            return editor_page(request, draft.as_yaml())
        case "form":
            shown = draft if draft.form else _as_form(draft, _files(request.app.state.setup.store, draft))
            return editor_page(request, shown)
        case "add" | "remove" | "up" | "down":
            return editor_page(request, draft, focus=focus)
        case "send":
            return editor_page(request, draft, tried=_try_step(request, draft, do.partition(":")[2]))
    return _save(request, person, draft, do)


def _try_step(request: Request, draft: Draft, row: str) -> StepTry:
    """Starts a try of the steps up to this one, as a version of the suite's draft, which `try_suite` uses too."""
    setup = request.app.state.setup
    match = STEP.fullmatch(row)
    try:
        part = draft.up_to(*((int(match[1]), int(match[2])) if match else (0, MOST_STEPS)))
        files = _files(setup.store, draft)
        files |= {main_of(files): part.written.encode()}
        name = f"{checked_new_name(draft.suite_name)}{suites.DRAFT}"
        desk = desk_of(request)
        wanted = RunOptions(on=launcher_of(setup.store), tried=True)
        checked = suites.validate(files, wanted, name=name, now=setup.clock.now())
        if checked.plan is None:
            raise OptionError(checked.problem.message if checked.problem else "", code="invalid-suite")
        words = planned.in_words(estimate(setup.store, checked.plan, os.environ))
        version = desk.save(name, suites.checked_files(files), "a step to try").number
        run_id = desk.start(StartRun(suite=name, version=version, tried=True))
    except UserError as error:
        return StepTry(row=row, problem=str(error))
    return StepTry(row=row, run_id=run_id, on_aws=wanted.on == "fargate", words=words)


def _save(request: Request, person: Person, draft: Draft, do: str) -> Response:
    """Saves a version, and starts it if asked to. After a problem, the page has all that was typed."""
    setup = request.app.state.setup
    try:
        files = _files(setup.store, draft)
        if do != "save":
            result = planned.check(setup.store, draft, files, main_of(files), setup.clock.now())
            if result.failed or result.plan is None:
                first = next((mark.message for mark in result.marks), "Enter an address, or upload a script.")
                raise OptionError(f"The run cannot start: {first}", code="invalid-suite")
        name = checked_new_name(draft.suite_name) if draft.version is None else draft.name
        number, written = draft.version, {**files, main_of(files): draft.written.encode()}
        if number is None or written != files:  # else there is nothing to save
            checked = suites.checked_files(written)
            number = desk_of(request).save(name, checked, draft.comment, expected=number or 0).number
    except ConflictError as error:
        return _conflict(request, draft, error)
    except UserError as error:
        return editor_page(request, draft, wrong=error)
    if do == "save":
        return see(f"/suites/{name}", request)
    try:
        wanted = StartRun(suite=name, version=number, tried=do == "try")
        return see(f"/runs/{desk_of(request).start(wanted)}", request)
    except UserError as error:
        return editor_page(request, replace(draft, name=name, version=number, text=draft.written), wrong=error)


def _conflict(request: Request, draft: Draft, error: ConflictError) -> Response:
    """Shows the difference to the other person's version. Saving again replaces that version knowingly."""
    store: Store = request.app.state.setup.store
    if draft.version is None:
        text = f"There is a suite of the name {draft.suite_name}. Choose another name, or edit that suite."
        return editor_page(request, draft, wrong=OptionError(text, code=error.code), status=409)
    versions = suites.versions(store, draft.name)
    if not versions:
        return editor_page(request, replace(draft, version=None), wrong=error, status=409)
    theirs = _files(store, replace(draft, version=versions[0].number))
    main = main_of(theirs)
    changes = suites.diff({main: theirs.get(main, b"")}, {main: draft.written.encode()})
    draft = replace(draft, version=versions[0].number)
    return editor_page(request, draft, wrong=error, status=409, theirs=versions[0], changes=changes)


def main_of(files: Mapping[str, Any]) -> str:
    """Returns the file that is the suite itself."""
    return next((name for name in SUITE_NAMES if name in files), FILE)


def checked_new_name(name: str) -> str:
    """Returns the name of a new suite; OptionError if it is invalid."""
    if not NAME.fullmatch(name) or name == suites.RESERVED:
        wrong = f"The name `{name[:80]}` is invalid" if name else "The suite needs a name"
        fix = "use at most 40 letters, digits, `-` and `_`, and begin with a letter or digit"
        raise OptionError(f"{wrong}: {fix}. `{suites.RESERVED}` is reserved.", code="suite-name")
    return name


def _files(store: Store, draft: Draft) -> dict[str, bytes]:
    """Returns the files of the edited version; none for a new suite."""
    return {} if draft.version is None else suites.read(store, draft.name, draft.version)[1]


def _as_form(draft: Draft, files: Mapping[str, bytes]) -> Draft:
    if main_of(files) != FILE:
        return replace(draft, notice=f"The form edits a {FILE}; this suite has a {main_of(files)}.")
    return draft.as_form()


def _posted(store: Store, fields: FormData, do: str = "") -> tuple[Draft, str]:
    """Returns the posted draft after the change `do`, and the field that has the focus then."""
    draft, focus = draft_of({name: value for name, value in fields.items() if isinstance(value, str)}, do)
    new = draft.version is None and not draft.name
    return (replace(draft, taken=tuple(suites.suite_names(store))) if new else draft), focus


def editor_page(
    request: Request, draft: Draft, *, wrong: UserError | None = None, status: int = 200, **model: Any
) -> Response:
    """Renders the editor with its first check."""
    setup = request.app.state.setup
    files = _files(setup.store, draft)
    checked = planned.check(setup.store, draft, files, main_of(files), setup.clock.now())
    errors = {mark.field: mark for mark in reversed(checked.marks) if mark.field}
    model = {"theirs": None, "changes": "", "uploading": False, "focus": "", "tried": StepTry()} | model
    return page(
        request,
        "edit.html.jinja",
        status=status_of(wrong) if wrong and status == 200 else status,
        title="New suite" if draft.version is None else f"Edit {draft.name}",
        draft=draft,
        form=draft.form,
        found=checked,
        errors=errors,
        words=planned.in_words(checked.start),
        wrong=mask(str(wrong)) if wrong else "",
        unsaved=request.method == "POST" and not model["uploading"],
        files={path: len(data) for path, data in files.items() if path != main_of(files)},
        main=main_of(files),
        presigned=setup.presign_upload is not None,
        regions=planned.deployments(setup.store),
        private=agents_by_location(setup.store, setup.clock.now()),
        used={},
        choices=editor,
        address_engines=[(name, ENGINES[name].title) for name in editor.ENGINES_OF_ADDRESSES],
        script_engines=[
            ("", "by the file's name"),
            *((name, ENGINES[name].title) for name in editor.ENGINES_OF_SCRIPTS),
        ],
        **model,
    )
