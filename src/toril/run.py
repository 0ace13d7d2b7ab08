"""Runs a plan: publishes it, drives the workers to their end, and judges the run.

A take-over and a sweep are the same steps, started later. Every other module is reached from here.
"""

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toril.clock import Clock
from toril.cloudwatch import ClientFactory, authorization, check, clients
from toril.coordinator.driver import Coordinator
from toril.coordinator.faults import Faults, InjectorOf
from toril.coordinator.lease import LeaseLostError
from toril.coordinator.progress import View
from toril.errors import InfrastructureError, Note, OptionError, StoreError
from toril.launchers import Launcher
from toril.launchers.faults import injector_of
from toril.launchers.prepare import launcher_for, stop_tasks
from toril.records import Plan, Stop, SuiteOrigin, Verdict, run_key
from toril.records.progress import Progress, ProgressNote, WorkersNow
from toril.reports import Bundle
from toril.runs.coordination import Coordination, Observer
from toril.runs.publish import publish
from toril.signals import Interrupts
from toril.store import Store
from toril.store.records import read_record
from toril.suite import Suite
from toril.verdict.servers import queries

if TYPE_CHECKING:
    from toril.launchers.fargate import Stopped
    from toril.runs.conclude import Judged

FOLLOWED_S = 600.0  # far longer than a coordinator needs from a stop to a verdict


def run(
    suite: Suite,
    plan: Plan,
    *,
    store: Store,
    launcher: Launcher,
    clock: Clock,
    view: View,
    interrupts: Interrupts,
    origin: SuiteOrigin | None = None,
    observers: Sequence[Observer] = (),
    amend: Callable[[Verdict], Verdict] | None = None,
    injector: InjectorOf | None = None,
) -> "Judged":
    """Runs the plan, judges the run, and stores all results in the run's folder.

    `origin`: the source of the suite, if its folder is not a git checkout. `amend` completes the verdict before it is
    stored. `injector`: of its faults; None: of AWS and of this machine. InfrastructureError if the load never began.
    """
    cloudwatch = clients()
    notes = check(queries(plan), clock.now(), cloudwatch, load_s=plan.duration_s, authorize=authorization(plan))
    if notes:
        noted = tuple(ProgressNote(code=note.code, message=note.message) for note in notes)
        workers = WorkersNow(planned=len(plan.shares))
        view.show(Progress(run_id=plan.run_id, at=clock.now(), workers=workers, notes=noted))
    plan = publish(store, suite, plan, origin)
    coordinator = Coordinator.of_new(store, plan, clock, longest_s=launcher.longest_s)
    owner = Coordination(
        coordinator=coordinator, launcher=launcher, clock=clock, view=view, interrupts=interrupts, observers=observers,
        faults=_faults(coordinator, injector, suite.folder),
    )  # fmt: skip
    return _finish(owner, cloudwatch, lambda: launcher.launch(plan, coordinator.launch), amend)


def take_over(
    store: Store,
    run_id: str,
    *,
    launcher: Launcher,
    clock: Clock,
    view: View,
    interrupts: Interrupts,
    observers: Sequence[Observer] = (),
    injector: InjectorOf | None = None,
) -> "Judged":
    """Continues a run whose coordinator has ended: starts missing workers, and follows the others.

    LeaseLostError while the run has a coordinator.
    """
    coordinator = Coordinator.of_abandoned(store, run_id, clock)
    owner = Coordination(
        coordinator=coordinator, launcher=launcher, clock=clock, view=view, interrupts=interrupts, observers=observers,
        faults=_faults(coordinator, injector, Path()),
    )  # fmt: skip
    attempts = coordinator.state.attempts
    return _finish(owner, clients(), lambda: launcher.attach(coordinator.plan, coordinator.launch, attempts))


def _faults(coordinator: Coordinator, injector: InjectorOf | None, folder: Path) -> Faults | None:
    if not coordinator.plan.faults:
        return None
    injector = injector or injector_of(folder)
    return Faults(coordinator.store, coordinator.plan, coordinator.clock, coordinator.lease, injector)


