"""`/suites/new` and `/suites/<name>/edit`: a suite as a form or as YAML, checked while people type; and its files."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData, UploadFile

from toril.authoring.form import FILE, SuiteForm, text_of
from toril.authoring.options import NAME
from toril.console import editor, planned
from toril.console.api.suites import contents_of
from toril.console.audit import audit, no_change
from toril.console.editor import Draft, draft_of, whole
from toril.console.identity import Operator, Person
from toril.console.pages.posted import Posted
from toril.console.pages.starting import start
from toril.console.web import page, see, status_of
from toril.errors import OptionError, UserError
from toril.masking import mask
from toril.plan.options import RunOptions
from toril.runs import suites
from toril.runs.suites import ConflictError
from toril.store import Store
from toril.suite.engines import ENGINES, TESTED
from toril.suite.files import SUITE_NAMES

router = APIRouter()

SHA256 = re.compile(r"[0-9a-f]{64}")
MOST_TEXT = 1_000_000  # bytes of a file that the page edits


@router.get("/suites/new")
def new(request: Request, person: Operator) -> Response:
    regions = list(planned.deployments(request.app.state.setup.store))
    form = editor.FIRST.model_copy(update={"locations": {(regions or ["local"])[0]: "1"}})
    draft = Draft(form=form)
    return _page(request, draft.as_yaml() if request.query_params.get("view") == "yaml" else draft)


@router.get("/suites/{name}/edit")
def edit(request: Request, name: str, person: Operator) -> Response:
    store: Store = request.app.state.setup.store
    version, files = suites.read(store, name)
    text = files[main_of(files)].decode(errors="replace") if main_of(files) in files else ""
    draft = Draft(name=name, version=version.number, text=text)
    return _page(request, draft if request.query_params.get("view") == "yaml" else _as_form(draft, files))


@router.post("/suites/new/check")
def check(request: Request, person: Operator, fields: Posted) -> Response:
    """Answers while people type: the messages of `toril plan`, the load over time, start time and price."""
    no_change(request)
    setup = request.app.state.setup
    draft = draft_of(_texts(fields))
    files = _files(setup.store, draft)
    found = planned.check(setup.store, draft, files, main_of(files), setup.clock.now())
    return page(
        request, "check.html.jinja", title="Check", found=found, draft=draft, words=planned.in_words(found.start)
    )


@router.post("/suites/new/upload")
def upload(request: Request, person: Operator, fields: Posted) -> Response:
    """Makes a suite of a script, or of a zip; its first version has what was uploaded."""
    setup = request.app.state.setup
    typed = str(fields.get("name", "")).strip()
    try:
        filename, data = next(iter(uploaded(setup.store, fields).items()))
        name, files = suite_of(filename, data, str(fields.get("executor", "")), typed)
        suites.save(
            setup.store,
            checked_new_name(name),
            files,
            by=person.name,
            comment=f"uploaded {filename}"[:500],
            at=setup.clock.now(),
            expected=0,
        )
    except UserError as error:
        return _page(request, Draft(form=editor.FIRST, name=typed), wrong=error, uploading=True)
    audit(request, "suite.upload", name)
    return see(f"/suites/{name}/edit", request)


@router.post("/suites/new")
@router.post("/suites/{name}/edit")
def act(request: Request, person: Operator, fields: Posted, name: str = "") -> Response:
    """Carries out the pressed button: saves, starts, changes the view, or adds and removes rows."""
    draft = draft_of(_texts(fields))
    draft = replace(draft, name=name or draft.name)
    do, _, rest = str(fields.get("do", "save")).partition(":")
    no_change(request)  # a save and a start write lines of their own
    match do:
        case "yaml":
            return _page(request, draft.as_yaml())
        case "form":
            shown = draft if draft.form else _as_form(draft, _files(request.app.state.setup.store, draft))
            return _page(request, shown)
        case "add":
            return _page(request, draft.with_row(rest), added=rest)
        case "remove":
            kind, _, index = rest.partition(":")
            return _page(request, draft.without_row(kind, whole(index) or 0))
    return _save(request, person, draft, do)


def _save(request: Request, person: Person, draft: Draft, do: str) -> Response:
    """Saves a version, and starts it if asked to. After a problem, the page has all that was typed."""
    setup = request.app.state.setup
    try:
        files = _files(setup.store, draft)
        if do != "save":
            found = planned.check(setup.store, draft, files, main_of(files), setup.clock.now())
            if found.failed or found.plan is None:
                first = next((mark.message for mark in found.marks), "Enter an address, or upload a script.")
                raise OptionError(f"The run cannot start: {first}", code="invalid-suite")
        name = checked_new_name(draft.suite_name) if draft.version is None else draft.name
        number, written = draft.version, {**files, main_of(files): draft.written.encode()}
        if number is None or written != files:  # else there is nothing to save
            comment, at = draft.comment, setup.clock.now()
            saved = suites.checked_files(written)
            number = suites.save(
                setup.store, name, saved, by=person.name, comment=comment, at=at, expected=number or 0
            ).number
            audit(request, "suite.save", name, version=number, comment=comment)
    except ConflictError as error:
        return _conflict(request, draft, error)
    except UserError as error:
        return _page(request, draft, wrong=error)
    if do == "save":
        return see(f"/suites/{name}", request)
    try:
        return start(request, person, name, RunOptions(on=planned.launcher_of(setup.store), smoke=do == "try"), number)
    except UserError as error:
        return _page(request, replace(draft, name=name, version=number, text=draft.written), wrong=error)


def _conflict(request: Request, draft: Draft, error: ConflictError) -> Response:
    """Shows the difference to the other person's version. Saving again replaces that version knowingly."""
    store: Store = request.app.state.setup.store
    if draft.version is None:
        text = f"There is a suite of the name {draft.suite_name}. Choose another name, or edit that suite."
        return _page(request, draft, wrong=OptionError(text, code=error.code), status=409)
    found = suites.versions(store, draft.name)
    if not found:
        return _page(request, replace(draft, version=None), wrong=error, status=409)
    theirs = _files(store, replace(draft, version=found[0].number))
    main = main_of(theirs)
    changes = suites.diff({main: theirs.get(main, b"")}, {main: draft.written.encode()})
    draft = replace(draft, version=found[0].number)
    return _page(request, draft, wrong=error, status=409, theirs=found[0], changes=changes)


