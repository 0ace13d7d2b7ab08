"""Emails about alarms and failed coordinators, through one topic of the hub.

An alarm can call only a topic of its own region, and every address has to confirm each topic. So regions forward
events to a bus of the hub, which publishes them to one topic: one confirmation per address, for all regions.
"""

import json
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.hub.outputs import HubOutputs
from infra.names import Names
from infra.permissions.role import make_role
from infra.permissions.statements import Document, allow, document, render, trust
from infra.place import Place

EVENTS_SERVICE = "events.amazonaws.com"
PURPOSE = "notices"  # of the role


class NoticeBoard(pulumi.ComponentResource):
    """The hub's part: the bus, the topic and its addresses."""

    def __init__(
        self,
        name: str,
        place: Place,
        emails: Sequence[str],
        accounts: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
        *,
        alarms: Sequence[str] = (),
    ) -> None:
        super().__init__("toril:hub:NoticeBoard", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        called, region = place.names.notices(), place.region
        topic = aws.sns.Topic(
            name,
            name=called,
            region=region,
            policy=render(topic_policy(place, alarms)),
            opts=own,
        )
        for email in sorted(set(emails)):
            aws.sns.TopicSubscription(
                f"{name}-{email}", topic=topic.arn, protocol="email", endpoint=email, region=region, opts=own
            )
        bus = aws.cloudwatch.EventBus(name, name=called, region=region, opts=own)
        if accounts:
            policy = render(bus_policy(place.arn("events", f"event-bus/{called}"), place, accounts))
            aws.cloudwatch.EventBusPolicy(name, event_bus_name=bus.name, policy=policy, region=region, opts=own)
        everything = json.dumps({"account": sorted({place.account, *accounts})}, separators=(",", ":"))
        rule = aws.cloudwatch.EventRule(
            name,
            name=called,
            description="All that regions pass on, to the topic",
            event_bus_name=bus.name,
            event_pattern=everything,
            region=region,
            opts=own,
        )
        passing_role(name, place, place.names.role(PURPOSE), bus.arn, own)
        aws.cloudwatch.EventTarget(
            name, rule=rule.name, event_bus_name=bus.name, arn=topic.arn, target_id="topic", region=region, opts=own
        )
        self.topic = topic.arn
        self.bus = bus.arn
        self.register_outputs({"topic": self.topic, "bus": self.bus})


class Notices(pulumi.ComponentResource):
    """A region's part: rules that forward its events to the hub.

    All regions of the hub's account use one role, which the hub makes. A region in another account (`foreign`) makes
    its own role.
    """

    def __init__(
        self,
        name: str,
        place: Place,
        hub: HubOutputs,
        alarms: Sequence[str],
        *,
        coordinators: bool,
        foreign: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("toril:region:Notices", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        role: pulumi.Input[str] = place.role_arn(place.names.role(PURPOSE))
        if foreign:
            role = passing_role(name, place, place.names.role(PURPOSE, place.region), hub.notice_bus, own)
        for part, pattern in event_patterns(place.names, alarms, coordinators=coordinators).items():
            rule = aws.cloudwatch.EventRule(
                f"{name}-{part}",
                name=place.names.notice_rules()[part],
                event_pattern=json.dumps(pattern, sort_keys=True, separators=(",", ":")),
                region=place.region,
                opts=own,
            )
            aws.cloudwatch.EventTarget(
                f"{name}-{part}",
                rule=rule.name,
                arn=hub.notice_bus,
                role_arn=role,
                target_id="hub",
                region=place.region,
                opts=own,
            )
        self.register_outputs({})


def passing_role(
    name: str, place: Place, role: str, bus: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """Makes the role by which rules of this account's regions put events on the hub's bus. Returns its ARN."""
    rules = [place.arn("events", f"rule/{one}", region="*") for one in place.names.notice_rules().values()]
    policy = pulumi.Output.from_input(bus).apply(lambda arn: document([allow("PassOn", ["events:PutEvents"], [arn])]))
    description = "Rules pass alarms and failed coordinators on to the hub"
    return make_role(name, place, role, description, rule_trust(rules, place.account), {"pass-on": policy}, opts).arn


def event_patterns(names: Names, alarms: Sequence[str], *, coordinators: bool) -> dict[str, Any]:
    """Returns the patterns of forwarded events: a new alarm, and a coordinator that failed to start or exited non-zero.

    A passed run exits with 0.
    """
    found: dict[str, Any] = {}
    if alarms:
        found["alarms"] = {
            "source": ["aws.cloudwatch"],
            "detail-type": ["CloudWatch Alarm State Change"],
            "detail": {"alarmName": sorted(alarms), "state": {"value": ["ALARM"]}},
        }
    if coordinators:
        found["coordinators"] = {
            "source": ["aws.ecs"],
            "detail-type": ["ECS Task State Change"],
            "detail": {
                "clusterArn": [{"suffix": f":cluster/{names.cluster()}"}],
                "group": [{"prefix": f"family:{names.coordinator('')}"}],
                "lastStatus": ["STOPPED"],
                "$or": [
                    {"containers": {"exitCode": [{"anything-but": [0]}]}},
                    {"stopCode": ["TaskFailedToStart"]},
                ],
            },
        }
    return found


def topic_policy(place: Place, alarms: Sequence[str] = ()) -> Document:
    """Returns the topic's policy: EventBridge publishes for this account only, and these alarms of the hub."""
    own = {"StringEquals": {"aws:SourceAccount": place.account}}
    arns = [place.arn("cloudwatch", f"alarm:{one}") for one in alarms]
    publishers: dict[str, tuple[str, dict[str, Any]]] = {"Events": (EVENTS_SERVICE, own)}
    if alarms:
        publishers["Alarms"] = ("cloudwatch.amazonaws.com", {**own, "ArnEquals": {"aws:SourceArn": arns}})
    return document(
        {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sns:Publish",
            "Resource": place.arn("sns", place.names.notices()),
            "Condition": condition,
        }
        for sid, (service, condition) in publishers.items()
    )


def bus_policy(bus: str, place: Place, accounts: Sequence[str]) -> Document:
    """Returns the bus's policy: other accounts' regions put their events on it."""
    roles = [
        f"arn:{place.partition}:iam::{account}:role{place.names.iam_path}{place.names.role('notices', '*')}"
        for account in sorted(accounts)
    ]
    return document(
        [
            {
                "Sid": "Regions",
                "Effect": "Allow",
                "Principal": {"AWS": [f"arn:{place.partition}:iam::{account}:root" for account in sorted(accounts)]},
                "Action": "events:PutEvents",
                "Resource": bus,
                "Condition": {"ArnLike": {"aws:PrincipalArn": roles}},
            }
        ]
    )


def rule_trust(rules: Sequence[str], account: str) -> Document:
    return document(
        [
            trust(
                {"Service": EVENTS_SERVICE},
                "sts:AssumeRole",
                {"StringEquals": {"aws:SourceAccount": account}, "ArnLike": {"aws:SourceArn": rules}},
            )
        ]
    )
