"""The whole story of a run, from a suite to a verdict; every other file is reached from here."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from toril.clock import Clock
from toril.coordinator.collect import completeness_of
from toril.coordinator.drive import STEP_S, Coordinator
from toril.coordinator.figures import LiveFigures, View
from toril.coordinator.lease import LeaseLostError
from toril.coordinator.live import read_record
from toril.coordinator.protocol import Kill, Relaunch, Terminate
from toril.errors import ExpiredCredentialsError, InfrastructureError, OptionError, StoreError
from toril.launchers import Launcher
from toril.launchers.fargate import Stopped
from toril.launchers.prepare import launcher_for, stop_tasks
from toril.metrics import ClientFactory, Wait, check, clients, fetch, unfetched
from toril.records import Plan, ServerMetrics, Stop, SuiteOrigin, run_key
from toril.reports import Bundle
from toril.runs.conclude import judged, keep, with_pictures
from toril.signals import Interrupts
from toril.store import Store
from toril.suite import Suite
from toril.suite.fetch import hashes_of
from toril.suite.git import read_origin
from toril.summary import Completeness, lasted_s
from toril.verdict.servers import queries

Value = TypeVar("Value")

PATIENCE_S = 120.0  # with a bucket in trouble, before a coordinator lets go of its run; its workers go on for longer
FOLLOWED_S = 600.0  # far more than an owner needs from a stop to a verdict
STEPS_PER_GLANCE = 5  # figures twice a second are as many as an eye can use


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A run that is over: what was planned, measured and decided."""

    bundle: Bundle
    interrupted: bool = False
    unwritten: tuple[str, ...] = ()  # why the run's folder lacks a part of it
    left: tuple[str, ...] = ()  # what may still run, and why it could not be ended


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
) -> Judged:
    """Run the plan, judge it, and leave everything in the run's folder."""
    cloudwatch = clients()
    notes = check(queries(plan), clock.now(), cloudwatch, load_s=plan.duration_s)
    if notes:
        view.show(LiveFigures(run_id=plan.run_id, workers_planned=len(plan.shares), notes=notes))
    plan = publish(store, suite, plan, origin)
    coordinator = Coordinator.of_new(store, plan, clock, longest_s=launcher.longest_s, digests=launcher.digests)
    with _held(coordinator, launcher) as left:
        launcher.launch(plan, coordinator.launch)
        waited_for = _drive(coordinator, launcher, clock, view, interrupts)
    with closing(coordinator):
        return _concluded(coordinator, launcher, waited_for, left, cloudwatch, clock, view, interrupts)


def take_over(
    store: Store, run_id: str, *, launcher: Launcher, clock: Clock, view: View, interrupts: Interrupts
) -> Judged:
    """Carry on a run whose coordinator is gone, from its records: start what is missing, or follow what is there."""
    coordinator = Coordinator.of_abandoned(store, run_id, clock)
    with _held(coordinator, launcher) as left:
        launcher.attach(coordinator.plan, coordinator.launch, coordinator.state.attempts)
        waited_for = _drive(coordinator, launcher, clock, view, interrupts)
    with closing(coordinator):
        return _concluded(coordinator, launcher, waited_for, left, clients(), clock, view, interrupts)


