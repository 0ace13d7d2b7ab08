"""SQS and SNS: most properties of queues and topics are attributes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.infra.engine.kinds import ID, TAGS, Call, From, Kind, Tagging, View, call, derived, given, has, look
from tests.infra.engine.shapes import UNKNOWN, is_unknown

QUEUE = {
    "visibilityTimeoutSeconds": "VisibilityTimeout",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "delaySeconds": "DelaySeconds",
    "maxMessageSize": "MaximumMessageSize",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "redrivePolicy": "RedrivePolicy",
    "redriveAllowPolicy": "RedriveAllowPolicy",
    "policy": "Policy",
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deduplicationScope": "DeduplicationScope",
    "fifoThroughputLimit": "FifoThroughputLimit",
}
TOPIC = {
    "displayName": "DisplayName",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "policy": "Policy",
    "deliveryPolicy": "DeliveryPolicy",
    "signatureVersion": "SignatureVersion",
    "tracingConfig": "TracingConfig",
    "contentBasedDeduplication": "ContentBasedDeduplication",
}
SUBSCRIPTION = {
    "rawMessageDelivery": "RawMessageDelivery",
    "filterPolicy": "FilterPolicy",
    "filterPolicyScope": "FilterPolicyScope",
    "redrivePolicy": "RedrivePolicy",
    "deliveryPolicy": "DeliveryPolicy",
    "subscriptionRoleArn": "SubscriptionRoleArn",
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


QUEUE_POLICY = call("SetQueueAttributes", "queueUrl", Attributes=lambda view: {"Policy": view["policy"]})
TOPIC_POLICY = call("SetTopicAttributes", "arn:TopicArn policy:AttributeValue", AttributeName="Policy")


def _owner_only(view: View) -> str:
    """Returns a topic's default policy."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["SNS:Publish", "SNS:Subscribe"],
        "Resource": view["arn"],
        "Condition": {"StringEquals": {"AWS:SourceOwner": view.account}},
    }
    return json.dumps({"Version": "2008-10-17", "Statement": [statement]})


KINDS = {
    "aws:sqs/queue:Queue": Kind(
        service="sqs",
        create=(
            call(
                "CreateQueue",
                QueueName=_name,
                Attributes=_attributes({**QUEUE, "fifoQueue": "FifoQueue"}),
                tags=TAGS,
            ),
        ),
        id="QueueUrl",
        read=(look("GetQueueAttributes", "Attributes", QueueUrl=ID, AttributeNames=["All"]),),
        delete=(call("DeleteQueue", QueueUrl=ID),),
        replaces="name fifoQueue",
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
    "aws:sqs/queuePolicy:QueuePolicy": Kind(
        service="sqs",
        create=(QUEUE_POLICY,),
        id=given("queueUrl"),
        read=(look("GetQueueAttributes", "Attributes", QueueUrl=ID, AttributeNames=["Policy"]),),
        delete=(call("SetQueueAttributes", QueueUrl=ID, Attributes={"Policy": ""}),),
        replaces="queueUrl",
        updates={"policy": (QUEUE_POLICY,)},
        alive="Policy",
    ),
    "aws:sns/topic:Topic": Kind(
        service="sns",
        create=(call("CreateTopic", "name", Attributes=_attributes({**TOPIC, "fifoTopic": "FifoTopic"}), Tags=TAGS),),
        id="TopicArn",
        read=(look("GetTopicAttributes", "Attributes", TopicArn=ID),),
        delete=(call("DeleteTopic", TopicArn=ID),),
        replaces="name fifoTopic",
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
    "aws:sns/topicPolicy:TopicPolicy": Kind(
        service="sns",
        create=(TOPIC_POLICY,),
        id=given("arn"),
        read=(look("GetTopicAttributes", "Attributes", TopicArn=ID),),
        delete=(call("SetTopicAttributes", TopicArn=ID, AttributeName="Policy", AttributeValue=_owner_only),),
        replaces="arn",
        updates={"policy": (TOPIC_POLICY,)},
        outputs={"owner": "Owner"},
        seen_as={"policy": "Policy", "arn": "TopicArn"},
    ),
    "aws:sns/topicSubscription:TopicSubscription": Kind(
        service="sns",
        create=(
            call(
                "Subscribe",
                "topic:TopicArn protocol endpoint",
                Attributes=_attributes(SUBSCRIPTION),
                ReturnSubscriptionArn=True,
            ),
        ),
        id="SubscriptionArn",
        read=(look("GetSubscriptionAttributes", "Attributes", SubscriptionArn=ID),),
        delete=(call("Unsubscribe", SubscriptionArn=ID),),
        replaces="topic protocol endpoint",
        updates={" ".join(SUBSCRIPTION): (_set_changed("SetSubscriptionAttributes", SUBSCRIPTION, "SubscriptionArn"),)},
        local="confirmationTimeoutInMinutes endpointAutoConfirms",
        outputs={
            "arn": lambda view, seen: view.id,
            "ownerId": "Owner",
            "pendingConfirmation": lambda view, seen: seen.get("PendingConfirmation") == "true",
        },
        names=SUBSCRIPTION,
    ),
}
