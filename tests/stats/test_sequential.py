import json
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiers import examples
from toril.stats.quantiles import student_quantile
from toril.stats.sequential import holm, levels, looks_of, spending

ORACLE = json.loads(Path(__file__).with_name("oracle.json").read_text())
NORMAL = NormalDist()
LOOKS = st.lists(st.integers(2, 60), min_size=1, max_size=8, unique=True).map(lambda found: tuple(sorted(found)))


def obrien_fleming(alpha: float, looks: tuple[int, ...]) -> tuple[float, ...]:
    """Returns the spending function of Lan and DeMets that resembles O'Brien and Fleming's bounds."""
    shares = [look / looks[-1] for look in looks]
    return tuple(2 * (1 - NORMAL.cdf(NORMAL.inv_cdf(1 - alpha / 2) / math.sqrt(share))) for share in shares)


@pytest.mark.parametrize(
    ("looks", "printed"),
    [
        ((200, 400, 600, 800, 1000), (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),  # the manual of R's ldbounds
        ((400, 600, 800), (2.962588, 2.359018, 2.014084)),  # the manual of R's gsDesign
    ],
)
def test_with_many_values_boundaries_equal_printed_ones_of_a_known_variance(
    looks: tuple[int, ...], printed: tuple[float, ...]
) -> None:
    found = spending(obrien_fleming(0.025, looks), looks)
    assert [-NORMAL.inv_cdf(level) for level in found] == pytest.approx(printed, abs=0.01)


@pytest.mark.parametrize(("alpha", "looks", "expected"), ORACLE["looks"])
def test_with_many_values_levels_equal_those_of_the_oracle(
    alpha: float, looks: list[int], expected: list[float]
) -> None:
    assert levels(alpha, tuple(looks)) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("series", [40_000, pytest.param(2_000_000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("most", [10, 20, 40])
def test_few_values_exceed_their_levels_as_often_as_planned(most: int, series: int) -> None:
    looks, alpha = looks_of(most), 0.05
    chance = np.random.default_rng(18)
    exceeded = 0
    for _ in range(series // 20_000):
        values = chance.standard_normal((20_000, most))
        t = [values[:, :n].mean(1) / values[:, :n].std(1, ddof=1) * math.sqrt(n) for n in looks]
        limits = [student_quantile(1 - level, n - 1) for n, level in zip(looks, levels(alpha, looks), strict=True)]
        exceeded += int(np.any([one > limit for one, limit in zip(t, limits, strict=True)], axis=0).sum())
    assert exceeded / series == pytest.approx(alpha, abs=3 * math.sqrt(alpha * (1 - alpha) / series))


def test_one_look_has_the_whole_level() -> None:
    assert levels(0.05, (10,)) == pytest.approx((0.05,), rel=1e-4)


@examples(20)
@given(LOOKS, st.sampled_from([0.05, 0.0125, 0.004]))
def test_the_first_level_is_what_it_spends_and_bonferroni_bounds_all(looks: tuple[int, ...], alpha: float) -> None:
    found = levels(alpha, looks)
    assert found[0] == pytest.approx(alpha * (looks[0] / looks[-1]) ** (2 if looks[-1] >= 20 else 8), rel=0.02)
    assert found[-1] <= alpha * 1.01
    assert alpha <= sum(found) * 1.01


@pytest.mark.parametrize("looks", [(), (1, 5), (5, 5, 10), (7, 5)])
def test_invalid_looks_are_rejected(looks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="look"):
        levels(0.05, looks)


# Several hypotheses

P = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def rejected(p: list[float]) -> tuple[bool, ...]:
    return tuple(found for found, _ in holm(p, lambda left: 0.05 / left))


def test_holms_published_example() -> None:
    """Wikipedia, Holm-Bonferroni method: of four hypotheses at 5 %, the first and the last are rejected."""
    assert rejected([0.01, 0.04, 0.03, 0.005]) == (True, False, False, True)


def test_the_level_grows_with_each_rejected_hypothesis() -> None:
    """Bonferroni's level, 0.0125 for each of four, would reject the first one alone."""
    assert rejected([0.005, 0.015, 0.02, 0.05]) == (True, True, True, True)


@given(P)
def test_holm_rejects_what_bonferroni_rejects_and_nothing_above_the_level(p: list[float]) -> None:
    found = rejected(p)
    for one, is_rejected in zip(p, found, strict=True):
        assert is_rejected or one > 0.05 / len(p)
        assert not is_rejected or one <= 0.05


@given(P, st.randoms())
def test_the_order_of_hypotheses_changes_nothing(p: list[float], chance) -> None:
    found = dict(zip(p, rejected(p), strict=True))
    chance.shuffle(p)
    assert dict(zip(p, rejected(p), strict=True)) == found
