"""The events that cause emails, and the rights to forward them."""

from infra.hub.budget import notifications
from infra.hub.notices import bus_policy, event_patterns, rule_trust, topic_policy
from infra.names import Names
from infra.place import Place
from infra.settings.hub import Budget
from tests.infra.scopes import ACCOUNT, OTHER

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


def test_only_rules_of_this_account_can_publish_to_the_topic():
    (statement,) = topic_policy(PLACE)["Statement"]
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    (taken,) = rule_trust(["arn:rules"], ACCOUNT)["Statement"]
    assert taken["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


def test_alarms_of_the_console_publish_to_the_topic_by_their_names():
    _, statement = topic_policy(PLACE, ["toril-prod-console-errors"])["Statement"]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"]["ArnEquals"] == {
        "aws:SourceArn": [f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:toril-prod-console-errors"]
    }


def test_another_account_puts_events_on_the_bus_by_the_roles_of_its_regions():
    (statement,) = bus_policy("arn:bus", PLACE, [OTHER])["Statement"]
    assert statement["Action"] == "events:PutEvents"
    assert statement["Condition"]["ArnLike"]["aws:PrincipalArn"] == [
        f"arn:aws:iam::{OTHER}:role/toril/prod/toril-prod-*-notices"
    ]


def test_a_budget_notifies_at_50_80_and_100_percent_and_at_a_forecast_of_100():
    found = notifications(Budget(monthlyUsd=50, emails=("b@acme.example", "a@acme.example")))
    assert [(one["notification_type"], one["threshold"]) for one in found] == [
        ("ACTUAL", 50),
        ("ACTUAL", 80),
        ("ACTUAL", 100),
        ("FORECASTED", 100),
    ]
    assert all(one["subscriber_email_addresses"] == ["a@acme.example", "b@acme.example"] for one in found)
