"""`/me`: the signed-in person."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from toril.console.identity import Viewer
from toril.console.web import page

router = APIRouter()


@router.get("/me")
def me(request: Request, person: Viewer) -> Response:
    setup = request.app.state.setup
    return page(request, "me.html.jinja", title=person.name, sign_in=setup.identity.sign_in, address=setup.address)
