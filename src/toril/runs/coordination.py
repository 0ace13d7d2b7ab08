"""Drives a run from its launch to the end of its last worker.

If a bucket fails temporarily, the coordinator of a run retries for PATIENCE_S and then leaves the run. Its workers
continue for longer, so another coordinator can take it over. After any other error, all workers are stopped.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from toril.clock import Clock, retry
from toril.coordinator.driver import STEP_S, Coordinator
from toril.coordinator.faults import Faults
from toril.coordinator.lease import LeaseLostError
from toril.coordinator.progress import View
from toril.coordinator.protocol import Kill, Relaunch, TearDown, Terminate
from toril.errors import ExpiredCredentialsError, InfrastructureError, Note, StoreError
from toril.launchers import Launcher
from toril.launchers.prepare import read_deployments
from toril.records import Deployment, Plan, Stop
from toril.records.progress import EVERY_S, Phase, Progress
from toril.signals import Interrupts
from toril.timeline import Timeline

if TYPE_CHECKING:
    from toril.launchers.pricing import PriceTable
    from toril.reports import Bundle

Value = TypeVar("Value")

PATIENCE_S = 120.0
VIEW_EVERY_S = 0.5  # people cannot read faster changes


class CutOffError(InfrastructureError):
    """This coordinator can no longer reach the run's records, but another one may."""

    def __init__(self, plan: Plan, error: StoreError) -> None:
        ends_s = plan.pace.orphaned_after_s or 0.0
        super().__init__(
            f"{error}. Run {plan.run_id} continues without this command; its workers end their load in {ends_s:.0f} s. "
            f"To continue the run, use `toril watch {plan.run_id} --take-over`",
            code="cut-off",
        )


class Observer(Protocol):
    """Follows a run from its coordinator's thread. No call takes longer than 20 ms, and none changes the run or its
    verdict.

    An observer that raises an error is dropped; the error becomes a note.
    """

    def begun(self, plan: Plan, start_at: float, attempts: Mapping[str, str]) -> None:
        """The load begins. Called again after a take-over. `attempts`: the attempt of each worker."""

    def advanced(self, timeline: Timeline, complete_to: int | None, progress: Progress) -> None:
        """Each report of the run. Seconds up to `complete_to` are complete; None: none is."""

    def judged(self, bundle: "Bundle") -> None:
        """The verdict is stored."""

    def close(self, within_s: float) -> tuple[Note, ...]:
        """Ends its work, after the report was shown. Returns what failed."""


