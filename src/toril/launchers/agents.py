"""Runs workers at private locations: offers shares in the store, which the agents of a location take."""

from collections.abc import Mapping

from toril.clock import Clock
from toril.errors import Note
from toril.launchers import WorkerExit
from toril.records import Launch, Plan, RanTask
from toril.records.agent import Announcement
from toril.store import Store


class AgentLauncher:
    """Offers the shares of a plan's private locations to their agents, and watches the workers that they start."""

    def __init__(self, store: Store, clock: Clock) -> None:
        raise NotImplementedError

    @property
    def longest_s(self) -> float | None:
        raise NotImplementedError

    def launch(self, plan: Plan, launch: Launch) -> None:
        raise NotImplementedError

    def attach(self, plan: Plan, launch: Launch, attempts: Mapping[str, str]) -> None:
        raise NotImplementedError

    def relaunch(self, worker: str, attempt: str) -> None:
        raise NotImplementedError

    def ended(self) -> Mapping[str, WorkerExit]:
        raise NotImplementedError

    def tasks(self) -> Mapping[str, RanTask]:
        return {}

    def notes(self) -> tuple[Note, ...]:
        raise NotImplementedError

    def terminate(self, worker: str) -> None:
        raise NotImplementedError

    def kill(self, worker: str) -> None:
        raise NotImplementedError

    def release(self) -> None:
        raise NotImplementedError

    def close(self) -> tuple[str, ...]:
        raise NotImplementedError

    def cancel_sweep(self) -> tuple[str, ...]:
        return ()


def live_agents(store: Store) -> tuple[Announcement, ...]:
    """Returns the agents that announced themselves within the last 30 s of the store's clock."""
    raise NotImplementedError
