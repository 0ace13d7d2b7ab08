"""`/api/v1/runs/{id}/live`: the progress of a run. One poll reads one object, however many people watch."""

from typing import Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from toril.console.identity import Viewer
from toril.console.runs import State, present

router = APIRouter(tags=["runs"])


class Live(BaseModel):
    """A run as a watcher sees it."""

    state: State
    age_s: float  # of `progress`
    progress: dict[str, Any] | None  # `toril.progress/1`; None before its first version


@router.get("/runs/{run_id}/live", response_model=Live, responses={304: {"description": "Nothing has changed."}})
def live(
    request: Request,
    person: Viewer,
    run_id: str,
    since: int | None = None,
    if_none_match: str | None = Header(default=None),
) -> Response:
    """Returns the progress of a run; poll every two seconds, and send the last `ETag` as `If-None-Match`.

    `since`: the last second that the client has; the answer then has only later ones in `progress.recent`.
    """
    setup = request.app.state.setup
    found = present(setup, run_id)
    headers = {"etag": found.etag, "cache-control": "no-store"}
    if if_none_match is not None and found.etag in (tag.strip() for tag in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    content = {"state": found.state, "age_s": round(found.age_s, 3), "progress": found.changes(since)}
    return JSONResponse(content, headers=headers)
