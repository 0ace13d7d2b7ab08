"""Runs workers as Fargate tasks, with a fleet in each region of the plan.

- fleet: one region's workers, driven by a thread
- task_slots: the state of each worker, and its next step
- tasks: requests to ECS, and the run's tasks there
- task_exit: the reason why a task ended
- rate_limit: how fast tasks may start
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

from toril.aws import client, schedules
from toril.aws.client import Clients, ClientSettings
from toril.clock import Clock, SystemClock
from toril.errors import InfrastructureError, Note
from toril.launchers import Launcher, WorkerExit
from toril.launchers.fargate.fleet import Fleet, Site
from toril.launchers.fargate.rate_limit import Rates, usual_rates
from toril.launchers.fargate.tasks import Stopped, kind_for, stop_all
from toril.records import Deployment, Launch, Plan, RanTask

Value = TypeVar("Value")


def clients(deployments: Mapping[str, Deployment], *, attempts: int = 1) -> Clients:
    """Returns clients for the regions, with FIPS endpoints where the stack uses them.

    The environment's AWS_USE_FIPS_ENDPOINT counts only in other regions that have FIPS endpoints. The default is one
    attempt per call, because a fleet retries at its own pace.
    """
    fips = {region: deployment.endpoints for region, deployment in deployments.items() if deployment.fips}
    return client.clients(ClientSettings(attempts=attempts, fips=fips, fips_if_there=True))


class FargateLauncher(Launcher):
    """Starts `toril worker` as tasks in the plan's locations, which are regions with a deployment.

    `home`: the region that schedules a sweep at the run's deadline. `rates`: how fast each region starts tasks; the
    default is AWS' default quota.
    """

    def __init__(
        self,
        deployments: Mapping[str, Deployment],
        clients: Clients,
        clock: Clock,
        *,
        home: Deployment | None = None,
        rates: Mapping[str, Rates] | None = None,
    ) -> None:
        self._deployments, self._clients, self._clock = deployments, clients, clock
        self._rates = rates or {}
        self._fleets: dict[str, Fleet] = {}
        self._fleet_of: dict[str, Fleet] = {}
        self._run_id, self._deadline, self._planned = "", 0.0, False
        self._left = False  # whether tasks may still run after `close`
        self._home = home

    @property
    def longest_s(self) -> float | None:
        return min((float(deployment.limits.duration_s) for deployment in self._deployments.values()), default=None)

    def launch(self, plan: Plan, launch: Launch) -> None:
        self._prepare(plan, launch)
        self._plan_sweep()
        for share in plan.shares:
            self._fleet_of[share.worker].start(share, launch.attempts[share.worker][0])

    def attach(self, plan: Plan, launch: Launch, attempts: Mapping[str, str]) -> None:
        self._prepare(plan, launch)
        for share in plan.shares:
            self._fleet_of[share.worker].find(share, attempts[share.worker])

    def relaunch(self, worker: str, attempt: str) -> None:
        self._plan_sweep()
        self._fleet_of[worker].again(worker, attempt)

    def ended(self) -> Mapping[str, WorkerExit]:
        return self._merged(lambda fleet: fleet.ended())

    def tasks(self) -> Mapping[str, RanTask]:
        return self._merged(lambda fleet: fleet.tasks())

    def notes(self) -> tuple[Note, ...]:
        return tuple(note for fleet in self._fleets.values() for note in fleet.notes())

    def terminate(self, worker: str) -> None:
        """Stops the task; Fargate kills it after its stopTimeout."""
        self._fleet_of[worker].stop(worker)

    def release(self) -> None:
        for fleet in self._fleets.values():
            fleet.release()

    def close(self) -> tuple[str, ...]:
        if not self._fleets:
            return ()
        with ThreadPoolExecutor(len(self._fleets)) as pool:
            problems = [one for found in pool.map(lambda fleet: fleet.close(), self._fleets.values()) for one in found]
        self._left = bool(problems)
        return tuple(problems)

    def cancel_sweep(self) -> tuple[str, ...]:
        """See `Launcher`. The sweep stays if tasks may still run; after the deadline its schedule is gone."""
        if self._home is None or not self._fleets or self._left or self._clock.now() >= self._deadline:
            return ()
        return schedules.cancel_sweep(self._home, self._clients, self._run_id)

    def _plan_sweep(self) -> None:
        """Schedules the sweep once, before any task starts, unless the deadline has passed (as in a sweep)."""
        if self._home is not None and not self._planned and self._clock.now() < self._deadline:
            schedules.plan_sweep(self._home, self._clients, self._run_id, self._deadline)
        self._planned = True

    def _prepare(self, plan: Plan, launch: Launch) -> None:
        sites = {location: self._site(plan, location) for location in plan.locations}
        self._run_id, self._deadline = plan.run_id, launch.deadline
        for region, site in sites.items():
            self._fleets[region] = Fleet(plan, site, self._clients, self._clock, deadline=launch.deadline)
        self._fleet_of = {share.worker: self._fleets[share.location] for share in plan.shares}

    def _site(self, plan: Plan, location: str) -> Site:
        deployment = self._deployments.get(location)
        if deployment is None:
            known = ", ".join(sorted(self._deployments)) or "none"
            fix = f"change `locations` (deployed: {known}), or run `pulumi up --stack {location}`"
            raise InfrastructureError(f"no stack is deployed for {location}; {fix}", code="not-deployed")
        if plan.task is not None and plan.task.spot and "FARGATE_SPOT" not in deployment.capacity_providers:
            fix = f"remove `toril.worker.spot`, or run `pulumi up --stack {location}`"
            raise InfrastructureError(f"the cluster in {location} has no Fargate Spot; {fix}", code="no-spot")
        return Site(deployment, kind_for(plan, deployment), self._rates.get(location, usual_rates(location)))

    def _merged(self, ask: Callable[[Fleet], Mapping[str, Value]]) -> dict[str, Value]:
        return {worker: value for fleet in self._fleets.values() for worker, value in ask(fleet).items()}


def stop_everywhere(
    deployments: Mapping[str, Deployment], run_id: str, clients: Clients, why: str, clock: Clock | None = None
) -> Stopped:
    """Stops every task of a run, in all regions in parallel; an unreachable region does not delay the others."""

    def stop(deployment: Deployment) -> Stopped:
        try:
            return stop_all(clients("ecs", deployment.region), deployment, run_id, why, clock or SystemClock())
        except InfrastructureError as error:  # no client could be made
            return Stopped(problems=(f"{deployment.region}: tasks of {run_id} may still run: {error}",))

    if not deployments:
        return Stopped()
    with ThreadPoolExecutor(len(deployments)) as pool:
        parts = list(pool.map(stop, deployments.values()))
    tasks, problems = (part.tasks for part in parts), (part.problems for part in parts)
    return Stopped(tuple(chain.from_iterable(tasks)), tuple(chain.from_iterable(problems)))
