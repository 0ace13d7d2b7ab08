"""Log groups, alarms and budgets."""

from collections.abc import Mapping
from typing import Any

from tests.infra.engine.kinds import (
    ARN,
    BY_RESOURCE_ARN,
    ID,
    TAGS,
    Call,
    Kind,
    Tagging,
    View,
    call,
    derived,
    given,
    has,
    lacks,
    look,
)

RETENTION = call("PutRetentionPolicy", "retentionInDays", logGroupName=ID, when=lambda view: view["retentionInDays"])
ALARM = (
    "alarmActions alarmDescription comparisonOperator datapointsToAlarm dimensions evaluationPeriods metricName "
    "namespace period statistic threshold treatMissingData"
)
ALARM_PROPERTIES = f"{ALARM} metricQueries"


def _queries(queries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns queries in CloudWatch's form, which separates a metric from its statistics."""

    def api(query: Mapping[str, Any]) -> dict[str, Any]:
        rest = {key: value for key, value in query.items() if key != "metric"}
        metric = query.get("metric")
        if metric is None:
            return rest
        read = {key: metric[key] for key in ("period", "stat", "unit") if metric.get(key) is not None}
        what = {key: value for key, value in metric.items() if key not in {"period", "stat", "unit"}}
        return rest | {"metricStat": {"metric": what} | read}

    return [api(query) for query in queries]


PUT_ALARM = call("PutMetricAlarm", f"name:AlarmName {ALARM}", Metrics=derived("metricQueries", _queries), Tags=TAGS)

# ---- budgets ------------------------------------------------------------------------------------------------------

BUDGET = "budgetType timeUnit limitAmount limitUnit costFilters"
OF_ACCOUNT = {"AccountId": lambda view: view.account}
NAMED = {**OF_ACCOUNT, "BudgetName": given("name")}


def _budget(view: View) -> dict[str, Any]:
    filters = {each["name"]: each["values"] for each in view["costFilters"] or []}
    budget = {
        "BudgetName": view["name"],
        "BudgetType": view["budgetType"],
        "TimeUnit": view["timeUnit"],
        "BudgetLimit": {"Amount": view["limitAmount"], "Unit": view["limitUnit"]} if has("limitAmount")(view) else None,
        "CostFilters": filters or None,
    }
    return {member: value for member, value in budget.items() if value is not None}


def _notification(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Returns a notification and its subscribers."""
    mails = [{"SubscriptionType": "EMAIL", "Address": each} for each in given.get("subscriberEmailAddresses") or []]
    topics = [{"SubscriptionType": "SNS", "Address": each} for each in given.get("subscriberSnsTopicArns") or []]
    what = {key: value for key, value in given.items() if not key.startswith("subscriber")}
    return what, [*mails, *topics]


def _with_subscribers(notifications: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"Notification": what, "Subscribers": whom} for what, whom in map(_notification, notifications)]


def _notify_no_more(view: View) -> list[Call]:
    gone = [given for given in view.before.get("notifications") or [] if given not in (view["notifications"] or [])]
    return [call("DeleteNotification", **NAMED, Notification=_notification(given)[0]) for given in gone]


def _notify(view: View) -> list[Call]:
    new = [given for given in view["notifications"] or [] if given not in (view.before.get("notifications") or [])]
    return [
        call("CreateNotification", **NAMED, Notification=what, Subscribers=whom)
        for what, whom in map(_notification, new)
    ]


KINDS = {
    "aws:cloudwatch/logGroup:LogGroup": Kind(
        service="logs",
        create=(call("CreateLogGroup", "name:logGroupName kmsKeyId", tags=TAGS), RETENTION),
        id=given("name"),
        read=(
            look(
                "DescribeLogGroups",
                lambda view: f"logGroups[?logGroupName=='{view.id}'] | [0]",
                logGroupNamePrefix=ID,
            ),
        ),
        delete=(call("DeleteLogGroup", logGroupName=ID, when=lambda view: not view["skipDestroy"]),),
        replaces="name",
        updates={
            "retentionInDays": (
                RETENTION,
                call("DeleteRetentionPolicy", logGroupName=ID, when=lambda view: not view["retentionInDays"]),
            ),
            "kmsKeyId": (
                call("AssociateKmsKey", "kmsKeyId", logGroupName=ID, when=has("kmsKeyId")),
                call("DisassociateKmsKey", logGroupName=ID, when=lacks("kmsKeyId")),
            ),
        },
        outputs={"arn": lambda view, seen: seen["arn"].removesuffix(":*")},
        auto_name="name",
        tagging=Tagging(
            add=call("TagResource", resourceArn=ARN, tags=TAGS),
            remove=call("UntagResource", resourceArn=ARN, tagKeys=lambda view: sorted(view.tags)),
            look=look("ListTagsForResource", "tags", resourceArn=ARN),
            at="@",
        ),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Kind(
        service="cloudwatch",
        create=(PUT_ALARM,),
        id=given("name"),
        read=(look("DescribeAlarms", "MetricAlarms[0]", AlarmNames=lambda view: [view.id]),),
        delete=(call("DeleteAlarms", AlarmNames=lambda view: [view.id]),),
        replaces="name",
        updates={ALARM_PROPERTIES: (PUT_ALARM,)},
        outputs={"arn": "AlarmArn"},
        seen_as={"metricQueries": "null"},
        auto_name="name",
        tagging=BY_RESOURCE_ARN,
    ),
    "aws:budgets/budget:Budget": Kind(
        service="budgets",
        create=(
            call(
                "CreateBudget",
                **OF_ACCOUNT,
                Budget=_budget,
                NotificationsWithSubscribers=derived("notifications", _with_subscribers),
                ResourceTags=TAGS,
            ),
        ),
        id=lambda view: f"{view.account}:{view['name']}",
        read=(look("DescribeBudget", "Budget", **NAMED),),
        delete=(call("DeleteBudget", **NAMED),),
        replaces="name",
        updates={
            BUDGET: (call("UpdateBudget", **OF_ACCOUNT, NewBudget=_budget),),
            "notifications": (_notify_no_more, _notify),
        },
        outputs={"arn": lambda view, seen: f"arn:{view.partition}:budgets::{view.account}:budget/{view['name']}"},
        seen_as={
            "limitAmount": "BudgetLimit.Amount",
            "limitUnit": "BudgetLimit.Unit",
            "notifications": "null",
            "costFilters": "null",
        },
        auto_name="name",
        tagging=Tagging(
            add=call("TagResource", ResourceARN=ARN, ResourceTags=TAGS),
            remove=call("UntagResource", ResourceARN=ARN, ResourceTagKeys=lambda view: sorted(view.tags)),
            look=look("ListTagsForResource", "ResourceTags", ResourceARN=ARN),
            at="@",
        ),
        is_global=True,
    ),
}