# ── files of a suite


@router.post("/suites/{name}/files")
def change_files(request: Request, name: str, person: Operator, fields: Posted) -> Response:
    """Adds uploaded files, or saves, renames or removes one file. Each is a version."""
    setup = request.app.state.setup
    version, files = suites.read(setup.store, name)
    expected = whole(str(fields.get("version", "")))
    path, do = str(fields.get("path", "")), str(fields.get("do", "upload"))
    if do == "upload":
        folder = str(fields.get("folder", "")).strip("/ ")
        new = {f"{folder}/{leaf}".lstrip("/"): data for leaf, data in uploaded(setup.store, fields).items()}
        files, comment = {**files, **new}, f"uploaded {', '.join(new)}"
    elif path not in files:
        raise OptionError(f"{path[:200]}: the suite has no such file.", code="no-such-file")
    elif do == "save":
        text = str(fields.get("text", "")).replace("\r\n", "\n")
        files, comment = {**files, path: text.encode()}, f"edited {path}"
    elif path == main_of(files):
        raise OptionError(f"{path} is the suite itself, which needs this name.", code="needed-file")
    else:
        to = str(fields.get("to", "")).strip()
        kept = {one: data for one, data in files.items() if one != path}
        if do == "rename" and to in kept:
            raise OptionError(f"{to[:200]}: there is a file of this name. Choose another name.", code="file-exists")
        files = {**kept, to: files[path]} if do == "rename" else kept
        comment = f"renamed {path} to {to}" if do == "rename" else f"removed {path}"
    suites.save(
        setup.store,
        name,
        suites.checked_files(files),
        by=person.name,
        comment=comment[:500],
        at=setup.clock.now(),
        expected=version.number if expected is None else expected,
    )
    audit(request, "suite.files", name, change=comment)
    return see(f"/suites/{name}/edit", request)


@router.get("/suites/{name}/files")
def file(request: Request, name: str, person: Operator, path: str) -> Response:
    """Shows a text file for editing, up to MOST_TEXT bytes."""
    version, files = suites.read(request.app.state.setup.store, name)
    if path not in files:
        raise OptionError(f"{path[:200]}: the suite has no such file.", code="no-such-file")
    text: str | None = None
    if len(files[path]) <= MOST_TEXT:
        try:
            text = files[path].decode()
        except UnicodeDecodeError:
            text = None
    return page(
        request,
        "file.html.jinja",
        title=path,
        name=name,
        file=path,
        content=text,
        size=len(files[path]),
        version_number=version.number,
        needed=path == main_of(files),
    )


