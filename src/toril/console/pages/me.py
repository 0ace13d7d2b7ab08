"""`/me`: the signed-in person."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from toril.console.identity import Role, Viewer
from toril.console.web import page

ABOUT: dict[Role, str] = {
    "viewer": "A viewer sees suites, runs and schedules, and changes nothing.",
    "operator": "An operator also writes suites, notes and schedules, and starts, changes and stops runs.",
    "admin": "An admin may do everything: also delete runs, and see the audit.",
}

router = APIRouter()


@router.get("/me")
def me(request: Request, person: Viewer) -> Response:
    address = request.app.state.setup.address
    return page(request, "me.html.jinja", title=person.name, about=ABOUT[person.role], address=address)
