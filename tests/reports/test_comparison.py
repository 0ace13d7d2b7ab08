"""Comparison of two runs: laws, differences and formats."""

import json
import statistics
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given

from tests import tiers
from tests.measured import MS, Sample, execution, stopped
from tests.reports import examples
from tests.reports.exports import SAMPLES
from tests.reports.runs import run_of, small, wavering
from toril.records import MetricSeries, ServerMetrics
from toril.reports import COMPARED, Bundle, compared
from toril.reports.compare_blocks import shown, shown_delta, shown_relative, worse
from toril.reports.comparison import (
    BATCHES,
    CONCLUSION,
    REACH,
    ComparedFigure,
    ComparedPart,
    RunComparison,
    compare,
    document,
    rate_interval,
)
from toril.stats.quantiles import mean_interval, share_interval

BASE = run_of([*wavering("home", 50), *wavering("cart", 80)], "p95>250ms", "fail>1%", run_id="base")
SLOWER = run_of([*wavering("home", 50), *wavering("cart", 120)], "p95>100ms", "fail>1%", run_id="head")


def label(comparison: RunComparison, name: str) -> ComparedPart:
    return next(part for part in comparison.labels if part.name == name)


# ── Laws ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(SAMPLES)
@tiers.examples(40)
def test_a_run_does_not_differ_from_itself(samples):
    run = run_of(samples, "p95>250ms")

    found = compare(run, run)

    for part in found.parts:
        assert part.only_in is None
        for figure in part.figures:
            assert figure.delta in (0, None)
            assert figure.finding != "differs"
    assert all(figure.delta == 0 for figure in found.load if figure.delta is not None)
    assert not any(pair.changed for pair in found.criteria)


def mirrored(figure: ComparedFigure) -> ComparedFigure:
    return replace(
        figure,
        base=figure.head,
        head=figure.base,
        base_interval=figure.head_interval,
        head_interval=figure.base_interval,
    )


def mirrored_part(part: ComparedPart) -> ComparedPart:
    return replace(
        part,
        base_samples=part.head_samples,
        head_samples=part.base_samples,
        figures=tuple(map(mirrored, part.figures)),
        only_in={"base": "head", "head": "base", None: None}[part.only_in],
    )


@given(SAMPLES, SAMPLES)
@tiers.examples(40)
def test_swapping_base_and_head_mirrors_the_comparison(first, second):
    one, other = run_of(first, "p95>250ms", run_id="a"), run_of(second, "p95>250ms", "fail>1%", run_id="b")

    there, back = compare(one, other), compare(other, one)

    assert (there.base, there.head) == (back.head, back.base)
    assert tuple(map(mirrored_part, there.parts)) == back.parts
    assert tuple(map(mirrored, there.load)) == back.load
    assert {(pair.text, pair.base, pair.head) for pair in there.criteria} == {
        (pair.text, pair.head, pair.base) for pair in back.criteria
    }
    assert len(there.differences) == len(back.differences)
    assert there.headline == back.headline
    for part, other_part in zip(there.parts, back.parts, strict=True):
        assert [figure.finding for figure in part.figures] == [figure.finding for figure in other_part.figures]
        for figure, other_figure in zip(part.figures, other_part.figures, strict=True):
            assert (figure.delta is None) == (other_figure.delta is None)
            assert (figure.delta or 0) == -(other_figure.delta or 0)


@given(SAMPLES, SAMPLES)
@tiers.examples(20)
def test_the_figures_are_those_of_the_summaries(first, second):
    runs = run_of(first, run_id="a"), run_of(second, run_id="b")

    found = compare(*runs)

    for part, name in ((found.overall, ""), *((part, part.name) for part in found.labels)):
        for side, run in zip(("base", "head"), runs, strict=True):
            figures = run.summary.to_dict()["labels"].get(name)
            if figures is None or not figures["samples"] or (part.name != name and name):
                continue
            for key in ("mean", "p50", "p99_9", "max"):
                assert getattr(part.figure(key), side) == figures["response_us"][key]
            assert getattr(part.figure("rps"), side) == (figures["rps"] or 0)


# ── Differs or noise ──────────────────────────────────────────────────────────────────────────────────────────────────


def figure(base: Any, head: Any, **changes: Any) -> ComparedFigure:
    """Returns a figure with these intervals; None is an unbounded end."""
    return ComparedFigure(
        key="p95", unit="us", base=1, head=1, base_interval=base, head_interval=head, **{"resolution": 1} | changes
    )


@pytest.mark.parametrize(
    ("base", "head", "finding"),
    [
        ((100, 200), (150, 250), "within noise"),
        ((100, 200), (201, 250), "within noise"),  # the gap is the resolution
        ((100, 200), (202, 250), "differs"),
        ((202, 250), (100, 200), "differs"),
        ((100, None), (150, None), "unknown"),
        ((100, None), (20, 50), "differs"),
        ((None, 200), (150, 250), "unknown"),
        ((None, None), (150, 250), "unknown"),
        (None, (150, 250), "unknown"),
    ],
)
def test_a_figure_differs_if_the_intervals_do_not_overlap(base, head, finding):
    assert figure(base, head).finding == finding


