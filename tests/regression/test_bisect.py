"""The search for a commit: what levels say about steps, and how often a search names a wrong one, by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiers import examples
from toril.records.bisect import Bisect, BisectDuet
from toril.regression.bisect import (
    Level,
    evaluated,
    half_change,
    in_words,
    locate,
    most_duets,
    scaled,
    shown,
    usual_duets,
)

MARGIN = math.log1p(0.03)
SPREAD, PAIRS = 0.08, 40  # one pair of 400 requests on a noisy machine
NIGHT = pytest.mark.nightly


def search(levels, *, spread=SPREAD, skipped=(), chance=None):
    """Returns the end of a search among commits with these levels, and its number of duets."""
    measured, place = [], len(levels) - 1
    left_out = set[int]()
    while True:
        error = 0.0 if chance is None else chance.normal(0, spread / math.sqrt(PAIRS))
        measured.append(Level(place, levels[place] + error, spread, PAIRS))
        found = locate(len(levels), measured, left_out, MARGIN)
        while found.outcome == "undecided" and found.following in skipped and found.following not in left_out:
            left_out.add(found.following)
            found = locate(len(levels), measured, left_out, MARGIN)
        if found.outcome != "undecided" or len(measured) >= most_duets(len(levels)):
            return found, len(measured)
        place = found.following


def steps(commits, *places, size=0.2):
    return [size * sum(place <= commit for place in places) / len(places) for commit in range(commits)]


@examples(100)
@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True), st.floats(0.05, 1.0))
def test_one_clear_step_is_found_in_a_binary_search(commits, where, size):
    place = int(where * commits)
    found, duets = search(steps(commits, place, size=size), spread=0.01)
    assert (found.outcome, found.last) == ("found", place)
    assert duets <= usual_duets(commits)
    assert found.low < found.change < found.high
    assert found.change == pytest.approx(size, rel=0.1)


def test_several_small_steps_name_no_commit():
    found, _ = search(steps(60, 10, 30, 50), spread=0.02)
    assert found.outcome == "several"


@pytest.mark.parametrize(("better", "worse"), [(10, 30), (30, 10)])
def test_an_improvement_beside_the_step_does_not_hide_it(better, worse):
    levels = [0.2 * (commit >= worse) - 0.08 * (commit >= better) for commit in range(60)]
    found, _ = search(levels, spread=0.02)
    assert (found.outcome, found.last) == ("found", worse)


def test_commits_that_cannot_be_measured_leave_a_range():
    found, _ = search(steps(60, 20), spread=0.02, skipped=range(18, 22))
    assert (found.outcome, found.first, found.last) == ("range", 18, 22)
    found, duets = search(steps(60, 20), spread=0.02, skipped=range(30, 50))
    assert (found.outcome, found.last) == ("found", 20)
    assert duets <= usual_duets(60)


def test_a_bad_commit_that_later_duets_clear_is_not_worse():
    levels = [Level(9, change, 0.01, 40) for change in (0.08, 0.0, 0.001, -0.001, 0.0, 0.0)]
    assert locate(10, levels[:1], (), MARGIN).outcome != "none"
    assert locate(10, [*levels[1:], *(Level(place, 0.0, 0.01, 40) for place in range(9))], (), MARGIN).outcome == "none"


@pytest.mark.parametrize("searches", [60, pytest.param(600, marks=NIGHT)])
@pytest.mark.parametrize("size", [0.05, 0.1])
def test_at_most_one_search_in_twenty_names_a_wrong_commit(searches, size):
    chance, wrong, right = np.random.default_rng(34), 0, 0
    for _ in range(searches):
        commits = int(chance.integers(4, 64))
        place = int(chance.integers(commits))
        found, _ = search(steps(commits, place, size=math.log1p(size)), chance=chance)
        right += (found.outcome, found.last) == ("found", place)
        wrong += found.outcome == "found" and found.last != place
    assert wrong <= 0.05 * searches
    assert right >= 0.9 * searches


@pytest.mark.parametrize(("metric", "change"), [("p95", 0.2), ("p95", -0.3), ("throughput", -0.2), ("failures", 0.05)])
def test_levels_are_larger_if_worse_and_come_back_as_changes(metric, change):
    level = scaled(metric, change)
    assert (level > 0) == (change > 0 if metric != "throughput" else change < 0)
    assert shown(metric, level) == pytest.approx(change)


def record(metric, changes, margin=0.03):
    commits = tuple(f"{number:040x}" for number in range(len(changes)))
    duets = [
        BisectDuet(commit=commit, run_id=f"run-{commit}", change=change, spread=0.01, pairs=40)
        for commit, change in zip(commits, changes, strict=True)
        if change is not None
    ]
    return Bisect(
        suite="shop", good="f" * 40, commits=commits, at=0.0, label="cart", metric=metric, margin=margin, duets=duets
    )


@pytest.mark.parametrize(
    ("metric", "changes", "half"),
    [("p95", (0.0, 0.0, 0.21), 0.1), ("throughput", (0.0, 0.0, -0.19), 0.1), ("failures", (0.0, 0.0, 0.2), 0.1)],
)
def test_the_record_of_any_metric_names_the_commit(metric, changes, half):
    ended, _ = evaluated(record(metric, changes))
    assert (ended.outcome, ended.found) == ("found", ended.bad)
    assert ended.low <= ended.change <= ended.high
    assert ended.change == pytest.approx(changes[-1], rel=0.1)
    assert half_change(ended) == pytest.approx(half)
    assert ended.bad[:12] in in_words(ended)
    assert Bisect.from_json(ended.to_json(), "") == ended


def test_a_search_that_goes_on_names_the_next_commit():
    found, following = evaluated(record("p95", (*[None] * 8, 0.2)))
    assert (found.outcome, found.found) == (None, "")
    assert following in found.commits[2:6]


def test_a_search_ends_without_a_commit_when_the_duets_are_used_up():
    many = record("p95", (None, 0.1, 0.2))
    many = many.model_copy(update={"duets": (many.duets[1].model_copy(update={"spread": 2.0}),) * most_duets(3)})
    ended, _ = evaluated(many)
    assert (ended.outcome, ended.found) == ("undecided", "")
