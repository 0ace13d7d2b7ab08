"""The scenario of a seed: the run, its faults and their times, and the differences of the clocks."""

import random
from dataclasses import dataclass, replace
from typing import Literal

from tests.simulation.agents import HostFate
from tests.simulation.cloud import TaskFate
from tests.simulation.load import Engine
from tests.simulation.store import UNTROUBLED, Troubles
from tests.simulation.world import BEGIN
from toril import __version__
from toril.records import ExecutionShare, Fault, OnceScript, Pace, Plan, PlannedExecution, Share

RUN = "20270115T080000Z-simulated-0001"
PACE = Pace(  # Fargate's pace, several times faster, with similar proportions
    flush_s=2.0,
    poll_s=0.5,
    start_lead_s=2.0,
    ready_timeout_s=30.0,
    lease_renew_s=2.0,
    lease_expires_s=10.0,
    orphaned_after_s=25.0,
    kill_after_s=5.0,
    give_up_s=15.0,
)
Where = Literal["fargate", "agents", "both"]
PLACES: dict[Where, tuple[str, str]] = {
    "fargate": ("eu-west-1", "us-east-1"),
    "agents": ("office", "lab"),
    "both": ("office", "us-east-1"),
}
SHORT_S, LONG_S = 5.0, 60.0  # of load
WORST_CLOCK_S = 40.0


@dataclass(frozen=True, slots=True)
class Owner:
    """A coordinator and its faults."""

    comes_at_s: float = 0.0  # after the beginning; the first one runs the plan, others take it over
    ahead_s: float = 0.0
    crash_at: int | None = None  # the number of an operation
    freeze_at: int | None = None
    freeze_s: float = 0.0
    troubles: Troubles = UNTROUBLED
    signal_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything about a world except the order of its events."""

    plan: Plan
    calm: bool  # without faults
    owners: tuple[Owner, ...]
    user_stops_after_s: float | None = None
    user_adjusts_after_s: tuple[float, ...] = ()  # of several independent users
    troubled_tasks: float = 0.0
    wrong_clocks: float = 0.0
    troubles: Troubles = UNTROUBLED
    where: Where = "fargate"

    @property
    def stop_timeout_s(self) -> float:
        """The time that a task gets to stop; shorter than its owner's `give_up_s`, as on Fargate."""
        return 0.8 * self.plan.pace.give_up_s


def scenario_of(seed: int, where: Where = "fargate") -> Scenario:
    """Returns the scenario of a seed; in a third of the runs, users change the rate."""
    scenario, chance = _scenario(seed, where), random.Random(f"rates {seed}")
    if scenario.calm or chance.random() >= 1 / 3:
        return scenario
    adjustable = {"adjustable": True, "throughput_rps": 2.0}
    executions = tuple(one.model_copy(update=adjustable) for one in scenario.plan.executions)
    plan = scenario.plan.model_copy(update={"executions": executions})
    moments = tuple(chance.uniform(5.0, 40.0) for _ in range(chance.randrange(1, 6)))
    return replace(scenario, plan=plan, user_adjusts_after_s=moments)


def with_steps(scenario: Scenario, *, setup: bool = True) -> Scenario:
    """Returns the scenario with setup, if wanted, and teardown."""
    once = OnceScript(script="prepare.py", limit_s=10.0)
    pace = scenario.plan.pace.model_copy(update={"ready_timeout_s": scenario.plan.pace.ready_timeout_s + 10.0})
    changed = {"setup": once, "pace": pace} if setup else {}
    return replace(scenario, plan=scenario.plan.model_copy(update={**changed, "teardown": once}))


def with_faults(scenario: Scenario) -> Scenario:
    """Returns the scenario with two faults."""
    faults = (Fault(at_s=0.5, for_s=1.5, experiment="EXT1"), Fault(at_s=3.0, for_s=1.0, experiment="EXT2"))
    return replace(scenario, plan=scenario.plan.model_copy(update={"faults": faults}))


def _scenario(seed: int, where: Where) -> Scenario:
    chance = random.Random(f"scenario {seed}")
    calm = chance.random() < 0.05
    plan = plan_of(
        workers=chance.choice((1, 1, 2, 2, 3, 4)),
        load_s=LONG_S if chance.random() < 0.15 else SHORT_S,
        quorum=chance.choice((1.0, 1.0, 0.5)),
        where=where,
    )
    if calm:
        return Scenario(plan, calm, (Owner(),), where=where)
    troubles = _troubles(chance)
    wrong_clocks = chance.choice((0.0, 0.0, 0.5))
    first = _owner(chance, 0.0, troubles, wrong_clocks)
    owners, at = [first], 0.0
    while len(owners) < 3 and chance.random() < 0.6:
        at += chance.uniform(1.0, 40.0)
        owners.append(_owner(chance, at, troubles, wrong_clocks))
    return Scenario(
        plan,
        calm,
        tuple(owners),
        user_stops_after_s=chance.uniform(0.0, 40.0) if chance.random() < 0.1 else None,
        troubled_tasks=chance.choice((0.0, 0.1, 0.5)),
        wrong_clocks=wrong_clocks,
        troubles=troubles,
        where=where,
    )


