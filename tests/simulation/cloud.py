"""Simulated Fargate tasks and their launcher: every call takes time, and some tasks start twice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.simulation.load import SOUND, Engine, Instance, SimulatedLoad
from tests.simulation.store import UNTROUBLED, Handle, Objects, Troubles
from tests.simulation.world import Machine, SimulatedClock, World
from toril.errors import Note
from toril.launchers import WorkerExit
from toril.records import Launch, Plan, RanTask
from toril.records.agent import is_private
from toril.worker.attempt import Attempt

CALL_S = 0.5  # duration of a call to the cloud
WATCH_S = 3.0  # delay before the launcher sees a task's change
GUARD_S = 1.0  # after the deadline, until a task's first process kills the worker
FORGOTTEN_S = 10.0  # of a task that is stopped before it runs


@dataclass(frozen=True, slots=True)
class TaskFate:
    """The behaviour of one task."""

    starts_after_s: float = 1.0
    refused: bool = False  # it never starts, and the cloud reports that
    pending: bool = False  # it never starts, and the cloud reports nothing
    twice: bool = False
    ahead_s: float = 0.0
    engine: Engine = SOUND
    troubles: Troubles = UNTROUBLED
    crash_at: int | None = None  # the number of an operation
    freeze_at: int | None = None
    freeze_s: float = 0.0
    guard_freezes: bool = False  # its first process freezes, too


@dataclass(slots=True)
class Task:
    """One task: one process of one attempt."""

    worker: str
    attempt: str
    fate: TaskFate
    machine: Machine
    instance: Instance
    agent: Machine | None = None  # that started it, at a private location
    load: SimulatedLoad | None = None
    acknowledged: list[str] = field(default_factory=list)
    stopped_at: float | None = None
    stopping: bool = False
    reason: str = ""
    again: bool = False


@dataclass(slots=True)
class Cloud:
    """All tasks of one run."""

    world: World
    objects: Objects
    plan: Plan
    fate: Callable[[str], TaskFate]
    stop_timeout_s: float
    start_worker: Callable[..., object] = Attempt
    tasks: list[Task] = field(default_factory=list)
    asked: dict[str, Task] = field(default_factory=dict)  # attempt → the task in RunTask's answer
    watchers: list[Callable[[Machine, str, str], None]] = field(default_factory=list)
    on_launch: list[Callable[[Launch], None]] = field(default_factory=list)
    sweep_planned: bool = False

    def run_task(self, worker: str, attempt: str) -> Task:
        """Starts a task; the same request starts no second one, but the cloud itself may start two."""
        if attempt not in self.asked:
            self.asked[attempt] = self._begin(worker, attempt, self.fate(worker))
            if self.asked[attempt].fate.twice:
                self._begin(worker, attempt, self.fate(worker))
        return self.asked[attempt]

    def begin_at(self, agent: Machine, troubles: Troubles, worker: str, attempt: str) -> Task:
        """Starts a process on the machine of an agent."""
        fate = replace(self.fate(worker), refused=False, pending=False, twice=False, troubles=troubles)
        task = self._begin(worker, attempt, replace(fate, ahead_s=agent.ahead_s))
        task.agent = agent
        return task

    def stop_task(self, task: Task) -> None:
        """Sends SIGTERM, and SIGKILL after the stop timeout."""
        if task.stopping or task.stopped_at is not None:
            return
        task.stopping = True
        self.world.log(task.machine.name, "gets a stop")
        if task.load is None:
            self.world.at(self.world.now + CALL_S, lambda: self.gone(task, "stopped before it ran"))
        else:
            task.load.pending_signals.append("SIGTERM")
            self.world.at(self.world.now + self.stop_timeout_s, lambda: self.gone(task, "killed after its stopTimeout"))

    def gone(self, task: Task, reason: str, *, again: bool = False) -> None:
        if task.stopped_at is None:
            if not task.machine.dead:
                self.world.crash(task.machine)
            task.stopped_at, task.reason, task.again = self.world.now, reason, again
            self.world.log(task.machine.name, "STOPPED:", reason)

    def _begin(self, worker: str, attempt: str, fate: TaskFate) -> Task:
        machine = Machine(f"{worker}/{len(self.tasks)}", fate.ahead_s)
        task = Task(worker, attempt, fate, machine, Instance(worker, attempt, machine))
        self.tasks.append(task)
        self.world.log(machine.name, "task of", worker, attempt)
        if fate.refused:
            self.world.at(self.world.now + fate.starts_after_s, lambda: self.gone(task, "no capacity", again=True))
        elif not fate.pending:
            self.world.at(self.world.now + fate.starts_after_s, lambda: self._start(task))
        return task

    def _start(self, task: Task) -> None:
        if task.stopping or task.stopped_at is not None:
            return
        store = Handle(self.world, self.objects, task.machine, task.fate.troubles)
        store.on_operation = lambda number, when: self._incident(task, number)
        task.acknowledged = store.acknowledged
        clock = SimulatedClock(self.world, task.machine)
        task.load = SimulatedLoad(self.world, self.plan, store, clock, task.fate.engine, task.instance)
        self.world.spawn(task.machine, lambda: self._work(task, store, clock))

    def _work(self, task: Task, store: Handle, clock: SimulatedClock) -> None:
        try:
            store.get(f"runs/{self.plan.run_id}/plan.json")
            one = self.start_worker(store, self.plan, task.worker, task.attempt, task.load, clock)
            assert isinstance(one, Attempt)
            if one.launch is not None:
                self._guard(task, one.launch.deadline)
            task.instance.state = one.run(threaded=False)
        finally:
            if not task.machine.dead and task.stopped_at is None:
                task.stopped_at, task.reason = self.world.now, "its process ended"

    def _guard(self, task: Task, deadline: float) -> None:
        """Kills the task at the deadline, like a task's first process; delayed only if the whole task is frozen."""
        moment = max(self.world.now, deadline - task.machine.ahead_s) + GUARD_S * self.world.chance.random()
        machine = task.machine if task.fate.guard_freezes else None
        self.world.at(moment, lambda: self.gone(task, "the guard killed it at the deadline"), machine)

    def _incident(self, task: Task, number: int) -> None:
        if number == task.fate.crash_at:
            self.gone(task, "killed")
        elif number == task.fate.freeze_at:
            self.world.freeze(task.machine, task.fate.freeze_s)


