"""Launchers start, watch and stop workers; the worker is the same program wherever it runs.

- local: processes of this machine
- fargate: ECS tasks, in each region of the plan
- agents: workers at private locations, by the agents there
- elsewhere: both of these in one run
- preflight: checks of everything that a run on Fargate needs, before it starts
- pricing: the cost of a run at list prices
- prepare: chooses the launcher of a plan, and runs preflight and price check
- doctor: checks of everything that a local run needs
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from toril.errors import Note
from toril.records import Launch, Plan, RanTask


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """The reason why a worker's process or task ended."""

    reason: str
    again: bool = False  # it failed to start for a temporary reason, so another attempt may succeed
    code: str = "exited"


class Launcher(Protocol):
    """Starts, watches and stops workers. Calls return at once; `ended` may call the store, other work has threads.

    Implementations inherit what is the same for most of them.
    """

    @property
    def longest_s(self) -> float | None:
        """The longest load that the workers' regions allow, in seconds; None without a limit."""
        return None

    def launch(self, plan: Plan, launch: Launch) -> None:
        """Starts the first attempt of every worker; InfrastructureError if that is impossible."""
        ...

    def attach(self, plan: Plan, launch: Launch, attempts: Mapping[str, str]) -> None:
        """Finds the running workers of a run, one attempt each; starts none.

        A missing worker counts as ended, and may be relaunched.
        """
        ...

    def relaunch(self, worker: str, attempt: str) -> None:
        """Starts another attempt of a worker whose last attempt has ended."""
        ...

    def ended(self) -> Mapping[str, WorkerExit]:
        """Returns the workers whose latest attempt has ended."""
        ...

    def tasks(self) -> Mapping[str, RanTask]:
        """Returns the tasks of the workers; empty if they are processes of a machine."""
        return {}

    def notes(self) -> tuple[Note, ...]:
        """Returns notes on what the launcher waits for, and how long."""
        return ()

    def terminate(self, worker: str) -> None: ...

    def kill(self, worker: str) -> None:
        """Kills the worker; a launcher whose machines kill slow workers terminates it."""
        self.terminate(worker)

    def release(self) -> None:
        """Leaves the workers running, because another coordinator has the run or may take it over."""
        ...

    def close(self) -> tuple[str, ...]:
        """Stops all workers. Returns the problems that prevented it."""
        ...

    def cancel_sweep(self) -> tuple[str, ...]:
        """Cancels the deadline sweep, after `close` and after the verdict is stored. Returns the problems."""
        return ()
