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
