"""The time at which a series changes, beside known influences, and its test."""

import math

import numpy as np
import pytest

from toril.stats.onset import Course, change_near, discoveries

STARTS = np.arange(0.0, 600.0, 10.0)
NEAR = (140.0, 260.0)


def course(values, *, additive=True):
    return Course(STARTS, np.asarray(values, float), 10.0, additive)


def noise(seed, scale=1.0):
    return np.random.default_rng(seed).normal(0, scale, STARTS.size)


def stepped(at_s):
    """Returns the part of each period after a moment."""
    return np.clip((STARTS + 10 - at_s) / 10, 0, 1)


@pytest.mark.parametrize("at_s", [203.0, 207.5, 210.0])
def test_the_moment_of_a_change_within_a_period_is_found(at_s):
    change = change_near(course(50 + 10 * stepped(at_s) + noise(1)), [], NEAR, [math.inf], seed=1)
    assert change is not None
    assert change.low_s <= at_s <= change.high_s
    assert change.high_s - change.low_s <= 12
    assert [change.before, change.after] == pytest.approx([50, 60], abs=1)
    assert change.p < 0.001


def test_a_change_without_noise_has_no_effect_in_deviations():
    change = change_near(course(55 * stepped(210)), [], NEAR, [math.inf], seed=1)
    assert change is not None
    assert (change.before, change.after, change.effect) == (0, 55, None)
    assert change.p < 0.001


def test_a_change_at_another_time_is_not_near():
    assert change_near(course(50 + 10 * stepped(400) + noise(2)), [], NEAR, [math.inf], seed=1) is None


def test_a_pulse_has_its_end():
    values = 50 + 10 * (stepped(200) - stepped(300)) + noise(3)
    change = change_near(course(values), [], NEAR, [math.inf, 290.0, 300.0, 310.0], seed=1)
    assert change is not None
    assert change.end_s == 300
    assert change.p < 0.001


def test_what_an_influence_explains_is_no_change():
    load = 100 + 50 * stepped(200)
    change = change_near(course(load / 2 + noise(4)), [load], NEAR, [math.inf], seed=1)
    assert change is None or change.p > 0.05
    change = change_near(course(load / 2 + 20 * stepped(250) + noise(4)), [load], NEAR, [math.inf], seed=1)
    assert change is not None
    assert change.p < 0.001
    assert change.low_s <= 250 <= change.high_s


@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_noise_is_rarely_a_change(memory):
    count, trials = 0, 100
    for seed in range(trials):
        steps, values = noise(100 + seed), np.zeros(STARTS.size)
        for place in range(1, STARTS.size):
            values[place] = memory * values[place - 1] + steps[place]
        change = change_near(course(values), [], NEAR, [math.inf], seed=seed)
        count += change is not None and change.p <= 0.05
    assert count <= 10


def test_a_series_of_few_or_equal_values_has_no_change():
    assert change_near(course(np.full(STARTS.size, 3.0)), [], NEAR, [math.inf], seed=1) is None
    assert change_near(Course(STARTS[:5], noise(5)[:5], 10.0), [], (0.0, 50.0), [math.inf], seed=1) is None


def test_discoveries_keep_to_the_rate_of_false_ones():
    assert discoveries([], 0.05) == -1
    assert discoveries([0.02, 0.03, 0.04, 0.05], 0.05) == 0.05
    assert discoveries([0.02, 0.9, 0.9, 0.9], 0.05) == -1
