"""A rate over time, and its number of requests."""

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.load import curve
from toril.load.curve import Curve

GAPS = st.one_of(st.just(0.0), st.integers(1, 50).map(float))
RATES = st.integers(0, 400).map(float)


@st.composite
def curves(draw):
    times = [0.0]
    for gap in draw(st.lists(GAPS, min_size=1, max_size=6)):
        times.append(times[-1] + gap)
    times.append(times[-1] + 1)
    return Curve(tuple((at, draw(RATES)) for at in times))


def test_the_examples_in_docstrings_are_correct():
    assert doctest.testmod(curve).failed == 0


@pytest.mark.parametrize("points", [(), ((0, 1),), ((0, 1), (0, 1)), ((1, 1), (2, 1)), ((0, 1), (2, 1), (1, 1))])
def test_invalid_times_are_rejected(points):
    with pytest.raises(ValueError, match="sorted by time"):
        Curve(points)


@pytest.mark.parametrize("rps", [-1, math.nan, math.inf])
def test_an_invalid_rate_is_rejected(rps):
    with pytest.raises(ValueError, match="below 0"):
        Curve(((0, rps), (1, 1)))


@given(curves())
def test_the_number_of_due_requests_is_the_area_below_the_curve(one):
    due = list(one.times_of(range(100_000)))
    assert abs(len(due) - one.total) <= 1 + 1e-6 * one.total
    assert due == sorted(due)
    for number, at_s in enumerate(due[:: max(1, len(due) // 50)]):
        assert one.count_to(at_s) == pytest.approx(number * max(1, len(due) // 50), abs=1e-4)


@given(curves(), st.floats(0, 60), RATES)
def test_a_change_keeps_the_curve_before_it(one, at_s, rps):
    other = one.changed(at_s, rps)
    assert other.length_s == one.length_s
    assert other.count_to(min(at_s, one.length_s)) == pytest.approx(one.count_to(min(at_s, one.length_s)))
    if at_s < one.length_s:
        assert other.total == pytest.approx(one.count_to(at_s) + rps * (one.length_s - at_s))
