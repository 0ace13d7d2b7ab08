"""Events on the bus of a region: a rule of the stack finds those of its store."""

import json
from dataclasses import replace

import pytest

from infra.hub.notices import event_patterns
from infra.names import Names
from tests.cloud.tasks import REGION
from toril.aws.events import EventSender
from toril.records.event import Event

FAILED = Event(
    id="r:run-finished",
    kind="run-finished",
    at=0.0,
    run_id="r",
    suite="shop",
    outcome="failed",
    links={"store": "s3://results", "report": "s3://results/runs/r/report.html"},
)
PASSED = replace(FAILED, id="p:run-finished", outcome="passed")
OTHER = replace(FAILED, id="o:run-finished", links={"store": "s3://results-of-others"})
SCHEDULE = replace(FAILED, id="s:schedule-failed", kind="schedule-failed", outcome="", links={"store": "s3://results"})


@pytest.mark.live
def test_the_rule_of_a_stack_gets_the_events_that_its_hub_mails(open_cloud):
    open_cloud.reset()
    sqs, events = open_cloud.client("sqs", REGION), open_cloud.client("events", REGION)
    queue = sqs.create_queue(QueueName="mails")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    mailed = ("failed", "schedule-failed")
    pattern = event_patterns(Names("main"), [], coordinators=True, runs=mailed, store="s3://results")["runs"]
    events.put_rule(Name="toril-notices-runs", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="toril-notices-runs", Targets=[{"Id": "mails", "Arn": arn}])
    receiver = EventSender(REGION, lambda service, region: open_cloud.client(service, region))
    for event in (FAILED, PASSED, OTHER, SCHEDULE):
        assert receiver.send(event).status == "delivered"
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
    bodies = [json.loads(one["Body"]) for one in found]
    assert sorted(one["detail"]["id"] for one in bodies) == ["r:run-finished", "s:schedule-failed"]
    assert {one["source"] for one in bodies} == {"toril"}
