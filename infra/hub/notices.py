"""Emails about alarms, failed coordinators and events of runs, through one topic of the hub.

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
from infra.permissions.grants import grant
from infra.permissions.role import make_role
from infra.permissions.statements import Condition, Document, allow, document, render, trust
from infra.place import Place

EVENTS_SERVICE = "events.amazonaws.com"
PURPOSE = "notices"  # of the role
SOURCE = "toril"  # of the events that owners of runs put on the bus of their region
KINDS = {
    "started": "run-started",
    "finished": "run-finished",
    "regression": "regression-confirmed",
    "schedule-failed": "schedule-failed",
}
OUTCOMES = ("passed", "failed", "inconclusive")
EXIT_CODES = {"failed": 1, "inconclusive": 3}
MAIL = aws.cloudwatch.EventTargetInputTransformerArgs(  # of an event of a run
    input_paths={
        "suite": "$.detail.suite",
        "schedule": "$.detail.schedule",
        "kind": "$.detail-type",
        "headline": "$.detail.headline",
        "run": "$.detail.run_id",
        "report": "$.detail.links.report",
        "page": "$.detail.links.run",
    },
    input_template='"toril: <suite> <schedule>: <kind>: <headline>. Run <run>, report <report> <page>"',
)


class NoticeBoard(pulumi.ComponentResource):
    """The hub's part: the bus, the topic and its addresses."""

    def __init__(
        self,
        name: str,
        place: Place,
        emails: Sequence[str],
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
        passing_role(name, place, place.names.role(PURPOSE), bus.arn, own)
        passed_on = {"account": [place.account]}
        for part, rule_name, description, source, mail in (
            (name, called, "All that regions pass on, to the topic", {"anything-but": [SOURCE]}, None),
            (f"{name}-runs", place.names.run_notices(), "Events of runs, as readable mails", SOURCE, MAIL),
        ):
            rule = aws.cloudwatch.EventRule(
                part,
                name=rule_name,
                description=description,
                event_bus_name=bus.name,
                event_pattern=json.dumps({**passed_on, "source": [source]}, separators=(",", ":")),
                region=region,
                opts=own,
            )
            aws.cloudwatch.EventTarget(
                part,
                rule=rule.name,
                event_bus_name=bus.name,
                arn=topic.arn,
                target_id="topic",
                input_transformer=mail,
                region=region,
                opts=own,
            )
        self.topic = topic.arn
        self.bus = bus.arn
        self.register_outputs({"topic": self.topic, "bus": self.bus})


class Notices(pulumi.ComponentResource):
    """A region's part: rules that forward its events to the hub. All regions use one role, which the hub makes."""

    def __init__(
        self,
        name: str,
        place: Place,
        hub: HubOutputs,
        alarms: Sequence[str],
        *,
        coordinators: bool,
        runs: Sequence[str] = (),
        store: str = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("toril:region:Notices", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        role = place.role_arn(place.names.role(PURPOSE))
        patterns = event_patterns(place.names, alarms, coordinators=coordinators, runs=runs, store=store)
        for part, pattern in patterns.items():
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


def event_patterns(
    names: Names, alarms: Sequence[str], *, coordinators: bool, runs: Sequence[str] = (), store: str = ""
) -> dict[str, Any]:
    """Returns the patterns of forwarded events.

    They are a new alarm, a coordinator that failed to start or exited non-zero, and the events `runs` of runs in
    `store`. A passed run exits with 0. Outcomes in `runs` have mails of their own.
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
                    {"containers": {"exitCode": [{"anything-but": _announced(runs)}]}},
                    {"stopCode": ["TaskFailedToStart"]},
                ],
            },
        }
    if runs:
        found["runs"] = _run_pattern(runs, store)
    return found


def _announced(runs: Sequence[str]) -> list[int]:
    """Returns the exit codes of coordinators whose runs passed, or have mails of their own."""
    return [0, *(code for outcome, code in EXIT_CODES.items() if {"finished", outcome} & {*runs})]


def _run_pattern(runs: Sequence[str], store: str) -> dict[str, Any]:
    """Returns the pattern of a store's events. Other environments of the account use the same bus."""
    kinds = [kind for name, kind in KINDS.items() if name in runs]
    outcomes = [name for name in OUTCOMES if name in runs and "finished" not in runs]
    here = {"links": {"store": [store]}}
    either: list[dict[str, Any]] = [{"detail-type": kinds, "detail": here}] if kinds else []
    if outcomes:
        either.append({"detail-type": ["run-finished"], "detail": {"outcome": outcomes, **here}})
    return {"source": [SOURCE], **(either[0] if len(either) == 1 else {"$or": either})}


def topic_policy(place: Place, alarms: Sequence[str] = ()) -> Document:
    """Returns the topic's policy: EventBridge publishes, and these alarms of the hub.

    EventBridge's statement has no condition: AWS does not support one (Amazon EventBridge user guide, "Using
    resource-based policies"), and would drop the messages. Rules of other accounts may publish, too.
    """
    topic = [place.arn("sns", place.names.notices())]
    found = [grant("Events", {"Service": EVENTS_SERVICE}, ["sns:Publish"], topic)]
    if alarms:
        arns = [place.arn("cloudwatch", f"alarm:{one}") for one in alarms]
        own: Condition = {"StringEquals": {"aws:SourceAccount": place.account}, "ArnEquals": {"aws:SourceArn": arns}}
        found.append(grant("Alarms", {"Service": "cloudwatch.amazonaws.com"}, ["sns:Publish"], topic, own))
    return document(found)


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
