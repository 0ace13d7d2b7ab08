"""The range of one more value: published factors, and the rate at which it misses."""

import math
import random
import statistics

import pytest

from toril.stats.prediction import prediction

FACTORS = {4: 3.56, 5: 3.04, 6: 2.78, 10: 2.37, 20: 2.14}  # Hahn and Meeker (1991): 95 %, one future value, by count


@pytest.mark.parametrize("count", FACTORS)
def test_the_range_has_the_published_factors(count: int) -> None:
    values = [float(one) for one in range(count)]
    mean, low, high = prediction(values, 0.025)
    assert mean == statistics.fmean(values)
    assert (high - mean) / statistics.stdev(values) == pytest.approx(FACTORS[count], abs=0.006)
    assert high - mean == pytest.approx(mean - low)


def test_one_more_value_is_above_the_range_at_the_level() -> None:
    chance, trials, level = random.Random(1), 3_000, 0.05
    above = 0
    for _ in range(trials):
        *earlier, new = (chance.gauss(0, 1) for _ in range(9))
        above += new > prediction(earlier, level)[2]
    assert abs(above / trials - level) < 3 * math.sqrt(level * (1 - level) / trials)


def test_one_value_predicts_nothing() -> None:
    with pytest.raises(ValueError, match="predict"):
        prediction([1.0], 0.01)
