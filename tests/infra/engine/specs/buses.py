"""EventBridge's buses."""

from tests.infra.engine.kinds import BY_RESOURCE_ARN, ID, TAGS, Kind, call, look

KINDS = {
    "aws:cloudwatch/eventBus:EventBus": Kind(
        service="events",
        create=(call("CreateEventBus", "name", Tags=TAGS),),
        id=lambda view: str(view["name"]),
        read=(look("DescribeEventBus", "@", Name=ID),),
        delete=(call("DeleteEventBus", Name=ID),),
        replaces="name",
        outputs={"arn": "Arn"},
        auto_name="name",
        tagging=BY_RESOURCE_ARN,
    ),
}
