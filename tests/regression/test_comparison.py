import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.regression.comparison import difference, relative_change

EXAMPLE = Path(__file__).with_name("comparison.json")
PAIRS = st.lists(st.tuples(st.floats(1, 1e7), st.floats(1, 1e7)), min_size=4, max_size=40)
SHARES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=4, max_size=40)
MARGIN = 0.03


def simulated(blocks: int, change: float, noise: float, seed: int) -> list[tuple[float, float]]:
    """Returns pairs of p95 with a common drift, which is far larger than the noise of each."""
    chance, drift = random.Random(seed), 0.0
    pairs = []
    for _ in range(blocks):
        drift = 0.8 * drift + chance.gauss(0, 0.1)
        base, head = (40_000 * 2.718**drift * chance.lognormvariate(0, noise) for _ in range(2))
        pairs.append((base, head * (1 + change)))
    return pairs


@given(PAIRS)
def test_swapping_the_arms_inverts_the_change(pairs: list[tuple[float, float]]) -> None:
    change, other = relative_change(pairs), relative_change([(head, base) for base, head in pairs])
    assert change.mean is not None and change.low is not None and other.mean is not None and other.high is not None
    assert 1 + change.mean == pytest.approx(1 / (1 + other.mean))
    assert 1 + change.low == pytest.approx(1 / (1 + other.high))
    assert change.detectable == pytest.approx(other.detectable)


@given(PAIRS, st.floats(0.001, 1000))
def test_the_unit_of_times_changes_nothing(pairs: list[tuple[float, float]], scale: float) -> None:
    change, scaled = relative_change(pairs), relative_change([(base * scale, head * scale) for base, head in pairs])
    assert (scaled.mean, scaled.low, scaled.high) == pytest.approx((change.mean, change.low, change.high), abs=1e-6)


@given(PAIRS, st.randoms())
def test_the_order_of_blocks_changes_nothing(pairs: list[tuple[float, float]], chance: random.Random) -> None:
    shuffled = pairs[:]
    chance.shuffle(shuffled)
    assert relative_change(shuffled).low == pytest.approx(relative_change(pairs).low)


@given(SHARES)
def test_bounds_enclose_the_mean(pairs: list[tuple[float, float]]) -> None:
    for change in (difference(pairs), relative_change([(base + 0.1, head + 0.1) for base, head in pairs])):
        assert change.low is not None and change.mean is not None and change.high is not None
        assert change.low <= change.mean + 1e-12 and change.mean <= change.high + 1e-12
        assert change.detectable is not None and change.detectable >= 0


def test_bounds_are_those_of_a_worked_example() -> None:
    """ln 1.1, ln 1.2, ln 1.1, ln 1.2: mean 0.138816, s 0.050236; t(0.95; 3) = 2.353363, t(0.80; 3) = 0.978472."""
    change = relative_change([(100, 110), (100, 120), (100, 110), (100, 120)])
    assert change.mean == pytest.approx(0.148913, abs=1e-6)
    assert change.low == pytest.approx(0.082967, abs=1e-6)
    assert change.high == pytest.approx(0.218874, abs=1e-6)
    assert change.detectable == pytest.approx(0.087291, abs=1e-6)


def test_equal_blocks_prove_that_nothing_changed() -> None:
    change = relative_change([(40_000, 40_000)] * 4)
    assert (change.mean, change.low, change.high, change.detectable) == (0, 0, 0, 0)
    assert change.outcome(MARGIN) == "passed"


@pytest.mark.parametrize(("base", "head", "outcome"), [(4, 5, "inconclusive"), (5, 4, "passed"), (40, 50, "failed")])
def test_a_difference_of_one_recording_step_is_no_change(base: int, head: int, outcome: str) -> None:
    """4.99 ms and 5.01 ms are recorded as 4 and 5 in whole milliseconds."""
    pairs = [(base * 1000.0, head * 1000.0)] * 4
    assert relative_change(pairs).outcome(MARGIN) == ("passed" if head < base else "failed")
    assert relative_change(pairs, resolution=1000).outcome(MARGIN) == outcome


@pytest.mark.parametrize("pairs", range(4))
def test_fewer_than_four_pairs_prove_nothing(pairs: int) -> None:
    assert relative_change([(1.0, 100.0)] * pairs).outcome(MARGIN) == "inconclusive"
    assert difference([(0.0, 1.0)] * pairs).outcome(MARGIN) == "inconclusive"


def test_hardly_any_run_fails_without_a_change() -> None:
    outcomes = [relative_change(simulated(10, 0.0, 0.05, seed)).outcome(MARGIN) for seed in range(400)]
    assert outcomes.count("failed") <= 2


def test_a_change_as_large_as_the_margin_fails_one_run_in_twenty() -> None:
    outcomes = [relative_change(simulated(10, MARGIN, 0.05, seed)).outcome(MARGIN) for seed in range(1000)]
    assert 0.03 < outcomes.count("failed") / 1000 < 0.07
    assert 0.03 < outcomes.count("passed") / 1000 < 0.07


def test_a_change_of_the_detectable_size_beyond_the_margin_is_found_in_four_runs_of_five() -> None:
    found = [relative_change(simulated(10, 0.0, 0.05, seed)).detectable or 0.0 for seed in range(200)]
    change = (1 + MARGIN) * (1 + sum(found) / len(found)) - 1
    outcomes = [relative_change(simulated(10, change, 0.05, seed)).outcome(MARGIN) for seed in range(400)]
    assert 0.7 < outcomes.count("failed") / 400 < 0.9


def test_the_example_has_every_field_that_reports_read() -> None:
    example = json.loads(EXAMPLE.read_text())
    assert set(example) == {
        *("outcome", "message", "margin", "confidence", "blocks", "block_s", "order", "arms", "metrics"),
    }
    assert {metric["outcome"] for metric in example["metrics"]} == {"passed", "failed", "inconclusive"}
