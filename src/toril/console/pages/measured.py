"""`/runs/{id}/measured`: what a finished run's page needs to compute the figures of any window."""

import re

from fastapi import APIRouter, Request
from fastapi.responses import Response

from toril.console.identity import Viewer
from toril.console.web import MOST_THROUGH, store_of
from toril.errors import StoreError
from toril.records import run_key
from toril.runs.find import checked_id

router = APIRouter()
ELEMENT = re.compile(rb'<script id="measured" type="text/plain">([A-Za-z0-9+/=]*)</script>')
MOST_OF_PAGE = 128 << 20  # bytes of a report


@router.get("/runs/{run_id}/measured")
def measured(request: Request, person: Viewer, run_id: str) -> Response:
    """The measurements in the run's stored page; empty for a run without windows. Reads no interval files."""
    page = store_of(request).find(run_key(checked_id(run_id), "report.html"), MOST_OF_PAGE)
    found = ELEMENT.search(page or b"")
    text = found[1] if found else b""
    if request.app.state.setup.presign is not None and len(text) > MOST_THROUGH:
        error = f"The data of run {run_id} are too large for this console. Open its report.html from the files."
        raise StoreError(error, code="too-large")
    return Response(text, media_type="text/plain", headers={"cache-control": "private, max-age=3600"})
