"""Starts runs of a deployed store, now and by schedule. The stacks are read each time, since they may change."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toril.records import Deployment
from toril.records.console import RunRequest
from toril.records.schedule import SuiteSchedule
from toril.store import Store

if TYPE_CHECKING:
    from toril.aws.client import Clients

ATTEMPTS = 3  # of a call, within the time of a request to the console


@dataclass(frozen=True, slots=True)
class EventBridge:
    """The schedules of a deployed store, in its home region."""

    store: Store

    def schedules(self) -> tuple[list[SuiteSchedule], list[str]]:
        from toril.aws.schedules import suite_schedules

        return suite_schedules(*self._home())

    def create(self, schedule: SuiteSchedule) -> None:
        from toril.aws.schedules import create_schedule

        create_schedule(*self._home(), schedule)

    def update(self, schedule: SuiteSchedule) -> None:
        from toril.aws.schedules import update_schedule

        update_schedule(*self._home(), schedule)

    def delete(self, name: str) -> None:
        from toril.aws.schedules import delete_schedule

        delete_schedule(*self._home(), name)

    def _home(self) -> "tuple[Deployment, Clients]":
        return _home(self.store)


@dataclass(frozen=True, slots=True)
class DeployedStarter:
    """Starts runs in the home region of a deployed store."""

    store: Store

    def start(self, request: RunRequest) -> None:
        """See `Starter.start`."""
        from toril.launchers.fargate.coordinator_task import FargateStarter

        FargateStarter(*_home(self.store)).start(request)

    def why_ended(self, request: RunRequest) -> str | None:
        """See `Starter.why_ended`."""
        from toril.launchers.fargate.coordinator_task import FargateStarter

        return FargateStarter(*_home(self.store)).why_ended(request)

    def take_over(self, run_id: str, at: float) -> None:
        """See `Starter.take_over`."""
        from toril.launchers.fargate.coordinator_task import FargateStarter

        FargateStarter(*_home(self.store)).take_over(run_id, at)


def _home(store: Store) -> "tuple[Deployment, Clients]":
    from toril.launchers.fargate import clients
    from toril.launchers.fargate.coordinator_task import home_region
    from toril.launchers.prepare import read_deployments

    deployments = read_deployments(store, damaged=[])
    return home_region(deployments), clients(deployments, attempts=ATTEMPTS)
