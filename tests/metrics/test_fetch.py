"""Metrics fetched from a service with CloudWatch's own model: what is asked, what is waited for, what goes wrong."""

from datetime import UTC, datetime

import pytest

from tests.metrics.asking import NOON, Clock, query
from tests.metrics.cloudwatch import CloudWatch, cloudwatch
from tests.refusals import refused
from toril.errors import InfrastructureError, SuiteError
from toril.metrics import Wait, check, fetch

CPU = query()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def service(clock):
    with cloudwatch(clock.now) as found:
        yield found


def publish(service: CloudWatch, value=lambda second: 42.0, **options):
    service.publish("AWS/ECS", "CPUUtilization", CPU.dimensions, value, unit="Percent", **options)


def fetched(service, clock, *queries, load_s=180.0, start=NOON, **options):
    """What is there of a load that ended just now."""
    clock.at = start + load_s
    return fetch(queries or (CPU,), start, start + load_s, clock, service.clients, **options)


def test_the_periods_of_the_load_come_as_seconds_from_its_start(service, clock):
    publish(service, lambda second: float(second // 60 % 60))
    (series,) = fetched(service, clock, start=NOON + 75, load_s=150.0).queries
    assert series.points == ((-15.0, 1.0), (45.0, 2.0), (105.0, 3.0))
    assert series.complete_to_s >= 150
    assert series.error is None


def test_a_call_asks_for_whole_periods_in_order_and_names_everything(service, clock):
    publish(service)
    fetched(service, clock, query(statistic="p95", unit="Percent"), start=NOON + 75, load_s=150.0)
    asked = service.asked[0]
    assert asked["StartTime"] == datetime.fromtimestamp(NOON + 60, UTC)
    assert asked["EndTime"] == datetime.fromtimestamp(NOON + 240, UTC)
    assert asked["ScanBy"] == "TimestampAscending"
    assert asked["MetricDataQueries"][0]["MetricStat"] == {
        "Metric": {
            "Namespace": "AWS/ECS",
            "MetricName": "CPUUtilization",
            "Dimensions": [{"Name": "ClusterName", "Value": "shop"}, {"Name": "ServiceName", "Value": "web"}],
        },
        "Period": 60,
        "Stat": "p95",
        "Unit": "Percent",
    }


@pytest.mark.parametrize("delay_s", [0, 65, 170, 290])
def test_data_that_come_late_are_waited_for(service, clock, delay_s):
    publish(service)
    service.delay_s = delay_s
    (series,) = fetched(service, clock).queries
    assert series.error is None
    assert [value for _, value in series.points] == [42.0] * 3
    assert NOON + 180 + delay_s <= clock.at <= NOON + 180 + delay_s + 25


def test_a_value_that_still_changes_is_asked_for_again(service, clock):
    """The last minute is there when its first seconds are, and grows with the rest of them."""
    service.publish("AWS/ApplicationELB", "RequestCount", {}, lambda second: 1.0, every_s=1)
    service.delay_s = 60
    requests = query(namespace="AWS/ApplicationELB", metric="RequestCount", dimensions={}, statistic="Sum")
    (series,) = fetched(service, clock, requests).queries
    assert series.points == ((0.0, 60.0), (60.0, 60.0), (120.0, 60.0))


def test_data_later_than_the_limit_are_an_error_that_says_so(service, clock):
    publish(service)
    service.delay_s = 500
    (series,) = fetched(service, clock, load_s=600.0).queries
    assert clock.at == pytest.approx(NOON + 600 + 300, abs=15)
    assert all(one in series.error for one in ("12:06:00Z", "12:00:00Z", "12:10:00Z", "300 s", "toril.metrics-wait"))
    assert series.complete_to_s == 360.0
    assert len(series.points) == 6


def test_another_limit_is_obeyed(service, clock):
    (series,) = fetched(service, clock, limit_s=30.0).queries
    assert clock.at == pytest.approx(NOON + 180 + 30, abs=1)
    assert all(one in series.error for one in ("CloudWatch in eu-west-1", "12:00:00Z", "12:03:00Z"))
    assert (series.points, series.complete_to_s) == ((), 0.0)


def test_a_metric_that_nobody_publishes_has_no_points_and_says_why(service, clock):
    publish(service)
    there, missing = fetched(service, clock, CPU, query(metric="CPUUtilisation")).queries
    assert there.error is None
    assert missing.error.startswith("AWS/ECS CPUUtilisation Average (ClusterName=shop, ServiceName=web): ")
    assert missing.points == ()


def test_data_in_another_unit_are_no_data(service, clock):
    publish(service)
    (series,) = fetched(service, clock, query(unit="Seconds"), limit_s=10.0).queries
    assert "unit" in series.error


def test_the_pages_of_an_answer_are_put_together(service, clock):
    publish(service, float, every_s=10)
    service.points_per_page = 7
    (series,) = fetched(service, clock, query(period_s=10, statistic="Minimum"), load_s=600.0).queries
    assert series.points == tuple((float(at), NOON + at) for at in range(0, 600, 10))


def test_more_queries_than_a_call_may_carry_take_several_calls(service, clock):
    for number in range(1201):
        service.publish("shop", f"m{number}", {}, lambda second, n=number: float(n))
    queries = [query(namespace="shop", metric=f"m{number}", dimensions={}) for number in range(1201)]
    found = fetched(service, clock, *queries).queries
    assert [series.points[-1][1] for series in found] == [float(number) for number in range(1201)]
    assert {len(asked["MetricDataQueries"]) for asked in service.asked} == {500, 201}


def test_each_region_is_asked_for_its_own_metrics(service, clock):
    publish(service, lambda second: 1.0)
    publish(service, lambda second: 2.0, region="us-east-1")
    here, there = fetched(service, clock, CPU, query(region="us-east-1")).queries
    assert (here.points[0][1], there.points[0][1]) == (1.0, 2.0)
    assert set(service.regions) == {"eu-west-1", "us-east-1"}


def test_a_query_that_several_criteria_share_is_asked_once(service, clock):
    publish(service)
    assert len(fetched(service, clock, CPU, query(), query()).queries) == 1


def test_throttling_is_outlasted(service, clock):
    publish(service)
    service.busy = 5
    (series,) = fetched(service, clock).queries
    assert series.error is None


def test_endless_throttling_is_named(service, clock):
    service.busy = 10_000
    (series,) = fetched(service, clock).queries
    assert all(one in series.error for one in ("CloudWatch in eu-west-1", "Throttling", "Rate exceeded"))


@pytest.mark.parametrize(
    ("status", "said"),
    [("PartialData", "PartialData"), ("InternalError", "InternalError"), ("Forbidden", "cloudwatch:GetMetricData")],
)
def test_a_result_that_is_not_complete_is_never_taken_for_one(service, clock, status, said):
    publish(service)
    service.statuses["CPUUtilization"] = status
    (series,) = fetched(service, clock).queries
    assert said in series.error


def test_a_result_that_becomes_complete_is(service, clock):
    publish(service)
    service.statuses["CPUUtilization"] = "InternalError"

    def mend(wait: Wait) -> bool:
        if wait.waited_s > 60:
            service.statuses.clear()
        return True

    assert fetched(service, clock, goes_on=mend).queries[0].error is None


def test_a_missing_permission_is_named_with_its_region_and_not_waited_out(service, clock):
    service.denied = True
    (series,) = fetched(service, clock).queries
    assert all(one in series.error for one in ("CloudWatch in eu-west-1", "allow cloudwatch:GetMetricData"))
    assert service.calls == 1


def test_one_impossible_query_costs_the_others_nothing(service, clock):
    publish(service)
    queries = [query(statistic=name) for name in ("Average", "Maximum", "middling", "p95", "Minimum")]
    found = fetched(service, clock, *queries).queries
    assert [series.error is None for series in found] == [True, True, False, True, True]
    assert "The value middling for parameter Stat is not supported" in found[2].error


def test_when_the_wait_is_ended_it_is_asked_once_more_and_what_is_there_counts(service, clock):
    publish(service)
    service.delay_s = 100
    (series,) = fetched(service, clock, goes_on=lambda wait: wait.waited_s < 20).queries
    assert clock.at <= NOON + 180 + 21
    assert [at for at, _ in series.points] == [0.0]
    assert "the wait for it was ended" in series.error


def test_who_does_not_want_to_wait_at_all_gets_what_is_there_now(service, clock):
    publish(service)
    (series,) = fetched(service, clock, load_s=150.0, goes_on=lambda wait: False).queries
    assert (clock.at, service.calls) == (NOON + 150, 1)
    assert [at for at, _ in series.points] == [0.0, 60.0]
    assert (series.complete_to_s, series.answered) == (120.0, False)


def test_whenever_the_wait_is_ended_everything_open_is_asked_once_more(service, clock):
    """Here in the middle of a round, when one query is not due yet because its period is not over."""
    publish(service)

    def until_the_first_call(wait: Wait) -> bool:
        return not service.calls

    fetched(service, clock, CPU, query(period_s=300), load_s=180.0, goes_on=until_the_first_call)
    periods = [asked["MetricDataQueries"][0]["MetricStat"]["Period"] for asked in service.asked]
    assert periods == [60, 60, 300]


def test_no_value_at_the_end_of_the_wait_is_an_answer_too(service, clock):
    """Some counts of AWS are published only where they are not zero."""
    missing, late = fetched(service, clock, query(metric="absent"), query(region="us-east-1"), limit_s=20.0).queries
    assert missing.answered and late.answered
    service.statuses["absent"] = "InternalError"
    (unknown,) = fetched(service, clock, query(metric="absent"), limit_s=20.0).queries
    assert not unknown.answered


def test_who_waits_is_told_how_far_it_is(service, clock):
    publish(service)
    told: list[Wait] = []

    def listen(wait: Wait) -> bool:
        told.append(wait)
        return True

    fetched(service, clock, CPU, query(metric="absent"), load_s=200.0, goes_on=listen)
    assert (told[0].settled, told[0].queries, told[0].waited_s) == (0, 2, 0.0)
    assert {wait.limit_s for wait in told} == {340.0}  # to the end of the last minute, and five more
    assert (told[-1].settled, round(told[-1].waited_s)) == (2, 340)
    assert max(clock.slept) <= 0.5  # a lease has to be renewed meanwhile


def test_a_load_that_outlives_its_short_periods_is_told_so(service, clock):
    (series,) = fetched(service, clock, query(period_s=10), load_s=3.5 * 3600).queries
    assert "period: 60s" in series.error
    with refused("short-metric-period", "AWS/ECS", "10 s", error=SuiteError):
        check([query(period_s=10)], clock.now(), service.clients, load_s=3.5 * 3600)
    assert service.calls == 0


# Before the load


def test_a_check_of_metrics_that_are_there_says_nothing(service, clock):
    publish(service)
    assert check([CPU, query(period_s=10)], clock.now(), service.clients) == ()


def test_a_metric_without_a_recent_value_is_noted_before_the_load(service, clock):
    (note,) = check([CPU], clock.now(), service.clients)
    assert note.code == "no-recent-value"
    assert note.message.startswith("AWS/ECS CPUUtilization Average (ClusterName=shop, ServiceName=web): ")


@pytest.mark.parametrize(
    ("change", "error", "code", "said"),
    [
        ({"denied": True}, InfrastructureError, "access-denied", "cloudwatch:GetMetricData"),
        ({}, SuiteError, "refused", "The value middling for parameter Stat"),
    ],
)
def test_what_will_certainly_be_missing_is_an_error_before_the_load(service, clock, change, error, code, said):
    for name, value in change.items():
        setattr(service, name, value)
    with refused(code, "eu-west-1", said, error=error):
        check([query(statistic="middling")], clock.now(), service.clients)


def test_throttling_before_the_load_is_only_noted(service, clock):
    service.busy = 1
    (note,) = check([CPU], clock.now(), service.clients)
    assert note.code == "busy"


@pytest.mark.parametrize("said", [b"<html>Please log in</html>", b"", b"{}", b'{"MetricDataResults": [{"Id": "q7"}]}'])
def test_something_else_in_its_place_is_not_taken_for_it(service, clock, said):
    service.impostor = said
    with refused("not-aws", "http://127.0.0.1:", "AWS_ENDPOINT_URL", error=InfrastructureError):
        check([CPU], clock.now(), service.clients)


def test_a_service_that_is_not_there_is_an_error_before_the_load(clock):
    with cloudwatch(clock.now) as gone:
        pass
    with refused("unreachable", "http://127.0.0.1:", error=InfrastructureError):
        check([CPU], clock.now(), gone.clients)
