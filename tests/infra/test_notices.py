"""The events that cause emails, and the rights to forward them."""

import json

import pytest

from infra.hub.budget import notifications
from infra.hub.notices import event_patterns, rule_trust, topic_policy
from infra.names import Names
from infra.place import Place
from infra.settings.hub import Budget
from tests.cloud.tasks import document
from tests.infra.granted import BUCKET, HUB
from tests.infra.scopes import ACCOUNT
from toril.aws.events import EventSender
from toril.records.event import Event

NAMES = Names("prod")
PLACE = Place(region="us-east-1", account=ACCOUNT, partition="aws", names=NAMES, permissions_boundary=None, tags={})


def test_only_new_alarms_with_listed_names_are_forwarded():
    pattern = event_patterns(NAMES, ["b", "a"], coordinators=False)
    assert set(pattern) == {"alarms"}
    assert pattern["alarms"]["detail"] == {"alarmName": ["a", "b"], "state": {"value": ["ALARM"]}}


def test_a_coordinator_that_fails_or_cannot_start_is_forwarded():
    found = event_patterns(NAMES, [], coordinators=True)["coordinators"]["detail"]
    assert found["group"] == [{"prefix": "family:toril-prod_coordinator-"}]
    assert found["clusterArn"] == [{"suffix": ":cluster/toril-prod"}]
    assert {"containers": {"exitCode": [{"anything-but": [0]}]}} in found["$or"]
    assert {"stopCode": ["TaskFailedToStart"]} in found["$or"]


def runs(*names):
    return event_patterns(NAMES, [], coordinators=True, runs=names, store="s3://results")["runs"]


def test_events_of_runs_are_forwarded_by_kind_and_outcome_from_this_store_alone():
    here = {"links": {"store": ["s3://results"]}}
    failed = {"detail-type": ["schedule-failed"], "detail": here}
    assert runs("schedule-failed") == {"source": ["toril"], **failed}
    lost = {"detail-type": ["run-finished"], "detail": {"outcome": ["failed", "inconclusive"], **here}}
    assert runs("failed", "inconclusive") == {"source": ["toril"], **lost}
    assert runs("failed", "schedule-failed", "inconclusive") == {"source": ["toril"], "$or": [failed, lost]}
    assert runs("finished", "failed")["detail-type"] == ["run-finished"]


def test_an_outcome_with_its_own_mail_is_not_mailed_as_a_failed_coordinator_too():
    found = event_patterns(NAMES, [], coordinators=True, runs=("failed", "regression"), store="s3://results")
    assert {"containers": {"exitCode": [{"anything-but": [0, 1]}]}} in found["coordinators"]["detail"]["$or"]


def test_a_region_without_alarms_and_coordinators_has_no_rules():
    assert event_patterns(NAMES, [], coordinators=False) == {}


def test_rules_publish_to_the_topic_without_a_condition_which_eventbridge_never_meets():
    (statement,) = topic_policy(PLACE)["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert "Condition" not in statement


def test_only_rules_of_this_account_use_its_roles():
    (taken,) = rule_trust(["arn:rules"], ACCOUNT)["Statement"]
    assert taken["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


def test_alarms_of_the_console_publish_to_the_topic_by_their_names():
    _, statement = topic_policy(PLACE, ["toril-prod-console-errors"])["Statement"]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    assert statement["Condition"]["ArnEquals"] == {
        "aws:SourceArn": f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:toril-prod-console-errors"
    }


@pytest.mark.live
@pytest.mark.xdist_group("guarded")
def test_events_reach_the_hubs_topic_and_a_runs_event_is_a_mail_whatever_its_texts(place):
    sqs, sns = place.client("sqs", region=HUB), place.client("sns", region=HUB)
    topic = f"arn:aws:sns:{HUB}:{ACCOUNT}:toril-notices"
    arn = f"arn:aws:sqs:{HUB}:{ACCOUNT}:mails"
    letting = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:*", "Resource": arn}
    queue = sqs.create_queue(QueueName="mails", Attributes={"Policy": document([letting])})["QueueUrl"]
    subscribed = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
    try:
        place.client("events", region=HUB).put_events(
            Entries=[{"Source": "shop", "DetailType": "any", "Detail": "{}", "EventBusName": "toril-notices"}]
        )
        owner = EventSender(HUB, lambda service, region: place.client(service, place.acting("coordinator"), region))
        event = Event(
            id="r:schedule-failed",
            kind="schedule-failed",
            at=0.0,
            schedule="nightly",
            headline='suite.yml: `p95 of "GET /a\\b"`:\nunknown label',
            links={"store": f"s3://{BUCKET}"},
        )
        assert owner.send(event).status == "delivered"
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    finally:
        sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])
        sqs.delete_queue(QueueUrl=queue)
    passed_on, mail = (json.loads(json.loads(one["Body"])["Message"]) for one in found)
    assert passed_on["source"] == "shop"
    assert "nightly: schedule-failed: suite.yml: `p95 of 'GET /a/b'`: unknown label" in mail


def test_a_budget_notifies_at_50_80_and_100_percent_and_at_a_forecast_of_100():
    found = notifications(Budget(monthlyUsd=50, emails=("b@acme.example", "a@acme.example")))
    assert [(one["notification_type"], one["threshold"]) for one in found] == [
        ("ACTUAL", 50),
        ("ACTUAL", 80),
        ("ACTUAL", 100),
        ("FORECASTED", 100),
    ]
    assert all(one["subscriber_email_addresses"] == ["a@acme.example", "b@acme.example"] for one in found)