@dataclass(slots=True, kw_only=True)
class Coordination:
    """The coordination of a run: its coordinator, the launcher of its workers, and the user's terminal."""

    coordinator: Coordinator
    launcher: Launcher
    clock: Clock
    view: View
    interrupts: Interrupts
    observers: Sequence[Observer] = ()
    faults: Faults | None = None
    _watching: list[Observer] = field(init=False)  # the observers without an error
    _begun: bool = field(init=False, default=False)
    _dropped: tuple[Note, ...] = field(init=False, default=())
    _written_at: float = field(init=False, default=float("-inf"))
    _unwritten: tuple[Note, ...] = field(init=False, default=())
    _prices: "tuple[PriceTable, dict[str, Deployment]] | None" = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._watching = list(self.observers)

    @contextmanager
    def holding(self) -> Iterator[list[str]]:
        """Stops all workers at the end of the block, unless another coordinator has the run or can take it over.

        Yields a list; after the block, it has the problems with stopping workers.
        """
        problems: list[str] = []
        try:
            yield problems
        except (LeaseLostError, CutOffError):
            self.launcher.release()
            raise
        except BaseException:
            try:
                self.launcher.close()
            finally:
                self._end_faults()
                self.coordinator.close()
            raise
        self._end_faults()
        problems += self.launcher.close()

    def drive(self) -> tuple[Note, ...]:
        """Follows the run to the end of its last worker. Returns the launcher's last notes before the load began."""
        coordinator, launcher = self.coordinator, self.launcher
        trouble_since: float | None = None
        last_notes: tuple[Note, ...] = ()
        shown_at = float("-inf")
        calm = self.faults is None  # no fault is active
        while trouble_since is not None or not coordinator.ended or not calm:
            # an unanswered renewal may mean another coordinator
            try:
                coordinator.lease.renew()  # the launcher writes offers, and another coordinator may have the run
                for action in coordinator.step(launcher.ended(), self.asked()):
                    self._execute(action)
                self._begin()
                if self.faults is not None:
                    state = coordinator.state
                    calm = self.faults.advance(state.start, loading=state.phase in ("launching", "running"))
                trouble_since, notes = None, launcher.notes()
                if coordinator.state.phase == "launching":
                    last_notes = notes
            except StoreError as error:
                trouble_since = self.clock.now() if trouble_since is None else trouble_since
                if self._gives_up(error, trouble_since + PATIENCE_S):
                    if coordinator.plan.on == "local" or self.interrupts or coordinator.state.stop is not None:
                        raise  # the run is ending, and needs no other coordinator
                    raise CutOffError(coordinator.plan, error) from error
                notes = (Note(error.code, str(error)),)
            if self.clock.now() >= shown_at + VIEW_EVERY_S:
                shown_at = self.clock.now()
                self.report(notes, reachable=trouble_since is None)
            if trouble_since is not None or not coordinator.ended or not calm:
                self.clock.sleep(coordinator.pause_s)
        return last_notes

    def report(
        self, notes: Sequence[Note] = (), phase: Phase | None = None, waiting: str = "", *, reachable: bool = True
    ) -> None:
        """Shows the run. Every EVERY_S, and at its end, also writes `progress.json` if the store is `reachable`.

        A failed write is only a note, because the next version replaces it.
        """
        due = reachable and (phase == "ended" or not 0 <= self.clock.now() - self._written_at < EVERY_S)
        progress = self.coordinator.progress((*notes, *self._unwritten, *self._dropped), phase, waiting, detailed=due)
        complete_to = self.coordinator.complete_to
        self._observe(lambda observer: observer.advanced(self.coordinator.fold.whole, complete_to, progress))
        if phase != "ended":
            self.view.show(progress)
        if due:
            self._written_at, self._unwritten = progress.at, ()
            try:
                self.coordinator.publish(replace(progress, cost_usd=self._cost_usd(progress)))
            except StoreError as error:
                self._unwritten = (Note("progress-unwritten", f"watchers see no new figures: {error}"),)

    def _end_faults(self) -> None:
        """Stops a fault that is still active, as after an error of the store."""
        if self.faults is not None:
            with suppress(InfrastructureError, StoreError):
                self.faults.close()

    def judged(self, bundle: "Bundle") -> None:
        """Reports a stored verdict to the observers."""
        self._observe(lambda observer: observer.judged(bundle))

    def _begin(self) -> None:
        """Reports the start signal to the observers, once."""
        start = self.coordinator.state.start
        if start is not None and not self._begun:
            self._begun = True
            plan = self.coordinator.plan
            self._observe(lambda observer: observer.begun(plan, start.at, start.attempts))

    def _observe(self, call: Callable[[Observer], None]) -> None:
        for observer in tuple(self._watching):
            try:
                call(observer)
            except Exception as error:  # whatever it is, the run goes on
                self._watching.remove(observer)
                self._dropped += (Note("observer-failed", f"{type(observer).__name__} ended: {error!r}"),)

    def _cost_usd(self, progress: Progress) -> float | None:
        """Returns the cost so far, at list prices; None without a price, before the first task, and on this machine."""
        tasks = self.launcher.tasks()
        if not any(task.pull_started_at is not None for task in tasks.values()):
            return None
        from toril.launchers.pricing import cost_of, read_prices

        plan, deployments = self.coordinator.plan, dict[str, Deployment]()
        if self._prices is None:
            with suppress(InfrastructureError, StoreError):  # default stacks are assumed
                deployments = read_deployments(self.coordinator.store)
            self._prices = read_prices(os.environ), deployments
        prices, deployments = self._prices
        load_s, requests = progress.elapsed_s, progress.figures.samples
        estimate = cost_of(plan, tasks, deployments, prices, load_s=load_s, requests=requests, until=progress.at)
        return None if estimate.unpriced else round(estimate.total_usd, 6)

    def with_retries(self, act: Callable[[], Value]) -> Value:
        """Retries `act` while a bucket fails temporarily, because there may be no coordinator after this one."""
        until = self.clock.now() + PATIENCE_S

        def after(error: Exception, _failures: int) -> float | None:
            return STEP_S if isinstance(error, StoreError) and not self._gives_up(error, until) else None

        return retry(act, after, self.clock)

    def asked(self) -> Stop | None:
        """Returns the stop if a signal has arrived."""
        if not self.interrupts:
            return None
        return Stop(at=self.clock.now(), cause="signal", message=f"interrupted by {self.interrupts.names[0]}")

    def _gives_up(self, error: StoreError, until: float) -> bool:
        if self.coordinator.plan.on == "local" or self.interrupts or isinstance(error, ExpiredCredentialsError):
            return True
        return self.clock.now() > until

    def _execute(self, action: Relaunch | TearDown | Terminate | Kill) -> None:
        match action:
            case Relaunch(worker, attempt) | TearDown(worker, attempt):
                self.launcher.relaunch(worker, attempt)
            case Terminate(worker):
                self.launcher.terminate(worker)
            case Kill(worker):
                self.launcher.kill(worker)
