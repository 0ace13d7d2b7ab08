"""`/locations`: regions, private locations, what `toril doctor` finds there, and the vCPU in use.

The page shows the stacks' records at once. The findings need calls to AWS, so the page loads them as a second part.
"""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from fastapi import APIRouter, Request
from fastapi.responses import Response

from toril.console.identity import Viewer
from toril.console.planned import deployments, places_of
from toril.console.web import page
from toril.launchers.agents import agents_by_location
from toril.launchers.findings import Finding
from toril.store import FolderStore, Store

router = APIRouter()
REGION = attrgetter("region")
ORDER = ("missing", "warning", "optional", "ok")


@router.get("/locations")
def locations(request: Request, person: Viewer) -> Response:
    store: Store = request.app.state.setup.store
    now = request.app.state.setup.clock.now()
    return page(
        request,
        "locations.html.jinja",
        title="Locations",
        places=places_of(store),
        agents=agents_by_location(store, now),
        now=now,
        local=isinstance(store, FolderStore),
    )


@router.get("/locations/findings")
def findings(request: Request, person: Viewer) -> Response:
    """The second part: the findings, those that need an action first."""
    setup = request.app.state.setup
    survey = sorted(setup.examine(setup.store), key=lambda finding: ORDER.index(finding.state))
    return page(request, "findings.html.jinja", title="Locations", by_region=_by_region(survey))


@router.get("/locations/quotas")
def quotas(request: Request, person: Viewer) -> Response:
    """The vCPU of each region: of a run, by the stack; in use, by AWS. The suite form loads it as a second part."""
    setup = request.app.state.setup
    by_region = _by_region(setup.quotas(setup.store))
    answer = page(request, "quotas.html.jinja", title="vCPU", regions=deployments(setup.store), used=by_region)
    answer.headers["cache-control"] = "private, max-age=300"  # AWS counts once a minute, and answers slowly
    return answer


def _by_region(survey: Iterable[Finding]) -> dict[str, list[Finding]]:
    return {region: [*found] for region, found in groupby(sorted(survey, key=REGION), REGION)}
