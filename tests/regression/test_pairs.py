"""The figures of a duet, their values in pairs, void pairs, and pairs that count together."""

import math
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from tests.duets import SUITE, Measured, interval_of, on_one_host, planned
from tests.regression.series import whole_of
from toril.records import HEAD, Plan
from toril.regression.pairs import (
    DuetFigure,
    figures,
    joined,
    pairs_of,
    saturated_without,
    time_at,
    void_pairs,
    weights_of,
)
from toril.stats.histogram import Histogram
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode

CRITERIA = "reporting: [{module: passfail, criteria: [%s]}]\n"
P95, FAILURES, THROUGHPUT = (
    DuetFigure("checkout", name, percent, 0.03)
    for name, percent in (("p95", 95.0), ("failures", None), ("throughput", None))
)


def duet(folder: Path, blocks: int = 10, **changes: Any) -> Plan:
    """Returns the plan of a duet with blocks of two seconds."""
    return on_one_host(planned(folder, SUITE + "toril: {regression: {block: 2s}}\n", blocks=blocks), **changes)


def watched(plan: Plan, busy: dict[int, float], *, silent: tuple[int, ...] = ()) -> Timeline:
    """Returns an idle duet with a second worker: its CPU by block (0.1 in others), and blocks without a reading."""
    assert plan.duet is not None
    whole = whole_of(plan, [1.0] * plan.duet.blocks, labels=("checkout",))
    recorder = Recorder("local-2", "local")
    for turn in plan.duet.turns():
        for second in range(int(turn.starts_s), int(turn.ends_s)):
            if turn.block not in silent:
                recorder.health(second, busy.get(turn.block, 0.1), 0.1, 1 << 20, 0.0)
    data = recorder.flush()
    assert data is not None
    whole.add(decode(data, "made up"))
    return whole


def names(plan: Plan) -> list[tuple[str, str]]:
    return [(one.label, one.metric) for one in figures(plan)]


def test_percentiles_of_criteria_are_compared_unless_the_suite_names_labels_or_metrics(tmp_path: Path) -> None:
    rules = "p95 of checkout>1s, p99.9>2s for 10s, p50 of home>1s, avg-rt of home>1s, p100>9s, p95 of checkout>2s"
    named = planned(tmp_path, SUITE + CRITERIA % rules)
    assert names(named) == [("checkout", "p95"), ("", "p99.9"), ("home", "p50"), ("", "failures")]
    assert names(planned(tmp_path, SUITE)) == [("", "p95"), ("", "failures")]
    chosen = duet(tmp_path, labels=("home",))
    assert names(chosen) == [("home", "p95"), ("", "failures")]
    both = duet(tmp_path, labels=("home", "checkout"), metrics=("p99", "failures"))
    assert names(both) == [("home", "p99"), ("home", "failures"), ("checkout", "p99"), ("checkout", "failures")]


def test_failures_have_a_margin_of_their_own(tmp_path: Path) -> None:
    plan = duet(tmp_path, metrics=("p95", "failures"), margin=0.1, failures_margin=0.01)
    assert [one.margin for one in figures(plan)] == [0.1, 0.01]
    assert [one.margin for one in figures(duet(tmp_path, margin=0.1, failures_margin=None))] == [0.1, 0.1]


def test_pairs_have_the_values_of_both_turns_in_order_of_time(tmp_path: Path) -> None:
    plan = duet(tmp_path, 4)
    whole = whole_of(plan, [1.0, 2.0, None, 1.0], spread=0, failing=(0.0, 0.1))
    pairs = pairs_of(plan, whole, P95, 4, {})
    ratios = [None if not pair.is_known else pair.head / pair.base for pair in pairs]  # type: ignore[operator]
    assert ratios == pytest.approx([1, 2, None, 1], rel=2e-3)
    assert [pair.block for pair in pairs] == [1, 2, 3, 4]
    assert [pair.base for pair in pairs_of(plan, whole, THROUGHPUT, 4, {})] == [20, 20, None, 20]
    assert pairs_of(plan, whole, FAILURES, 1, {})[0].base == 0
    assert len(pairs_of(plan, whole, P95, 2, {})) == 2


@pytest.mark.parametrize(("rate", "found"), [(20, 1), (10, 2), (4, 8), (1, 2)])
def test_pairs_with_few_samples_count_together(tmp_path: Path, rate: float, found: int) -> None:
    """40 samples are enough for p95; five joined pairs must remain."""
    plan = duet(tmp_path, 40 if rate > 1 else 10)
    assert plan.duet is not None
    whole = whole_of(plan, [1.0] * plan.duet.blocks, rate=rate, labels=("checkout",))
    pairs = pairs_of(plan, whole, P95, plan.duet.blocks, {})
    together = joined(pairs, P95, plan.duet)
    assert together == found
    groups = pairs_of(plan, whole, P95, plan.duet.blocks, {2: "busy"}, together)
    assert [pair.block for pair in groups if pair.void] == [2]
    valid = [pair for pair in groups if not pair.void]
    assert len(valid) == (plan.duet.blocks - 1) // together
    assert {pair.samples for pair in valid} == {together * rate * 2}


