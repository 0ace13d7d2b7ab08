"""Starts runs of a deployed store, now and by schedule. The stacks are read each time, since they may change."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from toril.records import Deployment
from toril.records.schedule import SuiteSchedule
from toril.store import Store

if TYPE_CHECKING:
    from toril.aws.client import Clients
    from toril.desk.starting import Starter

ATTEMPTS = 3  # of a call, within the time of a request to the console


@dataclass(frozen=True, slots=True)
class EventBridge:
    """The schedules of a deployed store, in its home region."""

    store: Store

    def schedules(self) -> tuple[list[SuiteSchedule], list[str]]:
        from toril.aws.schedules import suite_schedules

        return suite_schedules(*_home(self.store))

    def create(self, schedule: SuiteSchedule) -> None:
        from toril.aws.schedules import create_schedule

        create_schedule(*_home(self.store), schedule)

    def update(self, schedule: SuiteSchedule) -> None:
        from toril.aws.schedules import update_schedule

        update_schedule(*_home(self.store), schedule)

    def delete(self, name: str) -> None:
        from toril.aws.schedules import delete_schedule

        delete_schedule(*_home(self.store), name)


def starter_of(store: Store) -> "Starter":
    """Returns what starts runs in the home region of a deployed store."""
    from toril.launchers.fargate.coordinator_task import FargateStarter

    return FargateStarter(partial(_home, store))


def _home(store: Store) -> "tuple[Deployment, Clients]":
    from toril.launchers.fargate import clients
    from toril.launchers.fargate.coordinator_task import home_region
    from toril.launchers.prepare import read_deployments

    deployments = read_deployments(store, damaged=[])
    return home_region(deployments), clients(deployments, attempts=ATTEMPTS)
