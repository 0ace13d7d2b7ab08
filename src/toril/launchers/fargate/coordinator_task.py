"""Starts requested runs on Fargate: each gets a coordinator's task in the home region."""

import hashlib
from collections.abc import Callable, Mapping

from toril.aws.client import Clients, call
from toril.aws.coordinators import CONTAINER, coordinator_task
from toril.aws.errors import AwsError
from toril.errors import InfrastructureError
from toril.launchers.fargate.task_exit import exit_of
from toril.launchers.fargate.tasks import described, failure_of
from toril.records import Deployment
from toril.records.console import RunRequest

OWN = "console/"  # before the run's id in `startedBy`; with the id alone, its tasks would end with the run's workers


def home_region(deployments: Mapping[str, Deployment]) -> Deployment:
    """Returns the region that starts coordinators; InfrastructureError if there is none."""
    home = next((deployment for deployment in deployments.values() if deployment.home is not None), None)
    if home is None:
        text = "no region can start runs: none is a home region; set `home: true` in a stack, and run `pulumi up`"
        raise InfrastructureError(text, code="no-home")
    return home


class FargateStarter:
    """Starts `toril run --request` as a task with the rights of a coordinator. `home` returns the home region."""

    def __init__(self, home: Callable[[], tuple[Deployment, Clients]]) -> None:
        self._home = home

    def start(self, request: RunRequest) -> None:
        """See `Starter.start`."""
        run_id, tags = request.run_id, {"toril:run": request.run_id, "toril:suite": request.suite}
        self._run(run_id, ["run", "--request", run_id], run_id, tags)

    def take_over(self, run_id: str, at: float) -> None:
        """See `Starter.take_over`. Requests of one minute start one task; the lease admits one coordinator anyway."""
        command = ["watch", run_id, "--take-over"]
        self._run(run_id, command, f"{run_id} again {at // 60:.0f}", {"toril:run": run_id})

    def _run(self, run_id: str, command: list[str], token: str, tags: Mapping[str, str]) -> None:
        home, clients = self._home()
        task = coordinator_task(
            home,
            [*command, "--store", home.store, "--quiet"],
            token=hashlib.sha256(token.encode()).hexdigest(),
            by=f"{OWN}{run_id}",
            tags=tags,
        )
        try:
            answer = call(clients("ecs", home.region).run_task, "ecs:RunTask", **task)
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
        home, clients = self._home()
        stopped = described(clients("ecs", home.region), home, "STOPPED", f"{OWN}{request.run_id}")
        return exit_of(stopped[0], CONTAINER).reason if stopped else None
