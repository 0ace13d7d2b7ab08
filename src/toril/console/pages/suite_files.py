"""The files of a suite: a script or a zip becomes a suite; files are uploaded, edited, renamed and removed."""

import re
from contextlib import suppress
from pathlib import PurePosixPath

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData, UploadFile

from toril.authoring.form import FILE, SuiteForm, text_of
from toril.console import editor, planned
from toril.console.api.suites import contents_of
from toril.console.editor import whole
from toril.console.identity import Operator
from toril.console.pages.edit import checked_new_name, editor_page, main_of, new_draft
from toril.console.web import Posted, desk_of, page, see, status_of
from toril.errors import OptionError, UserError
from toril.runs import suites
from toril.runs.suites import ConflictError
from toril.secrets.masking import mask
from toril.store import Store
from toril.suite.engines import ENGINES, TESTED

router = APIRouter()

SHA256 = re.compile(r"[0-9a-f]{64}")
MOST_TEXT = 1_000_000  # bytes of a file that the page edits


@router.post("/suites/new/upload")
def upload(request: Request, person: Operator, fields: Posted) -> Response:
    """Makes a suite of a script, or of a zip; its first version has what was uploaded."""
    setup = request.app.state.setup
    typed = str(fields.get("name", "")).strip()
    try:
        filename, data = next(iter(uploaded(setup.store, fields).items()))
        location = next(iter(planned.deployments(setup.store)), "local")
        name, files = suite_of(filename, data, str(fields.get("executor", "")), typed, location)
        comment = f"uploaded {filename}"[:500]
        desk_of(request).save(checked_new_name(name), files, comment, expected=0, what="suite.upload")
    except UserError as error:
        wrong = error
        if isinstance(error, ConflictError):
            wrong = OptionError(f"There is a suite of the name {name}. Choose another name.", code=error.code)
        return editor_page(request, new_draft(setup.store, typed), wrong=wrong, uploading=True)
    return see(f"/suites/{name}/edit", request)


@router.get("/suites/{name}/files")
def file(request: Request, name: str, person: Operator, path: str) -> Response:
    """Shows a file; a text of up to MOST_TEXT bytes can be edited."""
    version, files = suites.read(request.app.state.setup.store, name)
    _check_there(path, files)
    text: str | None = None
    if len(files[path]) <= MOST_TEXT:
        with suppress(UnicodeDecodeError):  # no text
            text = files[path].decode()
    return _file_page(request, name, path, files, version.number, text)


@router.post("/suites/{name}/files")
def change_files(request: Request, name: str, person: Operator, fields: Posted) -> Response:
    """Adds uploaded files, or saves, renames or removes one file. Each is a version."""
    setup = request.app.state.setup
    version, files = suites.read(setup.store, name)
    expected = whole(str(fields.get("version", "")))
    path, do = str(fields.get("path", "")), str(fields.get("do", "upload"))
    text = str(fields.get("text", "")).replace("\r\n", "\n")
    if do == "upload":
        folder = str(fields.get("folder", "")).strip("/ ")
        new = {f"{folder}/{leaf}".lstrip("/"): data for leaf, data in uploaded(setup.store, fields).items()}
        changed, comment = {**files, **new}, f"uploaded {', '.join(new)}"
    elif do == "save":
        _check_there(path, files)
        changed, comment = {**files, path: text.encode()}, f"edited {path}"
    else:
        changed, comment = _moved(files, path, str(fields.get("to", "")).strip() if do == "rename" else None)
    try:
        checked, number = suites.checked_files(changed), version.number if expected is None else expected
        desk_of(request).save(name, checked, comment[:500], expected=number, what="suite.files")
    except UserError as error:
        if do != "save":
            raise
        return _file_page(request, name, path, files, version.number, text, error)
    return see(f"/suites/{name}/edit", request)


