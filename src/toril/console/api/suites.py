"""`/api/v1/suites`: suites, their versions and baselines; `/api/v1/uploads`: the contents of their files.

A version names its files by SHA-256. Upload a content that the store does not have yet, then save the version.
"""

import hashlib
from collections import Counter
from itertools import islice
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from toril.console.api.runs import MOST_ROWS, Message
from toril.console.audit import no_change
from toril.console.described import STRICT
from toril.console.identity import Operator, Viewer
from toril.console.runs import Days, trend_of
from toril.console.web import clock_of, desk_of, download, store_of
from toril.desk.starting import launcher_of
from toril.errors import OptionError, StoreError
from toril.plan.options import RunOptions
from toril.records import SuiteOrigin
from toril.records.console import Baseline, SuiteVersion
from toril.records.trend import Trend
from toril.runs import notes, suites
from toril.store import Store

router = APIRouter(tags=["suites"])
MOST_OF_SUITE = suites.MOST_BYTES
READ_AT_ONCE = 16  # uploads; each may be as large as a suite

Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Name of the suite.")]
Number = Annotated[int, Path(ge=0, lt=1 << 31, description="Number of the version.")]
Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the content, in hexadecimal digits.")]


class NewVersion(BaseModel):
    """A version to save. `expected`: the version that was edited, 0 for a new suite; null: whatever is there."""

    model_config = STRICT

    files: Annotated[dict[str, str], Field(min_length=1, max_length=1_000, description="SHA-256 by path.")]
    comment: Annotated[str, Field(max_length=500)] = ""
    expected: Annotated[int | None, Field(ge=0)] = None
    origin: SuiteOrigin | None = None


class ToCheck(BaseModel):
    """Files to check, and the options of a run."""

    model_config = STRICT

    files: Annotated[dict[str, str], Field(max_length=1_000, description="SHA-256 by path.")]
    on: Annotated[Literal["local", "fargate"] | None, Field(description="Default: what this console can do.")] = None
    workers: Annotated[int | None, Field(ge=1, le=10_000)] = None
    locations: dict[str, str] = {}
    overrides: Annotated[list[str], Field(max_length=100)] = []


class Upload(BaseModel):
    """A content to upload."""

    model_config = STRICT

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0, le=MOST_OF_SUITE)]


class UploadPlace(BaseModel):
    """Where to upload a content. With `fields`, send a form by POST, the content as its last field `file`; else PUT."""

    url: str
    fields: dict[str, str] = {}
    there: bool = False  # nothing to upload


class SuitePage(BaseModel):
    """Some suites, by name. `cursor`: where the next page begins; empty after the last one."""

    suites: tuple[SuiteVersion, ...]
    cursor: str


@router.get("/suites")
def list_suites(
    request: Request,
    person: Viewer,
    tag: Annotated[list[str], Query(max_length=20, description="`key=value`; a suite has all of them.")] = [],  # noqa: B006
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 50,
) -> SuitePage:
    """Returns the current version of each suite, by name."""
    store, wanted = store_of(request), {tuple(pair.split("=", 1)) for pair in tag}
    names = sorted(name for name in suites.suite_names(store) if name > cursor)
    every = (suites.current(store, name) for name in names)
    versions = tuple(islice((version for version in every if wanted <= set(version.tags.items())), limit + 1))
    return SuitePage(suites=versions[:limit], cursor=versions[limit - 1].suite if len(versions) > limit else "")


@router.get("/suites/{name}")
def get_suite(request: Request, person: Viewer, name: Name) -> SuiteVersion:
    """Returns the current version of a suite."""
    return suites.current(store_of(request), name)


@router.get("/suites/{name}/versions")
def get_versions(request: Request, person: Viewer, name: Name) -> list[SuiteVersion]:
    """Returns the versions of a suite, newest first."""
    return suites.versions(store_of(request), name)


@router.get("/suites/{name}/versions/{number}")
def get_version(request: Request, person: Viewer, name: Name, number: Number) -> SuiteVersion:
    """Returns one version of a suite."""
    return suites.current(store_of(request), name, number)


@router.get(
    "/suites/{name}/versions/{number}/files/{path:path}", response_class=Response, response_description="The file."
)
def get_suite_file(request: Request, person: Viewer, name: Name, number: Number, path: str) -> Response:
    """Returns one file of a version."""
    _, files = suites.read(store_of(request), name, number)
    if path not in files:
        raise StoreError(f"suite {name}, version {number}: there is no file {path}", code="no-such-key")
    return download(request, files[path], path.rpartition("/")[2], "application/octet-stream")


