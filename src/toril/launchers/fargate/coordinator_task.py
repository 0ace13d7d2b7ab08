"""Starts requested runs on Fargate: each gets a coordinator's task in the home region."""

import hashlib
from collections.abc import Mapping

from toril.aws.client import Clients, call
from toril.aws.coordinators import CONTAINER, coordinator_task, home_of
from toril.aws.errors import AwsError
from toril.errors import InfrastructureError
from toril.launchers.fargate.task_exit import exit_of
from toril.launchers.fargate.tasks import described, failure_of, started_by
from toril.records import Deployment
from toril.records.console import RunRequest

OWN = "console/"  # before the run's id in `startedBy`; with the id alone, its tasks would end with the run's workers


def home_region(deployments: Mapping[str, Deployment]) -> Deployment:
    """Returns the region that starts coordinators; InfrastructureError if there is none."""
    found = next((one for one in deployments.values() if one.home is not None), None)
    if found is None:
        text = "no region can start runs: none is a home region; set `home: true` in a stack, and run `pulumi up`"
        raise InfrastructureError(text, code="no-home")
    return found


class FargateStarter:
    """Starts `toril run --request` as a task with the rights of a coordinator."""

    def __init__(self, home: Deployment, clients: Clients) -> None:
        home_of(home)
        self._home, self._clients = home, clients

    def start(self, request: RunRequest) -> None:
        """See `Starter.start`."""
        home, run_id = self._home, request.run_id
        task = coordinator_task(
            home,
            ["run", "--request", run_id, "--store", home.store, "--quiet"],
            token=hashlib.sha256(run_id.encode()).hexdigest(),
            started_by=started_by(f"{OWN}{run_id}"),
            tags={"toril:run": run_id, "toril:suite": request.suite},
        )
        try:
            answer = call(self._clients("ecs", home.region).run_task, "ecs:RunTask", **task)
        except AwsError as error:
            if error.resources:  # an earlier request has started it, with another revision
                return
            raise
        if not answer["tasks"]:
            why = failure_of(answer) or "AWS gives no reason"
            text = f"{home.region}: the coordinator of {run_id} could not be started: {why}; try again"
            raise InfrastructureError(text, code="no-coordinator")

    def why_ended(self, request: RunRequest) -> str | None:
        """See `Starter.why_ended`. ECS remembers a stopped task for an hour."""
        stopped = described(self._clients("ecs", self._home.region), self._home, "STOPPED", f"{OWN}{request.run_id}")
        return exit_of(stopped[0], CONTAINER).reason if stopped else None
