"""Criteria on CloudWatch metrics, with fake responses."""

import pytest

from tests.measured import codes, execution, good, judged_ours, left, plan_of, stopped, verdict_of
from toril.criteria import parse_criterion
from toril.records import MetricSeries, ServerMetrics
from toril.summary import Completeness
from toril.verdict.live import LiveCriteria
from toril.verdict.servers import queries

ALB = {"subject": "alb-response-time", "load-balancer": "app/shop/1", "condition": ">", "threshold": "300ms"}
CPU = {"subject": "ecs-cpu", "cluster": "c", "service": "s", "condition": ">", "threshold": "80%"}
ERRORS = {
    "subject": "cloudwatch",
    "namespace": "AWS/ApplicationELB",
    "metric": "HTTPCode_Target_5XX_Count",
    "statistic": "Sum",
    "dimensions": {"LoadBalancer": "app/shop/1"},
    "condition": ">",
    "threshold": 10,
}
LONG = execution(hold_for_s=300.0)
LASTED = {
    "completeness": Completeness(planned=("local-1",), exits={"local-1": left(last_sample_s=299.5)}, started_at=0)
}


def answers(source, *values, begin_s=-20.0, error=None, answered=True, period_s=60):
    """Returns CloudWatch's values of consecutive periods; None: no value."""
    metric = parse_criterion(source, "", "toril").server
    assert metric is not None
    points = tuple((begin_s + period_s * place, value) for place, value in enumerate(values) if value is not None)
    series = MetricSeries(**dict(metric), points=points, error=error, answered=answered)
    return ServerMetrics(queries=(series,))


def result_of(source, *values, **given):
    """Returns the result in a run of five minutes whose start signal is 20 s after the start of a period."""
    metrics = answers(source, *values, **given)
    return judged_ours(source, good(300), plan_of(executions=[LONG]), metrics=metrics, **LASTED)


def test_each_query_of_a_plan_s_criteria_is_sent_once():
    plan = plan_of("p95>1s", ours=["load<95%", ALB, {**ALB, "threshold": "1s"}, {"Busy": CPU}, ERRORS])
    found = queries(plan)
    assert [query.metric for query in found] == ["TargetResponseTime", "CPUUtilization", "HTTPCode_Target_5XX_Count"]
    assert found[1].dimensions == {"ClusterName": "c", "ServiceName": "s"}
    assert queries(plan_of("p95>1s")) == ()


def test_seconds_of_cloudwatch_are_compared_as_times():
    result = result_of(ALB, 0.1, 0.2, 0.412, 0.2, 0.1, 0.1)
    assert (result.outcome, result.observed, result.criterion.unit) == ("failed", 412_000, "us")
    assert all(figure in result.message for figure in ("app/shop/1", "412 ms", "112 ms", "300 ms", "100 s", "160 s"))
    assert result_of(ALB, 0.1, 0.2, 0.299, 0.2, 0.1, 0.1).outcome == "passed"
    milliseconds = {**ALB, "unit": "Milliseconds"}
    assert result_of(milliseconds, *[301.0] * 6).observed == 301_000


def test_percentiles_and_averages_are_judged_period_by_period():
    assert result_of(CPU, 10, 10, 10, 10, 10, 81).observed == 81
    assert result_of({**CPU, "condition": "<", "threshold": "5%"}, 10, 10, 4, 10, 10, 81).observed == 4


@pytest.mark.parametrize(
    ("statistic", "condition", "threshold", "observed", "outcome"),
    [
        ("Sum", ">", 20, 21, "failed"),
        ("Sum", "<", 21, 21, "passed"),
        ("SampleCount", ">=", 21, 21, "failed"),
        ("Maximum", ">", 5, 6, "failed"),
        ("Maximum", "<", 7, 6, "failed"),
        ("Minimum", "<", 2, 1, "failed"),
        ("Minimum", ">", 1, 1, "passed"),
    ],
)
def test_sums_and_extremes_are_merged_exactly_over_the_whole_run(statistic, condition, threshold, observed, outcome):
    source = {**ERRORS, "statistic": statistic, "condition": condition, "threshold": threshold}
    result = result_of(source, 1, 2, 3, 4, 5, 6)
    assert (result.observed, result.outcome, result.samples) == (observed, outcome, 6)


def test_only_periods_that_overlap_the_judged_time_count():
    outside = answers(ALB, 9.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 9.0, begin_s=-80.0)
    plan = plan_of(executions=[LONG])
    assert judged_ours(ALB, good(300), plan, metrics=outside, **LASTED).outcome == "passed"
    steady = plan_of(executions=[execution(ramp_up_s=100.0, hold_for_s=200.0)], ramp_up_exclude=True)
    ramp = answers(ALB, 9.0, 9.0, 0.1, 0.1, 0.1, 0.1)  # from 100 s on: only fast responses
    assert judged_ours(ALB, good(300), steady, metrics=ramp, **LASTED).outcome == "passed"
    assert judged_ours(ALB, good(300), plan, metrics=ramp, **LASTED).outcome == "failed"


