"""`/runs/{id}/files` and `/runs/{id}/suite`: what a run left behind. Files are attachments and never pages.

`/runs/{id}/measured` and `/runs/{id}/exchanges`: parts of a run's page, from its files.
"""

import io
import re
import zipfile
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from toril.console import web
from toril.console.identity import Viewer
from toril.console.runs import head_of, seen, without_values
from toril.console.web import MOST_THROUGH, attachment, page, store_of
from toril.errors import NoSuchRunError, StoreError
from toril.records import Plan, run_key
from toril.records.evidence import MOST_FILES_OF_TRY
from toril.runs.find import checked_id
from toril.runs.trying import exchanges_after, why_not_started
from toril.secrets.masking import mask
from toril.store import Store
from toril.store.keys import is_key
from toril.store.records import find_record

router = APIRouter()
MOST_OF_FOLDER = 64 << 20  # without presigned addresses
MOST_SHOWN = 64 << 10  # bytes of a text on a page: its end
MOST_LISTED = 2_000
ELEMENT = re.compile(rb'<script id="measured" type="text/plain">([A-Za-z0-9+/=]*)</script>')
MOST_OF_PAGE = 128 << 20  # bytes of a report
LOGS = (".log", ".txt")
INTERVALS = re.compile(r"(workers/.*/intervals-)\d+")  # a worker writes one every few seconds


@dataclass(frozen=True, slots=True)
class RunFile:
    """One file of a run. `path`: in the run's folder."""

    path: str
    size: int
    modified_at: float

    @property
    def is_log(self) -> bool:
        return self.path.startswith("workers/") and self.path.endswith(LOGS)


@dataclass(frozen=True, slots=True)
class ShownText:
    """The text of a file. `left_out`: bytes before it."""

    path: str
    text: str
    left_out: int = 0


@router.get("/runs/{run_id}/files")
def files(request: Request, person: Viewer, run_id: str, log: str = "", q: str = "") -> Response:
    """The list of files, or of those with `q` in their paths; and the end of one log."""
    store: Store = request.app.state.setup.store
    listed = files_of(store, run_id)
    shown = None
    if log:
        shown = _text(store, run_id, log, next((own.size for own in listed if own.path == log and own.is_log), None))
    logs = [file for file in listed if file.is_log]
    listed = [file for file in listed if q.strip().casefold() in file.path.casefold()]
    return page(
        request,
        "run_files.html.jinja",
        title="Files",
        lines=[(path, list(group)) for path, group in groupby(listed[:MOST_LISTED], _line_of)],
        left_out=max(0, len(listed) - MOST_LISTED),
        logs=logs,
        where=store.address(run_key(run_id)) + "/",
        q=q,
        shown=shown,
        head=head_of(store, run_id),
    )


@router.get("/runs/{run_id}/files.zip")
def several(
    request: Request, person: Viewer, run_id: str, file: Annotated[tuple[str, ...], Query()] = (), q: str = ""
) -> Response:
    """The chosen files in a zip; without a choice, all that the list shows."""
    setup = request.app.state.setup
    listed = files_of(setup.store, run_id)
    if file:
        chosen = [item for item in listed if item.path in file or _line_of(item) in file]
    else:
        chosen = [item for item in listed if q.strip().casefold() in item.path.casefold()]
    most = MOST_OF_FOLDER if setup.presign is None else MOST_THROUGH
    if sum(item.size for item in chosen) > most:
        text = f"These files have more than {most >> 20} MiB. Choose fewer, or use `toril fetch {run_id}`."
        raise StoreError(text, code="too-large")
    contents = setup.store.find_many(_key(run_id, item.path) for item in chosen)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, data in sorted(contents.items()):
            shown = without_values(setup.store, key, person)
            archive.writestr(key.removeprefix("runs/"), data if shown is None else shown)
    return attachment(packed.getvalue(), f"{run_id}.zip")


@router.get("/runs/{run_id}/files/{path:path}")
def download(request: Request, person: Viewer, run_id: str, path: str) -> Response:
    """One file as an attachment; a large one from the bucket itself."""
    setup = request.app.state.setup
    key, name = _key(run_id, path), f"{run_id}-{path.rpartition('/')[2]}"
    shown = without_values(setup.store, key, person)
    if shown is not None:
        return web.download(request, shown, name)
    most = MOST_OF_FOLDER if setup.presign is None else MOST_THROUGH
    data = setup.store.find(key, most)
    if data is None:
        raise _missing(run_id, path)
    if len(data) <= most:
        return attachment(data, name)
    if setup.presign is None:
        raise StoreError(f"{path} has more than {most >> 20} MiB; read it from the store", code="too-large")
    return RedirectResponse(setup.presign(key), status_code=303)


