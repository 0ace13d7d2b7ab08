"""The conversion of a load curve into rows of JMeter's throughput timer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.engines.jmeter.plan import LEAST_RPS, rows_of


def asked(rows, second):
    """Returns the rate by the timer's own rule: a row includes its end."""
    left = second
    for from_rps, to_rps, lasts_s in rows:
        if left - lasts_s <= 0:
            return from_rps + left * (to_rps - from_rps) / lasts_s
        left -= lasts_s
    return -1


PIECES = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 500), st.integers(-20, 20)), min_size=1, max_size=8)


@given(PIECES)
def test_the_timer_has_each_seconds_rate_and_the_last_rate_for_one_more_second(pieces):
    rates = [max(0.0, float(low + slope * place)) for lasts_s, low, slope in pieces for place in range(lasts_s)]
    rows = rows_of(rates)
    assert [asked(rows, second) for second in range(len(rates) + 1)] == pytest.approx(
        [max(rps, LEAST_RPS) for rps in (*rates, rates[-1])], abs=1e-4
    )
    assert asked(rows, len(rates) + 1) == -1  # then the timer stops the threads
    assert all(lasts_s >= 1 for *_, lasts_s in rows)


def test_seconds_on_a_straight_line_share_a_row():
    assert rows_of([5.0] * 100) == [(5, 5, 100)]
    assert rows_of([float(second) for second in range(1, 101)]) == [(1, 100, 99), (100, 100, 1)]
    assert len(rows_of([1.0] * 50 + [9.0] * 50)) == 3


def test_a_curve_of_one_second_has_one_row():
    assert rows_of([7.0]) == [(7, 7, 1)]
