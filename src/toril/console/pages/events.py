"""`/events`: what happened to runs, and who was notified."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from toril.console.api.events import Cursor
from toril.console.identity import Viewer
from toril.console.web import page, store_of
from toril.runs.events import kept

ROWS = 100  # a page

router = APIRouter()


@router.get("/events")
def events_page(request: Request, person: Viewer, cursor: Cursor = "") -> Response:
    found, after = kept(store_of(request), cursor, ROWS)
    return page(request, "events.html.jinja", title="Events", events=found, older=after)
