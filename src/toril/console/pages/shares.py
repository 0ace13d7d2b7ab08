"""`/runs/{id}/share`: links that show one report to people without an account; `/shared/{id}/{token}`: that report.

The report is the page that *Download* has, in an opaque origin: its scripts reach neither cookies nor the console.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from toril.console.audit import record
from toril.console.identity import Admin, Operator, Person
from toril.console.pages.run import bundle_of, full_report
from toril.console.pages.run_files import measurements_of
from toril.console.runs import head_of
from toril.console.web import MOST_THROUGH, clock_of, desk_of, page, see, store_of
from toril.errors import UserError
from toril.reports.html import policy, render
from toril.runs.shares import MOST_HOURS, allowed, opened, shares_of

router = APIRouter()
HEADERS = {"referrer-policy": "no-referrer", "x-robots-tag": "noindex, nofollow, noarchive"}
SANDBOX = "; frame-ancestors 'none'; sandbox allow-scripts"
NOTHING = "<!doctype html><html lang=en><title>No report</title><p>This link does not work, or not any more.</p>"


@router.get("/runs/{run_id}/share")
def shares(request: Request, person: Operator, run_id: str) -> Response:
    """The links to the report, and the form for another one."""
    return _page(request, run_id)


@router.post("/runs/{run_id}/share")
def share(
    request: Request, person: Operator, run_id: str, hours: Annotated[int, Form(ge=1, le=MOST_HOURS)]
) -> Response:
    """Makes a link, and shows it this one time."""
    token = desk_of(request).share(run_id, hours)
    return _page(request, run_id, link=f"{request.app.state.setup.address}/shared/{run_id}/{token}")


@router.post("/runs/{run_id}/share/revoke")
def revoke(request: Request, person: Operator, run_id: str, link: Annotated[str, Form(max_length=64)]) -> Response:
    desk_of(request).revoke_share(run_id, link)
    return see(f"/runs/{run_id}/share", request)


@router.post("/runs/{run_id}/share/allow")
def allow(request: Request, person: Admin, run_id: str, is_allowed: Annotated[bool, Form()] = False) -> Response:
    """Allows links to reports in this console, or makes all of them stop working."""
    desk_of(request).allow_sharing(is_allowed)
    return see(f"/runs/{run_id}/share", request)


def _page(request: Request, run_id: str, link: str = "") -> Response:
    store = store_of(request)
    head = head_of(store, run_id)
    links = shares_of(store, run_id, clock_of(request).now())
    return page(
        request, "run_share.html.jinja", title="Share", head=head, links=links, link=link, allowed=allowed(store)
    )


# ── without an account


@router.api_route("/shared/{run_id}/{token}", methods=["GET", "HEAD"])
def shared(request: Request, run_id: str, token: str) -> Response:
    """The report. Every link that does not work has the same answer, whatever the reason."""
    store, now = store_of(request), clock_of(request).now()
    try:
        found = opened(store, run_id, token, now)
        if found is None:
            return HTMLResponse(NOTHING, status_code=404, headers=HEADERS)
        report = full_report(bundle_of(request, run_id))
        measurements = measurements_of(store, run_id)
    except UserError:  # no such run any more, or damaged
        return HTMLResponse(NOTHING, status_code=404, headers=HEADERS)
    if found[1]:
        reader = Person(subject="link", name=f"link of {found[0].by}", role="viewer")
        record(request.app.state.setup, reader, "share.open", run_id, {}, request_id=request.state.request_id)
    fits = request.app.state.setup.presign is None or len(measurements) <= MOST_THROUGH
    content = render(report, measurements.decode() if fits else "", files=None)
    return HTMLResponse(content, headers={**HEADERS, "content-security-policy": policy(report) + SANDBOX})
