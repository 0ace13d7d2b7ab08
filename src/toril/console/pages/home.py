"""`/`: the suites with their last results, and the runs that are going on."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from toril.console.identity import Viewer
from toril.console.web import page

router = APIRouter()


@router.get("/")
def home(request: Request, person: Viewer) -> Response:
    return page(request, "home.html.jinja", title="Home")