def test_for_needs_as_many_periods_in_a_row_as_its_timeframe():
    source = {**ALB, "logic": "for", "timeframe": "3m"}
    assert result_of(source, 0.1, 0.4, 0.5, 0.1, 0.4, 0.4).outcome == "passed"
    result = result_of(source, 0.1, 0.4, 0.5, 0.6, 0.1, 0.1)
    assert (result.outcome, result.observed) == ("failed", 400_000)
    assert result.window is not None
    assert (result.window.from_s, result.window.to_s) == (40, 219)
    assert result_of({**source, "timeframe": "1h"}, *[0.4] * 6).code == "never-a-full-window"


def test_windows_of_sums_ignore_low_values_of_partial_periods():
    within = {**ERRORS, "logic": "within", "timeframe": "2m", "threshold": 10}
    assert result_of(within, 0, 4, 6, 5, 0, 0).observed == 11
    too_few = {**ERRORS, "condition": "<", "threshold": 50, "logic": "for", "timeframe": "1m"}
    assert result_of(too_few, 20, 60, 60, 60, 60, 30).outcome == "passed"  # the load covered 40 s and 20 s
    assert result_of(too_few, 20, 60, 40, 60, 60, 30).observed == 40


def test_missing_cloudwatch_values_are_inconclusive_unless_a_breach_stands():
    late = {"error": "ALB: eu-west-1 has values until 12:03 only; wait longer"}
    result = result_of(ALB, 0.1, 0.1, 0.1, **late)
    assert (result.outcome, result.code) == ("inconclusive", "no-samples")
    assert late["error"] in result.message
    assert result_of(ALB, 0.1, 0.4, 0.1, **late).outcome == "failed"
    assert result_of(ERRORS, 5, 6, **late).outcome == "failed"
    assert result_of({**ERRORS, "condition": "<", "threshold": 20}, 5, 6, **late).code == "breach-may-not-stand"
    assert result_of(ALB, 0.1, 0.1, None, 0.1, 0.1, 0.1).code == "no-samples"
    assert result_of(ALB).code == "no-samples"
    assert judged_ours(ALB, good(300), metrics=None).code == "no-samples"


def test_a_period_with_hardly_any_load_needs_no_value():
    assert result_of(ALB, *[0.1] * 5, begin_s=-55.0).code == "no-samples"
    assert result_of(ALB, None, *[0.1] * 5, begin_s=-55.0).outcome == "passed"


def test_a_count_that_aws_omits_can_mean_zero():
    zero = {**ERRORS, "missing": "zero"}
    nothing = {"error": "5XX: eu-west-1 has no value"}
    assert result_of(ERRORS, **nothing).code == "no-samples"
    assert result_of(zero, **nothing).outcome == "passed"
    assert result_of(zero, None, 4, None, None, 7, **nothing).observed == 11
    assert result_of(zero, error="access denied", answered=False).code == "no-samples"


# In a verdict


def test_server_criteria_are_part_of_the_verdict_and_never_stop_a_run():
    plan = plan_of(ours=[{"The balancer is slow": ALB}], executions=[execution(hold_for_s=60.0)])
    slow, fast = answers(ALB, 0.4, 0.4), answers(ALB, 0.1, 0.1)
    timeline = good(60)
    verdict = verdict_of(timeline, plan, metrics=slow)
    assert (verdict.outcome, codes(verdict)) == ("failed", ["breach"])
    entry = verdict.to_dict()["criteria"][0]
    assert entry["criterion"] == "alb-response-time p95 of app/shop/1>300ms"
    assert (entry["samples"], entry["counted"]) == (2, "period")
    assert entry["message"].startswith("The balancer is slow: ")
    assert verdict_of(timeline, plan, metrics=fast).outcome == "passed"
    assert codes(verdict_of(timeline, plan)) == ["no-samples"]
    assert LiveCriteria(plan).advance(timeline, 59) == []


def test_saturation_excuses_low_server_values_but_no_high_ones():
    plan = plan_of(ours=[ALB, {**ERRORS, "condition": "<"}], executions=[execution(hold_for_s=60.0)])
    series = (*answers(ALB, 0.4, 0.4).queries, *answers(ERRORS, 1, 1).queries)
    verdict = verdict_of(good(60, health=0.99), plan, metrics=ServerMetrics(queries=series))
    assert [one.code for one in verdict.criteria] == ["breach", "excused-breach"]


def test_a_run_ended_by_another_criterion_needs_no_full_window():
    for_long = {**ALB, "logic": "for", "timeframe": "5m"}
    plan = plan_of("hits>1 for 2s, stop as non-failed", ours=[for_long], executions=[execution(hold_for_s=600.0)])
    verdict = verdict_of(good(60), plan, metrics=answers(for_long, 0.4, 0.4), stop=stopped("criterion", 60.0))
    assert (verdict.outcome, verdict.criteria[1].outcome) == ("passed", "passed")
