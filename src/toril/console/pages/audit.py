"""`/audit`: who changed what, one day at a time; administrators end the sessions of others there.

`/events`: what happened to runs, and who was notified.
"""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from toril.console.api.events import Cursor
from toril.console.audit import audit
from toril.console.identity import Admin, Viewer
from toril.console.web import page, see, store_of
from toril.notify.events import kept
from toril.records.console import AuditLine

ROWS = 100  # a page

LOOPBACK = ("127.0.0.1", "::1")
WORDS = {"run.adjust": "adjust rate", "run.note": "add note", "suite.files": "change files"}

router = APIRouter()


@router.get("/audit")
def audit_page(
    request: Request,
    person: Admin,
    day: Annotated[str, Query(pattern=r"^\d{4}-\d\d-\d\d$|^$")] = "",
    before: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    setup = request.app.state.setup
    days = setup.store.names("audit/")
    shown = day or (days[-1] if days else f"{datetime.fromtimestamp(setup.clock.now(), UTC):%Y-%m-%d}")
    keys = [key for key in setup.store.keys(f"audit/{shown}/") if not before or key.rsplit("/", 1)[1] < before]
    newest = sorted(keys, reverse=True)[:ROWS]
    files = setup.store.find_many(newest)
    lines = [AuditLine.from_json(files[key], key) for key in newest if key in files]
    return page(
        request,
        "audit.html.jinja",
        title="Audit",
        day=shown,
        earlier=max((other for other in days if other < shown), default=""),
        later=min((other for other in days if other > shown), default=""),
        in_words=in_words,
        loopback=LOOPBACK,
        lines=lines,
        people=sorted({(line.who, line.name) for line in lines}),
        older=newest[-1].rsplit("/", 1)[1] if len(keys) > len(newest) else "",
    )


@router.post("/people/end-sessions")
def end_sessions(
    request: Request, person: Admin, subject: Annotated[str, Form(min_length=1, max_length=255)]
) -> Response:
    request.app.state.setup.identity.end_sessions(subject)
    audit(request, "person.end-sessions", subject)
    return see("/audit", request)


def in_words(what: str) -> str:
    """Returns a change in words.

    >>> in_words("run.take-over")
    'take over run'
    """
    area, _, verb = what.rpartition(".")
    return WORDS.get(what, f"{verb} {area}".strip().replace("-", " "))


@router.get("/events")
def events_page(request: Request, person: Viewer, cursor: Cursor = "") -> Response:
    events, after = kept(store_of(request), cursor, ROWS)
    return page(request, "events.html.jinja", title="Events", events=events, older=after)
