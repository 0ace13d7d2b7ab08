"""Plays one seed: real coordinators and real workers in a simulated world."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.simulation.agents import Host, ObservedLauncher
from tests.simulation.cloud import Cloud, SimulatedLauncher, stop_all
from tests.simulation.experiments import Experiments
from tests.simulation.scenario import RUN, Owner, Scenario, host_fates, scenario_of, task_fate
from tests.simulation.store import ALL_LAWS, UNTROUBLED, Handle, Laws, Objects
from tests.simulation.truth import OWNED_S, VERDICT, Truth
from tests.simulation.world import BEGIN, Happened, Machine, SimulatedClock, World
from toril.coordinator.fold import collect
from toril.coordinator.lease import LeaseLostError
from toril.desk.adjust import adjust
from toril.errors import RunOverError, UserError
from toril.launchers import Launcher
from toril.launchers.elsewhere import Elsewhere
from toril.records import Launch, Stop, SuiteOrigin, Verdict, run_key
from toril.records.agent import is_private
from toril.records.progress import Progress
from toril.run import run, sweep, take_over
from toril.runs.conclude import Judged
from toril.signals import Interrupts
from toril.suite import Suite, TorilSettings
from toril.worker.attempt import Attempt

BUSY_S = 0.4  # a coordinator's shortest sleep, to keep simulations quick
SWEPT_S = 300.0  # after the deadline, until the sweeper has judged the run
AT_MOST_S = 2000.0
UNLAUNCHED_S = 200.0  # without a launch, agents need no longer be simulated
ADJUST_TRIES = 40  # of a user before the load has begun, one per second
SUITE = Suite(
    name="simulated",
    source="simulated",
    folder=Path(),
    files=(),
    executions=(),
    common={},
    criteria=(),
    toril=TorilSettings(),
    data_rows={},
    ramp_up_exclude=False,
    warnings=(),
)


@dataclass(frozen=True, slots=True)
class Rules:
    """The parts of the protocol; tests remove one."""

    laws: Laws = ALL_LAWS
    worker: Callable[..., Attempt] = Attempt


@dataclass(slots=True)
class Outcome:
    """The result of a world."""

    seed: int
    scenario: Scenario
    violations: list[str]
    verdict: dict[str, Any] | None
    judges: tuple[str, ...]  # the machines that judged the run, in order
    trace: list[Happened]

    def __str__(self) -> str:
        lines = [f"{one.at - BEGIN:8.2f} {one.who:14} {_short(one.what)}" for one in self.trace]
        found = [f"VIOLATED: {violation}" for violation in self.violations]
        return "\n".join([f"seed {self.seed}: {self.scenario}", *lines, f"verdict: {self.verdict}", *found])


class NoView:
    """A view that shows nothing."""

    def show(self, progress: Progress) -> None: ...


@dataclass(slots=True)
class Simulation:
    """One world, with its coordinators, tasks and users."""

    seed: int
    scenario: Scenario
    rules: Rules
    world: World = field(init=False)
    objects: Objects = field(init=False)
    truth: Truth = field(init=False)
    cloud: Cloud = field(init=False)
    experiments: Experiments = field(init=False)
    hosts: list[Host] = field(default_factory=list)
    judged: list[tuple[Machine, Judged]] = field(default_factory=list)
    deadline: float | None = None

    def __post_init__(self) -> None:
        self.world = World(self.seed)
        self.objects = Objects(self.rules.laws)
        self.truth = Truth(self.world, self.objects, self.scenario.plan)
        self.cloud = Cloud(
            self.world,
            self.objects,
            self.scenario.plan,
            lambda worker: task_fate(self.world.chance, self.scenario),
            self.scenario.stop_timeout_s,
            self.rules.worker,
        )
        self.experiments = Experiments(self.world, not self.scenario.calm)
        self.objects.watchers.append(self.truth.wrote)
        self.cloud.watchers.append(self.truth.acted)
        self.cloud.on_launch.append(self._launched)
        locations = [share.location for share in self.scenario.plan.shares if is_private(share.location)]
        for location in dict.fromkeys(locations):
            fates = host_fates(self.world.chance, self.scenario, locations.count(location))
            for number, fate in enumerate(fates):
                host = Host(self.cloud, location, f"host{number}", fate, self._is_over, self.truth.violated)
                self.hosts.append(host)

    def play(self) -> Outcome:
        for host in self.hosts:
            host.begin()
        for number, owner in enumerate(self.scenario.owners):
            self._coordinate(number, owner)
        if self.scenario.user_stops_after_s is not None:
            self._user_stops(self.scenario.user_stops_after_s)
        for number, after_s in enumerate(self.scenario.user_adjusts_after_s):
            self._user_adjusts(number, after_s)
        self.world.run(BEGIN + AT_MOST_S)
        verdict = self._check()
        self.world.end()
        judges = tuple(machine.name for machine, _ in self.judged)
        return Outcome(self.seed, self.scenario, self.truth.violations, verdict, judges, self.world.trace)

    # ── the actors

    def _coordinate(self, number: int, owner: Owner) -> None:
        machine = Machine(f"coordinator-{number}", owner.ahead_s)
        self.truth.coordinators.append(machine)
        store = Handle(self.world, self.objects, machine, owner.troubles)
        store.on_operation = lambda operation, when: self._incident(machine, owner, operation)
        clock, interrupts = SimulatedClock(self.world, machine, BUSY_S), Interrupts()

        def life() -> None:
            asked: dict[str, Any] = {"store": store, "clock": clock, "view": NoView(), "interrupts": interrupts}
            asked["injector"] = self.experiments.injector_of(machine)
            asked["launcher"] = self._launcher(machine, store, clock)
            if number:
                judged = take_over(run_id=RUN, **asked)
            else:
                judged = run(SUITE, self.scenario.plan, origin=SuiteOrigin(commit="0" * 40), **asked)
            self.judged.append((machine, judged))

        if owner.signal_after_s is not None:
            self.world.at(BEGIN + owner.signal_after_s, lambda: interrupts.names.append("SIGTERM"), machine)
        self.world.spawn(machine, life, after_s=owner.comes_at_s)

    def _launcher(self, machine: Machine, store: Handle, clock: SimulatedClock) -> Launcher:
        if self.scenario.where == "fargate":
            return SimulatedLauncher(self.cloud, machine)
        agents = ObservedLauncher(self.cloud, machine, store, clock)
        return agents if self.scenario.where == "agents" else Elsewhere(SimulatedLauncher(self.cloud, machine), agents)

    def _is_over(self) -> bool:
        """Whether agents have nothing left to do."""
        running = any(task.stopped_at is None for task in self.cloud.tasks)
        launched = self.deadline is not None or self.world.now < BEGIN + UNLAUNCHED_S
        return (VERDICT in self.objects.values and not running) or not launched

    def _incident(self, machine: Machine, owner: Owner, operation: int) -> None:
        if operation == owner.crash_at:
            self.world.crash(machine)
        elif operation == owner.freeze_at and machine.thaws_at == 0.0:
            self.world.freeze(machine, owner.freeze_s)

    def _launched(self, launch: Launch) -> None:
        """Starts the sweeper and the checks at the deadline, when a launcher has planned the sweep."""
        if self.deadline is not None:
            return
        self.deadline = launch.deadline
        end = max(self.world.now, self.deadline)
        self.world.at(end + OWNED_S, lambda: self.truth.check_nothing_runs(self.cloud, guarded=True))
        self.world.at(end + SWEPT_S, lambda: self.truth.check_nothing_runs(self.cloud, guarded=False))
        self.world.at(end + SWEPT_S, self.truth.check_judged_in_time)
        machine = Machine("sweeper")
        self.truth.coordinators.append(machine)
        store = Handle(self.world, self.objects, machine, UNTROUBLED)

        def life() -> None:
            clock = SimulatedClock(self.world, machine, BUSY_S)
            if not self.cloud.sweep_planned:
                return
            try:
                judged = sweep(
                    store,
                    RUN,
                    stop_tasks=lambda: stop_all(self.cloud, machine),
                    launcher=self._launcher(machine, store, clock),
                    clock=clock,
                    view=NoView(),
                    injector=self.experiments.injector_of(machine),
                )
            except LeaseLostError:
                return  # the owner reads the stop
            if judged is not None:
                self.judged.append((machine, judged))

        self.world.spawn(machine, life, after_s=end + 30.0 * self.world.chance.random() - self.world.now)

    def _user_stops(self, after_s: float) -> None:
        machine = Machine("user")
        store = Handle(self.world, self.objects, machine, UNTROUBLED)
        stop = Stop(at=BEGIN + after_s, cause="user", message="enough")

        def life() -> None:
            store.put_once(run_key(RUN, "stop.json"), stop.to_json())

        self.world.spawn(machine, life, after_s=after_s)

    def _user_adjusts(self, number: int, after_s: float) -> None:
        machine = Machine(f"user-{number}")
        store = Handle(self.world, self.objects, machine, self.scenario.troubles)
        clock = SimulatedClock(self.world, machine)

        def life() -> None:
            for _ in range(ADJUST_TRIES):
                try:
                    adjust(store, RUN, f"{number + 1}", None, clock.now(), "ada")
                    return
                except RunOverError:
                    return
                except UserError:
                    clock.sleep(1.0)

        self.world.spawn(machine, life, after_s=after_s)

    # ── the checks

    def _check(self) -> dict[str, Any] | None:
        truth, tasks = self.truth, self.cloud.tasks
        instances = [task.instance for task in tasks]
        truth.check_gates(instances)
        truth.check_orphans(instances)
        truth.check_rates(instances)
        truth.check_acknowledged({task.machine: task.acknowledged for task in tasks})
        agents = [machine for host in self.hosts for machine in host.agents]
        for machine in (*truth.coordinators, *agents, *(task.machine for task in tasks)):
            for error in machine.errors:
                if not isinstance(error, UserError):
                    truth.violated(f"{machine.name} ended by {type(error).__name__}: {error}")
        for machine, judged in self.judged:
            lost = frozenset(_lost(judged.bundle.verdict))
            assert judged.bundle.timeline is not None
            truth.check_counts(judged.bundle.timeline, tasks, machine.name, but=lost)
        found = self.objects.values.get(run_key(RUN, "verdict.json"))
        verdict = None if found is None else json.loads(found[0])
        truth.check_verdict(verdict, tasks, launched=self.deadline is not None)
        truth.check_steps(verdict, tasks)
        truth.check_faults(verdict, self.experiments)
        left = [key for key in self.objects.values if key.startswith("given/")]
        if left and verdict is not None and verdict["outcome"] == "passed" and not self.scenario.troubles.any:
            truth.violated("passed, and the values of setup are left in the store")
        if verdict is not None:
            fold, _ = collect(AtOnce(self.objects), RUN)
            truth.check_counts(fold.timeline, tasks, "the stored run", but=frozenset())
        if self.scenario.calm and (verdict is None or verdict["outcome"] != "passed"):
            truth.violated("the run has not passed, although there was no fault")
        return verdict


class AtOnce(Handle):
    """The store after the simulation, without delays and faults."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def _send(self, how: str, key: str, effect: Callable[[], Any], *, writes: bool = True) -> Any:
        return effect()


def simulate(seed: int, rules: Rules | None = None, scenario: Scenario | None = None) -> Outcome:
    """Returns the result of the world of this seed."""
    return Simulation(seed, scenario or scenario_of(seed), rules or Rules()).play()


def check(seed: int, rules: Rules | None = None, scenario: Scenario | None = None) -> Outcome:
    """Like `simulate`; AssertionError with the trace if a law was broken."""
    outcome = simulate(seed, rules, scenario)
    assert not outcome.violations, f"{outcome}\nreplay it: python -m tests.simulation {seed} {outcome.scenario.where}"
    return outcome


def _lost(verdict: Verdict) -> Iterator[str]:
    for reason in verdict.reasons:
        if reason.code == "lost-worker":
            yield reason.message.split()[1]


def _short(what: tuple[object, ...]) -> str:
    texts = [one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in what]
    return " ".join(" ".join(text.split())[:160] for text in texts).replace(f"runs/{RUN}/", "")