@router.get("/runs/{run_id}/suite")
def suite(request: Request, person: Viewer, run_id: str, file: str = "") -> Response:
    """The suite as it was run: its files, and the text of one."""
    store: Store = request.app.state.setup.store
    head = head_of(store, run_id)
    known = {} if head.plan is None else head.plan.files
    names = sorted(known)
    first = file or next((name for name in names if name.endswith((".yml", ".yaml"))), names[0] if names else "")
    if file and file not in known:
        raise _missing(run_id, file)
    shown = _text(store, run_id, f"suite/{first}", None) if first in known else None
    return page(request, "run_suite.html.jinja", title="Suite", names=names, chosen=first, shown=shown, head=head)


def files_of(store: Store, run_id: str) -> list[RunFile]:
    """Returns the files of a run; NoSuchRunError if it has none."""
    top = run_key(checked_id(run_id)) + "/"
    listed = [RunFile(entry.key.removeprefix(top), entry.size, entry.modified_at) for entry in store.entries(top)]
    if not listed:
        raise NoSuchRunError(f"no run {run_id} in this store; its folder may have expired", code="no-such-run")
    return sorted(listed, key=lambda file: file.path)


def _line_of(file: RunFile) -> str:
    """Returns the file's line in the list: its path, or the common beginning of a worker's interval files."""
    match = INTERVALS.fullmatch(file.path)
    return match[1] if match else file.path


def _text(store: Store, run_id: str, path: str, size: int | None) -> ShownText:
    """Returns the end of a text file, without credentials; StoreError for other files."""
    data = store.find(_key(run_id, path), MOST_THROUGH)
    if data is None:
        raise _missing(run_id, path)
    if b"\0" in data[:MOST_SHOWN]:
        return ShownText(path, "This is no text. Download the file.")
    end = data[-MOST_SHOWN:] if size is None or size <= MOST_THROUGH else data[:MOST_SHOWN]
    return ShownText(path, mask(end.decode("utf-8", "replace")), len(data) - len(end))


def _key(run_id: str, path: str) -> str:
    key = run_key(checked_id(run_id), path)
    if not is_key(key):
        raise _missing(run_id, path)
    return key


def _missing(run_id: str, path: str) -> StoreError:
    return StoreError(f"run {run_id} has no file {path[:300]!r}", code="no-such-key")


@router.get("/runs/{run_id}/measured")
def measured(request: Request, person: Viewer, run_id: str) -> Response:
    """The measurements in the run's stored page; empty for a run without windows. Reads no interval files."""
    text = measurements_of(store_of(request), run_id)
    if request.app.state.setup.presign is not None and len(text) > MOST_THROUGH:
        error = f"The data of run {run_id} are too large for this console. Open its report.html from the files."
        raise StoreError(error, code="too-large")
    return Response(text, media_type="text/plain", headers={"cache-control": "private, max-age=3600"})


def measurements_of(store: Store, run_id: str) -> bytes:
    page = store.find(run_key(checked_id(run_id), "report.html"), MOST_OF_PAGE)
    match = ELEMENT.search(page or b"")
    return match[1] if match else b""


@router.get("/runs/{run_id}/exchanges")
def exchanges(
    request: Request, person: Viewer, run_id: str, after: Annotated[int, Query(ge=0, le=MOST_FILES_OF_TRY)] = 0
) -> Response:
    """The exchanges of the files after a number. The part asks for later ones until the try is over."""
    from toril.reports.exchange_text import shown  # Rich takes long to import

    setup = request.app.state.setup
    current = seen(setup.store, run_id, setup.clock.now())  # before the files: the last ones come before the end
    kept, number = exchanges_after(setup.store, checked_id(run_id), after)
    goes_on, problem = current.going_on, "" if current.failure is None else current.failure.message
    if not (goes_on or problem or number):
        plan = find_record(setup.store, Plan, run_key(run_id, "plan.json"))
        problem = (why_not_started(setup.store, plan) if plan else "") or "The try ended without a request."
    return page(
        request,
        "exchanges.html.jinja",
        title="Requests",
        run_id=run_id,
        exchanges=list(shown(kept)),
        after=number,
        goes_on=goes_on,
        problem=mask(problem),
    )