def _file_page(
    request: Request,
    name: str,
    path: str,
    files: dict[str, bytes],
    number: int,
    text: str | None,
    wrong: UserError | None = None,
) -> Response:
    """Renders the editor of a file. After a conflict it has the typed text, and the file as another person saved it."""
    theirs = files[path].decode(errors="replace") if wrong else ""
    return page(
        request,
        "file.html.jinja",
        status=status_of(wrong) if wrong else 200,
        title=path,
        name=name,
        file=path,
        content=text,
        size=len(files[path]),
        version_number=number,
        needed=path == main_of(files),
        wrong=mask(str(wrong)) if wrong else "",
        changes=mask(suites.diff({path: theirs.encode()}, {path: (text or "").encode()})) if wrong else "",
    )


def _check_there(path: str, files: dict[str, bytes]) -> None:
    if path not in files:
        raise OptionError(f"{path[:200]}: the suite has no such file.", code="no-such-file")


def _moved(files: dict[str, bytes], path: str, to: str | None) -> tuple[dict[str, bytes], str]:
    """Returns the files with one of them renamed, or removed without a new name; and what happened."""
    _check_there(path, files)
    if path == main_of(files):
        raise OptionError(f"{path} is the suite itself, which needs this name.", code="needed-file")
    kept = {name: data for name, data in files.items() if name != path}
    if to is None:
        return kept, f"removed {path}"
    if to in kept:
        raise OptionError(f"{to[:200]}: there is a file of this name. Choose another name.", code="file-exists")
    return {**kept, to: files[path]}, f"renamed {path} to {to}"


def uploaded(store: Store, fields: FormData) -> dict[str, bytes]:
    """Returns the uploaded files by name: those of the form, and those that went to the bucket before it."""
    ahead = (str(line).partition("/") for line in fields.getlist("uploaded"))  # <SHA-256>/<name>
    contents = contents_of(store, {name: sha256 for sha256, _, name in ahead if SHA256.fullmatch(sha256)})
    files = (upload for upload in fields.getlist("file") if isinstance(upload, UploadFile) and upload.filename)
    contents |= {str(upload.filename): upload.file.read() for upload in files}
    if not contents:
        raise OptionError("Choose a file to upload.", code="no-file")
    return contents


def suite_of(
    filename: str, data: bytes, executor: str = "", name: str = "", location: str = ""
) -> tuple[str, dict[str, bytes]]:
    """Returns the name and files of a suite made of a script or a zip; OptionError if it is neither."""
    leaf = PurePosixPath(filename.replace("\\", "/")).name
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", name or PurePosixPath(leaf).stem).strip("-_")[:40].strip("-_") or "suite"
    files = suites.files_of_zip(data) if leaf.lower().endswith(".zip") else {leaf: data}
    if main_of(files) in files:
        return stem, files
    scripts = sorted(path for path in files if executor_of(path))
    if not scripts:
        known = ", ".join(sorted({suffix for executor in TESTED for suffix in ENGINES[executor].scripts}))
        text = f"{leaf}: no suite.yml and no script of a known kind ({known}). Add one."
        raise OptionError(text, code="no-script")
    script = next((path for path in scripts if PurePosixPath(path).stem == "locustfile"), scripts[0])
    executor = executor if executor in TESTED else executor_of(script)
    own_load = ENGINES[executor].script_load or b"LoadTestShape" in files[script]
    load = editor.FIRST.first.model_dump() | {
        "scenario": stem,
        "script": script,
        "steps": (),
        "executor": executor,
        "think_time": "",
        "locations": {location: "1"} if location else {},
        "load": "script" if own_load else "users",
    }
    form = {**editor.FIRST.model_dump(), "executions": (load,), "steady_only": not own_load}
    return stem, {**files, FILE: text_of(SuiteForm.model_validate(form)).encode()}


def executor_of(path: str) -> str:
    """Returns the executor that runs a script, by its suffix; empty if none does."""
    suffix = PurePosixPath(path).suffix.lower()
    return next((name for name in TESTED if suffix in ENGINES[name].scripts), "")
