"""Probable causes: figures of the service that changed when a trouble of a made-up run began."""

from dataclasses import replace

import numpy as np
import pytest

from tests.verdict.findings.services import Service, run_of
from toril.records import JudgedCriterion, MetricSeries, ServerMetrics, Verdict
from toril.verdict.findings import findings_of
from toril.verdict.findings.cause import troubles_of

FAILING = Service(seconds=300, failing=0.002, fails_from_s=150.0)
BREACHED = JudgedCriterion(criterion="fail>2%", outcome="failed", subject="fail", unit="%")
SLOW = JudgedCriterion(criterion="p95>150ms", outcome="failed", subject="p95", unit="us")


def series(name, value, *, statistic="Average", namespace="Shop", period_s=10, seed=1, scale=1.0):
    """Returns a metric whose value is a function of the second, with noise."""
    random, starts = np.random.default_rng(seed), range(3, 290 - period_s, period_s)
    merge = np.sum if statistic == "Sum" else np.mean
    points = tuple(
        (
            float(start),
            float(merge([value(second) for second in range(start, start + period_s)]) + random.normal(0, scale)),
        )
        for start in starts
    )
    return MetricSeries(
        namespace=namespace, metric=name, statistic=statistic, period_s=period_s, points=points, answered=True
    )


def troubles(service, *metrics, criteria=(), seed=0):
    plan, summary, timeline = run_of(service, seed)
    summary = replace(summary, standouts=findings_of(plan, summary, timeline))
    verdict = Verdict(outcome="failed", criteria=criteria)
    return troubles_of(plan, summary, timeline, verdict, ServerMetrics(queries=metrics) if metrics else None)


def test_the_figure_that_changed_first_comes_first():
    (trouble,) = troubles(
        FAILING,
        series("Queue", lambda second: 5 * (second >= 152), seed=2),
        series("Throttles", lambda second: 5 * (second >= 137), seed=3),
        series("Memory", lambda second: 40.0, seed=4),
        series("Queue", lambda second: 5 * (second >= 152), seed=2).model_copy(update={"resource": "arn:aws:sqs:::q"}),
    )
    assert (trouble.codes, trouble.symptom) == (("errors-began",), "failures")
    assert trouble.low_s <= 150 <= trouble.high_s
    assert [moved.name for moved in trouble.moved] == ["Throttles Average", "Queue Average"]
    assert trouble.moved[0].low_s <= 137 <= trouble.moved[0].high_s
    assert trouble.tested >= 2


def test_of_changes_in_one_period_limits_come_first_and_what_falls_with_throughput_last():
    (trouble,) = troubles(
        FAILING,
        series("PoolPending", lambda second: 50 * (second >= 149), seed=2),
        series("PaymentsDuration", lambda second: 40.0 + 30 * (second >= 149), seed=3),
        series("CacheMisses", lambda second: 5 + 10 * (second >= 149), seed=4),
        series("LockWaits", lambda second: 50.0 - 45 * (second >= 149), seed=5),
    )
    names = [moved.name.split()[0] for moved in trouble.moved]
    assert names == ["CacheMisses", "PaymentsDuration", "PoolPending", "LockWaits"]


def test_a_steady_course_has_no_beginning():
    (trouble,) = troubles(FAILING, series("Requests", lambda second: 100 + second / 2, seed=7))
    assert not trouble.moved


def test_a_breached_criterion_with_the_same_beginning_joins_the_finding():
    (trouble,) = troubles(FAILING, criteria=(BREACHED,))
    assert trouble.codes == ("errors-began", "fail>2%")
    assert not trouble.moved


def test_later_and_much_earlier_changes_and_entrances_are_left_out():
    (trouble,) = troubles(
        FAILING,
        series("Later", lambda second: 9 * (second >= 200)),
        series("Earlier", lambda second: 9 * (second >= 40)),
        series("TargetResponseTime", lambda second: 9 * (second >= 150), namespace="AWS/ApplicationELB"),
    )
    assert not trouble.moved


def test_a_figure_that_follows_the_load_is_no_cause():
    ramp = Service(seconds=300, ramp_s=150, users=60, rate=True, failing=0.002, fails_from_s=150.0)
    (trouble,) = troubles(
        ramp,
        series("Requests", lambda second: min(1.0, second / 150) * 40, seed=5),
        series("Throttles", lambda second: 20 * (second >= 140), seed=6),
    )
    assert [moved.name for moved in trouble.moved] == ["Throttles Average"]


def test_counts_that_cloudwatch_leaves_out_are_zero():
    sparse = series("Throttles", lambda second: 2.0 * (second >= 148), statistic="Sum", scale=0.0)
    sparse = sparse.model_copy(update={"points": tuple(point for point in sparse.points if point[1])})
    (trouble,) = troubles(FAILING, sparse)
    assert [(moved.before, moved.after) for moved in trouble.moved] == [(0.0, 20.0)]


@pytest.mark.parametrize(
    "service",
    [Service(seconds=300), Service(seconds=300, ramp_s=250, users=60), Service(seconds=300, leak=2.0, rate=True)],
    ids=["steady", "ramp", "slow growth"],
)
def test_a_breach_without_a_moment_has_no_trouble(service):
    jumping = series("Queue", lambda second: 9 * (second >= 150))
    assert troubles(service, jumping, criteria=(SLOW,)) == ()


def test_the_load_of_the_generators_is_no_trouble_of_duets_and_short_runs():
    assert troubles(Service(seconds=15, ramp_s=2), criteria=(BREACHED,)) == ()
