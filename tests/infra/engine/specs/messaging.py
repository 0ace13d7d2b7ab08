"""SQS and SNS: most properties of queues and topics are attributes."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.infra.engine.kinds import ID, TAGS, Call, From, Kind, Tagging, View, call, derived, has, look
from tests.infra.engine.shapes import UNKNOWN, is_unknown

QUEUE = {
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "policy": "Policy",
}
TOPIC = {
    "policy": "Policy",
}


def _attributes(names: Mapping[str, str]) -> From:
    return lambda view: {member: view[name] for name, member in names.items() if view[name] is not None} or None


def _set_changed(operation: str, names: Mapping[str, str], key: str) -> Any:
    """Returns one call per attribute, as SNS requires."""

    def calls(view: View) -> Sequence[Call]:
        return [
            call(
                operation,
                **{key: ID},
                AttributeName=member,
                AttributeValue=derived(name, lambda value: value) if has(name)(view) else "",
            )
            for name, member in names.items()
            if view[name] != view.before.get(name)
        ]

    return calls


def _name(view: View) -> str:
    return UNKNOWN if is_unknown(view["name"]) else view["name"]


KINDS = {
    "aws:sqs/queue:Queue": Kind(
        service="sqs",
        create=(
            call(
                "CreateQueue",
                QueueName=_name,
                Attributes=_attributes(QUEUE),
                tags=TAGS,
            ),
        ),
        id="QueueUrl",
        read=(look("GetQueueAttributes", "Attributes", QueueUrl=ID, AttributeNames=["All"]),),
        delete=(call("DeleteQueue", QueueUrl=ID),),
        replaces="name",
        updates={" ".join(QUEUE): (call("SetQueueAttributes", QueueUrl=ID, Attributes=_attributes(QUEUE)),)},
        outputs={"arn": "QueueArn", "url": lambda view, seen: view.id},
        names=QUEUE,
        auto_name="name",
        tagging=Tagging(
            add=call("TagQueue", QueueUrl=ID, Tags=TAGS),
            remove=call("UntagQueue", QueueUrl=ID, TagKeys=lambda view: sorted(view.tags)),
            look=look("ListQueueTags", "Tags", QueueUrl=ID),
            at="@",
        ),
    ),
    "aws:sns/topic:Topic": Kind(
        service="sns",
        create=(call("CreateTopic", "name", Attributes=_attributes(TOPIC), Tags=TAGS),),
        id="TopicArn",
        read=(look("GetTopicAttributes", "Attributes", TopicArn=ID),),
        delete=(call("DeleteTopic", TopicArn=ID),),
        replaces="name",
        updates={" ".join(TOPIC): (_set_changed("SetTopicAttributes", TOPIC, "TopicArn"),)},
        outputs={"arn": "TopicArn", "owner": "Owner"},
        names=TOPIC,
        auto_name="name",
        tagging=Tagging(
            add=call("TagResource", ResourceArn=ID, Tags=TAGS),
            remove=call("UntagResource", ResourceArn=ID, TagKeys=lambda view: sorted(view.tags)),
            look=look("ListTagsForResource", "Tags", ResourceArn=ID),
            at="@",
        ),
    ),
    "aws:sns/topicSubscription:TopicSubscription": Kind(
        service="sns",
        create=(
            call(
                "Subscribe",
                "topic:TopicArn protocol endpoint",
                ReturnSubscriptionArn=True,
            ),
        ),
        id="SubscriptionArn",
        read=(look("GetSubscriptionAttributes", "Attributes", SubscriptionArn=ID),),
        delete=(call("Unsubscribe", SubscriptionArn=ID),),
        replaces="topic protocol endpoint",
        outputs={
            "arn": lambda view, seen: view.id,
            "ownerId": "Owner",
            "pendingConfirmation": lambda view, seen: seen.get("PendingConfirmation") == "true",
        },
    ),
}
