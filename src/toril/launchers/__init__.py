"""Launchers start, watch and stop workers; the worker is the same program wherever it runs.

local      processes of this machine
fargate    tasks of ECS, in each region of the plan
preflight  checks everything that a run on Fargate needs, before it starts
pricing    the cost of a run at list prices
prepare    the launcher of a plan, after preflight and price
doctor     checks everything that a local run needs
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from toril.records import Launch, Plan, RanTask
from toril.suite.reader import Note


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """Why a worker's process or task is gone."""

    reason: str
    again: bool = False  # it never began, for a reason that may pass: another attempt is worth a try
    code: str = "exited"


class Launcher(Protocol):
    """Starts, watches and stops workers. Every call returns at once; what takes time goes on beside the coordinator."""

    @property
    def longest_s(self) -> float | None:
        """The longest load that the workers' regions allow, in seconds; None: any."""
        ...

    def launch(self, plan: Plan, launch: Launch) -> None:
        """Starts the first attempt of every share; InfrastructureError if that is impossible."""
        ...

    def attach(self, plan: Plan, launch: Launch, attempts: Mapping[str, str]) -> None:
        """Finds the workers of a run that is under way, one attempt each; starts nothing.

        A worker that is not found is gone, and may be tried again.
        """
        ...

    def relaunch(self, worker: str, attempt: str) -> None:
        """Starts another attempt at a share whose last one is gone."""
        ...

    def ended(self) -> Mapping[str, WorkerExit]:
        """Returns the workers whose latest attempt is gone."""
        ...

    def tasks(self) -> Mapping[str, RanTask]:
        """Returns the tasks of the workers; empty if they are processes of this machine."""
        ...

    def notes(self) -> tuple[Note, ...]:
        """Returns what the launcher waits for at present, and since when."""
        ...

    def terminate(self, worker: str) -> None: ...

    def kill(self, worker: str) -> None: ...

    def release(self) -> None:
        """Forgets the workers without ending them: another owner has the run, or may have it."""
        ...

    def close(self) -> tuple[str, ...]:
        """Ends everything that runs. Returns the problems that prevented it."""
        ...

    def cancel_sweep(self) -> tuple[str, ...]:
        """Cancels the deadline sweep, after `close` and once the verdict is kept. Returns what prevented it."""
        ...
