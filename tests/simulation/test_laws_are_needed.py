"""The simulation finds a broken law when one part of the protocol is removed."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.simulation.mutants import Eager, Heedless, Timeless
from tests.simulation.scenario import LONG_S, Owner, Scenario, plan_of, scenario_of
from tests.simulation.simulate import Rules, simulate
from tests.simulation.store import Laws

pytestmark = pytest.mark.nightly  # about the simulation itself
AT_MOST = 150  # worlds


def any_world(seed: int) -> Scenario:
    return scenario_of(seed)


def abandoned(seed: int) -> Scenario:
    """A long load with one owner, which crashes some time after the start."""
    owner = Owner(crash_at=random.Random(seed).randrange(30, 60))
    return replace(scenario_of(seed), plan=plan_of(workers=2, load_s=LONG_S), calm=False, owners=(owner,))


def with_latecomers(seed: int) -> Scenario:
    """Half of the workers are a quorum, and half of the tasks have faults."""
    plan = plan_of(workers=4, quorum=0.5)
    return replace(scenario_of(seed), plan=plan, calm=False, owners=(Owner(),), troubled_tasks=0.5)


def of_wrong_clocks(seed: int) -> Scenario:
    return replace(scenario_of(seed), calm=False, owners=(Owner(),), wrong_clocks=1.0)


def with_agents(seed: int) -> Scenario:
    return scenario_of(seed, "agents")


@pytest.mark.parametrize(
    ("rules", "worlds", "law"),
    [
        (Rules(laws=Laws(if_none_match=False)), any_world, "runs 2 times"),
        (Rules(laws=Laws(if_none_match=False)), with_agents, "is started twice as"),
        (Rules(laws=Laws(if_match=False)), any_world, "a lease that it has lost"),
        (Rules(worker=Heedless), abandoned, "after its owner was last seen"),
        (Rules(worker=Eager), with_latecomers, "the start does not name it"),
        (Rules(worker=Timeless), of_wrong_clocks, "on a signal that is"),
    ],
    ids=["If-None-Match", "claims", "If-Match", "the lease", "the attempts of a start", "the age of a start"],
)
def test_without_a_part_of_the_protocol_a_law_is_broken(
    rules: Rules, worlds: Callable[[int], Scenario], law: str
) -> None:
    found = (simulate(seed, rules, worlds(seed)).violations for seed in range(AT_MOST))
    assert any(law in violation for violations in found for violation in violations)


@pytest.mark.parametrize("worlds", [abandoned, with_latecomers, of_wrong_clocks])
def test_with_the_whole_protocol_no_law_is_broken(worlds: Callable[[int], Scenario]) -> None:
    for seed in range(20):
        outcome = simulate(seed, scenario=worlds(seed))
        assert not outcome.violations, str(outcome)
