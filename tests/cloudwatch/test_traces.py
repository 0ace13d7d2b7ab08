"""X-Ray's traces, as botocore validates requests and answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from botocore.stub import Stubber

from toril.aws.errors import AwsError
from toril.cloudwatch.traces import own_times

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
XRAY_ID = "1-4bf92f35-77b34da6a3ce929d0e0e4736"


@contextmanager
def xray() -> Iterator[Stubber]:
    client = boto3.client("xray", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        yield stubber


def segment(**more: object) -> dict[str, str]:
    content = {"id": "a1", "name": "shop", "start_time": 100.0, "end_time": 101.0, **more}
    return {"Id": str(content["id"]), "Document": json.dumps(content)}


TABLE = {
    "id": "b1", "name": "DynamoDB", "start_time": 100.1, "end_time": 100.9, "namespace": "aws",
    "aws": {"operation": "Query", "table_name": "orders"},
}  # fmt: skip


def test_a_part_has_its_time_without_the_parts_that_it_waited_for():
    with xray() as stubber:
        stubber.add_response(
            "batch_get_traces",
            {"Traces": [{"Id": XRAY_ID, "Segments": [
                segment(subsegments=[TABLE]),
                segment(id="c1", name="orders", parent_id="b1", inferred=True, start_time=100.1, end_time=100.9),
            ]}]},
            {"TraceIds": [XRAY_ID]},
        )  # fmt: skip
        times = own_times([ID, ID], "eu-west-1", lambda service, region: stubber.client)
    assert times == {ID: {"shop": pytest.approx(200_000), "DynamoDB Query orders": pytest.approx(800_000)}}


def test_five_traces_are_read_at_once_page_by_page():
    ids = [f"{number:032x}" for number in range(6)]
    named = [f"1-{one[:8]}-{one[8:]}" for one in ids]
    with xray() as stubber:
        stubber.add_response(
            "batch_get_traces",
            {"Traces": [{"Id": named[0], "Segments": [segment()]}], "NextToken": "t"},
            {"TraceIds": named[:5]},
        )
        stubber.add_response("batch_get_traces", {"Traces": []}, {"TraceIds": named[:5], "NextToken": "t"})
        stubber.add_response("batch_get_traces", {"Traces": []}, {"TraceIds": named[5:]})
        times = own_times(ids, "", lambda service, region: stubber.client)
        stubber.assert_no_pending_responses()
    assert list(times) == ids[:1]


def test_parts_in_progress_and_damaged_documents_are_left_out():
    going = segment(id="d1", name="going")
    content = json.loads(going["Document"])
    del content["end_time"]
    with xray() as stubber:
        stubber.add_response(
            "batch_get_traces",
            {"Traces": [{"Id": XRAY_ID, "Segments": [
                {"Id": "d1", "Document": json.dumps(content)}, {"Id": "e1", "Document": "["}, segment(),
            ]}]},
        )  # fmt: skip
        times = own_times([ID], "", lambda service, region: stubber.client)
    assert list(times[ID]) == ["shop"]


def test_a_refusal_names_the_right():
    with xray() as stubber:
        stubber.add_client_error("batch_get_traces", "AccessDeniedException", http_status_code=403)
        with pytest.raises(AwsError) as raised:
            own_times([ID], "", lambda service, region: stubber.client)
    assert raised.value.code == "access-denied"
    assert "xray:BatchGetTraces" in str(raised.value)


def test_a_trace_of_several_services_as_x_ray_sends_it():
    """Segments of a gateway, a function and another service; what X-Ray adds itself counts once."""
    call = {
        "id": "b2", "name": "payments.example.com", "start_time": 100.20, "end_time": 100.90, "namespace": "remote",
        "http": {"request": {"method": "POST", "url": "https://payments.example.com/pay"}, "response": {"status": 503}},
        "fault": True, "cause": "a5e3b1c0d4f6a7b8",
    }  # fmt: skip
    going = {"id": "c3", "parent_id": "c1", "name": "ledger", "in_progress": True, "start_time": 100.3}
    query = {**TABLE, "id": "b3", "start_time": 100.05, "end_time": 100.15, "throttle": True, "error": True}
    with xray() as stubber:
        stubber.add_response(
            "batch_get_traces",
            {"Traces": [{"Id": XRAY_ID, "Duration": 1.0, "LimitExceeded": False, "Segments": [
                segment(trace_id=XRAY_ID, origin="AWS::ApiGateway::Stage"),
                segment(id="a2", parent_id="a1", name="pay", start_time=100.01, end_time=100.99, fault=True,
                        subsegments=[{"id": "b1", "name": "handler", "start_time": 100.02, "end_time": 100.98,
                                      "subsegments": [call, query]}]),
                segment(**{**query, "type": "subsegment", "parent_id": "b1"}),
                segment(id="c1", parent_id="b2", name="payments", start_time=100.21, end_time=100.89),
                segment(id="c2", parent_id="b2", name="payments.example.com", inferred=True, start_time=100.20,
                        end_time=100.90),
                {"Id": "c3", "Document": json.dumps(going)},
            ]}], "UnprocessedTraceIds": []},
        )  # fmt: skip
        (times,) = own_times([ID], "", lambda service, region: stubber.client).values()
    assert {name: round(time_us / 1000) for name, time_us in times.items()} == {
        "shop": 20, "pay": 20, "handler": 160, "payments.example.com": 20, "payments": 680,
        "DynamoDB Query orders": 100,
    }  # fmt: skip


def test_unprocessed_traces_are_asked_for_once_more():
    with xray() as stubber:
        stubber.add_response("batch_get_traces", {"Traces": [], "UnprocessedTraceIds": [XRAY_ID]})
        stubber.add_response(
            "batch_get_traces", {"Traces": [{"Id": XRAY_ID, "Segments": [segment()]}]}, {"TraceIds": [XRAY_ID]}
        )
        assert list(own_times([ID], "", lambda service, region: stubber.client)) == [ID]
        stubber.add_response("batch_get_traces", {"Traces": [], "UnprocessedTraceIds": [XRAY_ID]})
        stubber.add_response("batch_get_traces", {"Traces": [], "UnprocessedTraceIds": [XRAY_ID]})
        assert own_times([ID], "", lambda service, region: stubber.client) == {}
        stubber.assert_no_pending_responses()
