"""Simulated machines of private locations, with real agents that are killed, cut off, frozen and restarted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.simulation.cloud import Cloud, Task
from tests.simulation.store import UNTROUBLED, Handle, Troubles
from tests.simulation.world import Crashed, Machine, SimulatedClock
from toril.errors import UserError
from toril.launchers.agents import AgentLauncher
from toril.records import Launch, Plan
from toril.records.agent import Announcement, RunningShare
from toril.worker.agent import Agent

POLL_S = 1.0
ORPHANED_S = 1.0  # after an agent's death, until its workers have noticed it
SERVICE_RESTARTS_S = 3.0  # after an agent ended with an error


@dataclass(frozen=True, slots=True)
class HostFate:
    """The behaviour of a machine of a private location."""

    slots: int
    ahead_s: float = 0.0
    troubles: Troubles = UNTROUBLED
    crash_at: int | None = None  # the number of an operation of the agent
    restarts_after_s: float | None = None  # None: never
    freeze_at: int | None = None
    freeze_s: float = 0.0
    leaves_after_s: float | None = None  # it gets SIGTERM


@dataclass(slots=True)
class HostedWorker:
    """A worker's process, for its agent."""

    cloud: Cloud
    task: Task

    def exit_code(self) -> int | None:
        if self.task.stopped_at is None:
            return None
        return 0 if self.task.reason == "its process ended" else 137

    def terminate(self) -> None:
        if self.task.load is None:
            self.cloud.gone(self.task, "stopped before it ran")
        else:
            self.task.load.pending_signals.append("SIGTERM")

    def kill(self) -> None:
        self.cloud.gone(self.task, "killed")

    def last_lines(self) -> str:
        return ""


@dataclass(slots=True)
class Host:
    """One machine: its agents, one after another, and their workers."""

    cloud: Cloud
    location: str
    name: str
    fate: HostFate
    is_over: Callable[[], bool]
    violated: Callable[[str], None]
    agents: list[Machine] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)

    def begin(self, after_s: float = 0.0) -> None:
        """Starts an agent; faults happen to the first one only."""
        world, fate = self.cloud.world, self.fate
        machine = Machine(f"agent-{self.location}-{self.name}/{len(self.agents)}", fate.ahead_s)
        store = Handle(world, self.cloud.objects, machine, fate.troubles)
        if not self.agents:
            store.on_operation = lambda number, when: self._incident(machine, number)
        self.agents.append(machine)
        world.spawn(machine, lambda: self._serve(machine, store), after_s=after_s)

    def _serve(self, machine: Machine, store: Handle) -> None:
        """Serves until the run is over. A service manager restarts an agent that ends with an error."""
        clock = SimulatedClock(self.cloud.world, machine)
        began = self.cloud.world.now
        while not self.is_over():
            about = self._about(f"{machine.name} {self.cloud.world.now}")
            stop_s = self.cloud.stop_timeout_s
            agent = Agent(store, about, clock, lambda share: self._start(machine, share), stop_s=stop_s)
            try:
                agent.begin()
                while not (agent.has_left or self.is_over()):
                    leaves = self.fate.leaves_after_s
                    if leaves is not None and self.cloud.world.now > began + leaves:
                        agent.leave()
                    agent.step()
                    clock.sleep(POLL_S)
                if agent.has_left:
                    return
            except UserError:
                agent.kill()
                clock.sleep(SERVICE_RESTARTS_S)

    def _about(self, instance: str) -> Announcement:
        slots = self.fate.slots
        return Announcement(location=self.location, agent=self.name, instance=instance, at=0.0, slots=slots, free=slots)

    def _start(self, agent: Machine, share: RunningShare) -> HostedWorker:
        if any(one.attempt == share.attempt for one in self.cloud.tasks):
            self.violated(f"{share.worker} is started twice as {share.attempt}")
        if sum(one.stopped_at is None for one in self.tasks) >= self.fate.slots and len(self.agents) == 1:
            self.violated(f"{self.location}-{self.name} has more workers than slots")
        task = self.cloud.begin_at(agent, self.fate.troubles, share.worker, share.attempt)
        self.tasks.append(task)
        return HostedWorker(self.cloud, task)

    def _incident(self, machine: Machine, number: int) -> None:
        world, running = self.cloud.world, [one for one in self.tasks if one.stopped_at is None]
        if number == self.fate.crash_at and not machine.dead:
            world.crash(machine)
            for task in running:
                worker = HostedWorker(self.cloud, task)
                ends = worker.kill if world.chance.random() < 0.3 else worker.terminate
                world.at(world.now + ORPHANED_S * world.chance.random(), ends, task.machine)
            if self.fate.restarts_after_s is not None:
                self.begin(self.fate.restarts_after_s)
        elif number == self.fate.freeze_at and machine.thaws_at == 0.0:
            for one in (machine, *(task.machine for task in running)):
                world.freeze(one, self.fate.freeze_s)


class ObservedLauncher(AgentLauncher):
    """The launcher of a simulated owner."""

    def __init__(self, cloud: Cloud, machine: Machine, store: Handle, clock: SimulatedClock) -> None:
        super().__init__(store, clock)
        self._cloud, self._machine = cloud, machine

    def launch(self, plan: Plan, launch: Launch) -> None:
        self._planned(launch)
        super().launch(plan, launch)

    def attach(self, plan: Plan, launch: Launch, attempts: Mapping[str, str]) -> None:
        self._planned(launch)
        super().attach(plan, launch, attempts)

    def relaunch(self, worker: str, attempt: str) -> None:
        self._acts(f"run {worker}")
        super().relaunch(worker, attempt)

    def terminate(self, worker: str) -> None:
        self._acts(f"stop {worker}")
        super().terminate(worker)

    def close(self) -> tuple[str, ...]:
        self._acts("stop all")
        return super().close()

    def cancel_sweep(self) -> tuple[str, ...]:
        self._cloud.sweep_planned = False
        return ()

    def _planned(self, launch: Launch) -> None:
        self._cloud.sweep_planned = True
        for planned in self._cloud.on_launch:
            planned(launch)

    def _acts(self, what: str) -> None:
        if self._machine.dead:
            raise Crashed
        for watcher in self._cloud.watchers:
            watcher(self._machine, what, "")