def uploaded(store: Store, fields: FormData) -> dict[str, bytes]:
    """Returns the uploaded files by name: those of the form, and those that went to the bucket before it."""
    ahead = (str(one).partition("/") for one in fields.getlist("uploaded"))  # <SHA-256>/<name>
    found = contents_of(store, {name: sha256 for sha256, _, name in ahead if SHA256.fullmatch(sha256)})
    files = (one for one in fields.getlist("file") if isinstance(one, UploadFile) and one.filename)
    found |= {str(one.filename): one.file.read() for one in files}
    if not found:
        raise OptionError("Choose a file to upload.", code="no-file")
    return found


def suite_of(filename: str, data: bytes, executor: str = "", name: str = "") -> tuple[str, dict[str, bytes]]:
    """Returns the name and files of a suite made of a script or a zip; OptionError if it is neither."""
    leaf = PurePosixPath(filename.replace("\\", "/")).name
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", name or PurePosixPath(leaf).stem).strip("-_")[:40].strip("-_") or "suite"
    files = suites.files_of_zip(data) if leaf.lower().endswith(".zip") else {leaf: data}
    if main_of(files) in files:
        return stem, files
    scripts = sorted(path for path in files if executor_of(path))
    if not scripts:
        known = ", ".join(sorted({suffix for one in TESTED for suffix in ENGINES[one].scripts}))
        text = f"{leaf}: no suite.yml and no script of a known kind ({known}). Add one."
        raise OptionError(text, code="no-script")
    script = next((one for one in scripts if PurePosixPath(one).stem == "locustfile"), scripts[0])
    executor = executor if executor in TESTED else executor_of(script)
    own_load = ENGINES[executor].script_load or b"LoadTestShape" in files[script]
    form = editor.FIRST.model_copy(
        update={"scenario": stem, "script": script, "requests": (), "executor": executor, "think_time": ""}
        | ({"load": "script", "steady_only": False} if own_load else {})
    )
    return stem, {**files, FILE: text_of(SuiteForm(**form.model_dump())).encode()}


def executor_of(path: str) -> str:
    """Returns the executor that runs a script, by its suffix; empty if none does."""
    suffix = PurePosixPath(path).suffix.lower()
    return next((name for name in TESTED if suffix in ENGINES[name].scripts), "")


def main_of(files: Mapping[str, Any]) -> str:
    """Returns the file that is the suite itself."""
    return next((name for name in SUITE_NAMES if name in files), FILE)


def checked_new_name(name: str) -> str:
    """Returns the name of a new suite; OptionError if it is invalid."""
    if not NAME.fullmatch(name) or name == suites.RESERVED:
        fix = "use at most 40 letters, digits, `-` and `_`, and begin with a letter or digit"
        raise OptionError(f"Name `{name[:80]}`: {fix}. `{suites.RESERVED}` is reserved.", code="suite-name")
    return name


def _files(store: Store, draft: Draft) -> dict[str, bytes]:
    """Returns the files of the edited version; none for a new suite."""
    return {} if draft.version is None else suites.read(store, draft.name, draft.version)[1]


def _as_form(draft: Draft, files: Mapping[str, bytes]) -> Draft:
    if main_of(files) != FILE:
        return replace(draft, notice=f"The form edits a {FILE}; this suite has a {main_of(files)}.")
    return draft.as_form()


def _texts(fields: FormData) -> dict[str, str]:
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def _page(
    request: Request, draft: Draft, *, wrong: UserError | None = None, status: int = 200, **model: Any
) -> Response:
    """Renders the editor with its first check."""
    setup = request.app.state.setup
    files = _files(setup.store, draft)
    found = planned.check(setup.store, draft, files, main_of(files), setup.clock.now())
    errors = {mark.field: mark for mark in reversed(found.marks) if mark.field}
    model = {"theirs": None, "changes": "", "uploading": False, "added": ""} | model
    return page(
        request,
        "edit.html.jinja",
        status=status_of(wrong) if wrong and status == 200 else status,
        title="New suite" if draft.version is None else f"Edit {draft.name}",
        draft=draft,
        form=draft.form,
        found=found,
        errors=errors,
        words=planned.in_words(found.start),
        wrong=mask(str(wrong)) if wrong else "",
        unsaved=request.method == "POST" and not model["uploading"],
        files={path: len(data) for path, data in files.items() if path != main_of(files)},
        main=main_of(files),
        presigned=setup.presign_upload is not None,
        regions=list(planned.deployments(setup.store)),
        choices=editor,
        address_engines=[(name, ENGINES[name].title) for name in editor.ENGINES_OF_ADDRESSES],
        script_engines=[
            ("", "by the file's name"),
            *((name, ENGINES[name].title) for name in editor.ENGINES_OF_SCRIPTS),
        ],
        **model,
    )