def test_a_gap_below_the_resolution_is_no_difference():
    assert figure((41_000, 41_000), (42_000, 42_000), resolution=1000).finding == "within noise"
    assert figure((41_000, 41_000), (43_000, 43_000), resolution=1000).finding == "differs"


def test_only_the_slower_label_differs():
    found = compare(BASE, SLOWER)

    assert {one.key for one in label(found, "cart").differing} == {"mean", "p50", "p90", "p95", "p99"}
    assert not label(found, "home").differing
    cart = label(found, "cart").figure("p50")
    assert cart.delta == pytest.approx(40 * MS, rel=0.01)
    assert cart.relative == pytest.approx(0.5, rel=0.01)
    assert shown_relative(cart) == "+50 %"
    assert label(found, "cart").figure("max").finding == "unknown"


def test_more_failures_are_a_difference_in_points():
    broken = [replace(sample, ok=sample.second % 4 != 0) for sample in wavering("home", 50)]

    failures = label(compare(BASE, run_of(broken)), "home").figure("failures")

    assert (failures.base, failures.head, failures.finding) == (0, 25, "differs")
    assert (shown_delta(failures), shown_relative(failures)) == ("+25 points", "")


def test_a_rate_has_the_interval_of_its_batch_means():
    counts = [100 + 7 * (second % 5) + second % 3 for second in range(45)]
    run = run_of([Sample(second) for second, count in enumerate(counts) for _ in range(count)])
    rps = sum(counts) / 45

    low, high = rate_interval(run, rps) or (0, 0)

    means = [statistics.mean(counts[start : start + 4]) for start in range(0, 40, 4)]
    assert len(means) == BATCHES
    reach = REACH * statistics.stdev(means) / BATCHES**0.5 + 1 / 4
    middle = statistics.mean(means)
    assert (low, high) == pytest.approx((min(rps, middle) - reach, max(rps, middle) + reach))


def test_a_rate_of_a_short_run_or_without_measurements_has_no_interval():
    assert rate_interval(run_of(small()), 25) is None
    assert rate_interval(replace(BASE, timeline=None), 25) is None
    assert rate_interval(BASE, 40) is not None


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (0, 100, (0, 0.037)),
        (10, 100, (0.0552, 0.1744)),
        (100, 100, (0.963, 1)),
        (1, 2, (0.0945, 0.9055)),
        (0, 0, (0, 1)),
    ],
)
def test_the_interval_of_a_share_is_wilsons(part, whole, expected):
    assert share_interval(part, whole) == pytest.approx(expected, abs=5e-4)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    assert mean_interval(100, 20, 400) == pytest.approx((98.04, 101.96), abs=0.001)


# ── Limits of the comparison ──────────────────────────────────────────────────────────────────────────────────────────


def planned(**load: Any) -> Bundle:
    return run_of(small(), run_id=str(load), plan={"executions": (execution(**load),)})


def ended(**circumstances: Any) -> Bundle:
    return run_of(wavering("home", 50), "p95>1s", run_id="b", **circumstances)


SHORT = run_of(wavering("home", 50, seconds=20), run_id="b")
OTHER = replace(SHORT, plan=SHORT.plan.model_copy(update={"suite": "bank", "common": {"scenarios": {}}}))
STEADY = run_of(small(), run_id="b", plan={"ramp_up_exclude": True})


@pytest.mark.parametrize(
    ("base", "head", "sentence"),
    [
        (BASE, BASE, "base and head are the same run"),
        (planned(), planned(concurrency=20), "execution shop: virtual users was 10 in base, 20 in head"),
        (planned(), planned(throughput_rps=450.0), "execution shop: throughput was not set in base, 450/s in head"),
        (planned(), planned(ramp_up_s=5.0), "execution shop: ramp-up was 0 s in base, 5 s in head"),
        (planned(), planned(executor="jmeter"), "execution shop: executor was locust in base, jmeter in head"),
        (planned(), planned(name="other"), "execution other exists only in head"),
        (BASE, ended(plan={"workers": 2}), "base had 1 worker, head had 2 workers"),
        (BASE, ended(plan={"locations": ("madrid",)}), "the locations were local in base, madrid in head"),
        (planned(), STEADY, "the figures of base cover the whole run, those of head only the steady state"),
        (BASE, ended(lost=(("local-1", "killed"),)), "head is inconclusive: a worker was lost"),
        (BASE, ended(stop=stopped("user")), "head is inconclusive: it was stopped early"),
        (BASE, ended(clock_s={"local-1": (5.0, 0.1)}), "head is inconclusive: a worker's clock was off"),
        (BASE, SHORT, "the load lasted 40 s in base, 20 s in head"),
        (BASE, OTHER, "the suites are shop and bank"),
        (BASE, OTHER, "the suites differ in scenarios"),
    ],
)
def test_differences_that_limit_the_comparison_are_named(base, head, sentence):
    assert sentence in "\n".join(compare(base, head).differences)