def sweep(
    store: Store, run_id: str, *, stop_tasks: Callable[[], None], launcher: Launcher, clock: Clock, view: View
) -> Judged | None:
    """End what is left of a run, and judge what there is; None when somebody else has judged it.

    An owner that lives finds the stop, ends the run and judges it; it is followed, since it may die before that, and
    nobody comes after a sweep. LeaseLostError when it does not come to an end. Another InfrastructureError says why
    the run never began; it is judged all the same.
    """
    verdict = run_key(run_id, "verdict.json")
    if store.find(verdict) is None:
        stop = Stop(at=clock.now(), cause="deadline", message="swept: nothing of the run may go on any longer")
        store.put_once(run_key(run_id, "stop.json"), stop.to_json())
    stop_tasks()
    give_up_at = clock.now() + FOLLOWED_S
    while store.find(verdict) is None:
        try:
            return take_over(store, run_id, launcher=launcher, clock=clock, view=view, interrupts=Interrupts())
        except LeaseLostError:
            if clock.now() > give_up_at:
                raise
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep has come to. `bundle`: the run as judged by it; None when somebody else judges, or has judged."""

    stopped: tuple[str, ...]  # ARNs of tasks that still ran
    problems: tuple[str, ...]
    bundle: Bundle | None = None
    said: str = ""  # who still owns the run, or why it never began


def sweep_run(store: Store, run_id: str, clock: Clock, view: View) -> Swept:
    """Stop every task of a run, whoever has forgotten it, and see to it that it is judged."""
    plan, _, _ = read_record(store, run_id)
    if plan.on != "fargate":
        raise OptionError(f"{run_id} ran on one machine, where workers end with their command: nothing is to be swept")
    launcher = launcher_for(plan, store, {}, clock)
    found: list[Stopped] = []
    said, judged = "", None
    try:
        judged = sweep(
            store,
            run_id,
            stop_tasks=lambda: found.append(stop_tasks(store, run_id, "swept")),
            launcher=launcher,
            clock=clock,
            view=view,
        )
    except InfrastructureError as error:
        if not isinstance(error, LeaseLostError) and store.find(run_key(run_id, "verdict.json")) is None:
            raise
        said = str(error)
    left = () if judged is None else judged.left
    return Swept(
        stopped=tuple(arn for one in found for arn in one.tasks),
        problems=(*(text for one in found for text in one.problems), *left),
        bundle=None if judged is None else judged.bundle,
        said=said,
    )


def carry_on(store: Store, run_id: str, clock: Clock, view: View, interrupts: Interrupts) -> Judged:
    """Own a run whose coordinator is gone, to its end."""
    plan, _, _ = read_record(store, run_id)
    if store.find(run_key(run_id, "verdict.json")) is not None:
        raise OptionError(f"{run_id} is over and judged; `toril report {run_id}` shows it")
    launcher = launcher_for(plan, store, {}, clock)
    return take_over(store, run_id, launcher=launcher, clock=clock, view=view, interrupts=interrupts)


def publish(store: Store, suite: Suite, plan: Plan, origin: SuiteOrigin | None = None) -> Plan:
    """Put the plan and every file of the suite where workers find them; OptionError when the run exists already.

    The plan as it is published lists the files with their hashes, and has the suite's commit as a tag, unless the user
    gave one. `origin`: where the suite comes from, if its folder cannot tell.
    """
    plan = plan.model_copy(update={"files": hashes_of(suite.folder, suite.files)})
    origin = origin or read_origin(suite.folder, suite.files)
    if origin is not None:
        plan = plan.model_copy(update={"tags": {"commit": origin.tag, **plan.tags}})
    if not store.put_once(run_key(plan.run_id, "plan.json"), plan.to_json()):
        raise OptionError(f"--run-id {plan.run_id}: this run exists already; choose another id")
    for file in plan.files:
        key = run_key(plan.run_id, "suite", file)
        if not store.put_once(key, (suite.folder / file).read_bytes()):
            raise OptionError(f"--run-id {plan.run_id}: {store.address(key)} exists already; choose another id")
    if origin is not None:
        store.put(run_key(plan.run_id, "suite.json"), origin.to_json())
    return plan


class _CutOffError(InfrastructureError):
    """The run's records are out of reach for its coordinator, and may not be for another one."""

    def __init__(self, plan: Plan, error: StoreError) -> None:
        ends_s = plan.pace.orphaned_after_s or 0.0
        super().__init__(
            f"{error}. Run {plan.run_id} goes on without this command, and its workers end their load {ends_s:.0f} s "
            f"from now unless `toril watch {plan.run_id} --take-over` carries it on"
        )


@contextmanager
def _held(coordinator: Coordinator, launcher: Launcher) -> Iterator[list[str]]:
    """Leave no worker behind, unless somebody else carries the run on, or can; what could not be ended, afterwards."""
    left: list[str] = []
    try:
        yield left
    except (LeaseLostError, _CutOffError):
        launcher.release()
        raise
    except BaseException:
        _end(coordinator, launcher)
        raise
    left += launcher.close()


def _end(coordinator: Coordinator, launcher: Launcher) -> None:
    try:
        launcher.close()
    finally:
        coordinator.close()


