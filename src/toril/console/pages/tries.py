"""`/runs/{id}/exchanges`: the requests of a try with their responses, as a part of its page while it goes on."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from toril.console.identity import Viewer
from toril.console.runs import seen
from toril.console.web import page
from toril.records.evidence import MOST_FILES_OF_TRY
from toril.runs.find import checked_id
from toril.runs.trying import exchanges_after

router = APIRouter()


@router.get("/runs/{run_id}/exchanges")
def exchanges(
    request: Request, person: Viewer, run_id: str, after: Annotated[int, Query(ge=0, le=MOST_FILES_OF_TRY)] = 0
) -> Response:
    """The exchanges of the files after a number. The part asks for later ones until the try is over."""
    from toril.reports.exchange_text import in_text  # Rich takes long to import

    setup = request.app.state.setup
    state = seen(setup.store, run_id, setup.clock.now()).state  # before the files: the last ones come before the end
    found, number = exchanges_after(setup.store, checked_id(run_id), after)
    return page(
        request,
        "exchanges.html.jinja",
        title="Requests",
        run_id=run_id,
        exchanges=[(one, *in_text(one)) for one in found],
        after=number,
        goes_on=state in ("requested", "running"),
    )
