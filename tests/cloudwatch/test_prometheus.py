"""Metrics of a Prometheus: what is asked, what the series keep, and each error."""

import math
import socket

import pytest

from tests.cloudwatch.asking import NOON, Clock
from tests.cloudwatch.prometheus import REFUSED, WRONG, prometheus
from tests.measured import execution, good, judged_ours, left, plan_of
from toril.cloudwatch import authorization, check, fetch
from toril.criteria.service import service_queries, short_name
from toril.errors import UserError
from toril.records import ServerMetrics, ServiceResource
from toril.summary import Completeness
from toril.verdict.servers import queries

WAITS = {"subject": "prometheus", "metric": "waits", "condition": ">", "threshold": 10}


def resource(service, expression="waits", **more):
    given = {"kind": "prometheus", "id": service.url, "queries": {"waits": expression}}
    return ServiceResource(**(given | more))


def fetched(service, expression="waits", *, clock=None, load_s=57.0, **options):
    """Fetches the metrics of a load that began 5 s after noon and ended just now."""
    clock = clock or Clock()
    clock.at = NOON + 5 + load_s
    asked = service_queries([resource(service, expression)])
    (series,) = fetch(asked, NOON + 5, NOON + 5 + load_s, clock, no_aws, **options).queries
    return series


def no_aws(region):
    raise AssertionError(region)


def test_a_value_belongs_to_the_step_that_it_ends():
    with prometheus(waits=[lambda second: second - NOON]) as service:
        series = fetched(service)
    assert series.points == ((-5.0, 15), (10.0, 30), (25.0, 45), (40.0, 60))
    assert (series.error, series.source, series.complete_to_s) == (None, "Prometheus", 70)
    assert {(one["query"], one["step"]) for one in service.asked} == {("waits", "15")}
    assert [float(one["end"]) - NOON for one in service.asked] == [60, 60]  # never in the future


def test_values_that_are_no_numbers_are_missing_but_others_stay():
    with prometheus(waits=[lambda second: math.nan if second < NOON + 45 else 3.0]) as service:
        assert fetched(service).points == ((25, 3.0), (40, 3.0))
    with prometheus(waits=[lambda _: math.inf]) as service:
        series = fetched(service)
    assert not series.points
    assert "no value" in str(series.error)


def test_a_query_without_values_is_asked_for_a_minute_only():
    clock = Clock()
    with prometheus() as service:
        series = fetched(service, clock=clock, limit_s=300.0)
        (note,) = check(service_queries([resource(service)]), NOON, no_aws)
    assert "no value" in str(series.error)
    assert clock.at <= NOON + 60 + 60 + 1
    assert note.code == "no-recent-value"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (REFUSED, "refused-query"),
        (WRONG, "refused-query"),
        ([lambda _: 1.0, lambda _: 2.0], "too-many-series"),
        ((200, "<html>"), "not-prometheus"),
        ((200, {"status": "success"}), "not-prometheus"),
        ((302, ""), "not-prometheus"),
        ((403, "Forbidden"), "access-denied"),
    ],
)
def test_a_wrong_query_or_address_ends_the_command_before_the_load_and_is_an_error_of_the_series_after_it(answer, code):
    with prometheus(waits=answer) as service:
        with pytest.raises(UserError) as error:
            check(service_queries([resource(service)]), NOON, no_aws)
        series = fetched(service)
        assert len(service.asked) == 2  # the second request would be refused, too
    assert error.value.code == code
    assert not series.points
    assert series.error
    assert series.error.startswith("Prometheus waits: Prometheus at 127.0.0.1")


def test_a_busy_server_is_asked_again_and_a_partial_answer_is_not_taken():
    partial = {"status": "success", "warnings": ["a store is down"], "data": {"resultType": "matrix", "result": []}}
    for answer in ((503, "unavailable"), (200, partial)):
        with prometheus(waits=answer) as service:
            (note,) = check(service_queries([resource(service)]), NOON, no_aws)
            series = fetched(service)
            assert len(service.asked) > 3
        assert note.code == "busy"
        assert series.error


def test_a_server_that_is_gone_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    gone = ServiceResource(kind="prometheus", id=address, queries={"waits": "waits"})
    with pytest.raises(UserError) as error:
        check(service_queries([gone]), NOON, no_aws)
    assert error.value.code == "unreachable"
    assert short_name(address) in str(error.value)


@pytest.mark.parametrize(("secret", "sent"), [("abcd", "Bearer abcd"), ("Basic dTpw\n", "Basic dTpw")])
def test_the_token_is_read_once_and_sent(monkeypatch, secret, sent):
    read = []

    def secrets(wanted):
        read.append(wanted)
        return dict.fromkeys(wanted, secret)

    monkeypatch.setattr("toril.cloudwatch.prometheus.read_secrets", secrets)
    with prometheus(sent, waits=[lambda _: 1.0]) as service:
        plan = plan_of().model_copy(
            update={"service": (resource(service, token="PROM"),), "secrets": {"PROM": "shop/prometheus"}}
        )
        assert fetched(service, authorize=authorization(plan)).points
        assert "access denied" in str(fetched(service).error)
    assert read == [{"PROM": "shop/prometheus"}]


def judged(service, criterion, **more):
    resources = [resource(service), resource(service, "other", version="base")]
    clock = Clock(NOON + 60)
    metrics = fetch(service_queries(resources), NOON, NOON + 60, clock, no_aws)
    completeness = Completeness(planned=("local-1",), exits={"local-1": left(last_sample_s=59.5)}, started_at=0)
    plan = plan_of(executions=[execution(hold_for_s=60.0)])
    return judged_ours(
        criterion, good(60), plan, metrics=ServerMetrics(queries=metrics.queries), completeness=completeness
    )


def test_a_criterion_judges_each_value_of_head():
    with prometheus(waits=[lambda second: 11.0 if second == NOON + 30 else 9.0], other=[lambda _: 99.0]) as service:
        result = judged(service, WAITS)
        assert (result.outcome, result.observed) == ("failed", 11)
        assert "Prometheus waits" in result.criterion.text
        assert judged(service, WAITS | {"threshold": 12}).outcome == "passed"
        assert judged(service, WAITS | {"logic": "for", "timeframe": "30s"}).outcome == "passed"
        milliseconds = WAITS | {"unit": "Milliseconds", "threshold": "10ms"}
        assert judged(service, milliseconds).observed == 11_000


def test_gaps_are_inconclusive_unless_they_are_zero():
    with prometheus(waits=[lambda second: math.nan if second == NOON + 30 else 9.0]) as service:
        gap = judged(service, WAITS)
        assert (gap.outcome, gap.code) == ("inconclusive", "no-samples")
        assert judged(service, WAITS | {"missing": "zero"}).outcome == "passed"


def test_a_plan_asks_for_a_query_of_its_service_once():
    plan = plan_of(ours=[WAITS]).model_copy(
        update={"service": (ServiceResource(kind="prometheus", id="http://p:9090", queries={"waits": "sum(waits)"}),)}
    )
    assert [query.promql for query in queries(plan)] == ["sum(waits)"]
