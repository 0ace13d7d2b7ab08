"""Runs the workers of one plan on Fargate and at private locations, by one launcher for each."""

from collections.abc import Mapping

from toril.errors import Note
from toril.launchers import Launcher, WorkerExit
from toril.records import Launch, Plan, RanTask
from toril.records.agent import is_private


def parts_of(plan: Plan) -> tuple[Plan, Plan]:
    """Returns the plan with the shares of regions alone, and with those of private locations alone."""
    regions = tuple(share for share in plan.shares if not is_private(share.location))
    private = tuple(share for share in plan.shares if is_private(share.location))
    return plan.model_copy(update={"shares": regions}), plan.model_copy(update={"shares": private})


class Elsewhere(Launcher):
    """Routes each worker to Fargate or to the agents of its location."""

    def __init__(self, fargate: Launcher, agents: Launcher) -> None:
        self._both = fargate, agents

    @property
    def longest_s(self) -> float | None:
        return min((launcher.longest_s for launcher in self._both if launcher.longest_s is not None), default=None)

    def launch(self, plan: Plan, launch: Launch) -> None:
        for launcher, part in zip(self._both, parts_of(plan), strict=True):
            launcher.launch(part, launch)

    def attach(self, plan: Plan, launch: Launch, attempts: Mapping[str, str]) -> None:
        for launcher, part in zip(self._both, parts_of(plan), strict=True):
            launcher.attach(part, launch, {share.worker: attempts[share.worker] for share in part.shares})

    def relaunch(self, worker: str, attempt: str) -> None:
        self._launcher(worker).relaunch(worker, attempt)

    def ended(self) -> Mapping[str, WorkerExit]:
        return {worker: ended for launcher in self._both for worker, ended in launcher.ended().items()}

    def tasks(self) -> Mapping[str, RanTask]:
        return {worker: task for launcher in self._both for worker, task in launcher.tasks().items()}

    def notes(self) -> tuple[Note, ...]:
        return tuple(note for launcher in self._both for note in launcher.notes())

    def terminate(self, worker: str) -> None:
        self._launcher(worker).terminate(worker)

    def kill(self, worker: str) -> None:
        self._launcher(worker).kill(worker)

    def release(self) -> None:
        for launcher in self._both:
            launcher.release()

    def close(self) -> tuple[str, ...]:
        return tuple(problem for launcher in self._both for problem in launcher.close())

    def cancel_sweep(self) -> tuple[str, ...]:
        return tuple(problem for launcher in self._both for problem in launcher.cancel_sweep())

    def _launcher(self, worker: str) -> Launcher:
        """Workers have the names of their locations: `office-1`."""
        return self._both[is_private(worker.rpartition("-")[0])]
