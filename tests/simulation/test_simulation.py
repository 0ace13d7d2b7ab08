"""Real coordinators and workers keep the protocol's laws despite faults, in any order.

A failing seed is printed with its trace; `python -m tests.simulation SEED` replays it.
"""

import random
from collections import Counter
from dataclasses import replace

import pytest

from tests.simulation.scenario import Owner, scenario_of, with_faults, with_steps
from tests.simulation.simulate import check, simulate
from tests.simulation.store import UNTROUBLED
from toril.plan import FARGATE_TIMINGS

BLOCKS, SEEDS_PER_BLOCK = 2, 50  # blocks are divided between the cores
NIGHT = 40  # blocks
REAL_PACE = 20


@pytest.mark.parametrize(
    "block", [*range(BLOCKS), *(pytest.param(block, marks=pytest.mark.nightly) for block in range(BLOCKS, NIGHT))]
)
def test_no_law_is_broken_in_any_world(block):
    first = block * SEEDS_PER_BLOCK
    for seed in range(first, first + SEEDS_PER_BLOCK):
        check(seed)


@pytest.mark.parametrize("where", ["agents", "both"])
@pytest.mark.parametrize("block", [0, *(pytest.param(block, marks=pytest.mark.nightly) for block in range(1, NIGHT))])
def test_no_law_is_broken_with_private_locations(where, block):
    first = block * SEEDS_PER_BLOCK // 2
    for seed in range(first, first + SEEDS_PER_BLOCK // 2):
        check(seed, scenario=scenario_of(seed, where))


@pytest.mark.parametrize("half", range(2))
@pytest.mark.parametrize("where", ["fargate", pytest.param("agents", marks=pytest.mark.nightly)])
def test_no_law_is_broken_at_the_pace_of_fargate(half, where):
    for seed in range(half, REAL_PACE, 2):
        scenario = scenario_of(seed, where)
        check(seed, scenario=replace(scenario, plan=scenario.plan.model_copy(update={"pace": FARGATE_TIMINGS})))


@pytest.mark.parametrize("where", ["fargate", pytest.param("both", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("setup", [True, pytest.param(False, marks=pytest.mark.nightly)])
def test_setup_and_teardown_are_neither_repeated_nor_forgotten(where, setup):
    for seed in range(SEEDS_PER_BLOCK):
        check(seed, scenario=with_steps(scenario_of(seed, where), setup=setup))


@pytest.mark.parametrize("where", ["fargate", pytest.param("both", marks=pytest.mark.nightly)])
def test_faults_are_started_once_and_stopped_at_every_end(where):
    for seed in range(SEEDS_PER_BLOCK):
        check(seed, scenario=with_faults(scenario_of(seed, where)))


def test_no_law_is_broken_by_an_owner_that_dies_at_the_deadline():
    for seed in range(60):
        chance = random.Random(seed)
        owners = (
            Owner(crash_at=chance.randrange(20, 60)),
            Owner(comes_at_s=chance.uniform(60.0, 110.0), crash_at=chance.randrange(8, 60)),
        )
        check(seed, scenario=replace(scenario_of(seed), calm=False, troubles=UNTROUBLED, owners=owners))


@pytest.mark.nightly  # about the simulation itself
def test_simulated_worlds_have_all_outcomes():
    outcomes = [simulate(seed) for seed in range(150)]
    verdicts = Counter(None if one.verdict is None else one.verdict["outcome"] for one in outcomes)
    assert verdicts["passed"] > 15
    assert verdicts["inconclusive"] > 15
    judges = Counter(one.judges[-1] for one in outcomes if one.judges)
    assert min(judges["coordinator-0"], judges["coordinator-1"], judges["sweeper"]) > 3
    traces = [" ".join(str(what) for _, _, what in one.trace) for one in outcomes]
    for words in ("CRASHES", "STANDS STILL", "refused", "lost", "straggling", "again", "LeaseLostError", "the guard"):
        assert any(words in text for text in traces), words


@pytest.mark.nightly
def test_worlds_with_agents_have_all_outcomes():
    outcomes = [simulate(seed, scenario=scenario_of(seed, "agents")) for seed in range(60, 100)]
    verdicts = Counter(None if one.verdict is None else one.verdict["outcome"] for one in outcomes)
    assert verdicts["passed"] > 2
    assert verdicts["inconclusive"] > 5
    verdicts_and_traces = str(outcomes)
    for words in ("was restarted", "was stopped", "CRASHES", "STANDS STILL", "LeaseLostError"):
        assert words in verdicts_and_traces, words


def test_a_seed_replays_the_same_events():
    for seed in range(20):
        first, second = ([(at, who, len(what)) for at, who, what in simulate(seed).trace] for _ in range(2))
        assert first == second
