"""`/api/v1/files`: the store's values as files; `toril --store https://…` reads a store by them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel

from toril.console.identity import Viewer
from toril.console.runs import without_values
from toril.console.web import download, store_of
from toril.errors import StoreError
from toril.store.keys import checked

router = APIRouter(tags=["files"])
# Not here: uploads, people's sign-outs and the audit.
READABLE = (
    "runs/", "history/", "index/", "suites/", "versions/", "deployments/", "requests/", "notes/", "baselines/",
    "events/", "bisect/",
)  # fmt: skip
MOST_ENTRIES = 5_000
MOST_BYTES = 1 << 20  # larger values come from the bucket, by a presigned address
MOST_OF_FOLDER = 64 << 20  # without a bucket


class File(BaseModel):
    """One value of the store."""

    key: str
    size: int
    modified_at: float


class Files(BaseModel):
    """Some values, sorted by key. `after`: where the next page begins; empty after the last one."""

    entries: list[File] = []
    folders: list[str] = []
    after: str = ""


@router.get("/files")
def list_files(
    request: Request,
    person: Viewer,
    prefix: str,
    after: str = "",
    folders: Annotated[bool, Query(description="Return the names of folders right below the prefix.")] = False,
) -> Files:
    """Returns keys, sizes and times of values, or the names of folders."""
    store = store_of(request)
    _check_readable(f"{checked(prefix.removesuffix('/'))}/")
    if folders:
        return Files(folders=store.names(prefix))
    files: list[File] = []
    for entry in store.entries(prefix, after):
        if len(files) == MOST_ENTRIES:
            return Files(entries=files, after=files[-1].key)
        files.append(File(key=entry.key, size=entry.size, modified_at=entry.modified_at))
    return Files(entries=files)


@router.get(
    "/files/{key:path}",
    response_class=Response,
    response_description="The value.",
    responses={307: {"description": "A presigned address of the bucket."}},
)
def get_file(request: Request, person: Viewer, key: str) -> Response:
    """Returns a value as a file, or redirects to a presigned address of the bucket."""
    _check_readable(checked(key))
    store, presign = store_of(request), request.app.state.setup.presign
    shown = without_values(store, key, person)
    if shown is not None:
        return download(request, shown, key.rpartition("/")[2])
    most = MOST_OF_FOLDER if presign is None else MOST_BYTES
    data = store.find(key, most)
    if data is None:
        raise StoreError(f"{key}: no such file", code="no-such-key")
    if len(data) > most:
        if presign is None:
            raise StoreError(f"{key} has more than {most >> 20} MiB; read it from the store", code="too-large")
        return RedirectResponse(presign(key), status_code=307)
    headers = {"content-disposition": "attachment"}
    return Response(data, media_type="application/octet-stream", headers=headers)


def _check_readable(key: str) -> None:
    if not key.startswith(READABLE):
        raise StoreError(f"{key}: these files cannot be read through the console", code="no-such-key")
