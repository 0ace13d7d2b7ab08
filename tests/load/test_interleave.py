"""The interleaving of one schedule: workers send each arrival once, at the time of one big worker."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.load.curve import Curve
from toril.load.interleave import FINEST, interleave

weights = st.lists(
    st.one_of(st.integers(1, 9), st.fractions(Fraction(1, 20), 20, max_denominator=30)), min_size=1, max_size=9
)


@given(weights)
def test_each_arrival_belongs_to_exactly_one_worker(weights):
    many = 200
    places = [[stripe.place_of(own) for own in range(many)] for stripe in interleave(weights)]
    complete = min(one[-1] for one in places)  # up to here, the test has asked every worker
    found = sorted(place for one in places for place in one if place <= complete)
    assert found == list(range(complete + 1))


@given(weights)
def test_a_workers_arrivals_are_in_order(weights):
    for stripe in interleave(weights):
        places = [stripe.place_of(own) for own in range(50)]
        assert places == sorted(set(places))


@given(weights, st.integers(1, 500))
def test_every_worker_has_its_part_after_any_number_of_arrivals(weights, total):
    divided = interleave(weights)
    assert sum((stripe.part for stripe in divided), Fraction(0)) == 1
    for stripe in divided:
        own = sum(stripe.place_of(own) < total for own in range(total))
        assert abs(own - stripe.part * total) <= len(weights)


@given(
    weights,
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=4),
)
def test_together_the_workers_send_the_schedule_of_one_big_worker(weights, pieces):
    points, at_s = [], 0
    for lasts_s, low, high in pieces:
        points += [(at_s, low), (at_s + lasts_s, high)]
        at_s += lasts_s
    curve = Curve(tuple(points))
    whole = list(curve.times_of(range(int(curve.total) + 2)))
    sent = []
    for stripe in interleave(weights):
        own = (stripe.place_of(own) for own in range(int(curve.total) + 2))
        sent += list(curve.times_of(place for place in own if place < len(whole)))
    assert sorted(sent) == whole


def test_rounded_weights_still_share_every_arrival():
    divided = interleave([Fraction(1, 1_000_003), Fraction(1, 999_983), Fraction(1, 3)])
    assert max(stripe.weight for stripe in divided) == FINEST
    found = sorted(stripe.place_of(own) for stripe in divided for own in range(100))
    assert found[:50] == list(range(50))


def test_a_worker_without_a_weight_is_rejected():
    with pytest.raises(ValueError, match="above 0"):
        interleave([1, 0])
