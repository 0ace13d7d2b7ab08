"""Shapes of load: their numbers of requests equal the closed forms."""

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.load import shapes
from toril.load.curve import Curve
from toril.load.shapes import held, joined, line, sine, spikes, stairs

RATES = st.integers(0, 2000).map(float)
TIMES = st.integers(1, 3600).map(float)


def curve(points) -> Curve:
    return Curve(tuple(points))


def test_the_examples_in_docstrings_are_correct():
    assert doctest.testmod(shapes).failed == 0


@given(RATES, RATES, TIMES)
def test_the_requests_of_a_line_are_the_mean_of_its_ends(low, high, lasts_s):
    assert curve(line(low, high, lasts_s)).total == pytest.approx((low + high) / 2 * lasts_s)


@given(RATES, RATES, st.integers(2, 50), TIMES)
def test_the_requests_of_stairs_are_the_mean_of_their_ends(low, high, steps, every_s):
    made = curve(stairs(low, high, steps, every_s))
    assert made.total == pytest.approx((low + high) / 2 * steps * every_s)
    assert (made.length_s, made.peak_rps) == (steps * every_s, max(low, high))
    assert made.rate_at(0) == low
    assert made.rate_at(made.length_s - 0.5) == pytest.approx(high)
    assert len({rps for _, rps in made.points}) == (steps if low != high else 1)


@given(RATES, RATES, st.integers(1, 30), st.integers(1, 59), st.integers(1, 60))
def test_the_requests_of_spikes_are_their_part_of_each_period(base, peak, periods, spike_s, more_s):
    every_s = float(spike_s + more_s)
    made = curve(spikes(base, peak, every_s, float(spike_s), periods * every_s))
    assert made.total == pytest.approx(periods * (spike_s * peak + more_s * base))
    assert made.length_s == periods * every_s
    for period in range(periods):
        assert made.rate_at((period + 0.5) * every_s) == peak
        assert made.rate_at(period * every_s) == base


@given(st.integers(1, 300), st.integers(1, 900))
def test_spikes_that_are_cut_off_equal_the_start_of_a_longer_load(spike_s, lasts_s):
    whole = curve(spikes(1.0, 9.0, 301.0, float(spike_s), 903.0))
    part = curve(spikes(1.0, 9.0, 301.0, float(spike_s), float(lasts_s)))
    assert part.length_s == lasts_s
    assert part.total == pytest.approx(whole.count_to(lasts_s))


@given(RATES, RATES, st.integers(10, 86_400), st.floats(0, 86_400), st.floats(0.1, 3))
def test_the_error_of_a_sine_is_below_a_thousandth_of_its_amplitude(one, other, period_s, low_at_s, periods):
    low, high = sorted((one, other))
    lasts_s, amplitude, middle = period_s * periods, (high - low) / 2, (high + low) / 2
    made = curve(sine(low, high, float(period_s), low_at_s, lasts_s))

    def area(at_s):
        angle = 2 * math.pi / period_s
        return middle * at_s - amplitude * (math.sin(angle * (at_s - low_at_s)) + math.sin(angle * low_at_s)) / angle

    for place in range(100):
        at_s = lasts_s * place / 100
        wave = middle - amplitude * math.cos(2 * math.pi * (at_s - low_at_s) / period_s)
        assert abs(made.rate_at(at_s) - wave) <= 0.001 * amplitude + 1e-6 * high
    assert abs(made.total - area(lasts_s)) <= 0.001 * amplitude * lasts_s + 1e-6 * high * lasts_s
    if periods >= 2:
        assert made.peak_rps == pytest.approx(high)


@given(st.lists(st.tuples(st.integers(1, 600), RATES), min_size=2, max_size=30))
def test_held_rates_keep_the_number_of_requests(rows):
    times = [float(sum(lasts_s for lasts_s, _ in rows[:place])) for place in range(len(rows) + 1)]
    points = held(zip(times, [rps for _, rps in rows], strict=False))
    made = joined([[*points, (times[-1], points[-1][1])]])
    assert made.total == pytest.approx(sum(lasts_s * rps for lasts_s, rps in rows))


@given(st.lists(st.tuples(RATES, RATES, TIMES), min_size=1, max_size=8))
def test_joined_shapes_keep_the_number_of_requests_without_redundant_points(lines):
    made = joined(line(*one) for one in lines)
    assert made.total == pytest.approx(sum((low + high) / 2 * lasts_s for low, high, lasts_s in lines), rel=1e-6)
    assert made.length_s == sum(lasts_s for *_, lasts_s in lines)
    assert joined(line(5, 5, 10) for _ in range(9)).points == ((0, 5), (90, 5))


@given(st.lists(st.tuples(RATES, RATES, TIMES), min_size=1, max_size=8), st.floats(0, 3), st.integers(0, 40))
def test_by_second_counts_the_due_requests_of_each_second(lines, late_s, first):
    made = joined(line(*one) for one in lines)
    seconds = range(first, first + 60)
    wanted = [made.count_to(second + 1 - late_s) - made.count_to(second - late_s) for second in seconds]
    assert made.by_second(seconds, late_s) == pytest.approx(wanted, abs=1e-4)