def _finish(
    owner: Coordination,
    cloudwatch: ClientFactory,
    begin: Callable[[], None],
    amend: Callable[[Verdict], Verdict] | None = None,
) -> "Judged":
    """Starts or finds the workers, drives the run to its end, and judges it.

    If the store fails during the load, such as on a full disk, the measurements so far are judged.
    """
    failure: StoreError | None = None
    last_notes: tuple[Note, ...] = ()
    with owner.holding() as problems:
        begin()
        import toril.reports.html  # noqa: F401 - imported while the workers start, because it takes long
        from toril.runs.conclude import conclude

        try:
            last_notes = owner.drive()
        except StoreError as error:
            if owner.coordinator.state.start is None:
                raise
            failure = error
    with closing(owner.coordinator):
        try:
            return conclude(owner, cloudwatch, last_notes=last_notes, problems=problems, failure=failure, amend=amend)
        except StoreError as error:
            raise InfrastructureError(f"{failure or error}. The run cannot be judged", code=error.code) from error


def sweep(
    store: Store,
    run_id: str,
    *,
    stop_tasks: Callable[[], None],
    launcher: Launcher,
    clock: Clock,
    view: View,
    observers: Sequence[Observer] = (),
    injector: InjectorOf | None = None,
) -> "Judged | None":
    """Ends the remaining tasks of a run and judges it; None if its coordinator has judged it.

    A running coordinator reads the stop, ends the run and judges it. The sweep waits for that, because the coordinator
    may die first and no other process would judge the run. LeaseLostError if the coordinator takes longer than
    FOLLOWED_S. Another InfrastructureError if the load never began; the run is judged nevertheless.
    """
    verdict = run_key(run_id, "verdict.json")
    if store.find(verdict) is None:
        stop = Stop(at=clock.now(), cause="deadline", message="ended by `toril stop --all-tasks`")
        store.put_once(run_key(run_id, "stop.json"), stop.to_json())
    stop_tasks()
    give_up_at = clock.now() + FOLLOWED_S
    while store.find(verdict) is None:
        try:
            return take_over(
                store,
                run_id,
                launcher=launcher,
                clock=clock,
                view=view,
                interrupts=Interrupts(),
                observers=observers,
                injector=injector,
            )
        except LeaseLostError:
            if clock.now() > give_up_at:
                raise
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """The result of a sweep. `bundle`: the run if the sweep judged it; None if its coordinator judges it."""

    stopped: tuple[str, ...]  # ARNs of the tasks that were still running
    problems: tuple[str, ...]
    bundle: Bundle | None = None
    reason: str = ""  # why the sweep did not judge the run, or why the load never began


def sweep_run(store: Store, run_id: str, clock: Clock, view: View, observers: Sequence[Observer] = ()) -> Swept:
    """Stops every task of a run on Fargate, and judges the run unless its coordinator does."""
    plan, _, _ = read_record(store, run_id)
    if plan.on != "fargate":
        text = f"{run_id} is a local run, whose workers end with its command; use `toril stop {run_id}`"
        raise OptionError(text, code="local-run")
    launcher = launcher_for(plan, store, {}, clock)
    stopped: list[Stopped] = []
    reason, judged = "", None
    try:
        judged = sweep(
            store,
            run_id,
            stop_tasks=lambda: stopped.append(stop_tasks(store, run_id, "swept")),
            launcher=launcher,
            clock=clock,
            view=view,
            observers=observers,
        )
    except InfrastructureError as error:
        if not isinstance(error, LeaseLostError) and store.find(run_key(run_id, "verdict.json")) is None:
            raise
        reason = str(error)
    from toril.runs.index import pack

    with suppress(StoreError):  # the next sweep or run packs them
        pack(store, clock.now(), at_least=1)
    left = () if judged is None else judged.left
    return Swept(
        stopped=tuple(arn for part in stopped for arn in part.tasks),
        problems=(*(text for part in stopped for text in part.problems), *left),
        bundle=None if judged is None else judged.bundle,
        reason=reason,
    )


def carry_on(
    store: Store, run_id: str, clock: Clock, view: View, interrupts: Interrupts, observers: Sequence[Observer] = ()
) -> "Judged":
    """Takes over a run with the launcher of its plan. OptionError if the run is already judged."""
    plan, _, _ = read_record(store, run_id)
    if store.find(run_key(run_id, "verdict.json")) is not None:
        raise OptionError(f"{run_id} is already judged; use `toril report {run_id}`", code="run-judged")
    launcher = launcher_for(plan, store, {}, clock)
    return take_over(
        store, run_id, launcher=launcher, clock=clock, view=view, interrupts=interrupts, observers=observers
    )
