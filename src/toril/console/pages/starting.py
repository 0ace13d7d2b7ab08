"""Starts runs that pages ask for."""

from fastapi import Request
from fastapi.responses import Response

from toril.console.audit import audit
from toril.console.identity import Person
from toril.console.runs import start_run
from toril.console.web import see
from toril.plan.options import RunOptions


def start(
    request: Request,
    person: Person,
    suite: str,
    options: RunOptions,
    version: int | None = None,
    max_cost_usd: float | None = None,
) -> Response:
    """Starts a run, and sends the browser to its page."""
    found = start_run(request.app.state.setup, person, suite, options, version=version, max_cost_usd=max_cost_usd)
    audit(request, "run.start", found.run_id, suite=suite, version=found.version, smoke=found.smoke, tried=found.tried)
    return see(f"/runs/{found.run_id}", request)
