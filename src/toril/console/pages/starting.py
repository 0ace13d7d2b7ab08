"""Starts runs that pages ask for."""

from fastapi import Request
from fastapi.responses import Response

from toril.console.identity import Person
from toril.console.web import see
from toril.errors import OptionError
from toril.plan.options import RunOptions
from toril.runs.requests import request_run


def start(request: Request, person: Person, suite: str, options: RunOptions, version: int | None = None) -> Response:
    """Requests a run, starts it, and sends the browser to its page. `console.maxCost` limits what operators start."""
    setup = request.app.state.setup
    if setup.starter is None:
        raise OptionError("This console starts no runs. Use `toril run`.", code="no-starter")
    found = request_run(
        setup.store,
        suite,
        options,
        by=person.name,
        at=setup.clock.now(),
        version=version,
        max_cost_usd=None if person.may("admin") else setup.max_cost_usd,
    )
    setup.starter.start(found)
    return see(f"/runs/{found.run_id}", request)