def _drive(
    coordinator: Coordinator, launcher: Launcher, clock: Clock, view: View, interrupts: Interrupts
) -> tuple[str, ...]:
    """Carry the run through to the end of its last worker; what was waited for last before the load began."""
    trouble_since: float | None = None
    waited_for: tuple[str, ...] = ()
    for step in count():
        if coordinator.ended:
            break
        try:
            for action in coordinator.step(launcher.ended(), _asked(interrupts, clock)):
                _obey(launcher, action)
            trouble_since, notes = None, launcher.notes()
            if coordinator.state.phase == "launching":
                waited_for = notes
        except StoreError as error:
            trouble_since = clock.now() if trouble_since is None else trouble_since
            if coordinator.plan.on == "local" or interrupts:
                raise
            if clock.now() - trouble_since > PATIENCE_S or isinstance(error, ExpiredCredentialsError):
                if coordinator.state.stop is not None:
                    raise  # what is left of it is to end, and nobody need carry it on
                raise _CutOffError(coordinator.plan, error) from error
            notes = (str(error),)
        if step % STEPS_PER_GLANCE == 0:
            view.show(coordinator.figures(notes))
        clock.sleep(STEP_S)
    return waited_for


def _patiently(coordinator: Coordinator, clock: Clock, interrupts: Interrupts, act: Callable[[], Value]) -> Value:
    """Do it, again and again while a bucket is in trouble: nobody may come after this one who would."""
    give_up_at = clock.now() + PATIENCE_S
    while True:
        try:
            return act()
        except StoreError as error:
            if coordinator.plan.on == "local" or interrupts or isinstance(error, ExpiredCredentialsError):
                raise
            if clock.now() > give_up_at:
                raise
        clock.sleep(STEP_S)


def _obey(launcher: Launcher, action: Relaunch | Terminate | Kill) -> None:
    match action:
        case Relaunch(worker, attempt):
            launcher.relaunch(worker, attempt)
        case Terminate(worker):
            launcher.terminate(worker)
        case Kill(worker):
            launcher.kill(worker)


def _concluded(
    coordinator: Coordinator,
    launcher: Launcher,
    waited_for: Sequence[str],
    left: Sequence[str],
    cloudwatch: ClientFactory,
    clock: Clock,
    view: View,
    interrupts: Interrupts,
) -> Judged:
    """Judge what there is, and keep it; InfrastructureError, after that, where the load never began."""
    state = _patiently(coordinator, clock, interrupts, lambda: coordinator.finish(launcher.tasks()))
    completeness = completeness_of(coordinator.fold, state.start, state.stop, state.lost, tuple(coordinator.rates))
    metrics = _fetched(coordinator, completeness, cloudwatch, clock, view, interrupts)
    bundle = judged(coordinator.fold, completeness, metrics)
    unwritten: tuple[str, ...] = ()
    try:
        shown = _patiently(coordinator, clock, interrupts, lambda: with_pictures(coordinator.fold.store, bundle))
        _patiently(coordinator, clock, interrupts, lambda: keep(shown, coordinator.keep))
    except StoreError as error:  # such as a full disk: the verdict is known, and is not lost with it
        unwritten = (str(error),)
    if not unwritten:  # else the sweep judges it
        left = (*left, *launcher.settle())
    if state.abort_reason and not interrupts:
        why = "; ".join((state.abort_reason, *waited_for))
        raise InfrastructureError(f"run {coordinator.plan.run_id} could not start: {why}")
    return Judged(bundle=bundle, interrupted=bool(interrupts), unwritten=unwritten, left=tuple(left))


def _fetched(
    coordinator: Coordinator,
    completeness: Completeness,
    cloudwatch: ClientFactory,
    clock: Clock,
    view: View,
    interrupts: Interrupts,
) -> ServerMetrics | None:
    """What CloudWatch measured of the load, waited for and stored once; None when the plan asks nothing of it."""
    plan, started_at, asked = coordinator.plan, completeness.started_at, queries(coordinator.plan)

    def goes_on(wait: Wait) -> bool:
        view.show(LiveFigures(run_id=plan.run_id, phase="waiting", waiting=f"CloudWatch: {wait}"))
        return coordinator.still_waits(_asked(interrupts, clock))

    if not asked:
        return None
    if started_at is None:
        metrics = unfetched(asked, "CloudWatch was not asked: there was no load")
    else:
        end_at = started_at + lasted_s(completeness.in_turn(plan), coordinator.fold.timeline, completeness)
        metrics = fetch(asked, started_at, end_at, clock, cloudwatch, limit_s=plan.metrics_wait_s, goes_on=goes_on)
    coordinator.store.put_once(run_key(plan.run_id, "metrics.json"), metrics.to_json())
    return metrics


def _asked(interrupts: Interrupts, clock: Clock) -> Stop | None:
    if not interrupts:
        return None
    return Stop(at=clock.now(), cause="signal", message=f"interrupted by {interrupts.names[0]}")
