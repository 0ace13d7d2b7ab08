"""`/api/v1/events`: the events of runs, and who was notified."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from toril.console.identity import Viewer
from toril.console.web import store_of
from toril.notify.events import kept
from toril.records.event import Event

router = APIRouter(tags=["runs"])
MOST_EVENTS = 200
Cursor = Annotated[
    str, Query(max_length=400, pattern=r"^(\d{4}-\d\d/[0-9A-Za-z._-]+)?$", description="From the page before.")
]


class EventPage(BaseModel):
    """Some events, newest first. `cursor`: where the next page begins; empty after the last one."""

    events: tuple[Event, ...]
    cursor: str


@router.get("/events")
def list_events(
    request: Request, person: Viewer, cursor: Cursor = "", limit: Annotated[int, Query(ge=1, le=MOST_EVENTS)] = 50
) -> EventPage:
    """Returns the events of runs, newest first: starts, results, failed schedules, and their deliveries."""
    events, after = kept(store_of(request), cursor, limit)
    return EventPage(events=tuple(events), cursor=after)
