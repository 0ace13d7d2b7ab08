"""Student's t: its quantile, from the regularised incomplete beta function.

SciPy has one, and 35 MB for every installation (docs/decisions/0012); the tests hold this against SciPy's.
"""

import math
from functools import lru_cache

TINY = 1e-300  # what stands for 0 in a denominator
NO_CHANGE = 1e-15  # a factor so near to 1
MOST_TERMS = 10_000
HALVINGS = 200  # of an interval, until no double is left between its ends


@lru_cache(maxsize=4096)
def student_quantile(probability: float, freedom: int) -> float:
    """The value below which a Student t variable lies with this probability.

    >>> round(student_quantile(0.95, 9), 4)
    1.8331
    """
    if not 0 < probability < 1 or freedom < 1:
        raise ValueError(f"no quantile {probability} of Student's t with {freedom} degrees of freedom")
    if probability < 0.5:
        return -student_quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while student_below(high, freedom) < probability:
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if student_below(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def student_below(value: float, freedom: int) -> float:
    """How probable it is that a Student t variable lies below the value."""
    beyond = _incomplete_beta(freedom / (freedom + value * value), freedom / 2, 0.5) / 2
    return beyond if value < 0 else 1 - beyond


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """I_x(a, b): its continued fraction (DLMF 8.17.22) by Lentz's method, on the side where that converges fast."""
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    gammas = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(gammas + a * math.log(x) + b * math.log1p(-x)) / a
    value, c, d = 1.0, math.inf, 1.0
    for term in range(1, MOST_TERMS):
        m = term // 2
        if term % 2:
            part = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            part = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + part * d or TINY)
        c = 1 + part / c or TINY
        value *= c * d
        if abs(c * d - 1) < NO_CHANGE:
            break
    return front * value
