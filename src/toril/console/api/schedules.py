"""`/api/v1/schedules` and `/api/v1/locations`."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict

from toril.console.api.runs import Message
from toril.console.described import STRICT
from toril.console.identity import Operator, Viewer
from toril.console.planned import places_of
from toril.console.runs import shown_to
from toril.console.web import desk_of
from toril.launchers.agents import agents_by_location
from toril.launchers.findings import Finding
from toril.records.agent import Announcement
from toril.records.schedule import SuiteSchedule
from toril.runs.schedules import next_runs

router = APIRouter()
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="Name of the schedule.")]


class NewSchedule(SuiteSchedule):
    """A schedule to create or change."""

    model_config = ConfigDict(defer_build=False, **STRICT)


class Listed(BaseModel):
    """A schedule and its next five runs, in seconds since the epoch."""

    schedule: SuiteSchedule
    next_runs: list[float]


class Location(BaseModel):
    """A region with a stack, or a private location with its live agents. `problem`: why a record cannot be read."""

    region: str
    deployed_at: float | None = None
    toril_version: str | None = None
    architectures: list[str] = []
    vcpus: int | None = None
    longest_run_s: int | None = None
    problem: str = ""
    agents: list[Announcement] = []


@router.get("/schedules", tags=["schedules"])
def list_schedules(request: Request, person: Viewer) -> list[Listed]:
    """Returns all schedules, those of stack settings too; those have the source `stack` and cannot be changed here."""
    setup = request.app.state.setup
    now, schedules = setup.clock.now(), desk_of(request).schedules()
    return [Listed(schedule=shown_to(person, schedule), next_runs=next_runs(schedule, now)) for schedule in schedules]


@router.post("/schedules", status_code=201, tags=["schedules"])
def create_schedule(request: Request, person: Operator, schedule: NewSchedule) -> SuiteSchedule:
    """Creates a schedule."""
    return desk_of(request).create_schedule(schedule)


@router.put("/schedules/{name}", tags=["schedules"])
def update_schedule(request: Request, person: Operator, name: Name, schedule: NewSchedule) -> SuiteSchedule:
    """Changes a schedule of the console, or pauses and resumes it."""
    return desk_of(request).change_schedule(name, lambda _: schedule)


@router.delete("/schedules/{name}", tags=["schedules"])
def delete_schedule(request: Request, person: Operator, name: Name) -> Message:
    """Deletes a schedule of the console."""
    desk_of(request).delete_schedule(name)
    return Message(message=f"schedule {name} is deleted")


@router.get("/locations", tags=["locations"])
def list_locations(request: Request, person: Viewer) -> list[Location]:
    """Returns the regions with a stack, then the private locations with a live agent, whose name is `region`."""
    setup = request.app.state.setup
    regions = [
        Location(
            region=place.region,
            deployed_at=place.deployed_at,
            toril_version=place.deployment and place.deployment.toril_version,
            architectures=sorted({kind.architecture for kind in place.deployment.workers}) if place.deployment else [],
            vcpus=place.deployment and place.deployment.limits.vcpus,
            longest_run_s=place.deployment and place.deployment.limits.duration_s,
            problem=place.problem,
        )
        for place in places_of(setup.store)
    ]
    private = [
        Location(region=name, agents=here) for name, here in agents_by_location(setup.store, setup.clock.now()).items()
    ]
    return regions + private


@router.get("/locations/checks", tags=["locations"])
def check_locations(request: Request, person: Viewer) -> list[Finding]:
    """Returns what `toril doctor` finds in all regions, or on this machine. `quota` and `used` are numbers of vCPU."""
    setup = request.app.state.setup
    return [*setup.examine(setup.store)]
