"""EventBridge rules and targets, and EventBridge Scheduler."""

from collections.abc import Mapping
from typing import Any

from tests.infra.engine.kinds import (
    ARN,
    BY_RESOURCE_ARN,
    ID,
    TAGS,
    Kind,
    Tagging,
    View,
    call,
    derived,
    given,
    look,
    part,
)

TAGGING = Tagging(
    add=call("TagResource", ResourceArn=ARN, Tags=TAGS),
    remove=call("UntagResource", ResourceArn=ARN, TagKeys=lambda view: sorted(view.tags)),
    look=look("ListTagsForResource", "Tags", ResourceArn=ARN),
    at="@",
)
DEFAULT = "default"  # name of every account's default bus and default group of schedules


def _with_awsvpc(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns ECS parameters in the services' form, with the network configuration one level deeper."""
    network = parameters.get("networkConfiguration")
    rest = {key: value for key, value in parameters.items() if key != "networkConfiguration"}
    if network is None:
        return rest
    public = {"assignPublicIp": "ENABLED" if network.get("assignPublicIp") else "DISABLED"}
    return rest | {"networkConfiguration": {"awsvpcConfiguration": {**network, **public}}}


def _schedule_target(target: Mapping[str, Any]) -> dict[str, Any]:
    parameters = target.get("ecsParameters")
    return {**target, **({} if parameters is None else {"ecsParameters": _with_awsvpc(parameters)})}


SCHEDULE = "scheduleExpression scheduleExpressionTimezone flexibleTimeWindow state description"
IN_GROUP = {"GroupName": part(0, "/"), "Name": part(1, "/")}

# ---- rules and targets --------------------------------------------------------------------------------------------

RULE = "description eventPattern"


def _on_bus(view: View) -> str:
    bus = view.inputs.get("eventBusName", DEFAULT)
    return str(view["name"]) if bus == DEFAULT else f"{bus}/{view['name']}"


def _transformer(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"InputPathsMap": given["inputPaths"], "InputTemplate": given["inputTemplate"]}


def _rule_target(view: View) -> list[dict[str, Any]]:
    plain = {
        "Id": view["targetId"],
        "Arn": view["arn"],
        "RoleArn": view["roleArn"],
        "InputTransformer": derived("inputTransformer", _transformer)(view),
    }
    return [{member: value for member, value in plain.items() if value is not None}]


PUT_TARGETS = call("PutTargets", "rule eventBusName", Targets=_rule_target)
PUT_RULE = call("PutRule", f"name eventBusName {RULE}", Tags=TAGS)
BUS = {"EventBusName": given("eventBusName", DEFAULT)}

KINDS = {
    "aws:scheduler/schedule:Schedule": Kind(
        service="scheduler",
        create=(call("CreateSchedule", f"name groupName {SCHEDULE}", Target=derived("target", _schedule_target)),),
        id=lambda view: f"{view['groupName']}/{view['name']}",
        read=(look("GetSchedule", "@", **IN_GROUP),),
        delete=(call("DeleteSchedule", **IN_GROUP),),
        replaces="name groupName",
        updates={
            f"{SCHEDULE} target": (
                call("UpdateSchedule", f"name groupName {SCHEDULE}", Target=derived("target", _schedule_target)),
            )
        },
        outputs={"arn": "Arn"},
        auto_name="name",
        defaults={"groupName": DEFAULT},
    ),
    "aws:scheduler/scheduleGroup:ScheduleGroup": Kind(
        service="scheduler",
        create=(call("CreateScheduleGroup", "name", Tags=TAGS),),
        id=given("name"),
        read=(look("GetScheduleGroup", "@", Name=ID),),
        delete=(call("DeleteScheduleGroup", Name=ID),),
        replaces="name",
        outputs={"arn": "Arn", "state": "State"},
        alive="State != 'DELETING'",
        auto_name="name",
        tagging=TAGGING,
    ),
    "aws:cloudwatch/eventRule:EventRule": Kind(
        service="events",
        create=(PUT_RULE,),
        id=_on_bus,
        read=(look("DescribeRule", "@", Name=given("name"), **BUS),),
        delete=(call("DeleteRule", "name", **BUS),),
        replaces="name eventBusName",
        updates={RULE: (call("PutRule", f"name eventBusName {RULE}"),)},
        outputs={"arn": "Arn"},
        auto_name="name",
        tagging=BY_RESOURCE_ARN,
    ),
    "aws:cloudwatch/eventTarget:EventTarget": Kind(
        service="events",
        create=(PUT_TARGETS,),
        id=lambda view: f"{view['rule']}-{view['targetId']}",
        read=(
            look(
                "ListTargetsByRule",
                lambda view: f"Targets[?Id=='{view['targetId']}'] | [0]",
                Rule=given("rule"),
                **BUS,
            ),
        ),
        delete=(call("RemoveTargets", "rule", Ids=lambda view: [view["targetId"]], **BUS),),
        replaces="rule eventBusName targetId",
        updates={
            "arn roleArn inputTransformer": (PUT_TARGETS,),
        },
        auto_name="targetId",
        seen_as={"inputTransformer": "null", "targetId": "Id"},
    ),
}
