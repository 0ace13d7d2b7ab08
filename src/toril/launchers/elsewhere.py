"""Runs the workers of one plan on Fargate and at private locations, by one launcher for each."""

from collections.abc import Mapping

from toril.errors import Note
from toril.launchers import Launcher, WorkerExit
from toril.records import Launch, Plan, RanTask


class Elsewhere:
    """Routes each worker to Fargate or to the agents of its location."""

    def __init__(self, fargate: Launcher, agents: Launcher) -> None:
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
        raise NotImplementedError

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
        raise NotImplementedError
