"""Logs, alarms, schedules, queues and topics."""

from tests.infra.engine.examples.common import (
    ACCOUNT_ROOT,
    AWSVPC,
    CLUSTER,
    ECS_TARGET,
    QUEUE,
    RETAGGED,
    ROLE,
    RULE,
    TAGS,
    TOPIC,
    Example,
    Of,
    policy,
)

WATCHING = {
    "aws:cloudwatch/logGroup:LogGroup": Example(
        inputs={"name": "/toril/main/workers", "retentionInDays": 14, **TAGS},
        change={"retentionInDays": 30, **RETAGGED},
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Example(
        inputs={
            "name": "stuck",
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 1,
            "metricName": "ApproximateNumberOfMessagesVisible",
            "namespace": "AWS/SQS",
            "dimensions": {"QueueName": "toril"},
            "period": 60,
            "statistic": "Maximum",
            "threshold": 0,
            **TAGS,
        },
        change={"threshold": 5, "alarmDescription": "something is stuck"},
    ),
    "aws:budgets/budget:Budget": Example(
        inputs={
            "name": "toril",
            "budgetType": "COST",
            "timeUnit": "MONTHLY",
            "limitAmount": "50",
            "limitUnit": "USD",
            "notifications": [
                {
                    "comparisonOperator": "GREATER_THAN",
                    "threshold": 80,
                    "thresholdType": "PERCENTAGE",
                    "notificationType": "ACTUAL",
                    "subscriberEmailAddresses": ["someone@example.org"],
                }
            ],
        },
        change={"limitAmount": "100"},
    ),
    RULE: Example(
        inputs={"name": "nightly", "scheduleExpression": "rate(1 day)", **TAGS},
        change={"description": "each night", "state": "DISABLED"},
    ),
    "aws:cloudwatch/eventTarget:EventTarget": Example(
        inputs={
            "rule": Of(RULE, "name"),
            "targetId": "run",
            "arn": Of(CLUSTER, "arn"),
            "roleArn": Of(ROLE, "arn"),
            "ecsTarget": {**ECS_TARGET, **AWSVPC},
        },
        change={"input": "{}"},
    ),
    "aws:scheduler/schedule:Schedule": Example(
        inputs={
            "name": "nightly",
            "groupName": Of("aws:scheduler/scheduleGroup:ScheduleGroup", "name"),
            "scheduleExpression": "rate(1 day)",
            "flexibleTimeWindow": {"mode": "OFF"},
            "target": {
                "arn": Of(CLUSTER, "arn"),
                "roleArn": Of(ROLE, "arn"),
                "ecsParameters": {**ECS_TARGET, **AWSVPC},
            },
        },
        change={"description": "each night", "state": "DISABLED"},
    ),
    "aws:scheduler/scheduleGroup:ScheduleGroup": Example(inputs={"name": "toril", **TAGS}, change=RETAGGED),
    QUEUE: Example(
        inputs={"name": "toril", "visibilityTimeoutSeconds": 60, "sqsManagedSseEnabled": True, **TAGS},
        change={"visibilityTimeoutSeconds": 90, **RETAGGED},
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Example(
        inputs={
            "queueUrl": Of(QUEUE, "url"),
            "policy": policy("sqs:SendMessage", "arn:aws:sqs:eu-west-1:123456789012:toril", ACCOUNT_ROOT),
        },
        change={"policy": policy("sqs:ReceiveMessage", "arn:aws:sqs:eu-west-1:123456789012:toril", ACCOUNT_ROOT)},
    ),
    TOPIC: Example(inputs={"name": "toril", "displayName": "Toril", **TAGS}, change={"displayName": "T", **RETAGGED}),
    "aws:sns/topicPolicy:TopicPolicy": Example(
        inputs={
            "arn": Of(TOPIC, "arn"),
            "policy": policy(
                "sns:Publish", "arn:aws:sns:eu-west-1:123456789012:toril", {"Service": "budgets.amazonaws.com"}
            ),
        },
        outlives=True,
    ),
    "aws:sns/topicSubscription:TopicSubscription": Example(
        inputs={"topic": Of(TOPIC, "arn"), "protocol": "sqs", "endpoint": Of(QUEUE, "arn")},
        change={"rawMessageDelivery": True},
    ),
}