def test_the_number_of_joined_pairs_depends_on_the_pairs_before_the_first_look_alone(tmp_path: Path) -> None:
    plan = duet(tmp_path, 40, looks=(5, 40))
    assert plan.duet is not None
    whole = whole_of(plan, [1.0] * 5 + [None] * 35, rate=30, labels=("checkout",))
    assert joined(pairs_of(plan, whole, P95, 40, {}), P95, plan.duet) == 1
    assert joined(pairs_of(plan, whole, P95, 40, {}), FAILURES, plan.duet) == 1


@pytest.mark.parametrize("switched", [False, True])
def test_a_pair_is_void_if_a_worker_is_saturated_or_silent_in_one_of_its_turns(tmp_path: Path, switched: bool) -> None:
    plan = duet(tmp_path, switched=switched)
    whole = watched(plan, {3: 0.99, 7: 0.99}, silent=(5,))
    assert list(void_pairs(plan, whole, 10)) == [3, 5, 7]
    assert list(void_pairs(plan, whole, 4)) == [3]
    assert not void_pairs(plan, watched(plan, {}), 10)


def test_saturation_outside_void_pairs_remains(tmp_path: Path) -> None:
    plan = duet(tmp_path, block_s=2.0)
    whole = watched(plan, {block: 0.99 for block in range(1, 9)})
    assert saturated_without(plan, whole, {1, 2})
    assert not saturated_without(plan, whole, set(range(1, 9)))


def test_no_other_plan_has_figures(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a duet"):
        figures(duet(tmp_path).model_copy(update={"duet": None}))


def test_unequal_counts_of_equal_times_are_no_change(tmp_path: Path) -> None:
    """At its nearest rank, p95 of 41 samples is far below that of 39, although both have one distribution."""
    plan, times = duet(tmp_path, 4), NormalDist(math.log(40_000), 0.5)
    assert plan.duet is not None
    samples = []
    for turn in plan.duet.turns():
        count = 41 if turn.arm == HEAD else 39
        lead_s = plan.duet.turn_s - plan.duet.block_s
        for place in range(1, count + 1):
            us = round(math.exp(times.inv_cdf(place / (count + 1))))
            samples.append(Measured(turn.arm, turn.block, lead_s + 2 * place / (count + 1), us, "checkout"))
    whole = Timeline()
    whole.add(interval_of(plan, samples))
    for pair in pairs_of(plan, whole, P95, 4, {}):
        assert pair.head == pytest.approx(pair.base, rel=0.005)
        assert pair.base == pytest.approx(math.exp(times.inv_cdf(38 / 40)), rel=0.002)  # the nearest rank, as shown


def test_another_mix_of_labels_is_no_change(tmp_path: Path) -> None:
    """`checkout` takes three times as long as `home`, and head happens to send it more often."""
    plan, all_requests = duet(tmp_path, 4), DuetFigure("", "p95", 95.0, 0.03)
    assert plan.duet is not None
    samples = []
    for turn in plan.duet.turns():
        lead_s = plan.duet.turn_s - plan.duet.block_s
        slow = 8 if turn.arm == HEAD else 4
        for label, count, us in (("home", 80 - slow, 40_000), ("checkout", slow, 120_000), ("rare", 1, 41_000)):
            samples += [
                Measured(turn.arm, turn.block, lead_s + 2 * place / (count + 1), us + 1000 * place // count, label)
                for place in range(1, count + 1)
            ]
    whole = Timeline()
    whole.add(interval_of(plan, [*samples, *(replace(one, since_s=one.since_s + 0.001) for one in samples)]))
    ratios = {
        mixed: [
            pair.head / pair.base  # type: ignore[operator]
            for pair in pairs_of(
                plan.model_copy(update={"duet": plan.duet.model_copy(update={"common_mix": mixed})}),
                whole, all_requests, 4, {},
            )
        ]
        for mixed in (False, True)
    }  # fmt: skip
    assert min(ratios[False]) > 2
    assert ratios[True] == pytest.approx([1] * 4, rel=0.01)


def test_weights_give_each_label_the_same_share_of_both_arms() -> None:
    counts = np.array([[30, 10, 4], [20, 30, 5]])
    weighed = weights_of(counts) * counts
    assert weighed[0, :2] == pytest.approx([25, 20]) == weighed[1, :2]
    assert weights_of(counts)[:, 2] == pytest.approx([99 / 88, 99 / 110])  # too few for a weight of their own


def test_a_time_between_two_samples_lies_between_their_logarithms() -> None:
    four = Histogram.of([100, 200, 400, 800])
    found = [time_at([(four, 1.0)], rank / 5, 800) for rank in (1, 2.5, 4)]
    assert found == pytest.approx([100, math.sqrt(200 * 400), 800])
    assert time_at([(four, 1.0), (Histogram.of([1600]), 3.0)], 0.99, 1600) == pytest.approx(1600)
    assert time_at([(Histogram.of([0, 0, 900]), 1.0)], 0.5, 900) is None
