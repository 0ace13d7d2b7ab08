"""The record of a comparison: figures, bounds, pairs, and the effects of an exchange."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.regression.series import whole_of
from tests.regression.test_pairs import duet, watched
from toril.records import Comparison
from toril.regression import compare
from toril.regression.rule import ALPHA
from toril.stats.quantiles import student_quantile

EXAMPLE = Path(__file__).with_name("comparison.json")
LABELS = ("checkout",)


def compared(
    folder: Path, ratios: list[float | None], *, first: Comparison | None = None, spread: float = 0.05, **changes: Any
) -> Comparison:
    plan = duet(folder, len(ratios), **changes)
    return compare(plan, whole_of(plan, ratios, labels=LABELS, rate=40, spread=spread), len(ratios), first)


def test_a_comparison_has_the_figures_of_the_look_that_decided(tmp_path: Path) -> None:
    found = compared(tmp_path, [1.3] * 10, looks=(5, 10), seed=7, labels=("checkout",))
    assert (found.outcome, found.blocks, found.most, found.look, found.decided, found.seed) == (
        "failed",
        5,
        10,
        5,
        True,
        7,
    )
    metric, failures = found.metrics
    assert metric.low is not None and metric.high is not None and metric.change is not None
    assert 0.2 < metric.low < metric.change < metric.high < 0.4
    assert (metric.blocks, len(metric.ratios), len(metric.pairs), metric.margin) == (5, 5, 10, 0.03)
    assert metric.level is not None and metric.level < 0.025  # of the first look, for two figures
    assert (failures.metric, failures.unit, failures.change, failures.base) == ("failures", "share", 0, 0)


def test_the_detectable_change_is_that_of_all_planned_pairs(tmp_path: Path) -> None:
    early = compared(tmp_path, [1.3] * 10, looks=(5, 10)).metrics[0].detectable
    late = compared(tmp_path, [1.3] * 10).metrics[0].detectable
    assert early is not None and late is not None and early == pytest.approx(late, rel=0.7)


def test_the_detectable_change_is_larger_with_more_figures(tmp_path: Path) -> None:
    one, three = (
        compared(tmp_path, [1.0, 1.02] * 5, metrics=metrics).metrics[0].detectable
        for metrics in (("p95",), ("p95", "p50", "p90"))
    )
    needed = [student_quantile(1 - ALPHA / figures, 9) + student_quantile(0.8, 9) for figures in (1, 3)]
    assert one is not None and three is not None
    assert three / one == pytest.approx(needed[1] / needed[0], rel=0.05)


def test_void_pairs_are_counted_and_left_out(tmp_path: Path) -> None:
    plan = duet(tmp_path)
    found = compare(plan, watched(plan, {3: 0.99}, silent=(5,)), 10)
    assert found.voided == 2
    assert [pair.block for pair in found.metrics[0].pairs if pair.void] == [3, 5]
    assert found.metrics[0].blocks == 8


def test_less_throughput_fails(tmp_path: Path) -> None:
    found = compared(tmp_path, [1.0] * 10, metrics=("throughput",))
    (metric,) = found.metrics
    assert (metric.unit, metric.base, metric.change, metric.outcome) == ("/s", 40, 0, "passed")
    assert metric.low == metric.high == 0


def test_an_exchange_divides_a_change_between_version_and_host(tmp_path: Path) -> None:
    """The host makes a difference of 10 %, which changes its sign; the version makes 15 %."""
    first = compared(tmp_path, [1.15 * 1.1] * 10)
    found = compared(tmp_path, [1.15 / 1.1] * 10, first=first, first_half="r1")
    metric = found.metrics[0]
    assert [metric.change, metric.host] == pytest.approx([0.15, 0.1], abs=0.02)
    assert (found.outcome, metric.outcome, metric.survives, found.first_half) == ("failed", "failed", True, "r1")
    alike = compared(tmp_path, [1 / 1.1] * 10, first=compared(tmp_path, [1.1] * 10))
    assert (alike.metrics[0].outcome, alike.metrics[0].survives) == ("passed", False)
    assert " survives the exchange" in metric.message and " does not survive" in alike.metrics[0].message


def test_without_pairs_nothing_is_compared(tmp_path: Path) -> None:
    found = compared(tmp_path, [None] * 10)
    assert (found.outcome, found.metrics[0].change, found.metrics[0].low, found.metrics[0].base) == (
        "inconclusive",
        None,
        None,
        None,
    )


def test_the_example_has_every_field_that_reports_read() -> None:
    example = json.loads(EXAMPLE.read_text())
    assert set(example) == {
        *("outcome", "message", "margin", "confidence", "blocks", "block_s", "order", "arms", "metrics"),
    }
    assert {metric["outcome"] for metric in example["metrics"]} == {"passed", "failed", "inconclusive"}