class SimulatedLauncher:
    """The launcher of one process. Its calls run in the background, while its machine is alive and not frozen."""

    def __init__(self, cloud: Cloud, machine: Machine) -> None:
        self._cloud, self._world, self._machine = cloud, cloud.world, machine
        self._tasks: dict[str, Task | None] = {}
        self._missing: dict[str, WorkerExit] = {}
        self._attempts: dict[str, str] = {}
        self._ending = False

    @property
    def longest_s(self) -> float | None:
        return None

    def launch(self, plan: Plan, launch: Launch) -> None:
        self._planned(launch)
        for share in plan.shares:
            self.relaunch(share.worker, launch.attempts[share.worker][0])

    def attach(self, plan: Plan, launch: Launch, attempts: Mapping[str, str]) -> None:
        self._planned(launch)
        self._ending = False  # a sweep may attach again after a release
        self._world.pause(CALL_S * self._world.chance.random())
        for worker, attempt in attempts.items():
            self._attempts[worker] = attempt
            self._tasks[worker] = self._cloud.asked.get(attempt)
            if self._tasks[worker] is None:
                self._missing[worker] = WorkerExit("the cloud knows no task of it", again=True)

    def relaunch(self, worker: str, attempt: str) -> None:
        self._attempts[worker], self._tasks[worker] = attempt, None
        self._missing.pop(worker, None)
        self._soon(f"run {worker}", lambda: self._run(worker, attempt))

    def ended(self) -> Mapping[str, WorkerExit]:
        now = self._world.now
        seen = {
            worker: WorkerExit(task.reason, task.again)
            for worker, task in self._tasks.items()
            if task is not None and task.stopped_at is not None and now >= task.stopped_at + WATCH_S * 0.5
        }
        return {**seen, **self._missing}

    def tasks(self) -> Mapping[str, RanTask]:
        return {}

    def notes(self) -> tuple[Note, ...]:
        return ()

    def terminate(self, worker: str) -> None:
        def stop() -> None:
            task = self._tasks.get(worker)
            if task is not None:
                self._cloud.stop_task(task)
            elif worker not in self._missing:
                self._missing[worker] = WorkerExit("it was stopped before its task started")

        self._soon(f"stop {worker}", stop)

    def kill(self, worker: str) -> None:
        self.terminate(worker)

    def release(self) -> None:
        self._ending = True

    def close(self) -> tuple[str, ...]:
        self._ending = True
        stop_all(self._cloud, self._machine)
        return ()

    def cancel_sweep(self) -> tuple[str, ...]:
        self._world.pause(CALL_S * self._world.chance.random())
        self._cloud.sweep_planned = False
        return ()

    def _planned(self, launch: Launch) -> None:
        self._world.pause(CALL_S * self._world.chance.random())
        self._cloud.sweep_planned = True
        for planned in self._cloud.on_launch:
            planned(launch)

    def _run(self, worker: str, attempt: str) -> None:
        if self._attempts[worker] == attempt and worker not in self._missing:
            self._tasks[worker] = self._cloud.run_task(worker, attempt)

    def _soon(self, what: str, action: Callable[[], None]) -> None:
        def act() -> None:
            if not self._ending:
                for watcher in self._cloud.watchers:
                    watcher(self._machine, what, "")
                action()

        self._world.at(self._world.now + CALL_S * self._world.chance.random(), act, self._machine)


def stop_all(cloud: Cloud, machine: Machine) -> None:
    """Stops every task of the run on Fargate, including unknown ones; called by an actor."""
    cloud.world.pause(CALL_S * cloud.world.chance.random())
    for watcher in cloud.watchers:
        watcher(machine, "stop all", "")
    for task in list(cloud.tasks):
        if not is_private(task.worker.rpartition("-")[0]):
            cloud.stop_task(task)
    cloud.world.pause(CALL_S * cloud.world.chance.random())
