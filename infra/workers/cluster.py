"""The tasks' cluster and log group."""

import pulumi
import pulumi_aws as aws

from infra.network import fips
from infra.place import Place
from infra.settings import RegionSettings

PROVIDERS = ("FARGATE", "FARGATE_SPOT")


class Cluster(pulumi.ComponentResource):
    """The cluster costs nothing between runs: it has no services and no instances."""

    arn: pulumi.Output[str]
    log_group: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        settings: RegionSettings,
        place: Place,
        logs_key: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("toril:region:Cluster", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        logs = aws.cloudwatch.LogGroup(
            name,
            region=place.region,
            name=place.names.log_group(),
            retention_in_days=settings.logs.days,
            kms_key_id=logs_key,
            opts=child,
        )
        cluster = aws.ecs.Cluster(
            name,
            region=place.region,
            name=place.names.cluster(),
            settings=[{"name": "containerInsights", "value": "disabled"}],  # AWS bills per metric
            opts=child,
        )
        aws.ecs.ClusterCapacityProviders(
            name,
            region=place.region,
            cluster_name=cluster.name,
            capacity_providers=list(PROVIDERS),
            default_capacity_provider_strategies=[{"capacity_provider": "FARGATE", "base": 0, "weight": 1}],
            opts=pulumi.ResourceOptions(parent=cluster),
        )
        if settings.fips and place.region in fips.GOVCLOUD:
            # all tasks of the account in this region share it, so the stack's end leaves it on
            aws.ecs.AccountSettingDefault(
                name,
                region=place.region,
                name="fargateFIPSMode",
                value="enabled",
                opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
            )
        self.arn, self.log_group = cluster.arn, logs.name
        self.register_outputs({"arn": self.arn, "logGroup": self.log_group})
