"""`/mcp`: the tools for assistants, with bearer tokens only."""

from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import Response

from toril.console.app import Setup
from toril.console.audit import audit, no_change
from toril.console.identity import RefusedError, Viewer

router = APIRouter(include_in_schema=False)


@router.post("/mcp")
def streamable_http(request: Request, person: Viewer) -> Response:
    """Answers one request of the protocol; a browser's session is refused.

    GET would open a stream of the server's own messages, of which there are none: a function would wait until it ends.
    """
    if person.by != "token":
        text = "/mcp takes bearer tokens only; use `toril mcp` on your own machine"
        raise RefusedError(text, code="token-only", status=403)
    from toril.console.mcp import AS_ASSISTANT, McpResponse, server_of  # slow to import

    no_change(request)
    setup: Setup = request.app.state.setup
    desk = setup.desk(person, AS_ASSISTANT, partial(audit, request))
    return McpResponse(server_of(setup.store, desk, person, setup.clock, setup.address))