def test_neither_a_slower_label_nor_a_breach_limits_the_comparison():
    breached = run_of([*wavering("home", 50), *wavering("cart", 80)], "p95>1ms", run_id="b")

    assert breached.outcome == "failed"
    assert compare(BASE, SLOWER).differences == compare(BASE, breached).differences == ()


def test_a_label_of_only_one_run_is_marked():
    found = compare(BASE, run_of(wavering("home", 50), run_id="b"))

    assert [(part.name, part.only_in) for part in found.labels] == [("cart", "base"), ("home", None)]


def test_criteria_are_paired_by_text():
    found = compare(BASE, SLOWER)

    assert {(pair.text, pair.base is not None, pair.head is not None) for pair in found.criteria} == {
        ("p95>250ms", True, False),
        ("p95>100ms", False, True),
        ("fail>1%", True, True),
    }


def test_a_comparison_never_claims_a_regression():
    assert "prove neither a regression" in CONCLUSION
    assert json.loads(compared("json", BASE, SLOWER))["conclusion"] == CONCLUSION


# ── Formats ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize("head", [SLOWER, examples.hostile(), examples.empty()], ids=["slower", "hostile", "empty"])
def test_every_format_shows_every_pair(name, head):
    for pair in ((BASE, head), (head, BASE)):
        assert compared(name, *pair).decode()


def test_json_has_the_comparison_and_derived_values():
    found = json.loads(compared("json", BASE, SLOWER))

    assert found == json.loads(json.dumps(document(compare(BASE, SLOWER))))
    assert found["schema"] == "toril.comparison/1"
    cart = next(part for part in found["labels"] if part["name"] == "cart")
    p50 = next(one for one in cart["figures"] if one["key"] == "p50")
    assert p50["delta"] == p50["head"] - p50["base"]
    assert p50["finding"] == "differs"


@pytest.mark.live
@pytest.mark.nightly
def test_equal_services_rarely_differ_and_a_slower_one_does():
    random = Random(20)

    def measured(slower: float) -> Bundle:
        times = [int(random.lognormvariate(10.8, 0.5) * slower) for _ in range(1600)]
        return run_of([Sample(step // 40, us, ok=random.random() > 0.02) for step, us in enumerate(times)])

    found = [compare(measured(1), measured(1)).overall for _ in range(25)]
    judged = [figure for part in found for figure in part.figures if figure.finding != "unknown"]

    assert len(judged) >= 25 * 6
    assert sum(figure.finding == "differs" for figure in judged) <= 0.02 * len(judged)
    assert compare(measured(1), measured(1.2)).overall.figure("p50").finding == "differs"


def test_a_difference_is_shown_at_the_resolution_of_the_record():
    figure = ComparedFigure(key="p95", unit="us", base=25_120.0, head=11_880.0, resolution=1000)

    assert (shown(figure, "base"), shown(figure, "head"), shown_delta(figure)) == ("25 ms", "12 ms", "−13 ms")


# ── Checks and own metrics ────────────────────────────────────────────────────────────────────────────────────────────


def test_checks_are_compared_by_their_intervals_and_other_metrics_by_plain_differences():
    def measuring(failed, items, *others):
        checks = [Sample(at % 10, 0, "logged in", at >= failed, kind="check") for at in range(200)]
        return run_of([*small(), *checks, Sample(3, items * 1000, "items", kind="trend"), *others])

    found = compare(measuring(2, 4), measuring(60, 9, Sample(0, 1000, "orders", kind="counter")))
    parts = {part.name: part for part in found.metrics}

    failed, mean = parts["logged in"].figure("failures"), parts["items"].figure("mean")
    assert (failed.base, failed.head, failed.finding, worse(failed)) == (1.0, 30.0, "differs", True)
    assert (mean.base, mean.head, mean.finding) == (4.0, 9.0, "unknown")
    assert (parts["orders"].only_in, parts["orders"].figure("sum").head) == ("head", 1.0)


def test_metrics_of_the_service_are_compared_by_their_means_and_highest_values():
    def run(*values):
        arn = "arn:aws:ecs:eu-west-1:111122223333:service/shop/web"
        cpu = MetricSeries(namespace="AWS/ECS", metric="CPUUtilization", statistic="Average", resource=arn)
        points = tuple((60.0 * place, value) for place, value in enumerate(values))
        return replace(run_of(small()), metrics=ServerMetrics(queries=(cpu.model_copy(update={"points": points}),)))

    (part,) = compare(run(20.0, 40.0), run(50.0, 90.0)).metrics
    assert part.name == "shop/web CPUUtilization Average"
    assert [(figure.base, figure.head, figure.finding) for figure in part.figures] == [
        (30.0, 70.0, "unknown"),
        (40.0, 90.0, "unknown"),
    ]
    assert compare(run(), run(50.0)).metrics[0].only_in == "head"


def test_requests_by_tag_are_compared_as_labels():
    tagged = Sample(0, 90 * MS, "checkout{tenant=big}", kind="tagged")
    found = compare(*(run_of([*small(), *tagged * count], run_id=f"r{count}") for count in (2, 3)))
    assert [label(found, name).head_samples for name in ("checkout{tenant=big}", "{tenant=big}")] == [3, 3]