def plan_of(*, workers: int, load_s: float = SHORT_S, quorum: float = 1.0, where: Where = "fargate") -> Plan:
    execution = PlannedExecution(
        name="shop", index=0, executor="locust", scenario="shop", concurrency=workers, hold_for_s=load_s
    )
    places = [PLACES[where][number % 2] for number in range(workers)]
    return Plan(
        run_id=RUN,
        suite="simulated",
        toril_version=__version__,
        executions=(execution,),
        shares=tuple(
            Share(
                worker=f"{place}-{number // 2 + 1}",
                location=place,
                index=number,
                executions=(ExecutionShare(execution="shop", concurrency=1, config={}),),
            )
            for number, place in enumerate(places)
        ),
        common={},
        quorum=quorum,
        graceful_stop_s=3.0,
        on="fargate",
        pace=PACE,
    )


def task_fate(chance: random.Random, scenario: Scenario) -> TaskFate:
    """Returns the behaviour of the next task."""
    fate = TaskFate(starts_after_s=chance.uniform(0.5, 4.0), engine=Engine(prepares_s=chance.uniform(0.5, 3.0)))
    if scenario.calm:
        return fate
    fate = replace(
        fate,
        ahead_s=_ahead_s(chance, 0.3 * scenario.wrong_clocks),
        troubles=_cut_off(chance, scenario.troubles, 0.1),
    )
    if chance.random() >= scenario.troubled_tasks:
        return fate
    match chance.randrange(10):
        case 0:
            return replace(fate, refused=True)
        case 1:
            return replace(fate, pending=True)
        case 2 | 3:
            return replace(fate, twice=True)
        case 4:
            return replace(fate, crash_at=_some_operation(chance))
        case 5 | 6:
            frozen = chance.uniform(5.0, 60.0) if chance.random() < 0.8 else 500.0
            return replace(
                fate, freeze_at=_some_operation(chance), freeze_s=frozen, guard_freezes=chance.random() < 0.5
            )
        case 7:
            return replace(fate, starts_after_s=chance.uniform(5.0, 60.0))
        case _:
            return replace(fate, engine=_engine(chance))


def host_fates(chance: random.Random, scenario: Scenario, shares: int) -> list[HostFate]:
    """Returns the behaviour of the machines of a private location with so many shares."""
    slots = [shares] if chance.random() < 0.5 else [-(-shares // 2), shares]
    return [_host_fate(chance, scenario, each) for each in slots]


def _host_fate(chance: random.Random, scenario: Scenario, slots: int) -> HostFate:
    if scenario.calm:
        return HostFate(slots)
    fate = HostFate(
        slots,
        ahead_s=_ahead_s(chance, 0.3 * scenario.wrong_clocks),
        troubles=_cut_off(chance, scenario.troubles, 0.15),
    )
    drawn = chance.random()
    if drawn < 0.3:
        restarts = chance.uniform(0.5, 20.0) if chance.random() < 0.7 else None
        return replace(fate, crash_at=_some_operation(chance), restarts_after_s=restarts)
    if drawn < 0.4:
        return replace(fate, freeze_at=_some_operation(chance), freeze_s=chance.uniform(5.0, 60.0))
    if drawn < 0.5:
        return replace(fate, leaves_after_s=chance.uniform(0.0, 40.0))
    return fate


def _engine(chance: random.Random) -> Engine:
    return chance.choice(
        (
            Engine(parks=False),
            Engine(refuses=True),
            Engine(hangs=True),
            Engine(prepares_s=chance.uniform(5.0, 50.0)),
            Engine(fails_after_s=chance.uniform(0.0, 5.0)),
            Engine(leaves_after_s=chance.uniform(0.0, 5.0)),
        )
    )


def _owner(chance: random.Random, comes_at_s: float, troubles: Troubles, wrong_clocks: float) -> Owner:
    owner = Owner(comes_at_s, ahead_s=_ahead_s(chance, wrong_clocks), troubles=_cut_off(chance, troubles, 0.1))
    if chance.random() < 0.05:
        owner = replace(owner, signal_after_s=chance.uniform(0.0, 30.0))
    drawn = chance.random()
    if drawn < 0.4:
        return replace(owner, crash_at=_some_operation(chance))
    if drawn < 0.7:
        return replace(owner, freeze_at=_some_operation(chance), freeze_s=chance.uniform(5.0, 60.0))
    return owner


def _some_operation(chance: random.Random) -> int:
    """Returns the number of an operation; early and late ones are equally likely."""
    return int(2 ** chance.uniform(0.0, 8.0))


def _ahead_s(chance: random.Random, wrong: float) -> float:
    return chance.uniform(-WORST_CLOCK_S, WORST_CLOCK_S) if chance.random() < wrong else chance.uniform(-0.2, 0.2)


def _troubles(chance: random.Random) -> Troubles:
    level = chance.choice((0.0, 0.0, 0.003, 0.03))
    return Troubles(
        refused=level * chance.random(),
        lost=level * chance.random(),
        straggling=level * chance.random(),
        repeated=5 * level * chance.random(),
        slow=5 * level * chance.random(),
    )


def _cut_off(chance: random.Random, troubles: Troubles, how_often: float) -> Troubles:
    """Returns the troubles, sometimes with a time in which the store is unreachable."""
    if chance.random() >= how_often:
        return troubles
    since = BEGIN + chance.uniform(0.0, 40.0)
    return replace(troubles, cut_off=(since, since + 10 ** chance.uniform(0.5, 2.2)))
