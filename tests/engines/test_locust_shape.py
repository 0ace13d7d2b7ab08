"""A worker's part of a load shape: the parts of all workers sum to what the shape asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.engines.locust.shape import ShapePart
from toril.load.interleave import interleave


def parts_of(weights):
    parts = interleave(weights)
    return [ShapePart(part.weight, [(g.weight, g.workers, g.before) for g in part.groups]) for part in parts]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 500))
def test_the_parts_sum_to_the_shapes_users(weights, users):
    ticks = [part.divided(lambda: (users, 10, ["a"]), lambda: 0.0)() for part in parts_of(weights)]
    assert sum(own for own, _, _ in ticks) == users
    assert sum(rate for _, rate, _ in ticks) == pytest.approx(10)
    assert [part.users(users) for part in parts_of(weights)] == [part.before(users) for part in interleave(weights)]


def test_due_users_come_and_go_at_the_spawn_rate_from_the_gate_on():
    (part,) = parts_of([1])
    now, asked = 0.0, (10, 5)
    tick = part.divided(lambda: asked, lambda: now)
    tick()
    part.begin(now := 60.0)
    now, asked = 64.0, (0, 2)
    tick()
    assert part.due_user_s == 2 * 5 + 2 * 10
    part.count(74.0)
    assert part.due_user_s == 30 + 5 * 5


def test_the_end_of_a_shape_is_the_end_of_each_part():
    assert [part.divided(lambda: None)() for part in parts_of([1, 1])] == [None, None]


def test_a_shape_that_waits_for_its_users_sees_those_of_all_workers():
    parts = parts_of([1, 1, 1])
    for part in parts:
        part.divided(lambda: (10, 5), lambda: 0.0)()
    assert [part.of_all(lambda part=part: part.users(10))() for part in parts] == [10, 10, 10]
    assert [part.of_all(lambda: 2)() for part in parts] == [6, 6, 6]