@router.post("/suites/{name}/versions", status_code=201)
def save_version(request: Request, person: Operator, name: Name, wanted: NewVersion) -> SuiteVersion:
    """Saves the next version of a suite; 409 if another person saved one since.

    `max_cost_usd` limits its runs by schedules and commands, if `console.maxCost` limits its author.
    """
    files = contents_of(store_of(request), wanted.files)
    return desk_of(request).save(name, files, wanted.comment, expected=wanted.expected, origin=wanted.origin)


@router.delete("/suites/{name}")
def delete_suite(request: Request, person: Operator, name: Name) -> Message:
    """Deletes all versions of a suite; its runs stay. Schedules that use it have to go first."""
    desk_of(request).delete_suite(name)
    return Message(message=f"suite {name} is deleted; its runs stay")


@router.post("/suites/check")
def check_suite(request: Request, person: Viewer, wanted: ToCheck) -> suites.Checked:
    """Returns what `toril plan` says of some files. Nothing is executed or fetched."""
    no_change(request)
    on = wanted.on or launcher_of(store_of(request))
    options = RunOptions(on=on, workers=wanted.workers, locations=wanted.locations, overrides=tuple(wanted.overrides))
    return suites.validate(contents_of(store_of(request), wanted.files), options, now=clock_of(request).now())


@router.get("/suites/{name}/baseline")
def get_baseline(request: Request, person: Viewer, name: Name) -> Baseline | None:
    """Returns the run that other runs of this suite are compared with."""
    return notes.baseline_of(store_of(request), name)


@router.delete("/suites/{name}/baseline")
def clear_baseline(request: Request, person: Operator, name: Name) -> Message:
    """Removes the baseline of a suite."""
    desk_of(request).clear_baseline(name)
    return Message(message=f"suite {name} has no baseline")


@router.get("/suites/{name}/trend")
def get_trend(
    request: Request,
    person: Viewer,
    name: Name,
    label: Annotated[str | None, Query(description="Only this label; empty: all requests.")] = None,
    location: Annotated[str | None, Query(description="Only this location; empty: all locations.")] = None,
    metric: Literal["p50", "p95", "p99", "failures", "throughput"] | None = None,
    days: Days = None,
) -> Trend:
    """Returns how the figures of a suite changed from run to run."""
    store, clock = store_of(request), clock_of(request)
    return trend_of(store, clock, name, days, label=label, location=location, metric=metric)


@router.post("/uploads")
def place_upload(request: Request, person: Operator, wanted: Upload) -> UploadPlace:
    """Returns where to upload a content; it is kept for a day."""
    no_change(request)
    setup, key = request.app.state.setup, _upload_key(wanted.sha256)
    if setup.store.find(key, 0) is not None:
        return UploadPlace(url="", there=True)
    if setup.presign_upload is None:
        return UploadPlace(url=f"{setup.address}/api/v1/uploads/{wanted.sha256}")
    url, fields = setup.presign_upload(key, wanted.size)
    return UploadPlace(url=url, fields=fields)


@router.put("/uploads/{sha256}", status_code=201)
async def upload(request: Request, person: Operator, sha256: Digest) -> Message:
    """Takes a content; 422 if it does not have this SHA-256."""
    data = await request.body()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise OptionError("the content does not have this SHA-256; upload it again", code="changed-upload")
    store_of(request).put(_upload_key(sha256), data)
    return Message(message=f"{len(data)} bytes are stored")


def contents_of(store: Store, files: dict[str, str]) -> dict[str, bytes]:
    """Returns the uploaded contents by path; StoreError if one is missing, too large or not what its name says."""
    uses, left = Counter(files.values()), MOST_OF_SUITE
    wanted, contents = [*uses], dict[str, bytes]()
    for first in range(0, len(wanted), READ_AT_ONCE):
        some = wanted[first : first + READ_AT_ONCE]
        read = store.find_many(map(_upload_key, some), left)
        for sha256 in some:
            data = read.get(_upload_key(sha256))
            if data is None:
                raise StoreError(
                    f"{_path(files, sha256)}: the content {sha256:.80} was not uploaded", code="not-uploaded"
                )
            left -= len(data) * uses[sha256]
            if left < 0:  # before the hashes: one upload may be the content of a thousand paths
                raise suites.too_large(f"it has more than {MOST_OF_SUITE >> 20} MiB")
            if hashlib.sha256(data).hexdigest() != sha256:
                text = f"{_path(files, sha256)}: the upload was changed; upload it again"
                raise StoreError(text, code="changed-upload")
            contents[sha256] = data
    return {path: contents[sha256] for path, sha256 in files.items()}


def _path(files: dict[str, str], sha256: str) -> str:
    return next(path for path, digest in files.items() if digest == sha256)


def _upload_key(sha256: str) -> str:
    return f"uploads/{sha256}"
