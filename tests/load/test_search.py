"""The capacity search: the next stage after each result, and the capacity that it finds."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.load.search import (
    CONFIRMATIONS,
    HIGHEST_RATE,
    RAISE,
    UNSTEADY,
    Outcome,
    SearchRange,
    SearchResult,
    Stage,
    StageOutcome,
    longest_s,
    most_stages,
    next_stage,
)

BOUNDS = SearchRange(100, 5000, 0.05)


def searched(bounds: SearchRange, sustains) -> tuple[SearchResult, list[StageOutcome]]:
    """Searches a service with `sustains(rps, stages so far)` that always recovers; returns result and stages."""
    judged: list[StageOutcome] = []
    while isinstance(stage := next_stage(bounds, judged), Stage):
        outcome: Outcome = "held" if stage.kind == "recover" or sustains(stage.rps, judged) else "breached"
        judged.append(StageOutcome(stage, outcome, "" if outcome == "held" else "p95>300ms"))
        assert len(judged) < 500
    return stage, judged


def after(bounds, *outcomes):
    """Returns the next stage after stages with these outcomes: `held`, `breached`, or the cause of a void stage."""
    judged: list[StageOutcome] = []
    for outcome in outcomes:
        stage = next_stage(bounds, judged)
        assert isinstance(stage, Stage)
        known = outcome in ("held", "breached")
        judged.append(
            StageOutcome(stage, outcome if known else "void", "p95>300ms" if outcome == "breached" else outcome)
        )
    return next_stage(bounds, judged)


@pytest.mark.parametrize(
    ("outcomes", "following"),
    [
        ((), Stage(100, "raise")),
        (("held",), Stage(150, "raise")),
        (("held", "held"), Stage(225, "raise")),
        (("held", "breached"), Stage(100, "recover")),
        (("held", "breached", "held"), Stage(122.5, "narrow")),
        (("held", "breached", "held", "held"), Stage(135.6, "narrow")),
        (("held", "breached", "held", "breached"), Stage(100, "recover")),
        (("held", "breached", "held", "held", "held", "held"), Stage(146.3, "narrow")),
        (("held", "breached", "held", "held", "held", "held", "held"), Stage(146.3, "confirm")),
        (("breached",), SearchResult(None, 100, "p95>300ms", exact=True)),
        (("generators",), Stage(100, "raise")),
        (("generators",) * 3, SearchResult(None, None, "generators", exact=False)),
        (("held", "held", "generators"), Stage(225, "raise")),
        (("held", "held", "generators", "held", "generators"), Stage(337.5, "raise")),
        ((*("held",) * 3, *("generators",) * 3), SearchResult(225, None, "generators", exact=False)),
        (("generators", "held") * 4, Stage(506.2, "raise")),
        ((*("generators", "held") * 4, "generators"), SearchResult(337.5, None, "generators", exact=False)),
        (("held", "breached", "recovery"), SearchResult(100, 150, "recovery", exact=False)),
    ],
)
def test_the_stages_so_far_decide_the_next_one(outcomes, following):
    assert after(BOUNDS, *outcomes) == following


def test_the_search_ends_at_its_highest_rate():
    assert after(SearchRange(100, 200, 0.05), "held", "held") == Stage(200, "raise")
    assert after(SearchRange(100, 200, 0.05), "held", "held", "held") == SearchResult(
        200, None, HIGHEST_RATE, exact=False
    )


def test_a_rate_that_does_not_hold_again_does_not_count_as_held():
    narrowed = ("held", "breached", "held", "held", "held", "held", "held")
    found = after(BOUNDS, *narrowed, "breached", "held", "held")
    assert found == SearchResult(142.6, 146.3, "p95>300ms", exact=True)


def test_a_service_that_holds_no_rate_twice_is_unsteady():
    found, judged = searched(BOUNDS, lambda rps, judged: rps < 1000 and next_kind(judged) != "confirm")
    assert (found.limited_by, found.exact) == (UNSTEADY, False)
    assert sum(one.stage.kind == "confirm" for one in judged) == CONFIRMATIONS
    assert found.held_rps is not None
    assert found.held_rps < min(one.stage.rps for one in judged if one.stage.kind == "confirm")


def next_kind(judged) -> str:
    stage = next_stage(BOUNDS, judged)
    return stage.kind if isinstance(stage, Stage) else ""


@st.composite
def bounds_and_capacity(draw):
    low = draw(st.floats(0.1, 1e5))
    bounds = SearchRange(low, low * draw(st.floats(1.01, 1e4)), draw(st.floats(0.01, 0.5)))
    return bounds, low * draw(st.floats(0.5, 2e4))


@given(bounds_and_capacity())
def test_a_constant_capacity_is_found_within_the_precision(drawn):
    bounds, capacity = drawn
    found, judged = searched(bounds, lambda rps, _: rps <= capacity)
    stages = [one for one in judged if one.stage.kind != "recover"]
    assert len(stages) <= most_stages(bounds)
    if capacity < bounds.from_rps:
        assert (found.held_rps, found.exact) == (None, True)
    elif capacity >= bounds.to_rps:
        assert (found.held_rps, found.limited_by) == (bounds.to_rps, HIGHEST_RATE)
    else:
        assert found.exact
        assert found.held_rps is not None
        assert found.breached_rps is not None
        assert found.held_rps <= capacity < found.breached_rps
        rounding = 0.001  # two rounded rates
        assert found.breached_rps / found.held_rps <= 1 + bounds.precision + rounding


@given(bounds_and_capacity(), st.randoms(use_true_random=False))
def test_the_search_ends_in_time_on_a_random_service(drawn, chance):
    bounds, _ = drawn
    found, judged = searched(bounds, lambda rps, _: chance.random() < 0.6)
    stages = [one for one in judged if one.stage.kind != "recover"]
    assert len(stages) <= most_stages(bounds)
    assert (len(stages) + 2 * (len(judged) - len(stages))) * 10 <= longest_s(bounds, 10.0, 0.0)
    if found.held_rps is not None and found.breached_rps is not None:
        assert found.held_rps < found.breached_rps


@given(bounds_and_capacity())
def test_rates_rise_by_at_most_half_and_stay_within_the_range(drawn):
    bounds, capacity = drawn
    _, judged = searched(bounds, lambda rps, _: rps <= capacity)
    highest = bounds.from_rps
    for one in judged:
        assert bounds.from_rps <= one.stage.rps <= bounds.to_rps
        assert one.stage.rps <= highest * RAISE * 1.001
        if one.outcome == "held":
            highest = max(highest, one.stage.rps)


def test_a_recovery_follows_each_breach():
    _, judged = searched(BOUNDS, lambda rps, _: rps <= 700)
    for one, following in pairwise(judged):
        assert (one.outcome == "breached") == (following.stage.kind == "recover")


def test_the_longest_duration_grows_with_the_stages():
    assert longest_s(BOUNDS, 20, 0) > most_stages(BOUNDS) * 20
    assert longest_s(BOUNDS, 20, 3) > longest_s(BOUNDS, 20, 0)
    assert most_stages(SearchRange(100, 5000, 0.01)) > most_stages(BOUNDS)
