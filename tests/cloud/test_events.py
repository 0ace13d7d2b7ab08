"""EventBridge's failed invocations, which only a metric shows; the sources of events in policies."""

import json
import time

import pytest

from tests.cloud.refused import refused
from tests.cloud.tasks import document
from tests.cloud.test_iam import DENIED, acting, allow

REGION = "eu-west-1"
PUBLISH = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish"}
TEMPLATE = {"InputPathsMap": {"what": "$.detail.what"}, "InputTemplate": '"It is <what>."'}


class Mailing:
    """A rule that publishes events to a topic, and a queue that gets the topic's messages."""

    def __init__(self, cloud, *, condition=None, transformer=None):
        self.cloud = cloud
        self.events, self.sqs = cloud.client("events", REGION), cloud.client("sqs", REGION)
        sns = cloud.client("sns", REGION)
        topic = sns.create_topic(Name="mails")["TopicArn"]
        statement = {**PUBLISH, "Resource": topic, **({"Condition": condition} if condition else {})}
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document([statement]))
        self.queue = self.sqs.create_queue(QueueName="mails")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        self.events.put_rule(Name="mails", EventPattern=json.dumps({"source": ["shop"]}))
        target = {"Id": "topic", "Arn": topic, **({"InputTransformer": transformer} if transformer else {})}
        self.events.put_targets(Rule="mails", Targets=[target])

    def put(self, what="open"):
        entry = {"Source": "shop", "DetailType": "door", "Detail": json.dumps({"what": what})}
        assert self.events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    def messages(self):
        found = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(one["Body"])["Message"] for one in found]

    def failed(self):
        now = time.time()
        found = self.cloud.client("cloudwatch", REGION).get_metric_statistics(
            Namespace="AWS/Events",
            MetricName="FailedInvocations",
            Dimensions=[{"Name": "RuleName", "Value": "mails"}],
            StartTime=now - 300,
            EndTime=now + 60,
            Period=60,
            Statistics=["Sum"],
        )
        return sum(one["Sum"] for one in found["Datapoints"])


@pytest.mark.parametrize(
    "condition",
    [{"StringEquals": {"aws:SourceAccount": "123456789012"}}, {"ArnLike": {"aws:SourceArn": "arn:aws:events:*"}}],
)
def test_a_topics_condition_on_eventbridge_drops_its_messages_silently(cloud, condition):
    mailing = Mailing(cloud, condition=condition)
    mailing.put()
    assert (mailing.messages(), mailing.failed()) == ([], 1)


def test_values_are_inserted_unescaped_and_broken_json_is_dropped_silently(cloud):
    mailing = Mailing(cloud, transformer=TEMPLATE)
    mailing.put("open")
    assert (mailing.messages(), mailing.failed()) == (['"It is open."'], 0)
    for what in ('the "back" door', "a\\c", "two\nlines"):
        mailing.put(what)
    assert (mailing.messages(), mailing.failed()) == ([], 3)


def test_the_sources_of_events_are_a_key_with_several_values(strict):
    source = {"events:source": "toril"}
    plain = acting(strict, "plain", allow("events:PutEvents", StringEquals=source))
    every = acting(strict, "every", allow("events:PutEvents", **{"ForAllValues:StringEquals": source}))
    entry = {"Source": "toril", "DetailType": "run-finished", "Detail": "{}"}
    with refused(DENIED):
        strict.client("events", REGION, plain).put_events(Entries=[entry])
    events = strict.client("events", REGION, every)
    events.put_events(Entries=[entry])
    with refused(DENIED):
        events.put_events(Entries=[entry, {**entry, "Source": "shop"}])
