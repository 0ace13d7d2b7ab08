import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.stats.quantiles import student_below, student_quantile

PRINTED = {  # tables of Student's t, with their digits
    (0.95, 1): 6.314, (0.95, 2): 2.920, (0.95, 3): 2.353, (0.95, 9): 1.833, (0.95, 19): 1.729, (0.95, 120): 1.658,
    (0.80, 3): 0.978, (0.80, 9): 0.883, (0.90, 5): 1.476, (0.975, 10): 2.228, (0.99, 7): 2.998, (0.995, 4): 4.604,
    (0.999, 30): 3.385, (0.9995, 2): 31.599,
}  # fmt: skip
STEPS = 2000


@pytest.mark.parametrize(("probability", "freedom"), PRINTED)
def test_quantiles_equal_printed_tables(probability: float, freedom: int) -> None:
    assert student_quantile(probability, freedom) == pytest.approx(PRINTED[probability, freedom], abs=6e-4)


@given(st.floats(-30, 30), st.integers(1, 1000))
def test_the_probability_is_the_integral_of_the_density(value: float, freedom: int) -> None:
    def density(x: float) -> float:
        scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
        return math.exp(scale - (freedom + 1) / 2 * math.log1p(x * x / freedom))

    step = value / STEPS  # Simpson's rule
    inner = sum(density(k * step) * (4 if k % 2 else 2) for k in range(1, STEPS))
    area = (density(0.0) + inner + density(value)) * step / 3
    assert student_below(value, freedom) == pytest.approx(0.5 + area, abs=1e-6)


@given(st.floats(0.001, 0.999), st.integers(1, 1000))
def test_the_quantile_inverts_the_probability(probability: float, freedom: int) -> None:
    value = student_quantile(probability, freedom)
    assert student_below(value, freedom) == pytest.approx(probability, abs=1e-9)
    assert student_quantile(1 - probability, freedom) == pytest.approx(-value, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("probability", "freedom"), [(0.0, 3), (1.0, 3), (0.5, 0)])
def test_invalid_quantiles_are_rejected(probability: float, freedom: int) -> None:
    with pytest.raises(ValueError, match="quantile"):
        student_quantile(probability, freedom)
