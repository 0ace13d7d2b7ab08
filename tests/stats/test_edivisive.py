"""Places at which the level changes: published values, public series, laws, and the rate of false alarms."""

import json
import math
import random
from itertools import combinations, product
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiers import examples
from toril.stats.edivisive import energies, splits

SERIES = Path(__file__).parents[1] / "data/series"
FOUND = {  # places that differ from those of the source
    "series test, 2": [],  # the true one has four values before it; five are required
    "robust series": [25, 64, 68, 114],  # the level falls in two steps
    "regression and recovery": [15, 30],  # 30 is the true one; a lone outlier follows
    "TigerBeetle, load_accepted": [15, 61, 71, 95, 117, 131, 142, 148, 192, 212, 260],  # as in Otava's own tests
    "TigerBeetle, transfer_p90": [71, 95, 117, 131, 192, 212, 260],
}
PUBLIC = {
    (source, name): (one["values"], one["changes"])
    for source in ("otava", "mongodb", "nyrkio")
    for name, one in json.loads((SERIES / f"{source}.json").read_text()).items()
}
# MongoDB's tests/data/expected_result_robust_series_proper_division.json, by place.
ENERGIES = {1: 1735.2, 2: 2016.6, 25: 35813.9, 69: 3416.5, 114: 75366.5, 171: 2475.1, 172: 2229.8}
# The p-value is SciPy's, `ttest_ind` of both halves; the values are of Otava's tests/analysis_test.py.
P_OF_PAIR = 2.024977032933363e-05
PAIR = [1.00, 1.02, 1.05, 0.95, 0.98, 0.80, 0.82, 0.85, 0.79, 0.77]


def of(values, **options):
    return [one.place for one in splits(values, **options)]


def by_definition(values: list[float], place: int) -> float:
    first, second = values[:place], values[place:]
    m, n = len(first), len(second)
    between = fmean(abs(x - y) for x, y in product(first, second))
    within = [fmean([abs(x - y) for x, y in combinations(part, 2)] or [0.0]) for part in (first, second)]
    return m * n / (m + n) * (2 * between - sum(within))


@examples(30)
@given(st.lists(st.floats(-100, 100), min_size=2, max_size=12))
def test_energies_equal_their_definition(values):
    found = energies(np.array(values))
    for end in range(len(values) + 1):
        for place in range(len(values) + 1):
            expected = by_definition(values[:end], place) if 0 < place < end else -math.inf
            assert found[place, end] == pytest.approx(expected, abs=1e-9)


def test_energies_equal_published_ones():
    values, _ = PUBLIC["mongodb", "robust series"]
    found = energies(np.array(values))[:, -1]
    assert {place: found[place] for place in ENERGIES} == pytest.approx(ENERGIES, rel=1e-4)


def test_the_significance_is_students_for_each_candidate_place():
    (one,) = splits(PAIR)
    assert (one.place, one.freedom) == (5, 8)
    assert (one.before, one.after) == pytest.approx((1.0, 0.806))
    assert one.p == pytest.approx(3 * P_OF_PAIR, rel=1e-6)


@pytest.mark.parametrize(("source", "name"), PUBLIC)
def test_public_series_change_where_their_source_or_otava_says(source, name):
    values, changes = PUBLIC[source, name]
    assert of(values) == FOUND.get(name, changes)


def test_a_change_is_found_after_the_level_has_returned():
    chance = random.Random(2)
    values = [chance.gauss(0, 1) + 4 * (20 <= place < 30) for place in range(60)]
    assert of(values) == [20, 30]


def test_fewer_than_three_values_are_no_change():
    values = [100.0, 101.0, 99.0, 100.5] * 5
    for spikes in ([7], [18], [7, 12], [18, 19], [0, 1]):
        assert of([150.0 if place in spikes else one for place, one in enumerate(values)]) == []


@pytest.mark.parametrize("values", [[], [1.0], [5.0] * 9, [math.log(41_234)] * 60, [0.0] * 12])
def test_short_and_constant_series_do_not_change(values):
    assert of(values) == []


def test_a_step_without_noise_is_a_change_three_values_after_it():
    assert of([1.0] * 10 + [2.0] * 2) == []
    (one,) = splits([1.0] * 10 + [2.0] * 3)
    assert (one.place, one.p, one.before, one.after, one.error) == (10, 0, 1, 2, 0)


@examples(20)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-1000, 1000))
def test_units_do_not_matter(seed, factor, offset):
    chance = random.Random(seed)
    values = [chance.gauss(10, 1) + 3 * (place >= 25) - 2 * (place >= 40) for place in range(50)]
    assert of([factor * one + offset for one in values]) == of(values)


def test_the_mean_of_correlated_values_varies_more():
    """Bartlett (1946): for r = 0.5, the variance of the mean of 3 values is (1 + 2 · (2/3 · 0.5 + 1/3 · 0.25)) / 3."""
    values = [*([10.0, 10.5, 10.2, 9.4, 9.1, 9.9, 10.6, 10.3] * 3), *([14.0, 14.4, 14.1])]
    (one,), (apart,) = splits(values, correlated=True), splits(values)
    assert (one.place, one.before, one.after) == (apart.place, apart.before, apart.after)
    assert one.error > 1.3 * apart.error
    assert 1 < one.freedom < apart.freedom


def test_a_slow_drift_has_places_only_if_its_values_count_as_independent():
    values = [math.sin(night / 6) for night in range(60)]
    assert of(values) != []
    assert of(values, correlated=True) == []


def test_steps_remain_if_their_noise_is_independent():
    chance = random.Random(4)
    values = [chance.gauss(0, 1) + 5 * (place >= 25) - 4 * (place >= 40) for place in range(60)]
    assert of(values, correlated=True) == of(values) == [25, 40]


def autoregressive(seed: int, correlation: float) -> list[float]:
    """Returns 60 nights with a variation of 3 %, each correlated with the night before."""
    chance = np.random.default_rng(seed)
    values, own = [float(chance.normal(0, 0.03))], 0.03 * math.sqrt(1 - correlation**2)
    for _ in range(59):
        values.append(correlation * values[-1] + float(chance.normal(0, own)))
    return values


@pytest.mark.parametrize("correlation", [0.5, 0.8])
def test_correlated_series_without_a_change_rarely_have_a_place(correlation):
    series = [autoregressive(seed, correlation) for seed in range(200)]
    assert sum(of(one, level=0.005, correlated=True) != [] for one in series) <= 12
    assert sum(of(one, level=0.005) != [] for one in series) >= 24


def flat(seed: int) -> list[float]:
    """Returns 60 nights of a figure with a variation of 5 %."""
    return [float(one) for one in np.random.default_rng(seed).normal(0, 0.05, 60)]


def alarms(seeds: range) -> int:
    """Returns the number of series with a place, on any of the nights from the tenth on."""
    return sum(any(of(values[:night], level=0.005) for night in range(10, 61)) for values in map(flat, seeds))


def test_series_without_a_change_rarely_have_a_place():
    assert alarms(range(60)) <= 3


@pytest.mark.nightly
def test_a_thousand_series_without_a_change_read_every_night():
    assert alarms(range(1000)) <= 60
