"""CloudWatch Logs Insights, as botocore validates requests and answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from tests.clocks import SteppedClock
from toril.aws.errors import AwsError
from toril.cloudwatch.logs import MOST_BYTES, Logs

MINUTE = 1_700_000_040  # a whole minute


@contextmanager
def insights(*, going: bool = True, groups: tuple[str, ...] = ("/ecs/shop",)) -> Iterator[tuple[Logs, Stubber]]:
    client = boto3.client("logs", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        yield Logs(groups, lambda service, region: client, SteppedClock(), lambda: going), stubber


def expect(stubber: Stubber, *answers: dict[str, Any], words: object = ANY) -> None:
    asked = {
        "logGroupIdentifiers": ["/ecs/shop"], "startTime": MINUTE, "endTime": MINUTE + 59, "queryString": words
    }  # fmt: skip
    stubber.add_response("start_query", {"queryId": "q"}, asked)
    for answer in answers:
        stubber.add_response("get_query_results", answer, {"queryId": "q"})


def test_the_lines_of_a_minute_are_read_when_the_query_is_complete():
    row = [{"field": "@message", "value": "pool exhausted"}, {"field": "@ptr", "value": "p"}]
    with insights() as (logs, stubber):
        complete = {"status": "Complete", "results": [row], "statistics": {"bytesScanned": 4096.0}}
        expect(stubber, {"status": "Running", "results": []}, complete)
        assert logs.lines(MINUTE) == ["pool exhausted"]
        stubber.assert_no_pending_responses()
    assert logs.scanned_bytes == 4096


def test_texts_are_counted_by_minute():
    words = (
        'fields strcontains(@message, "pool exhausted") as f0, strcontains(@message, "started") as f1 '
        "| stats sum(f0) as n0, sum(f1) as n1 by bin(60s)"
    )
    row = [
        {"field": "bin(60s)", "value": "2023-11-14 22:14:00.000"}, {"field": "n0", "value": "12"},
        {"field": "n1", "value": "0"},
    ]  # fmt: skip
    with insights() as (logs, stubber):
        expect(stubber, {"status": "Complete", "results": [row], "statistics": {"bytesScanned": 9.0}}, words=words)
        assert logs.counts(["pool exhausted", "started"], MINUTE, MINUTE + 60) == {MINUTE: [12, 0]}
        assert logs.scanned_bytes == 9


@pytest.mark.parametrize(
    ("going", "scanned"), [(False, 0.0), (True, MOST_BYTES + 1.0)], ids=["interrupted", "too many bytes"]
)
def test_a_query_that_must_end_is_stopped(going, scanned):
    with insights(going=going) as (logs, stubber):
        expect(stubber, {"status": "Running", "statistics": {"bytesScanned": scanned}})
        stubber.add_response("stop_query", {"success": True}, {"queryId": "q"})
        with pytest.raises(AwsError) as raised:
            logs.lines(MINUTE)
        stubber.assert_no_pending_responses()
    assert raised.value.code == "busy"


@pytest.mark.parametrize("status", ["Failed", "Timeout", "Cancelled", "Unknown"])
def test_a_query_that_fails_is_an_error(status):
    with insights() as (logs, stubber):
        expect(stubber, {"status": "Running"}, {"status": status, "statistics": {"bytesScanned": 7.0}})
        with pytest.raises(AwsError) as raised:
            logs.lines(MINUTE)
    assert status in str(raised.value)
    assert logs.scanned_bytes == 7


def test_a_query_that_does_not_end_is_stopped_though_it_may_end_meanwhile():
    with insights() as (logs, stubber):
        expect(stubber, *[{"status": "Running"}] * 61)
        stubber.add_client_error("stop_query", "InvalidParameterException", http_status_code=400)
        with pytest.raises(AwsError) as raised:
            logs.lines(MINUTE)
    assert "after 60 s" in str(raised.value)


def test_a_refusal_names_the_right():
    with insights() as (logs, stubber):
        stubber.add_client_error("start_query", "AccessDeniedException", http_status_code=400)
        with pytest.raises(AwsError) as raised:
            logs.lines(MINUTE)
    assert raised.value.code == "access-denied"
    assert "logs:StartQuery" in str(raised.value)


def test_the_size_of_the_logs_is_a_free_metric():
    client = boto3.client("cloudwatch", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    group = "arn:aws:logs:eu-west-1:111122223333:log-group:/ecs/shop"
    with Stubber(client) as stubber:
        stubber.add_response(
            "get_metric_data",
            {
                "MetricDataResults": [
                    {
                        "Id": "q0",
                        "StatusCode": "Complete",
                        "Timestamps": [datetime.fromtimestamp(at, UTC) for at in (MINUTE, MINUTE + 60)],
                        "Values": [1e6, 5e5],
                    }
                ]
            },
        )
        logs = Logs((group,), lambda service, region: client, SteppedClock())
        assert logs.size(MINUTE, MINUTE + 119) == 1_500_000
