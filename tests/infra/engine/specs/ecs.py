"""ECS."""

import json
from typing import Any

from tests.infra.engine.kinds import ARN, ID, TAGS, Kind, Tagging, call, derived, given, look

TAGGING = Tagging(
    add=call("TagResource", resourceArn=ARN, tags=TAGS),
    remove=call("UntagResource", resourceArn=ARN, tagKeys=lambda view: sorted(view.tags)),
    look=look("ListTagsForResource", "tags", resourceArn=ARN),
    at="@",
)
FROM_TASK_DEFINITION = (
    "family cpu memory networkMode executionRoleArn taskRoleArn requiresCompatibilities ephemeralStorage "
    "runtimePlatform"
)


def _volumes(volumes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def api(volume: dict[str, Any]) -> dict[str, Any]:
        path = volume.get("hostPath")
        rest = {key: value for key, value in volume.items() if key != "hostPath"}
        return rest if path is None else rest | {"host": {"sourcePath": path}}

    return [api(volume) for volume in volumes]


KINDS = {
    "aws:ecs/cluster:Cluster": Kind(
        service="ecs",
        create=(call("CreateCluster", "name:clusterName settings", tags=TAGS),),
        id="cluster.clusterArn",
        read=(
            look(
                "DescribeClusters",
                "clusters[0]",
                clusters=lambda view: [view.id],
                include=["SETTINGS", "CONFIGURATIONS", "TAGS"],
            ),
        ),
        delete=(call("DeleteCluster", cluster=ID),),
        replaces="name",
        updates={"settings": (call("UpdateCluster", "settings", cluster=ID),)},
        outputs={"arn": "clusterArn"},
        alive="status != 'INACTIVE'",
        auto_name="name",
        tagging=TAGGING,
    ),
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": Kind(
        service="ecs",
        create=(
            call(
                "PutClusterCapacityProviders",
                "clusterName:cluster",
                capacityProviders=given("capacityProviders", []),
                defaultCapacityProviderStrategy=given("defaultCapacityProviderStrategies", []),
            ),
        ),
        id=given("clusterName"),
        read=(look("DescribeClusters", "clusters[0]", clusters=lambda view: [view.id]),),
        delete=(
            call("PutClusterCapacityProviders", cluster=ID, capacityProviders=[], defaultCapacityProviderStrategy=[]),
        ),
        replaces="clusterName",
        updates={
            "capacityProviders defaultCapacityProviderStrategies": (
                call(
                    "PutClusterCapacityProviders",
                    cluster=ID,
                    capacityProviders=given("capacityProviders", []),
                    defaultCapacityProviderStrategy=given("defaultCapacityProviderStrategies", []),
                ),
            )
        },
        seen_as={
            "clusterName": "clusterName",
            "defaultCapacityProviderStrategies": "defaultCapacityProviderStrategy",
        },
        alive="status != 'INACTIVE' && capacityProviders",
    ),
    "aws:ecs/taskDefinition:TaskDefinition": Kind(
        service="ecs",
        create=(
            call(
                "RegisterTaskDefinition",
                FROM_TASK_DEFINITION,
                containerDefinitions=derived("containerDefinitions", json.loads),
                volumes=derived("volumes", _volumes),
                tags=TAGS,
            ),
        ),
        id="taskDefinition.family",
        read=(look("DescribeTaskDefinition", "taskDefinition", taskDefinition=ARN),),
        delete=(call("DeregisterTaskDefinition", taskDefinition=ARN),),
        replaces=f"{FROM_TASK_DEFINITION} containerDefinitions volumes",
        outputs={
            "arn": "taskDefinitionArn",
            "arnWithoutRevision": lambda view, seen: seen["taskDefinitionArn"].rsplit(":", 1)[0],
            "revision": "revision",
        },
        seen_as={"volumes": "null"},
        alive="status != 'INACTIVE'",
        arn_in_answer="taskDefinition.taskDefinitionArn",
        tagging=TAGGING,
    ),
    "aws:ecs/accountSettingDefault:AccountSettingDefault": Kind(
        service="ecs",
        create=(call("PutAccountSettingDefault", "name value"),),
        id="setting.name",
        read=(look("ListAccountSettings", "settings[0]", name=ID, effectiveSettings=True),),
        delete=(call("PutAccountSettingDefault", name=ID, value="disabled"),),
        replaces="name",
        updates={"value": (call("PutAccountSettingDefault", "value", name=ID),)},
        outputs={"principalArn": "principalArn"},
    ),
}
