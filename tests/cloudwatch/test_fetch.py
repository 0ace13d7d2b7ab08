"""Fetching metrics from a service with CloudWatch's model: requests, waits and errors."""

from datetime import UTC, datetime

import pytest

from tests.cloudwatch.asking import NOON, Clock, query
from tests.cloudwatch.service import CloudWatch, cloudwatch
from tests.refusals import refused
from toril.cloudwatch import Wait, check, fetch
from toril.errors import InfrastructureError, SuiteError

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
    """Fetches the metrics of a load that ended just now."""
    clock.at = start + load_s
    return fetch(queries or (CPU,), start, start + load_s, clock, service.clients, **options)


def test_points_are_in_seconds_since_the_start_of_the_load(service, clock):
    publish(service, lambda second: float(second // 60 % 60))
    (series,) = fetched(service, clock, start=NOON + 75, load_s=150.0).queries
    assert series.points == ((-15.0, 1.0), (45.0, 2.0), (105.0, 3.0))
    assert series.complete_to_s >= 150
    assert series.error is None


def test_a_call_requests_whole_periods_in_ascending_order(service, clock):
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
def test_fetch_waits_for_late_data(service, clock, delay_s):
    publish(service)
    service.delay_s = delay_s
    (series,) = fetched(service, clock).queries
    assert series.error is None
    assert [value for _, value in series.points] == [42.0] * 3
    assert NOON + 180 + delay_s <= clock.at <= NOON + 180 + delay_s + 25


def test_a_value_is_requested_until_it_no_longer_changes(service, clock):
    """The last minute has a value as soon as its first seconds are published; the value grows with the others."""
    service.publish("AWS/ApplicationELB", "RequestCount", {}, lambda second: 1.0, every_s=1)
    service.delay_s = 60
    requests = query(namespace="AWS/ApplicationELB", metric="RequestCount", dimensions={}, statistic="Sum")
    (series,) = fetched(service, clock, requests).queries
    assert series.points == ((0.0, 60.0), (60.0, 60.0), (120.0, 60.0))


def test_data_later_than_the_limit_are_an_error_with_the_times(service, clock):
    publish(service)
    service.delay_s = 500
    (series,) = fetched(service, clock, load_s=600.0).queries
    assert clock.at == pytest.approx(NOON + 600 + 300, abs=15)
    assert all(one in series.error for one in ("12:06:00Z", "12:00:00Z", "12:10:00Z", "300 s", "toril.metrics-wait"))
    assert series.complete_to_s == 360.0
    assert len(series.points) == 6


def test_the_limit_of_the_wait_can_be_changed(service, clock):
    (series,) = fetched(service, clock, limit_s=30.0).queries
    assert clock.at == pytest.approx(NOON + 180 + 30, abs=1)
    assert all(one in series.error for one in ("CloudWatch in eu-west-1", "12:00:00Z", "12:03:00Z"))
    assert (series.points, series.complete_to_s) == ((), 0.0)


def test_an_unknown_metric_has_no_points_and_an_error(service, clock):
    publish(service)
    there, missing = fetched(service, clock, CPU, query(metric="CPUUtilisation")).queries
    assert there.error is None
    assert missing.error.startswith("AWS/ECS CPUUtilisation Average (ClusterName=shop, ServiceName=web): ")
    assert missing.points == ()


def test_data_with_another_unit_do_not_count(service, clock):
    publish(service)
    (series,) = fetched(service, clock, query(unit="Seconds"), limit_s=10.0).queries
    assert "unit" in series.error


def test_all_pages_of_an_answer_are_read(service, clock):
    publish(service, float, every_s=10)
    service.points_per_page = 7
    (series,) = fetched(service, clock, query(period_s=10, statistic="Minimum"), load_s=600.0).queries
    assert series.points == tuple((float(at), NOON + at) for at in range(0, 600, 10))


def test_many_queries_need_several_calls(service, clock):
    for number in range(1201):
        service.publish("shop", f"m{number}", {}, lambda second, n=number: float(n))
    queries = [query(namespace="shop", metric=f"m{number}", dimensions={}) for number in range(1201)]
    found = fetched(service, clock, *queries).queries
    assert [series.points[-1][1] for series in found] == [float(number) for number in range(1201)]
    assert {len(asked["MetricDataQueries"]) for asked in service.asked} == {500, 201}


def test_each_query_goes_to_its_region(service, clock):
    publish(service, lambda second: 1.0)
    publish(service, lambda second: 2.0, region="us-east-1")
    here, there = fetched(service, clock, CPU, query(region="us-east-1")).queries
    assert (here.points[0][1], there.points[0][1]) == (1.0, 2.0)
    assert set(service.regions) == {"eu-west-1", "us-east-1"}


def test_a_query_of_several_criteria_is_sent_once(service, clock):
    publish(service)
    assert len(fetched(service, clock, CPU, query(), query()).queries) == 1


def test_fetch_retries_after_throttling(service, clock):
    publish(service)
    service.busy = 5
    (series,) = fetched(service, clock).queries
    assert series.error is None


def test_endless_throttling_is_named(service, clock):
    service.busy = 10_000
    (series,) = fetched(service, clock).queries
    assert all(one in series.error for one in ("CloudWatch in eu-west-1", "Throttling", "Rate exceeded"))


@pytest.mark.parametrize(
    ("status", "text"),
    [("PartialData", "PartialData"), ("InternalError", "InternalError"), ("Forbidden", "cloudwatch:GetMetricData")],
)
def test_an_incomplete_result_is_an_error(service, clock, status, text):
    publish(service)
    service.statuses["CPUUtilization"] = status
    (series,) = fetched(service, clock).queries
    assert text in series.error


def test_a_result_that_becomes_complete_counts(service, clock):
    publish(service)
    service.statuses["CPUUtilization"] = "InternalError"

    def mend(wait: Wait) -> bool:
        if wait.waited_s > 60:
            service.statuses.clear()
        return True

    assert fetched(service, clock, keep_waiting=mend).queries[0].error is None


def test_a_missing_permission_is_named_without_retries_of_the_query(service, clock):
    service.denied = True
    (series,) = fetched(service, clock).queries
    assert all(one in series.error for one in ("CloudWatch in eu-west-1", "allow cloudwatch:GetMetricData"))
    assert service.calls == 1


def test_an_invalid_query_does_not_affect_the_others(service, clock):
    publish(service)
    queries = [query(statistic=name) for name in ("Average", "Maximum", "middling", "p95", "Minimum")]
    found = fetched(service, clock, *queries).queries
    assert [series.error is None for series in found] == [True, True, False, True, True]
    assert "The value middling for parameter Stat is not supported" in found[2].error


def test_an_interrupted_wait_sends_one_last_request(service, clock):
    publish(service)
    service.delay_s = 100
    (series,) = fetched(service, clock, keep_waiting=lambda wait: wait.waited_s < 20).queries
    assert clock.at <= NOON + 180 + 21
    assert [at for at, _ in series.points] == [0.0]
    assert "interrupted" in series.error


def test_without_a_wait_fetch_returns_the_present_values(service, clock):
    publish(service)
    (series,) = fetched(service, clock, load_s=150.0, keep_waiting=lambda wait: False).queries
    assert (clock.at, service.calls) == (NOON + 150, 1)
    assert [at for at, _ in series.points] == [0.0, 60.0]
    assert (series.complete_to_s, series.answered) == (120.0, False)


def test_an_interrupted_wait_sends_every_open_query_once_more(service, clock):
    """The wait ends in the middle of a round, when one query is not due yet because its period is not over."""
    publish(service)

    def until_the_first_call(wait: Wait) -> bool:
        return not service.calls

    fetched(service, clock, CPU, query(period_s=300), load_s=180.0, keep_waiting=until_the_first_call)
    periods = [asked["MetricDataQueries"][0]["MetricStat"]["Period"] for asked in service.asked]
    assert periods == [60, 60, 300]


def test_no_value_at_the_end_of_the_wait_counts_as_an_answer(service, clock):
    """AWS publishes some counts only if they are not zero."""
    missing, late = fetched(service, clock, query(metric="absent"), query(region="us-east-1"), limit_s=20.0).queries
    assert missing.answered and late.answered
    service.statuses["absent"] = "InternalError"
    (unknown,) = fetched(service, clock, query(metric="absent"), limit_s=20.0).queries
    assert not unknown.answered


def test_the_caller_gets_the_progress_of_the_wait(service, clock):
    publish(service)
    waits: list[Wait] = []

    def listen(wait: Wait) -> bool:
        waits.append(wait)
        return True

    fetched(service, clock, CPU, query(metric="absent"), load_s=200.0, keep_waiting=listen)
    assert (waits[0].settled, waits[0].queries, waits[0].waited_s) == (0, 2, 0.0)
    assert {wait.limit_s for wait in waits} == {340.0}  # to the end of the last minute, and five more
    assert (waits[-1].settled, round(waits[-1].waited_s)) == (2, 340)
    assert max(clock.slept) <= 0.5  # short enough to renew a lease meanwhile


def test_a_load_longer_than_the_retention_of_short_periods_is_an_error(service, clock):
    (series,) = fetched(service, clock, query(period_s=10), load_s=3.5 * 3600).queries
    assert "period: 60s" in series.error
    with refused("short-metric-period", "AWS/ECS", "10 s", error=SuiteError):
        check([query(period_s=10)], clock.now(), service.clients, load_s=3.5 * 3600)
    assert service.calls == 0


# Before the load


def test_a_check_of_existing_metrics_has_no_notes(service, clock):
    publish(service)
    assert check([CPU, query(period_s=10)], clock.now(), service.clients) == ()


def test_a_metric_without_a_recent_value_has_a_note(service, clock):
    (note,) = check([CPU], clock.now(), service.clients)
    assert note.code == "no-recent-value"
    assert note.message.startswith("AWS/ECS CPUUtilization Average (ClusterName=shop, ServiceName=web): ")


@pytest.mark.parametrize(
    ("change", "error", "code", "text"),
    [
        ({"denied": True}, InfrastructureError, "access-denied", "cloudwatch:GetMetricData"),
        ({}, SuiteError, "refused", "The value middling for parameter Stat"),
    ],
)
def test_a_query_that_cannot_succeed_is_an_error_before_the_load(service, clock, change, error, code, text):
    for name, value in change.items():
        setattr(service, name, value)
    with refused(code, "eu-west-1", text, error=error):
        check([query(statistic="middling")], clock.now(), service.clients)


def test_throttling_before_the_load_is_only_a_note(service, clock):
    service.busy = 1
    (note,) = check([CPU], clock.now(), service.clients)
    assert note.code == "busy"


@pytest.mark.parametrize("body", [b"<html>Please log in</html>", b"", b"{}", b'{"MetricDataResults": [{"Id": "q7"}]}'])
def test_another_server_is_not_mistaken_for_cloudwatch(service, clock, body):
    service.impostor = body
    with refused("not-aws", "http://127.0.0.1:", "AWS_ENDPOINT_URL", error=InfrastructureError):
        check([CPU], clock.now(), service.clients)


def test_an_unreachable_service_is_an_error_before_the_load(clock):
    with cloudwatch(clock.now) as gone:
        pass
    with refused("unreachable", "http://127.0.0.1:", error=InfrastructureError):
        check([CPU], clock.now(), gone.clients)


def test_an_idle_metric_of_a_resource_delays_the_end_by_three_minutes_and_is_no_error(service, clock):
    idle = query(resource="arn:aws:ecs:eu-west-1:111122223333:service/shop/web")
    (series,) = fetched(service, clock, idle).queries
    assert (series.points, series.answered, series.error, series.resource) == ((), True, None, idle.resource)
    assert clock.at <= NOON + 180 + 180 + 10
    assert check([idle], clock.at, service.clients) == ()
