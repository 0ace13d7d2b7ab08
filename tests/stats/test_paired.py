import json
import math
import random
import statistics
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.stats.paired import Mean, bounds, detectable, halves, pairs_needed, prediction, sample_of
from toril.stats.quantiles import student_quantile

HERE = Path(__file__).parent
ORACLE = json.loads((HERE / "oracle.json").read_text())
FACTORS = {4: 3.56, 5: 3.04, 6: 2.78, 10: 2.37, 20: 2.14}  # Hahn and Meeker (1991): 95 %, one future value, by count
VALUES = st.lists(st.floats(-1, 1).map(lambda value: round(value, 6)), min_size=2, max_size=40)


def sample(values: list[float]) -> Mean:
    found = sample_of(values)
    assert found is not None
    return found


def test_students_example() -> None:
    """Student (1908), section IX: the additional sleep of ten patients by the first drug; odds of 887 to 113."""
    found = sample([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    assert found.mean == pytest.approx(0.75)
    assert bounds(found, 0.1127, 0.1127)[0] == pytest.approx(0, abs=0.02)  # his quotient is rounded


@pytest.mark.parametrize(("values", "level", "low"), ORACLE["bounds"])
def test_bounds_equal_those_of_the_oracle(values: list[float], level: float, low: float) -> None:
    found = sample(values)
    assert bounds(found, level, level) == pytest.approx((low, 2 * found.mean - low), rel=1e-6)


@pytest.mark.parametrize(("probability", "freedom", "expected"), ORACLE["student"])
def test_quantiles_equal_those_of_the_oracle(probability: float, freedom: float, expected: float) -> None:
    assert student_quantile(probability, freedom) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("count", "power", "true"), ORACLE["power"])
def test_a_detectable_change_is_found_with_about_its_power(count: int, power: float, true: float) -> None:
    """The sum of two quantiles is a usual approximation of the noncentral t distribution."""
    assert power == pytest.approx(true, abs=0.04)
    needed = pairs_needed(detectable(1.0, count, power=power), 1.0, power=power)
    assert needed == count


def test_pairs_are_needed_up_to_a_limit() -> None:
    assert pairs_needed(10.0, 0.001) == 4
    assert pairs_needed(0.001, 1.0) is None


def test_an_exchange_separates_version_and_host() -> None:
    first, second, freedom, error = ORACLE["welch"]
    version, host = halves(sample(first), sample(second))
    assert version.mean == pytest.approx((statistics.mean(first) + statistics.mean(second)) / 2)
    assert host.mean == pytest.approx((statistics.mean(first) - statistics.mean(second)) / 2)
    assert version.freedom == host.freedom == pytest.approx(freedom)
    assert version.error == host.error == pytest.approx(error / 2)


@given(VALUES, st.floats(0.001, 1000))
def test_the_unit_changes_nothing(values: list[float], scale: float) -> None:
    found, scaled = sample(values), sample([value * scale for value in values])
    assert (scaled.mean, scaled.error) == pytest.approx((found.mean * scale, found.error * scale), abs=1e-9 * scale)


@given(VALUES, st.floats(1e-6, 0.5))
def test_bounds_enclose_the_mean(values: list[float], level: float) -> None:
    found = sample(values)
    low, high = bounds(found, level, 0.05)
    assert low <= found.mean <= high
    assert math.isfinite(low)


def test_one_value_is_no_sample() -> None:
    assert sample_of([1.0]) is None


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
    with pytest.raises(ValueError, match="quantile"):
        prediction([1.0], 0.01)


@pytest.mark.nightly
def test_the_oracle_still_computes_the_same() -> None:
    """`make oracle` installs its Python and writes the file."""
    program = [HERE.parent.parent / ".tools" / "oracle" / "bin" / "python", HERE / "oracle.py"]
    found = json.loads(subprocess.run(program, check=True, capture_output=True).stdout)
    assert found.keys() == ORACLE.keys()
    for key, values in found.items():
        assert numbers(values) == pytest.approx(numbers(ORACLE[key]), rel=1e-4), key


def numbers(values: object) -> list[float]:
    """Returns all numbers in nested lists."""
    if isinstance(values, list):
        return [number for one in values for number in numbers(one)]
    assert isinstance(values, int | float)
    return [float(values)]
