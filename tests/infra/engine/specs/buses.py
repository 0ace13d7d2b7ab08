"""EventBridge's buses and their policies."""

from tests.infra.engine.kinds import BY_RESOURCE_ARN, ID, TAGS, Kind, call, look

KINDS = {
    "aws:cloudwatch/eventBus:EventBus": Kind(
        service="events",
        create=(call("CreateEventBus", "name description kmsKeyIdentifier", Tags=TAGS),),
        id=lambda view: str(view["name"]),
        read=(look("DescribeEventBus", "@", Name=ID),),
        delete=(call("DeleteEventBus", Name=ID),),
        replaces="name",
        updates={"description kmsKeyIdentifier": (call("UpdateEventBus", "name description kmsKeyIdentifier"),)},
        outputs={"arn": "Arn"},
        auto_name="name",
        tagging=BY_RESOURCE_ARN,
    ),
    "aws:cloudwatch/eventBusPolicy:EventBusPolicy": Kind(
        service="events",
        create=(call("PutPermission", "eventBusName policy"),),
        id=lambda view: str(view["eventBusName"]),
        read=(look("DescribeEventBus", "Policy && {Policy: Policy}", Name=ID),),
        delete=(call("RemovePermission", "eventBusName", RemoveAllPermissions=True),),
        replaces="eventBusName",
        updates={"policy": (call("PutPermission", "eventBusName policy"),)},
        seen_as={"eventBusName": "null"},
    ),
}
